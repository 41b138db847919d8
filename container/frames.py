"""One stored frame -> its plain bytes, checked before, during and after decoding.

zstd is loaded here and nowhere else on the reading side.
"""

from __future__ import annotations

import contextlib
import mmap

from container import limits, zstd
from container.digest import Buffer, xxh3_64
from container.errors import FormatError, IntegrityError, LimitExceededError
from container.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import zstandard

    from container.model import Frame
else:
    zstandard = zstd.load()

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_RLE_BLOCK = 1
_RESERVED_BLOCK = 3
_HUGE_PAGE_BYTES = 2 << 20


class FrameHeader(NamedTuple):
    """What a zstd frame says of itself; RFC 8878 section 3.1.1."""

    window_bytes: int
    plain_bytes: int | None
    stored_bytes: int
    """Header, blocks and checksum, found by walking the block headers."""


def parse_frame(stored: Buffer) -> FrameHeader:
    """Read a zstd frame's header and walk its blocks, without decoding any.

    Raises:
        FormatError: not a zstd frame, one that needs a dictionary by number, or one whose
            blocks leave ``stored``.
    """
    view = memoryview(stored)
    size = len(view)
    if size < 6 or view[:4] != _ZSTD_MAGIC:
        raise FormatError("not a zstd frame", None, _ZSTD_MAGIC.hex(" "), view[:4].hex(" "))
    descriptor = view[4]
    single_segment = descriptor >> 5 & 1
    if descriptor & 0b11:
        raise FormatError("a frame that names a dictionary by number")
    if descriptor & 0b1000:
        raise FormatError("a reserved bit of the frame header is set")
    position = 5
    window_bytes = 0
    if not single_segment:
        base = 1 << (10 + (view[position] >> 3))
        window_bytes = base + base // 8 * (view[position] & 7)
        position += 1
    flag = descriptor >> 6
    field_bytes = (single_segment, 2, 4, 8)[flag]
    plain_bytes = None
    if field_bytes:
        field = view[position : position + field_bytes]
        plain_bytes = int.from_bytes(field, "little") + (256 if flag == 1 else 0)
        position += field_bytes
    last = 0
    while not last:
        header = int.from_bytes(view[position : position + 3], "little")
        last, kind, block_bytes = header & 1, header >> 1 & 3, header >> 3
        if kind == _RESERVED_BLOCK:
            raise FormatError("a block of the reserved kind")
        position += 3 + (1 if kind == _RLE_BLOCK else block_bytes)
        if position > size:
            raise FormatError("a frame's blocks leave its stored span", None, str(size))
    if descriptor & 0b100:
        position += 4
    return FrameHeader(plain_bytes or 0 if single_segment else window_bytes, plain_bytes, position)


class _Memory:
    """Zeroed memory whose pages come when they are first written to.

    A bytearray would be cleared at once, 16 MiB in 8 ms, and with the interpreter locked. Private:
    Linux gives huge pages to shared memory only where an administrator allows it. The first use of
    16 MiB takes 1.4 ms with them, 8 ms without, and 12 ms shared.
    """

    def __init__(self, size: int) -> None:
        whole_bytes = max(1, -(-size // _HUGE_PAGE_BYTES)) * _HUGE_PAGE_BYTES
        self._mapped = mmap.mmap(-1, whole_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            # A kernel can be built without.
            with contextlib.suppress(OSError):
                self._mapped.madvise(mmap.MADV_HUGEPAGE)
        self.view = memoryview(self._mapped)[:size]

    def give_back(self) -> None:
        """Its pages go, and what they hold; where the system has no such call they stay."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


class Reference:
    """The plain bytes of a whole file, made ready as the dictionary of frames.

    Memory: one copy of them, shared by all decoders.
    """

    def __init__(self, plain: Buffer) -> None:
        self.dictionary = zstandard.ZstdCompressionDict(
            plain, dict_type=zstandard.DICT_TYPE_RAWCONTENT
        )


class FrameDecoder:
    """Decodes frames into one buffer that is used again and again; one for each thread.

    Fresh memory for every frame costs 10-15 % more than a buffer whose pages are there.

    Args:
        plain_bytes: of the largest frame to come.
        stored_bytes: likewise; 0 where no ``stored_buffer`` is wanted.
    Memory: the buffers. zstd decodes straight into one and needs no window of its own.
    """

    def __init__(self, plain_bytes: int, stored_bytes: int = 0) -> None:
        self._plain = _Memory(plain_bytes)
        self._stored = _Memory(stored_bytes)

    @property
    def stored_buffer(self) -> memoryview:
        """To read stored bytes into."""
        return self._stored.view

    def give_back(self) -> None:
        """Do without the memory of both buffers until they are next used; what they held is gone.

        To be called where as much is about to be needed for something else: 1.4 ms for 16 MiB.
        """
        self._plain.give_back()
        self._stored.give_back()

    def decode(
        self, stored: Buffer, frame: Frame, where: str, reference: Reference | None = None
    ) -> memoryview:
        """Check and decode one frame.

        Args:
            stored: its stored bytes, as read.
            frame: its row of the index.
            where: names the frame in errors.
            reference: required where the row names one.
        Returns:
            ``frame.plain_bytes`` bytes, valid until the next call.
        Raises:
            IntegrityError: the stored bytes differ from their digest, or do not decode.
            FormatError: the span is not exactly one zstd frame of the promised size.
            LimitExceededError: its window is larger than 128 MiB.
        Source: FORMAT.md section 4.
        """
        found = xxh3_64(stored)
        if found != frame.stored_xxh3:
            raise IntegrityError(
                "stored bytes differ from their digest",
                where,
                f"{frame.stored_xxh3:016x}",
                f"{found:016x}",
                "the file is damaged: fetch it again",
            )
        try:
            header = parse_frame(stored)
        except FormatError as error:
            raise error.at(where) from None
        if (header.stored_bytes, header.plain_bytes) != (len(stored), frame.plain_bytes):
            raise FormatError(
                "the zstd frame contradicts the index",
                where,
                f"{len(stored)} stored and {frame.plain_bytes} plain bytes",
                f"{header.stored_bytes} and {header.plain_bytes}",
            )
        if header.window_bytes > limits.MAX_WINDOW_BYTES:
            raise LimitExceededError(
                "window of a frame",
                where,
                f"at most {limits.MAX_WINDOW_BYTES} bytes",
                str(header.window_bytes),
            )
        plain = self._plain.view[: frame.plain_bytes]
        try:
            decompressor = zstandard.ZstdDecompressor(
                dict_data=reference.dictionary if reference else None,
                max_window_size=limits.MAX_WINDOW_BYTES,
            )
            decoded_bytes = decompressor.stream_reader(stored).readinto(plain)
        except zstandard.ZstdError as error:
            raise IntegrityError("zstd cannot decode the frame", where, found=str(error)) from None
        if decoded_bytes != frame.plain_bytes:
            raise IntegrityError(
                "the frame decodes to another size",
                where,
                f"{frame.plain_bytes} bytes",
                str(decoded_bytes),
            )
        return plain
