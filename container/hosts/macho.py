"""Mach-O: a payload is the end of the string table, which signers leave where it is.

Source: ``mach-o/loader.h`` (mach_header_64, load_command, symtab_command), ``mach-o/fat.h``.
"""

from __future__ import annotations

from container.errors import FormatError, NotAContainerError, TruncatedError

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from collections.abc import Iterator

    from container.source import ReadableAt

    Slice = tuple[int, int, int | None]
    """One program of a file: its offset, its size, and where its row in the fat header is; None
    in a thin file. All in bytes."""

HEADER_BYTES = 32
COMMAND_BYTES = 8
SYMTAB_BYTES = 24
FAT_HEADER_BYTES = 8
FAT_ROW_BYTES = 20

MAGIC = b"\xcf\xfa\xed\xfe"
FAT_MAGIC = b"\xca\xfe\xba\xbe"
LC_SYMTAB = 0x2
MAX_COMMANDS_BYTES = 256 << 10
"""Of header and load commands. Real programs have a few thousand bytes."""


def slices(head: bytes, file_bytes: int) -> list[Slice]:
    """The programs of a file, as they stand in its fat header; a thin file is one.

    Raises:
        FormatError: there is none, or the fat header leaves the file's head.
        TruncatedError: a slice ends outside the file.
    """
    if head[:4] != FAT_MAGIC:
        return [(0, file_bytes, None)]
    count = int.from_bytes(head[4:8], "big")
    rows_end = FAT_HEADER_BYTES + count * FAT_ROW_BYTES
    if not count or rows_end > len(head):
        raise FormatError("a fat header without its slices", found=f"{count} slices")
    found: list[Slice] = []
    for row in range(FAT_HEADER_BYTES, rows_end, FAT_ROW_BYTES):
        offset = int.from_bytes(head[row + 8 : row + 12], "big")
        size = int.from_bytes(head[row + 12 : row + 16], "big")
        if offset + size > file_bytes:
            raise _truncated("the file ends inside a slice", offset + size, file_bytes)
        found.append((offset, size, row))
    return found


def payload_slice(head: bytes, file_bytes: int) -> Slice:
    """The slice that can carry a payload: the last one of the file, so that no other moves.

    Raises:
        FormatError, TruncatedError: as ``slices``.
    """
    return max(slices(head, file_bytes))


def read_commands(source: ReadableAt, slice_: Slice, head: bytes) -> bytes:
    """Header and load commands of a slice.

    Raises:
        NotAContainerError: it is not 64-bit and little-endian.
        FormatError: the commands leave the slice, or are more than any program has.
    """
    offset, size, row = slice_
    start = head if row is None else source.read_at(offset, min(len(head), size))
    if len(start) < HEADER_BYTES or start[:4] != MAGIC:
        raise NotAContainerError(
            "no 64-bit little-endian Mach-O, so nothing can be embedded",
            expected=f"magic {MAGIC.hex(' ')}",
            found=start[:4].hex(" "),
        )
    total = HEADER_BYTES + _number(start, 20)
    most = min(size, MAX_COMMANDS_BYTES)
    if total > most:
        raise FormatError(
            "load commands leave the program", expected=f"at most {most} bytes", found=str(total)
        )
    return start[:total] if total <= len(start) else source.read_at(offset, total)


def walk(commands: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, offset from the start of the slice, and size of each load command.

    Raises:
        FormatError: a command that ends outside of them.
    """
    offset = HEADER_BYTES
    for _ in range(_number(commands, 16)):
        size = _number(commands, offset + 4)
        if size < COMMAND_BYTES or offset + size > len(commands):
            raise FormatError(
                "a load command ends outside of the load commands",
                expected=f"{COMMAND_BYTES} to {len(commands) - offset} bytes",
                found=str(size),
            )
        yield _number(commands, offset), offset, size
        offset += size


def string_table(commands: bytes, slice_: Slice) -> tuple[int, int, int]:
    """The offsets of LC_SYMTAB and of the string table in the slice, and the table's size.

    Raises:
        NotAContainerError: there is none.
        TruncatedError: it ends outside the slice.
        FormatError: as ``walk``.
    """
    for kind, offset, size in walk(commands):
        if kind == LC_SYMTAB and size >= SYMTAB_BYTES:
            strings_offset = _number(commands, offset + 16)
            strings_bytes = _number(commands, offset + 20)
            end = strings_offset + strings_bytes
            if end > slice_[1]:
                raise _truncated("the file ends inside its string table", end, slice_[1])
            return offset, strings_offset, strings_bytes
    raise NotAContainerError("a Mach-O without a string table, so nothing can be embedded")


def payload_end(source: ReadableAt, head: bytes) -> int:
    """Where the string table of the last slice ends.

    Raises:
        NotAContainerError, FormatError, TruncatedError: as the functions above.
    """
    slice_ = payload_slice(head, source.size)
    commands = read_commands(source, slice_, head)
    _, strings_offset, strings_bytes = string_table(commands, slice_)
    return slice_[0] + strings_offset + strings_bytes


def _truncated(what: str, expected: int, found: int) -> TruncatedError:
    return TruncatedError(
        what,
        expected=f"{expected} bytes",
        found=str(found),
        remedy="it is incomplete: fetch it again",
    )


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
