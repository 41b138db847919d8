"""Find the payload of a file: read its footer and count back. Never a scan for a magic.

A payload may contain another packed program, so the first or last magic of a file proves
nothing; only the place does (FORMAT.md section 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from container import codec, magic
from container.errors import ContainerError, FormatError, NotAContainerError

if TYPE_CHECKING:
    from container.model import Footer
    from container.source import ByteSource


class Location(NamedTuple):
    """Where a payload sits in its file; offsets and sizes in bytes."""

    footer: Footer
    payload_offset: int
    index_offset: int
    footer_offset: int

    @property
    def lead_offset(self) -> int:
        """Where the padding in front of the payload begins: the host's own length."""
        return self.payload_offset - self.footer.lead_bytes

    @property
    def frames_bytes(self) -> int:
        """Of all frames together."""
        return self.index_offset - magic.SKIPPABLE_HEADER_BYTES - self.payload_offset

    @property
    def payload_bytes(self) -> int:
        """From the first frame to the end of the footer."""
        return self.footer.payload_distance


def locate(source: ByteSource) -> Location:
    """Find the payload that ends where the file ends.

    Args:
        source: the file; 64 bytes of it are read, whatever its size.
    Raises:
        NotAContainerError: no payload ends there.
        FormatError: the footer points outside the file (UnsupportedVersionError and
            LimitExceededError among them).
        IntegrityError: the footer is damaged.
        OSError: reading failed.
    """
    end = source.size
    try:
        if end < magic.FOOTER_BYTES:
            raise NotAContainerError("too short to hold a payload", None, "64 bytes", str(end))
        footer_offset = end - magic.FOOTER_BYTES
        footer = codec.decode_footer(source.read_at(footer_offset, magic.FOOTER_BYTES))
        payload_offset = end - footer.payload_distance
        if payload_offset < footer.lead_bytes:
            raise FormatError(
                "the payload begins in front of the file",
                expected=f"at most {end} bytes",
                found=f"{footer.payload_distance + footer.lead_bytes}",
                remedy="the file lost its beginning: fetch it again",
            )
    except ContainerError as error:
        raise error.at(source.name) from None
    return Location(footer, payload_offset, end - footer.index_distance, footer_offset)
