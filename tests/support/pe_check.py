"""A strict reader of 64-bit PE images, for tests: struct only.

Source: Microsoft's "PE Format": headers, section table, attribute certificate table; ImageHlp's
CheckSumMappedFile for the checksum; "Windows Authenticode Portable Executable Signature Format".
"""

from __future__ import annotations

from typing import NamedTuple

from tests.support.image_rules import Span, fields, require, require_apart

MACHINES = {0x8664: "amd64", 0xAA64: "arm64"}

_PE32_PLUS = 0x20B
_CERTIFICATE_ENTRY = 4
_PKCS_SIGNED_DATA = 2


class Pe(NamedTuple):
    """What the headers of an image say."""

    machine: str
    image_end: int
    """The end of headers and sections: the overlay begins here."""
    checksum: int
    """As the header has it; 0 where its linker wrote none."""
    overlay_end: int
    """Where the certificates begin; without them the size of the file."""
    certificates: int
    """How many; 0 where it is not signed."""


def checksum_of(data: bytes) -> int:
    """The checksum of an image: words added with carry around, itself left out, plus the size."""
    (header,) = fields("<I", data, 0x3C)
    place = header + 24 + 64
    words = data[:place] + bytes(4) + data[place + 4 :] + bytes(len(data) % 2)
    # Addition with end-around carry is addition modulo 2^16 - 1, except that only zeros make zero.
    total = int.from_bytes(words, "little") % 0xFFFF
    return (total or (0xFFFF if any(words) else 0)) + len(data)


def check_pe(data: bytes) -> Pe:
    """Check the headers of an image against each other and against the file.

    Raises:
        MalformedError: it breaks a rule; the message says which.
    """
    require(data[:2] == b"MZ", "the magic of DOS")
    (header,) = fields("<I", data, 0x3C)
    signature, machine, count, _, symbols, symbol_count, optional_bytes, _ = fields(
        "<4s2H3I2H", data, header
    )
    require(signature == b"PE\0\0", "the signature of PE")
    require(machine in MACHINES, "a machine that is known")
    optional = header + 24
    (magic,) = fields("<H", data, optional)
    require(magic == _PE32_PLUS, "the optional header is PE32+")
    section_alignment, file_alignment = fields("<2I", data, optional + 32)
    require(section_alignment and file_alignment, "alignments are not zero")
    image_bytes, headers_bytes, checksum = fields("<3I", data, optional + 56)
    (directories,) = fields("<I", data, optional + 108)
    require(optional_bytes == 112 + 8 * directories, "the optional header has its directories")
    table = optional + optional_bytes
    require(table + 40 * count <= headers_bytes, "SizeOfHeaders covers all headers")
    require(headers_bytes % file_alignment == 0, "SizeOfHeaders is aligned")
    spans = [Span(0, headers_bytes, "the headers")]
    memory_end = 0
    for number in range(count):
        name, memory_bytes, address, size, offset = fields("<8s4I", data, table + 40 * number)
        text = name.rstrip(b"\0").decode(errors="replace")
        require(address % section_alignment == 0, f"section {text} is aligned in memory")
        require(address >= memory_end, f"section {text} follows the one before in memory")
        memory_end = address + max(memory_bytes, 1)
        if size:
            require(offset % file_alignment == 0, f"section {text} is aligned in the file")
            spans.append(Span(offset, offset + size, f"section {text}"))
    require(image_bytes >= memory_end, "SizeOfImage covers all sections")
    require_apart(spans, len(data))
    image_end = max(span.end for span in spans)
    if symbols:
        require(symbols + 18 * symbol_count <= len(data), "symbols lie in the file")
        image_end = max(image_end, symbols + 18 * symbol_count)
    overlay_end, certificates = len(data), 0
    if directories > _CERTIFICATE_ENTRY:
        start, size = fields("<2I", data, optional + 112 + 8 * _CERTIFICATE_ENTRY)
        require(bool(start) == bool(size), "place and size of the certificates come together")
        if start:
            require(start >= image_end, "certificates lie behind the image")
            require(start + size == len(data), "certificates end the file")
            overlay_end, certificates = start, _check_certificates(data, start)
    if checksum:
        require(checksum == checksum_of(data), "the checksum")
    return Pe(MACHINES[machine], image_end, checksum, overlay_end, certificates)


def _check_certificates(data: bytes, start: int) -> int:
    require(start % 8 == 0, "certificates are aligned to 8 bytes")
    place, found = start, 0
    while place < len(data):
        length, revision, kind = fields("<I2H", data, place)
        require(length > 8, "a certificate has contents")
        require((revision, kind) == (0x200, _PKCS_SIGNED_DATA), "a certificate is PKCS #7")
        place += -(-length // 8) * 8
        found += 1
    require(place == len(data), "certificates fill their table")
    return found
