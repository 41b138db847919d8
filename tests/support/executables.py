"""Small executables, written out as their formats' documents have them; none of them runs."""

from __future__ import annotations

import hashlib
import struct

# Mach-O: mach-o/loader.h, mach-o/fat.h and osfmk/kern/cs_blobs.h.
AMD64, ARM64 = 0x01000007, 0x0100000C
TEXT_BYTES = 0x4000
SYMBOLS = bytes(range(48))
STRINGS = b"\0_main\0_helper\0"
IDENTIFIER = b"a.out"
CMS_SLOT, ENTITLEMENTS_SLOT = 0x10000, 5

# ELF: gABI chapters 4 and 5.
ELF_AMD64, ELF_ARM64 = 0x3E, 0xB7
PT_LOAD, PT_GNU_STACK = 1, 0x6474E551

LOADER = b"... _PYI_ARCHIVE_FILE\0 ..."
"""What tells a PyInstaller loader of today."""


def archive(content: bytes = b"frozen modules", *, behind: bytes = b"") -> bytes:
    """A PyInstaller archive: contents, an empty list of them, the cookie; and what follows it."""
    cookie = struct.pack(
        ">8sIIII64s", b"MEI\x0c\x0b\x0a\x0b\x0e", len(content) + 88, len(content), 0, 311, b"lib"
    )
    return content + cookie + behind


def elf(
    *,
    kind: int = 2,
    machine: int = ELF_AMD64,
    stack: int | None = 0,
    data: bytes = b"\xcc" * 200,
    frozen: bytes | None = None,
) -> bytes:
    """An ELF program: one segment, a stack with that physical address, four section headers.

    The sections are none, ``.text``, ``.bss`` at the end of the segment, and the archive of a
    frozen program, or an empty one in its place.
    """
    count = 1 if stack is None else 2
    code_offset = 64 + 56 * count
    end = code_offset + len(data)
    load = struct.pack("<IIQQQQQQ", PT_LOAD, 5, 0, 0x400000, 0x400000, end, end, 0x1000)
    segments = load
    if stack is not None:
        segments += struct.pack("<IIQQQQQQ", PT_GNU_STACK, 6, 0, 0, stack, 0, 0, 16)
    content = frozen or b""
    names_offset = end + len(content)
    names = b"\0.text\0.bss\0pydata\0"
    sections_offset = names_offset + len(names) + -(names_offset + len(names)) % 8
    rows = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (1, 1, 6, 0x400000 + code_offset, code_offset, len(data), 0, 0, 16, 0),
        (7, 8, 3, 0x500000, end, 64, 0, 0, 8, 0),
        (12, 1, 0, 0, end, len(content), 0, 0, 1, 0),
        (0, 3, 0, 0, names_offset, len(names), 0, 0, 1, 0),
    ]
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        kind,
        machine,
        1,
        0x400000 + code_offset,
        64,
        sections_offset,
        0,
        64,
        56,
        count,
        64,
        len(rows),
        4,
    )
    body = header + segments + data + content + names
    return body.ljust(sections_offset, b"\0") + b"".join(
        struct.pack("<IIQQQQIIQQ", *row) for row in rows
    )


def elf_sections(data: bytes) -> list[tuple[int, int, int]]:
    """Type, offset and size of each section, by the file's own header."""
    (offset,) = struct.unpack_from("<Q", data, 40)
    (count,) = struct.unpack_from("<H", data, 60)
    found = []
    for number in range(count):
        row = struct.unpack_from("<IIQQQQIIQQ", data, offset + 64 * number)
        found.append((row[1], row[4], row[5]))
    return found


def directory(code: bytes, identifier: bytes = IDENTIFIER, flags: int = 0x20002) -> bytes:
    """A code directory of one version and hash, as the linkers of today write it."""
    pages = [code[offset : offset + 4096] for offset in range(0, len(code), 4096)]
    head = struct.pack(
        ">IIIIIIIIIBBBB24xQQQ",
        0xFADE0C02,
        88 + len(identifier) + 1 + 32 * len(pages),
        0x20400,
        flags,
        88 + len(identifier) + 1,
        88,
        0,
        len(pages),
        len(code),
        32,
        2,
        0,
        12,
        0,
        TEXT_BYTES,
        1,
    )
    hashes = b"".join(hashlib.sha256(page).digest() for page in pages)
    return head + identifier + b"\0" + hashes


def super_blob(blobs: dict[int, bytes]) -> bytes:
    """The blobs of a signature, by their slots."""
    rows, content = b"", b""
    start = 12 + 8 * len(blobs)
    for slot, blob in blobs.items():
        rows += struct.pack(">II", slot, start + len(content))
        content += blob
    return struct.pack(">III", 0xFADE0CC0, start + len(content), len(blobs)) + rows + content


