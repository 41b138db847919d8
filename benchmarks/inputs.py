"""The real trees that are packed and unpacked here: one directory for each set."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from typing import TYPE_CHECKING

from fixtures import PLATFORMS, provide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_TOLERANCE = 1.05
_TINY_FILE_BYTES = 400_000
_TINY_FILES = 40
_LISTED_DIRECTORIES = 100

Row = tuple[str, int, str]
"""Path, type with permission bits, and SHA-256 or link target."""
START_SCRIPT = "start"
"""What ``add_start`` adds."""


def stage_release(platform: str, target: Path, *, tiny: bool = False) -> None:
    """The three components of a release, under the names they are installed as.

    Args:
        platform: one of ``fixtures.PLATFORMS``.
        target: made.
        tiny: a few real files only, to try the benchmarks themselves.
    """
    inputs = provide(platform)
    target.mkdir()
    if tiny:
        _copy(inputs.programs["fix"], target / "stigmer-server")
        _copy(inputs.programs["gofmt"], target / "workflow-runner")
        _copy_small_files(inputs.agent_runner, target / "agent-runner")
        return
    _copy(inputs.stigmer_server, target / "stigmer-server")
    _copy(inputs.workflow_runner, target / "workflow-runner")
    _copy(inputs.agent_runner, target / "agent-runner")


def stage_real(target: Path, wanted_bytes: int) -> None:
    """About so many bytes of programs and trees of all platforms, each under a name of its own.

    Where the real files do not suffice they come again, varied: see ``vary``. So a large set
    is made of what a large release would be made of, and nothing in it is stored once for two.

    Args:
        target: made.
        wanted_bytes: exceeded by at most 5 %; what would exceed it by more is left out.
    """
    target.mkdir()
    total_bytes, before, seed = 0, -1, 0
    while before < total_bytes < wanted_bytes:
        before = total_bytes
        for name, source in _sources():
            size = tree_bytes(source)
            if total_bytes < wanted_bytes and total_bytes + size <= _TOLERANCE * wanted_bytes:
                _copy(source, target / (f"{name}-{seed}" if seed else name), seed)
                total_bytes += size
        seed += 1


def stage_many(target: Path, entry_count: int) -> None:
    """A tree of so many entries, itself included: small files that grow from a seed."""
    seeded = random.Random(entry_count)
    target.mkdir()
    for number in range(_LISTED_DIRECTORIES):
        (target / f"package_{number:03}").mkdir()
    for number in range(entry_count - _LISTED_DIRECTORIES - 1):
        directory = target / f"package_{number % _LISTED_DIRECTORIES:03}"
        (directory / f"module_{number:05}.py").write_bytes(seeded.randbytes(200).hex().encode())


def vary(data: bytes, table: bytes) -> bytes:
    """Exchange byte values by a table: repeats stay repeats, so it compresses as before.

    But nothing of it is found in the original any more, neither by digest nor by a reference.
    """
    return data.translate(table)


def table_of(seed: int) -> bytes:
    """The table of a seed for ``vary``: a permutation of all byte values; of 0, the identity."""
    values = list(range(256))
    if seed:
        random.Random(seed).shuffle(values)
    return bytes(values)


def tree_bytes(root: Path) -> int:
    """Plain bytes of all regular files at or below ``root``."""
    if root.is_file():
        return root.stat().st_size
    return sum(
        path.lstat().st_size for path in root.rglob("*") if stat.S_ISREG(path.lstat().st_mode)
    )


def add_start(tree: Path) -> None:
    """Add a program that ends at once, where peers must start one and there is no other."""
    script = tree / START_SCRIPT
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)


def fingerprint(root: Path) -> list[Row]:
    """A row for each path below ``root``."""
    rows = []
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            # Permission bits of a symlink mean nothing on Linux and differ on macOS.
            mode, content = stat.S_IFLNK, os.readlink(path)
        elif stat.S_ISREG(mode):
            with open(path, "rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        else:
            content = ""
        rows.append((str(path.relative_to(root)), mode, content))
    return rows


def _sources() -> Iterator[tuple[str, Path]]:
    for platform in PLATFORMS:
        inputs = provide(platform)
        yield f"agent-runner-{platform}", inputs.agent_runner
        yield f"stigmer-server-{platform}", inputs.stigmer_server
        yield f"workflow-runner-{platform}", inputs.workflow_runner
        yield f"host-{platform}", inputs.host
        for name, program in inputs.programs.items():
            yield f"{name}-{platform}", program


def _copy(source: Path, target: Path, seed: int = 0) -> None:
    """Copy a file or tree, varied by a seed other than 0; in chunks, for a small memory."""
    table = table_of(seed)
    copy = _copier(table) if seed else shutil.copy
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=copy)
    else:
        copy(source, target)


def _copier(table: bytes) -> Callable[[object, object], object]:
    def copy(source: object, target: object) -> object:
        with open(str(source), "rb") as read, open(str(target), "xb") as written:
            while chunk := read.read(_CHUNK_BYTES):
                written.write(vary(chunk, table))
        shutil.copymode(str(source), str(target))
        return target

    return copy


def _copy_small_files(source: Path, target: Path) -> None:
    small = [
        path
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.stat().st_size < _TINY_FILE_BYTES
    ]
    for path in small[:_TINY_FILES]:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
