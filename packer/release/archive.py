"""Archives that are the same bytes whenever they are made, and their way back to a directory.

Members stand in the order of their names; owner, time and the name of the archive are left out.
Source: POSIX ``pax`` for what does not fit ``ustar``; RFC 1952 for the header of gzip.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container.errors import ArtefactError
from packer.embed.publish import published
from packer.release.model import File

if TYPE_CHECKING:
    from collections.abc import Iterable

SUFFIX = ".tar.gz"
# Payloads do not compress again: a higher level costs seconds and gains nothing.
_GZIP_LEVEL = 6


def describe(path: Path) -> File:
    """Name, size and digest of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return File(path.name, stream.tell(), digest)


class Root(NamedTuple):
    """A file or directory to be put into an archive."""

    name: str
    path: Path
    mode: int | None = None
    """Of a file; None: as it is on disk."""


def write(roots: Iterable[Root], output: Path) -> File:
    """Write an archive of files and trees, by their names.

    Args:
        roots: regular files, or trees of regular files, directories and symlinks.
        output: its directory exists; appears complete or not at all.
    Raises:
        OSError: reading or writing failed.
    """
    with (
        published(output, 0o644) as raw,
        gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for root in sorted(roots):
            for name, path in [(root.name, root.path), *_below(root)]:
                member = archive.gettarinfo(path, name)
                _anonymise(member)
                if root.mode is not None:
                    member.mode = root.mode
                if member.isreg():
                    with path.open("rb") as content:
                        archive.addfile(member, content)
                else:
                    archive.addfile(member)
    return describe(output)


def unpack(archive: Path, into: Path) -> None:
    """Write an archive's members below an existing, empty directory.

    Raises:
        ArtefactError: it is damaged, or not of the form that ``write`` makes.
        OSError: writing failed.
    """
    names: list[str] = []

    def checked(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo:
        _check(archive, member)
        names.append(member.name)
        # It refuses names and links that lead out of the directory, and forgets modes.
        return tarfile.data_filter(member, root).replace(mode=member.mode, deep=False)

    try:
        with tarfile.open(archive, "r:gz") as members:
            members.extractall(into, filter=checked)  # noqa: S202 - each is checked
    except (tarfile.TarError, EOFError, zlib.error, OverflowError) as error:
        raise _unreadable(archive, error) from None
    except OSError as error:
        if error.errno is None:
            # gzip's own: a header or checksum that is wrong.
            raise _unreadable(archive, error) from None
        raise
    if names != sorted(set(names), key=_order):
        raise _strange(archive, "members out of order, or twice")


def _below(root: Root) -> list[tuple[str, Path]]:
    found = []
    for directory, directories, files in os.walk(root.path):
        for name in (*directories, *files):
            path = Path(directory, name)
            found.append((f"{root.name}/{path.relative_to(root.path).as_posix()}", path))
    return sorted(found, key=lambda item: _order(item[0]))


def _order(name: str) -> tuple[bytes, ...]:
    """A directory comes before what is in it, on every machine."""
    return tuple(part.encode() for part in name.split("/"))


def _anonymise(member: tarfile.TarInfo) -> None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0


def _unreadable(archive: Path, error: Exception) -> ArtefactError:
    return ArtefactError(
        "the archive cannot be unpacked",
        str(archive),
        found=str(error) or type(error).__name__,
        remedy="fetch it again; if that does not help, make the release again",
    )


def _check(archive: Path, member: tarfile.TarInfo) -> None:
    if (member.uid, member.gid, member.uname, member.gname, member.mtime) != (0, 0, "", "", 0):
        raise _strange(archive, f"owner or time of {member.name}")
    if member.mode > 0o777:
        raise _strange(archive, f"mode {member.mode:o} of {member.name}")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise _strange(archive, f"{member.name} is neither file, directory nor link")


def _strange(archive: Path, found: str) -> ArtefactError:
    return ArtefactError(
        "not an archive that `stigmer-pack release` has made",
        str(archive),
        found=found,
        remedy="make the release again",
    )
