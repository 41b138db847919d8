"""Where a payload ends in a file: one small module for each format, no scan, no whole read.

Every start of a packed program asks this, so nothing here imports more than the errors.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from container.source import ReadableAt

HEAD_BYTES = 4096
"""Read at once: the headers of nearly every executable, so that finding the end takes one read."""

ELF = "ELF"
MACHO = "Mach-O"
PE = "PE"
OTHER = "other"
"""The formats, as people read them; the last one is that of every other file."""

_MACHO_MAGICS = (
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xfe\xed\xfa\xce",
)
_FAT_MAGICS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


def read_head(source: ReadableAt) -> bytes:
    """The first bytes of a file; fewer where it is shorter."""
    return source.read_at(0, min(HEAD_BYTES, source.size))


def host_format(head: bytes) -> str:
    """The format of a file by its head, also one that cannot carry a payload.

    Source: the ELF gABI, chapter 4; ``mach-o/loader.h`` and ``mach-o/fat.h``; the PE format's
        "MS-DOS stub" and "Signature".
    """
    if head[:4] == b"\x7fELF":
        return ELF
    if head[:4] in _MACHO_MAGICS or (head[:4] in _FAT_MAGICS and _is_fat(head)):
        return MACHO
    if head[:2] == b"MZ":
        pe = int.from_bytes(head[0x3C:0x40], "little")
        if head[pe : pe + 4] == b"PE\0\0":
            return PE
    return OTHER


def _is_fat(head: bytes) -> bool:
    """A Java class file begins like a fat Mach-O; a version above 44 stands where a count is."""
    return len(head) >= 8 and int.from_bytes(head[4:8], "big") < 45


def payload_end(source: ReadableAt) -> int:
    """The first byte behind the place where a footer stands, if the file has one.

    Args:
        source: the file; its head is read, and the load commands of a Mach-O.
    Raises:
        TruncatedError: the host's headers tell of more than the file has.
        FormatError: the host's headers contradict each other.
        NotAContainerError: the host has no place where a payload could end.
        OSError: reading failed.
    Source: FORMAT.md section 3.1.
    """
    head = read_head(source)
    kind = host_format(head)
    if kind == ELF:
        from container.hosts import elf

        return elf.payload_end(head, source.size)
    if kind == MACHO:
        from container.hosts import macho

        return macho.payload_end(source, head)
    if kind == PE:
        from container.hosts import pe

        return pe.payload_end(head, source.size)
    return source.size


def lost_its_payload(source: ReadableAt) -> bool:
    """Whether a file without a footer carried a payload once, as far as its format can tell."""
    head = read_head(source)
    if host_format(head) != ELF:
        return False
    from container.hosts import elf

    return elf.is_marked(head)
