"""Find the payload of a file: ask its format where it ends, read its footer, count back.

Never a scan for a magic: a payload may contain another packed program, so the first or last
magic of a file proves nothing; only the place does (FORMAT.md section 3).
"""

from __future__ import annotations

from container import codec, hosts, magic
from container.errors import (
    ContainerError,
    FormatError,
    LostPayloadError,
    NotAContainerError,
)
from container.typed import TYPE_CHECKING, NamedTuple

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
    def index_end(self) -> int:
        """The first byte behind the index; the host's own bytes can follow, and then the footer."""
        return self.index_offset + self.footer.index_bytes

    @property
    def payload_bytes(self) -> int:
        """Of frames, index and footer, without bytes of the host between the last two."""
        return self.index_end - self.payload_offset + magic.FOOTER_BYTES

    @property
    def end(self) -> int:
        """The first byte behind the footer."""
        return self.footer_offset + magic.FOOTER_BYTES


def locate(source: ByteSource) -> Location:
    """Find the payload that ends where the file, or the host's overlay, ends.

    Args:
        source: the file; its first 4096 bytes and 64 more are read, whatever its size; of a
            Mach-O its load commands, too.
    Raises:
        NotAContainerError: no payload ends there.
        LostPayloadError: one was there, and a tool cut it off.
        FormatError: the footer points outside the file (UnsupportedVersionError and
            LimitExceededError among them), or the host's headers break its format.
        TruncatedError: the host's headers tell of more than the file has.
        IntegrityError: the footer is damaged.
        OSError: reading failed.
    """
    try:
        end = hosts.payload_end(source)
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
    except NotAContainerError as error:
        if hosts.lost_its_payload(source):
            raise LostPayloadError(
                "this file was packed, and lost its payload",
                source.name,
                remedy="a tool such as strip cut it off: strip before packing, not after",
            ) from None
        raise error.at(source.name) from None
    except ContainerError as error:
        raise error.at(source.name) from None
    return Location(footer, payload_offset, end - footer.index_distance, footer_offset)
