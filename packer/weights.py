"""What weighs how much in a frozen tree, by package: somebody decides with it what to exclude."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from container.model import EntryKind
from packer.report import stored_shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from container.model import Component, Entry
    from container.reader import PayloadReader

STANDARD = "(Python itself)"
REST = "(shared libraries and other files)"
PROGRAM = "(program)"
# PyInstaller's directory of everything but the executable.
_CONTENTS = "_internal"
_METADATA = re.compile(r"(.+?)-[^-]+\.(?:dist|egg)-info")
_NAMESPACE = 3
"""PyInstaller's type of a namespace package, which is a directory of other people's packages."""


class Weight(NamedTuple):
    """One top-level package; of a namespace package, one of its parts."""

    component: str
    package: str
    files: int
    modules: int
    """Inside of the program's Python archive."""
    plain_bytes: int
    stored_bytes: int
    """Its share of frames: they compress as a whole, so that this is an estimate."""


class _Part(NamedTuple):
    """Something of one package."""

    package: str
    plain_bytes: int
    stored_bytes: float
    is_module: bool = False


def weigh(reader: PayloadReader) -> list[Weight]:
    """Weigh the trees of a payload; the heaviest of each component first.

    Executables are decoded, for the list of their Python modules. Without PyInstaller installed,
    or where a program is not frozen, an executable counts as one part.

    Raises:
        ContainerError: the payload is damaged.
        OSError: it cannot be read.
    """
    shares = stored_shares(reader.index)
    return [
        weight
        for component in reader.index.components
        for weight in _weights(component, _parts(reader, component, shares))
    ]


def _weights(component: Component, parts: Iterator[_Part]) -> list[Weight]:
    grouped: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        grouped[part.package].append(part)
    weights = [
        Weight(
            component.name,
            package,
            sum(not part.is_module for part in group),
            sum(part.is_module for part in group),
            sum(part.plain_bytes for part in group),
            round(sum(part.stored_bytes for part in group)),
        )
        for package, group in grouped.items()
    ]
    return sorted(weights, key=lambda weight: (-weight.stored_bytes, weight.package))


def _parts(reader: PayloadReader, component: Component, shares: dict[str, int]) -> Iterator[_Part]:
    index = reader.index
    program = None if component.entry_point is None else index.entries[component.entry_point]
    modules = {} if program is None else _modules(reader, program)
    namespaces = {name for name, plain_bytes in modules.items() if plain_bytes is None}
    for entry in index.entries_of(component):
        if entry.kind != EntryKind.FILE:
            continue
        stored: float = shares.get(entry.path, 0)
        plain_bytes = entry.plain_bytes
        if entry is program:
            for name, module_bytes in modules.items():
                if module_bytes:
                    share = stored * module_bytes / entry.plain_bytes
                    package = _package(tuple(name.split(".")), namespaces)
                    yield _Part(package, module_bytes, share, is_module=True)
                    plain_bytes -= module_bytes
            yield _Part(PROGRAM, plain_bytes, stored * plain_bytes / entry.plain_bytes)
        else:
            yield _Part(_package_of_file(entry.path, namespaces), plain_bytes, stored)


def _modules(reader: PayloadReader, program: Entry) -> dict[str, int | None]:
    """Bytes of each module in a program's Python archive; None for a namespace package."""
    try:
        from PyInstaller.archive.readers import ArchiveReadError, CArchiveReader
    except ImportError:
        return {}
    # PyInstaller reads files only.
    with tempfile.NamedTemporaryFile() as copy:
        for chunk in reader.read_entry(program):
            copy.write(chunk)
        copy.flush()
        try:
            archive = CArchiveReader(copy.name)
            python = next((name for name, row in archive.toc.items() if row[-1] == "z"), None)
            if python is None:
                return {}
            table = archive.open_embedded_archive(python).toc
        except ArchiveReadError:
            return {}
    return {name: None if kind == _NAMESPACE else size for name, (kind, _, size) in table.items()}


def _package(parts: tuple[str, ...], namespaces: set[str]) -> str:
    depth = 1
    while depth < len(parts) and ".".join(parts[:depth]) in namespaces:
        depth += 1
    if parts[0] in sys.stdlib_module_names:
        return STANDARD
    return ".".join(parts[:depth])


def _package_of_file(path: str, namespaces: set[str]) -> str:
    # The first part is the component's own directory.
    parts = PurePosixPath(path).parts[1:]
    if parts and parts[0] == _CONTENTS:
        parts = parts[1:]
    if len(parts) == 1:
        name = parts[0]
        if name.startswith(("libpython", "base_library.", "Python")):
            return STANDARD
        # An extension module that stands alone is a package of its own.
        stem = name.split(".")[0]
        return stem if ".cpython-" in name or ".abi3." in name else REST
    if not parts or re.fullmatch(r"python3\.\d+", parts[0]):
        return STANDARD
    metadata = _METADATA.fullmatch(parts[0])
    if metadata is not None:
        return metadata[1].replace("-", "_")
    if parts[0].endswith(".libs"):
        return parts[0].removesuffix(".libs")
    return _package((*parts[:-1], PurePosixPath(parts[-1]).name.split(".")[0]), namespaces)
