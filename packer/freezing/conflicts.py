"""Two distributions that provide one import name: who wins, and how the other one is chosen.

Python takes the first directory of its search path that has the name, and in one directory a
package before an extension module before a ``.py`` file. What is frozen is what wins, even where
it is a stub that looks for the other one at run time and cannot find it in a frozen program.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, NamedTuple

from container.errors import ImportConflictError, PackError
from packer.freezing.environment import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path, PurePosixPath

    from packer.freezing.environment import InstalledFile
    from packer.freezing.settings import FreezeSettings

_HOOK = '''"""Looks for {name} among the files of {distribution} alone."""


def pre_find_module_path(api):
    api.search_dirs = [{directory!r}]
'''
_SUFFIXES = (*EXTENSION_SUFFIXES, ".pyd", ".py")


class Conflict(NamedTuple):
    """One import name with several providers."""

    name: str
    providers: tuple[InstalledFile, ...]
    """One file for each distribution; Python takes the first."""


def module_of(path: PurePosixPath) -> str | None:
    """The dotted name that a file below a search directory is imported by, or None."""
    suffix = next((suffix for suffix in _SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        return None
    parts = [*path.parts[:-1], path.name.removesuffix(suffix)]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def find(files: Iterable[InstalledFile]) -> list[Conflict]:
    """The import names that two distributions provide, without those below another one.

    A file that two distributions install with the same bytes is no conflict, nor are the parts of
    a namespace package, which has no ``__init__.py``.

    Args:
        files: of all distributions, in the order of the search path.
    """
    by_name: dict[str, dict[str, InstalledFile]] = {}
    directories: dict[Path, int] = {}
    for file in files:
        directories.setdefault(file.directory, len(directories))
        name = module_of(file.path)
        if name is not None:
            known = by_name.setdefault(name, {})
            other = known.get(file.distribution)
            if other is None or _rank(file) < _rank(other):
                known[file.distribution] = file
    found: dict[str, Conflict] = {}
    for name, providers in sorted(by_name.items()):
        above = name.split(".")
        if any(".".join(above[:depth]) in found for depth in range(1, len(above))):
            continue
        same_bytes = {(file.file, file.sha256) for file in providers.values()}
        if len(providers) > 1 and len(same_bytes) > 1:
            order = sorted(
                providers.values(),
                key=lambda file: (directories[file.directory], _rank(file), not _is_there(file)),
            )
            found[name] = Conflict(name, tuple(order))
    return list(found.values())


def _rank(file: InstalledFile) -> int:
    if file.path.stem == "__init__":
        return 0
    return 2 if file.path.suffix == ".py" else 1


def _is_there(file: InstalledFile) -> bool:
    """Whether the file on disk is this distribution's, not another one's of the same path."""
    if file.sha256 is None or not file.file.is_file():
        return False
    digest = hashlib.sha256(file.file.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.sha256


def settle(conflicts: Sequence[Conflict], settings: FreezeSettings) -> list[InstalledFile]:
    """The file of each choice that differs from what Python would take.

    Raises:
        ImportConflictError: nobody has chosen between two distributions, or the file of the one
            that was chosen is not there any more.
        PackError: a choice names a distribution that does not provide the name.
    """
    chosen: list[InstalledFile] = []
    by_name = {conflict.name: conflict for conflict in conflicts}
    for name, distribution in settings.choose.items():
        conflict = by_name.get(name)
        if conflict is not None and normalised(distribution) not in _owners(conflict):
            where = f"{settings.origin}: freeze.choose.{name}"
            expected = " or ".join(_owners(conflict))
            raise PackError("that distribution does not provide it", where, expected, distribution)
    for conflict in conflicts:
        if settings.is_excluded(conflict.name):
            continue
        choice = settings.choose.get(conflict.name)
        if choice is None:
            raise _unsettled(conflict, settings)
        file = next(file for file in conflict.providers if file.distribution == normalised(choice))
        winner = conflict.providers[0]
        if file.file == winner.file and file != winner:
            raise ImportConflictError(
                f"the file of {file.distribution} was overwritten by that of {winner.distribution}",
                str(file.file),
                remedy=f"install {file.distribution} again, last",
            )
        if file != winner:
            chosen.append(file)
    return chosen


def _owners(conflict: Conflict) -> list[str]:
    return [file.distribution for file in conflict.providers]


def _unsettled(conflict: Conflict, settings: FreezeSettings) -> ImportConflictError:
    provided = ", ".join(f"{file.distribution} ({file.path})" for file in conflict.providers)
    name = f'"{conflict.name}"' if "." in conflict.name else conflict.name
    lines = " or ".join(f'{name} = "{owner}"' for owner in _owners(conflict))
    return ImportConflictError(
        f"two distributions provide the import name {conflict.name}; Python takes "
        f"{conflict.providers[0].distribution}, and so would the frozen program",
        str(conflict.providers[0].directory),
        "one",
        provided,
        f"choose in {settings.origin} below [freeze.choose]: {lines}; or exclude the module",
    )


def write_hooks(
    chosen: Sequence[InstalledFile], files: Sequence[InstalledFile], scratch: Path
) -> Path | None:
    """Make PyInstaller find the chosen distributions' files; None where nothing was chosen.

    It is given a directory that holds only them. Hidden imports and ordinary hooks cannot do
    this: they choose among what a name resolves to.

    Args:
        chosen: of ``settle``.
        files: of all distributions.
        scratch: directory to write to; it must stay until PyInstaller has run.
    Returns:
        A directory of hooks.
    Source: pre-find-module-path hooks, in PyInstaller's manual.
    """
    if not chosen:
        return None
    hooks = scratch / "hooks" / "pre_find_module_path"
    hooks.mkdir(parents=True)
    for file in chosen:
        name = module_of(file.path)
        target = scratch / "chosen" / str(name)
        package = file.path.parent if file.path.stem == "__init__" else None
        for other in files:
            inside = package is not None and other.path.is_relative_to(package)
            if other.distribution == file.distribution and (inside or other == file):
                copy = target / other.path.relative_to((package or file.path).parent)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(other.file, copy)
        text = _HOOK.format(name=name, distribution=file.distribution, directory=str(target))
        (hooks / f"hook-{name}.py").write_text(text, encoding="utf-8")
    return hooks.parent