def macho(
    *,
    cpu: int = ARM64,
    signed: bool = True,
    slots: dict[int, bytes] | None = None,
    flags: int = 0x20002,
    room: int = 256,
    tail: bytes = b"",
    gap: int = 0,
    text: bytes = b"",
) -> bytes:
    """A Mach-O program of two segments, signed as Go's linker does it.

    Args:
        cpu: its type.
        signed: whether it has a signature.
        slots: further blobs of the signature.
        flags: of the code directory.
        room: free bytes behind the load commands.
        tail: further bytes at the end of the string table.
        gap: zeros between string table and signature, below 16.
        text: somewhere in ``__TEXT``.
    """
    strings = STRINGS + tail
    strings += bytes(-(len(SYMBOLS) + len(strings) + gap) % 16)
    strings_offset = TEXT_BYTES + len(SYMBOLS)
    code_bytes = strings_offset + len(strings) + gap * signed
    blobs = dict(slots or {})
    count = 4 if signed else 3
    commands_bytes = 152 + 72 + 24 + 16 * signed
    first = 32 + commands_bytes + room

    def build(signature_bytes: int) -> bytes:
        linkedit_bytes = code_bytes + signature_bytes - TEXT_BYTES
        commands = struct.pack(
            "<II16sQQQQIIII",
            0x19,
            152,
            b"__TEXT",
            1 << 32,
            TEXT_BYTES,
            0,
            TEXT_BYTES,
            5,
            5,
            1,
            0,
        )
        commands += struct.pack(
            "<16s16sQQIIIIIIII",
            b"__text",
            b"__TEXT",
            (1 << 32) + first,
            TEXT_BYTES - first,
            first,
            4,
            0,
            0,
            0,
            0,
            0,
            0,
        )
        commands += struct.pack(
            "<II16sQQQQIIII",
            0x19,
            72,
            b"__LINKEDIT",
            (1 << 32) + TEXT_BYTES,
            linkedit_bytes,
            TEXT_BYTES,
            linkedit_bytes,
            1,
            1,
            0,
            0,
        )
        commands += struct.pack(
            "<IIIIII", 0x2, 24, TEXT_BYTES, len(SYMBOLS) // 16, strings_offset, len(strings)
        )
        if signed:
            commands += struct.pack("<IIII", 0x1D, 16, code_bytes, signature_bytes)
        header = struct.pack(
            "<4sIIIIIII", b"\xcf\xfa\xed\xfe", cpu, 0, 2, count, len(commands), 0x85, 0
        )
        body = (header + commands).ljust(first, b"\0") + text
        body = body.ljust(TEXT_BYTES, b"\xcc") + SYMBOLS + strings
        return body.ljust(code_bytes, b"\0")

    if not signed:
        return build(0)
    signature_bytes = len(super_blob({0: directory(bytes(code_bytes), flags=flags)} | blobs))
    code = build(signature_bytes)
    return code + super_blob({0: directory(code, flags=flags)} | blobs)


def fat(*slices: bytes, magic: int = 0xCAFEBABE) -> bytes:
    """Programs in one file, each at a multiple of 16384."""
    rows, content = b"", b""
    offset = 0x4000
    for slice_ in slices:
        content = content.ljust(offset - 0x4000, b"\0")
        rows += struct.pack(
            ">IIIII", *struct.unpack_from("<II", slice_, 4), offset, len(slice_), 14
        )
        content += slice_
        offset += len(slice_) + -len(slice_) % 0x4000
    return (struct.pack(">II", magic, len(slices)) + rows).ljust(0x4000, b"\0") + content


def macho_command(
    data: bytes | bytearray, kind: int, name: bytes = b"", start: int = 0
) -> int | None:
    """Where a load command is in the file; of a segment by its name."""
    (count,) = struct.unpack_from("<I", data, start + 16)
    offset = start + 32
    for _ in range(count):
        found, size = struct.unpack_from("<II", data, offset)
        if found == kind and data[offset + 8 : offset + 8 + len(name)] == name:
            return offset
        offset += size
    return None


def pe(
    *,
    machine: int = 0x8664,
    checksum: bool = False,
    certificate: bytes = b"",
    overlay: bytes = b"",
    magic: int = 0x20B,
    text: bytes = b"",
) -> bytes:
    """A PE image of one section of 512 bytes, with an overlay and a certificate table behind."""
    section_offset = 512
    end = section_offset + 512 + len(overlay)
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, magic)
    struct.pack_into("<I", optional, 108, 16)
    if certificate:
        struct.pack_into("<II", optional, 112 + 32, end, len(certificate))
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", machine, 1, 0, 0, 0, len(optional), 0x22)
    section = struct.pack(
        "<8sIIIIIIHHI", b".text", 512, 0x1000, 512, section_offset, 0, 0, 0, 0, 0x60000020
    )
    image = bytearray((dos + coff + optional + section).ljust(section_offset, b"\0"))
    image += (text + b"\xcc" * 512)[:512] + overlay + certificate
    if checksum:
        struct.pack_into("<I", image, PE_CHECKSUM, pe_checksum(image))
    return bytes(image)


PE_CHECKSUM = 64 + 24 + 64
PE_CERTIFICATES = 64 + 24 + 112 + 32


def pe_checksum(image: bytes | bytearray) -> int:
    """As CheckSumMappedFile adds it up, word by word, with the carry added back."""
    data = image[:PE_CHECKSUM] + bytes(4) + image[PE_CHECKSUM + 4 :]
    total = 0
    for (word,) in struct.iter_unpack("<H", data + bytes(len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total + len(data)
