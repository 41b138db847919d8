"""PyInstaller's one-file programs: where their archive is, and whether it will still be found.

Their loader looks for the archive's cookie from the end of the file backward. A payload behind
it makes every start slow, and one that holds another frozen program starts the wrong one. So
the payload goes in front of the archive, and its footer behind.

Source: PyInstaller's ``CArchive`` cookie, and its loader's ``pyi_archive.c``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from packer.embed.parts import unsupported
from packer.embed.publish import COPY_BYTES

if TYPE_CHECKING:
    from container.source import ByteSource

COOKIE = struct.Struct(">8sIIII64s")
COOKIE_MAGIC = b"MEI\014\013\012\013\016"
_SEARCH_BYTES = 1 << 20
"""Of the file's end. Behind the cookie are section names and headers, or a signature."""

_BARE_BYTES = 8192
"""So close to the end a magic without an archive is one that cannot be read."""

_LOADER_NAME = b"_PYI_ARCHIVE_FILE"
"""A variable that the loaders since PyInstaller 6.10 know; all of them search the whole file."""


def find_archive(source: ByteSource, start: int, end: int) -> int | None:
    """Where the archive of a frozen program begins; None where there is none.

    Args:
        source: the file.
        start: offset of the first byte that the archive can have.
        end: offset behind the last byte that it can have.
    Raises:
        UnsupportedHostError: there is a cookie, but not of an archive in this span.
        OSError: reading failed.
    """
    begin = max(start, end - _SEARCH_BYTES)
    tail = source.read_at(begin, end - begin)
    position = tail.rfind(COOKIE_MAGIC)
    while position >= 0:
        if position + COOKIE.size <= len(tail):
            _, archive_bytes, list_offset, list_bytes, _, _ = COOKIE.unpack_from(tail, position)
            offset = begin + position + COOKIE.size - int(archive_bytes)
            if offset >= start and COOKIE.size + list_offset + list_bytes <= archive_bytes:
                return offset
        if len(tail) - position <= _BARE_BYTES:
            raise unsupported(
                source,
                "ends with a PyInstaller archive that cannot be read",
                "an archive of PyInstaller 6.10 or later",
                remedy="freeze it again, with a PyInstaller of today",
            )
        position = tail.rfind(COOKIE_MAGIC, 0, position)
    return None


def check_loader(source: ByteSource, head_bytes: int) -> None:
    """Refuse a loader that is not known to find its archive in front of a footer.

    Args:
        source: the file.
        head_bytes: of the loader.
    Raises:
        UnsupportedHostError: older than PyInstaller 6.10.
        OSError: reading failed.
    """
    overlap = b""
    for offset in range(0, head_bytes, COPY_BYTES):
        chunk = source.read_at(offset, min(COPY_BYTES, head_bytes - offset))
        if _LOADER_NAME in overlap + chunk:
            return
        overlap = chunk[-len(_LOADER_NAME) :]
    raise unsupported(
        source,
        "its PyInstaller loader is too old: it may not find its archive in front of a footer",
        "PyInstaller 6.10 or later",
        remedy="freeze it again, with a PyInstaller of today",
    )
