"""ELF: a payload is the file's overlay, and ends where the file ends.

Source: the ELF gABI, chapters 4 and 5 (file header, program header).
"""

from __future__ import annotations

from container import magic

HEADER_BYTES = 64
SEGMENT_BYTES = 56
CLASS_64 = 2
LITTLE_ENDIAN = 1
ET_DYN = 3
PT_LOAD = 1
PT_GNU_STACK = 0x6474E551

MARK = int.from_bytes(b"STGM", "little") << 32
"""In the physical address of PT_GNU_STACK, which has no memory and no meaning for a program.

All that rewrite a program keep this field: GNU strip and objcopy, llvm-strip and llvm-objcopy,
eu-strip, patchelf. They clear EI_PAD, or eu-elflint warns of it. patchelf adds pages to the
field, so only the upper half counts.
"""
PHYSICAL_ADDRESS_FIELD = 24
"""Offset in a program header."""


def is_supported(head: bytes) -> bool:
    """Whether a file that begins like an ELF has a header of 64 bits, little-endian."""
    return len(head) >= HEADER_BYTES and head[4] == CLASS_64 and head[5] == LITTLE_ENDIAN


def segment_offsets(head: bytes) -> range:
    """Where each program header is; none where they are not all in the head."""
    if not is_supported(head):
        return range(0)
    start = _number(head, 32, 8)
    end = start + _number(head, 56, 2) * SEGMENT_BYTES
    if _number(head, 54, 2) != SEGMENT_BYTES or end > len(head):
        return range(0)
    return range(start, end, SEGMENT_BYTES)


def payload_end(head: bytes, file_bytes: int) -> int:
    """Where the file ends, or where patchelf put a segment behind that end.

    patchelf appends a segment to a position-independent program. Nothing is behind it, so no
    footer can be; and the segment begins where the file ended.
    """
    last_offset = last_end = 0
    if len(head) >= HEADER_BYTES and _number(head, 16, 2) == ET_DYN:
        for place in segment_offsets(head):
            offset = _number(head, place + 8, 8)
            if offset > last_offset and _number(head, place, 4) == PT_LOAD:
                last_offset, last_end = offset, offset + _number(head, place + 32, 8)
    behind_bytes = file_bytes - last_end
    return last_offset if last_offset and 0 <= behind_bytes < magic.FOOTER_BYTES else file_bytes


def stack_segment(head: bytes) -> int | None:
    """Where the program header is that can carry the mark."""
    for place in segment_offsets(head):
        if _number(head, place, 4) == PT_GNU_STACK:
            return place
    return None


def physical_address(head: bytes, place: int) -> int:
    """Of the program header at that place."""
    return _number(head, place + PHYSICAL_ADDRESS_FIELD, 8)


def is_marked(head: bytes) -> bool:
    """Whether a payload was embedded into the file."""
    place = stack_segment(head)
    return place is not None and physical_address(head, place) >> 32 == MARK >> 32


def _number(head: bytes, offset: int, size: int) -> int:
    return int.from_bytes(head[offset : offset + size], "little")
