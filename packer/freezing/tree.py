"""What in a frozen tree differs from machine to machine, and a digest of it all."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Where a distribution came from, and whether somebody asked for it: facts of one installation.
_OF_AN_INSTALLATION = ("direct_url.json", "REQUESTED")


class Facts(NamedTuple):
    """What a frozen program is made of."""

    files: int
    plain_bytes: int
    sha256: str
    """Over paths, permissions, links and contents: equal for equal trees."""


def normalise(program: Path) -> None:
    """Give everything plain permissions, and take facts of one installation out of metadata."""
    for path in [program, *_below(program)]:
        if path.is_symlink():
            continue
        if path.name in _OF_AN_INSTALLATION and path.parent.suffix == ".dist-info":
            path.unlink()
            continue
        if path.name == "RECORD" and path.parent.suffix == ".dist-info":
            _mend_record(path)
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)


def _mend_record(record: Path) -> None:
    # Scripts name their environment in the first line, so their hashes differ.
    left_out = tuple(f"{record.parent.name}/{name}," for name in _OF_AN_INSTALLATION)
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("../", *left_out))]
    record.write_text("".join(kept), encoding="utf-8")


def facts_of(program: Path) -> Facts:
    """Count a tree, or one file, and take its digest."""
    digest = hashlib.sha256()
    files = plain_bytes = 0
    for path in [program, *_below(program)]:
        status = path.lstat()
        content = b""
        if stat.S_ISLNK(status.st_mode):
            # The permissions of a link mean nothing and differ between systems.
            mode, content = stat.S_IFLNK, os.fsencode(os.readlink(path))
        else:
            mode = status.st_mode
            if stat.S_ISREG(mode):
                files += 1
                plain_bytes += status.st_size
                with open(path, "rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").digest()
        for field in (os.fsencode(path.relative_to(program)), mode.to_bytes(4, "big"), content):
            digest.update(len(field).to_bytes(8, "big") + field)
    return Facts(files, plain_bytes, digest.hexdigest())


def naming(program: Path, places: Iterable[Path]) -> list[str]:
    """The files that name one of these directories: bytes that differ where it is another one."""
    wanted = [os.fsencode(place) for place in places]
    return [
        str(path.relative_to(program.parent))
        for path in [program, *_below(program)]
        if path.is_file() and not path.is_symlink() and _names_any(path, wanted)
    ]


def _names_any(path: Path, wanted: list[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with (
        open(path, "rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        return any(view.find(place) >= 0 for place in wanted)


def _below(program: Path) -> Iterator[Path]:
    """All paths below a directory in the order of their names; links are not followed."""
    yield from sorted(program.rglob("*"))
