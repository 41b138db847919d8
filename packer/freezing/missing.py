"""Imports that could not be resolved, as PyInstaller's file of warnings tells them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LINE = re.compile(r"missing module named '?([^\s']+)'? - imported by (.+)")
_IMPORTER = re.compile(r"'?(.+?)'? \(([^()]*)\)(?:, |$)")


class Importer(NamedTuple):
    """Who imports something, and how."""

    module: str
    """By its name; of the entry script, its path."""
    how: frozenset[str]
    """Of ``top-level``, ``conditional``, ``delayed`` and ``optional``: inside of an if, a function
    or a try."""


class Missing(NamedTuple):
    """A module that somebody imports and nobody provides."""

    module: str
    importers: tuple[Importer, ...]


def read_warnings(text: str) -> list[Missing]:
    """Read the lines of ``warn-NAME.txt``; its explanations and excluded modules are left out."""
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            importers = tuple(
                Importer(name, frozenset(how.split(", ")))
                for name, how in _IMPORTER.findall(match[2])
            )
            found.append(Missing(match[1], importers))
    return found


def certain(missing: Sequence[Missing], own: Iterable[str]) -> Missing | None:
    """The first one that the program's own modules import unconditionally, or None.

    What libraries try is theirs to know: it is left to the self-check. Of a package that exists, a
    name may be an attribute made at run time, so that is left to it as well.

    Args:
        missing: of ``read_warnings``.
        own: modules of the program itself.
    """
    names = {one.module for one in missing}
    own = set(own)
    for one in missing:
        parent = one.module.rpartition(".")[0]
        if parent and parent not in names:
            continue
        importers = tuple(
            importer
            for importer in one.importers
            if importer.module in own and not importer.how & {"optional", "conditional"}
        )
        if importers:
            return Missing(one.module, importers)
    return None


def importers_of(missing: Sequence[Missing], module: str) -> tuple[str, ...]:
    """Who imports a module that is missing."""
    return tuple(
        importer.module for one in missing if one.module == module for importer in one.importers
    )
