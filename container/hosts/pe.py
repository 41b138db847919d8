"""PE: a payload is the overlay in front of the certificate table.

Source: the PE format, "COFF File Header", "Optional Header", "Optional Header Data Directories",
"The Attribute Certificate Table".
"""

from __future__ import annotations

from container.errors import FormatError, TruncatedError

COFF_BYTES = 24
"""Of signature and file header."""

PE32_PLUS = 0x20B
DIRECTORY_BYTES = 8
_DIRECTORY_COUNT_FIELD = 108
_CERTIFICATES_FIELD = 112 + 4 * DIRECTORY_BYTES
"""Offsets in the optional header of 64-bit images."""


def optional_header(head: bytes) -> tuple[int, int]:
    """Offset and size of the optional header.

    Raises:
        FormatError: it leaves the file's head.
    """
    start = _number(head, 0x3C, 4)
    offset, size = start + COFF_BYTES, _number(head, start + 20, 2)
    if offset + size > len(head):
        raise FormatError(
            "a PE header outside of the first bytes",
            expected=f"at most {len(head)}",
            found=str(offset + size),
        )
    return offset, size


def certificate_directory(head: bytes) -> int | None:
    """Where the entry of the certificate table is; None of a 32-bit image, or without one.

    Raises:
        FormatError: as ``optional_header``.
    """
    offset, size = optional_header(head)
    place = offset + _CERTIFICATES_FIELD
    if (
        size < _CERTIFICATES_FIELD + DIRECTORY_BYTES
        or _number(head, offset, 2) != PE32_PLUS
        or _number(head, offset + _DIRECTORY_COUNT_FIELD, 4) <= 4
    ):
        return None
    return place


def certificates(head: bytes) -> tuple[int, int]:
    """Offset and size of the certificate table; 0 and 0 where there is none.

    Raises:
        FormatError: as ``optional_header``.
    """
    place = certificate_directory(head)
    if place is None:
        return 0, 0
    return _number(head, place, 4), _number(head, place + 4, 4)


def payload_end(head: bytes, file_bytes: int) -> int:
    """Where the certificate table begins, or the file ends.

    Raises:
        TruncatedError: the file ends before its certificate table does.
        FormatError: the certificate table does not end the file.
    """
    offset, size = certificates(head)
    if not offset:
        return file_bytes
    if offset + size > file_bytes:
        raise TruncatedError(
            "the file ends before its certificate table does",
            expected=f"{offset + size} bytes",
            found=str(file_bytes),
            remedy="it is incomplete: fetch it again",
        )
    if offset + size != file_bytes:
        raise FormatError(
            "bytes stand behind the certificate table",
            expected=f"{offset + size} bytes",
            found=str(file_bytes),
            remedy="sign it again, with nothing behind it",
        )
    return offset


def _number(head: bytes, offset: int, size: int) -> int:
    return int.from_bytes(head[offset : offset + size], "little")
