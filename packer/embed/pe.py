"""PE hosts: the payload is the overlay, where the certificate table of a signer goes behind it.

Source: the PE format, "Optional Header Windows-Specific Fields" (CheckSum), "The Attribute
Certificate Table"; Microsoft's ``CheckSumMappedFile`` computes the checksum in this way.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from container.hosts import pe, read_head
from packer.embed.frozen import check_loader, find_archive
from packer.embed.parts import (
    ALIGNMENT_BYTES,
    MAX_HOST_BYTES,
    footer_bytes,
    split,
    unsupported,
)
from packer.embed.publish import COPY_BYTES, patch

if TYPE_CHECKING:
    from container.locate import Location
    from container.source import ByteSource

SECTION = struct.Struct("<8sIIIIIIHHI")
_CHECKSUM_FIELD = 64
"""Offset in the optional header."""

_CERTIFICATE_ALIGNMENT_BYTES = 16
"""A signer then has nothing to pad: its table begins where the footer ends."""


class PeHost:
    """See ``packer.embed.parts.Host``."""

    alignment_bytes = ALIGNMENT_BYTES

    def __init__(self, source: ByteSource, location: Location | None) -> None:
        self._source = source
        head = read_head(source)
        directory_offset = pe.certificate_directory(head)
        if directory_offset is None:
            raise unsupported(
                source,
                "this PE host cannot take a payload",
                "64-bit (PE32+), with a data directory for certificates",
                "a 32-bit image, or one without that directory",
            )
        self._directory_offset = directory_offset
        optional_offset, optional_bytes = pe.optional_header(head)
        self._checksum_offset = optional_offset + _CHECKSUM_FIELD
        certificates_offset, _ = pe.certificates(head)
        host_end = certificates_offset or source.size
        if location is not None:
            host_end = location.footer_offset
        start = 0 if location is None else location.index_end
        archive_offset = find_archive(source, start, host_end)
        self.parts = split(location, host_end, archive_offset)
        self.warnings = []
        if certificates_offset:
            self.warnings.append("the Authenticode signature of the host is dropped: sign it again")
        section_count = int.from_bytes(head[optional_offset - 18 : optional_offset - 16], "little")
        self._check_sections(optional_offset + optional_bytes, section_count)
        if archive_offset is not None:
            check_loader(source, self.parts.head_bytes)
        checksum = source.read_at(self._checksum_offset, 4)
        self._has_checksum = any(checksum)

    def _check_sections(self, offset: int, count: int) -> None:
        size = count * SECTION.size
        if offset + size > self.parts.head_bytes:
            raise unsupported(self._source, "its section table is not where the file has bytes")
        table = self._source.read_at(offset, size)
        for row in SECTION.iter_unpack(table):
            raw_bytes, raw_offset = row[3], row[4]
            if raw_bytes and raw_offset + raw_bytes > self.parts.head_bytes:
                raise unsupported(
                    self._source,
                    "a section reaches behind the place of a payload",
                    f"at most {self.parts.head_bytes}",
                    str(raw_offset + raw_bytes),
                    "the host is cut short, or no linker made it: build it again",
                )

    def pad_bytes(self, inserted_bytes: int) -> int:
        """See ``Host``."""
        end = self.parts.host_bytes + inserted_bytes + footer_bytes(inserted_bytes)
        return -end % _CERTIFICATE_ALIGNMENT_BYTES

    def finish(self, stream: BinaryIO, inserted_bytes: int) -> None:
        """See ``Host``; a checksum of 0 means that there is none, and stays."""
        end = self.parts.host_bytes + inserted_bytes + footer_bytes(inserted_bytes)
        if end > MAX_HOST_BYTES:
            raise unsupported(
                self._source, "too large for a PE image", f"at most {MAX_HOST_BYTES}", str(end)
            )
        patch(stream, self._directory_offset, bytes(pe.DIRECTORY_BYTES))
        if self._has_checksum:
            patch(stream, self._checksum_offset, bytes(4))
            patch(stream, self._checksum_offset, checksum(stream, end).to_bytes(4, "little"))


def checksum(stream: BinaryIO, size: int) -> int:
    """Of an image whose own checksum field is zero; the stream is read from its start.

    It is the sum of 16-bit words with the carry added back, which is the remainder by 65535,
    and the size.
    """
    total = 0
    stream.seek(0)
    while chunk := stream.read(COPY_BYTES):
        total += int.from_bytes(chunk, "little") % 0xFFFF
    return (total % 0xFFFF or 0xFFFF) + size
