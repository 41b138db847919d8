"""Find the archive of a PyInstaller program the way its loader does, for tests: struct only.

Source: PyInstaller's ``bootloader/src/pyi_utils.c`` (the search, backward from the end of the
file) and ``pyi_archive.h`` (cookie and table of contents).
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from tests.support.image_rules import fields, require

COOKIE_MAGIC = b"MEI\x0c\x0b\x0a\x0b\x0e"
_CHUNK_BYTES = 8192
_COOKIE = struct.Struct(">8sIIII64s")


class Archive(NamedTuple):
    """What a loader finds."""

    offset: int
    end: int
    entries: dict[str, str]
    """SHA-256 of the stored bytes of each, by name."""
    searched_bytes: int
    """From the end of the file down to the cookie."""


def find_archive(data: bytes) -> Archive:
    """Search the file backward in chunks that overlap; the first cookie met counts.

    Raises:
        MalformedError: none is found, or what it points to is no archive.
    """
    end = len(data)
    place = -1
    while end > len(COOKIE_MAGIC) and place < 0:
        start = max(0, end - _CHUNK_BYTES)
        place = data.rfind(COOKIE_MAGIC, start, end)
        end = start + len(COOKIE_MAGIC) - 1 if start else 0
    require(place >= 0, "a cookie is found")
    _, size, table, table_bytes, _, _ = fields(_COOKIE.format, data, place)
    archive_end = place + _COOKIE.size
    begin = archive_end - size
    require(begin >= 0, "the archive lies in the file")
    require(table + table_bytes + _COOKIE.size == size, "contents stand before the cookie")
    entries = {}
    row, rows_end = begin + table, begin + table + table_bytes
    while row < rows_end:
        row_bytes, offset, stored_bytes, _, _, _ = fields(">4IBc", data, row)
        require(row_bytes > 18 and offset + stored_bytes <= table, "an entry lies in the archive")
        name = data[row + 18 : row + row_bytes].rstrip(b"\0").decode()
        stored = data[begin + offset : begin + offset + stored_bytes]
        entries[name] = hashlib.sha256(stored).hexdigest()
        row += row_bytes
    require(row == rows_end, "entries fill the table")
    return Archive(begin, archive_end, entries, len(data) - place)
