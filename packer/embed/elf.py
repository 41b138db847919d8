"""ELF hosts: the payload is the overlay; of a frozen program, it is in front of the archive.

Source: the ELF gABI, chapters 4 and 5; patchelf, where it puts a segment.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from container.hosts import elf, read_head
from packer.embed.frozen import check_loader, find_archive
from packer.embed.parts import ALIGNMENT_BYTES, Parts, footer_bytes, split, unsupported
from packer.embed.publish import patch

if TYPE_CHECKING:
    from container.locate import Location
    from container.source import ByteSource

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")

EM_AMD64 = 0x3E
EM_ARM64 = 0xB7

_PAGE_BYTES = {EM_AMD64: 4096, EM_ARM64: 65536}
"""To these patchelf rounds the place of a segment that it appends."""

_SHT_NOBITS = 8
_SHF_ALLOC = 2
_ARCHIVE_ALIGNMENT_BYTES = 16
_SECTIONS_OFFSET_FIELD = 40
_SECTION_OFFSET_FIELD = 24


class _Header(NamedTuple):
    """The fields of the file header, in their order."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    segments_offset: int
    sections_offset: int
    flags: int
    header_bytes: int
    segment_bytes: int
    segment_count: int
    section_bytes: int
    section_count: int
    section_names: int


class ElfHost:
    """See ``packer.embed.parts.Host``."""

    alignment_bytes = ALIGNMENT_BYTES

    def __init__(self, source: ByteSource, location: Location | None) -> None:
        self._source = source
        self._head = read_head(source)
        if not elf.is_supported(self._head):
            raise unsupported(
                source,
                "this ELF host cannot take a payload",
                "64-bit, little-endian",
                _kind(self._head),
            )
        self._header = _Header(*HEADER.unpack_from(self._head))
        if location is not None and location.end != source.size:
            raise unsupported(
                source,
                "a tool such as patchelf put bytes behind the payload",
                remedy="start from the host without a payload",
            )
        host_end = source.size if location is None else location.footer_offset
        start = 0 if location is None else location.index_end
        archive_offset = find_archive(source, start, host_end)
        self.parts: Parts = split(location, host_end, archive_offset)
        self.warnings: list[str] = []
        self._frozen = archive_offset is not None
        self._sections = self._read_sections()
        self._check_segments()
        if self._frozen:
            check_loader(source, self.parts.head_bytes)
            self._check_sections()

    def _read_sections(self) -> bytes:
        """The section headers: none, or all of them."""
        header = self._header
        if not header.sections_offset:
            return b""
        size = header.section_count * SECTION.size
        parts = self.parts
        within = header.sections_offset + size <= parts.head_bytes or (
            parts.tail_offset <= header.sections_offset
            and header.sections_offset + size <= parts.tail_offset + parts.tail_bytes
        )
        if not within or (header.section_count and header.section_bytes != SECTION.size):
            raise unsupported(
                self._source,
                "its section headers are not where the file has bytes",
                f"within {parts.host_bytes} bytes",
                f"{size} bytes at {header.sections_offset}",
                "the host is cut short, or no linker made it: build it again",
            )
        return self._source.read_at(header.sections_offset, size)

    def _check_segments(self) -> None:
        """No segment reaches the payload; so none has to move."""
        header = self._header
        table_end = header.segments_offset + header.segment_count * SEGMENT.size
        if header.segment_count and table_end > self.parts.head_bytes:
            raise unsupported(
                self._source,
                "its program headers are not where the file has bytes",
                f"at most {self.parts.head_bytes}",
                str(table_end),
                "the host is cut short, or no linker made it: build it again",
            )
        for place in elf.segment_offsets(self._head):
            _, _, offset, _, _, file_bytes, _, _ = SEGMENT.unpack_from(self._head, place)
            if file_bytes and offset + file_bytes > self.parts.head_bytes:
                raise unsupported(
                    self._source,
                    "a segment reaches behind the place of a payload",
                    f"at most {self.parts.head_bytes}",
                    str(offset + file_bytes),
                    "the host is cut short, or no linker made it: build it again",
                )

    def _check_sections(self) -> None:
        """Every section is in front of the payload, or behind and not in memory."""
        if not self._header.section_count and self._header.sections_offset:
            raise unsupported(
                self._source, "a frozen host with more sections than its header counts"
            )
        for _, kind, flags, _, offset, size, *_ in SECTION.iter_unpack(self._sections):
            if kind == _SHT_NOBITS or offset + size <= self.parts.head_bytes:
                continue
            if flags & _SHF_ALLOC or offset < self.parts.tail_offset:
                raise unsupported(
                    self._source, "a section of the frozen program lies across its archive"
                )

    def pad_bytes(self, inserted_bytes: int) -> int:
        """See ``Host``."""
        if self._frozen:
            return -inserted_bytes % _ARCHIVE_ALIGNMENT_BYTES
        if self._header.type != elf.ET_DYN:
            return 0
        # What patchelf appends then begins where the footer ends.
        page_bytes = _PAGE_BYTES.get(self._header.machine, ALIGNMENT_BYTES)
        end = self.parts.head_bytes + inserted_bytes + footer_bytes(inserted_bytes)
        return -end % page_bytes

    def finish(self, stream: BinaryIO, inserted_bytes: int) -> None:
        """See ``Host``."""
        self._mark(stream, inserted_bytes)
        moved_bytes = inserted_bytes - self.parts.carried_bytes
        if not (self._frozen and moved_bytes and self._sections):
            return
        offset = self._moved(self._header.sections_offset, moved_bytes)
        table = bytearray(self._sections)
        for row in range(0, len(table), SECTION.size):
            _, kind, _, _, section_offset, *_ = SECTION.unpack_from(table, row)
            if kind != _SHT_NOBITS:
                field = row + _SECTION_OFFSET_FIELD
                moved = self._moved(section_offset, moved_bytes)
                table[field : field + 8] = moved.to_bytes(8, "little")
        patch(stream, offset, bytes(table))
        patch(stream, _SECTIONS_OFFSET_FIELD, offset.to_bytes(8, "little"))

    def _moved(self, offset: int, moved_bytes: int) -> int:
        return offset + moved_bytes if offset >= self.parts.tail_offset else offset

    def _mark(self, stream: BinaryIO, inserted_bytes: int) -> None:
        """Leave a trace that survives the loss of the payload, or take it away."""
        place = elf.stack_segment(self._head)
        if place is None:
            return
        if elf.physical_address(self._head, place) and not elf.is_marked(self._head):
            return
        value = elf.MARK if inserted_bytes else 0
        patch(stream, place + elf.PHYSICAL_ADDRESS_FIELD, value.to_bytes(8, "little"))


def _kind(head: bytes) -> str:
    if len(head) < elf.HEADER_BYTES:
        return f"{len(head)} bytes"
    bits = "64-bit" if head[4] == elf.CLASS_64 else "32-bit"
    return f"{bits}, {'little' if head[5] == elf.LITTLE_ENDIAN else 'big'}-endian"
