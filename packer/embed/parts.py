"""What every host format answers: where a payload goes, and what then has to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from container import magic
from container.errors import UnsupportedHostError

if TYPE_CHECKING:
    from container.locate import Location
    from container.source import ByteSource

ALIGNMENT_BYTES = 4096
"""Of the payload's start in a host: a page, so that it can be mapped."""

MAX_HOST_BYTES = (1 << 32) - 1
"""Offsets in a Mach-O and in a PE image have 32 bits."""


class Parts(NamedTuple):
    """The host's own bytes in its file, without a payload, a footer and a signature; in bytes."""

    head_bytes: int
    """From the start of the file; a payload goes behind them."""
    tail_offset: int
    tail_bytes: int
    """Behind the payload, in front of the footer: the archive of a frozen program."""

    @property
    def host_bytes(self) -> int:
        """Of both."""
        return self.head_bytes + self.tail_bytes

    @property
    def carried_bytes(self) -> int:
        """Between both: what a payload takes there, with the padding around it."""
        return self.tail_offset - self.head_bytes


class Host(Protocol):
    """A host of one format, read and checked; ``inserted_bytes`` is what is between its parts."""

    @property
    def parts(self) -> Parts:
        """Where its own bytes are."""

    @property
    def alignment_bytes(self) -> int:
        """Of the payload's start in the file."""

    @property
    def warnings(self) -> list[str]:
        """What is lost when it is written anew."""

    def pad_bytes(self, inserted_bytes: int) -> int:
        """Zeros behind a payload, so that what follows is where the format wants it."""

    def finish(self, stream: BinaryIO, inserted_bytes: int) -> None:
        """Change the headers of the copy in the stream, and sign it where its format asks.

        Args:
            stream: stands at the end of the copy, behind the footer if there is one.
            inserted_bytes: 0 where no payload was put in.
        Raises:
            UnsupportedHostError: the copy is too large for its format.
            OSError: reading or writing failed.
        """


def split(location: Location | None, host_end: int, archive_offset: int | None) -> Parts:
    """The parts of a host.

    Args:
        location: of the payload that it carries.
        host_end: where its bytes end: at the footer, or where a payload could end.
        archive_offset: of the archive of a frozen program.
    """
    head_bytes = host_end if location is None else location.lead_offset
    if archive_offset is None:
        return Parts(head_bytes, host_end, 0)
    if location is None:
        head_bytes = archive_offset
    return Parts(head_bytes, archive_offset, host_end - archive_offset)


def footer_bytes(inserted_bytes: int) -> int:
    """Of the footer that ends what has a payload inside."""
    return magic.FOOTER_BYTES if inserted_bytes else 0


def unsupported(
    source: ByteSource,
    what: str,
    expected: str | None = None,
    found: str | None = None,
    remedy: str = "write the payload as a file of its own with `stigmer-pack pack`",
) -> UnsupportedHostError:
    """The refusal of a host, by name."""
    return UnsupportedHostError(what, source.name, expected, found, remedy)


class PlainHost:
    """A file of no executable format: nothing in it tells offsets."""

    alignment_bytes = ALIGNMENT_BYTES

    def __init__(self, source: ByteSource, location: Location | None) -> None:
        host_end = source.size if location is None else location.footer_offset
        self.parts = split(location, host_end, None)
        self.warnings: list[str] = []

    def pad_bytes(self, _inserted_bytes: int) -> int:
        """See ``Host``."""
        return 0

    def finish(self, stream: BinaryIO, inserted_bytes: int) -> None:
        """See ``Host``."""
