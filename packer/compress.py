"""Plain bytes of one frame -> its stored bytes."""

from __future__ import annotations

import zstandard

from container import limits

DEFAULT_LEVEL = 19
DEFAULT_FRAME_BYTES = 16 << 20
MIN_FRAME_BYTES = 64 << 10


def zstd_version() -> str:
    """Of the library that compresses; recorded, because another one may write other bytes."""
    return ".".join(map(str, zstandard.ZSTD_VERSION))


class Compressor:
    """Compresses frames with or without a reference; safe to share between threads.

    Args:
        level: 1 to 22.
    """

    def __init__(self, level: int) -> None:
        self.level = level

    def compress(self, plain: bytes, reference: bytes | None = None) -> bytes:
        """One zstd frame: content size in its header, no checksum (the index has digests).

        Args:
            plain: 1 byte to 32 MiB.
            reference: dictionary, raw. The window is made to cover it and the frame whole.
        Returns:
            The same bytes for the same arguments and zstd version.
        Memory: zstd's tables for the level and window; with a reference of 30 MB at level 19
            about 400 MiB.
        """
        reach_bytes = len(plain) + len(reference or b"")
        # At level 19 zstd by itself looks back 8 MiB, whatever the frame: 0.7 % more bytes.
        parameters = zstandard.ZstdCompressionParameters.from_level(
            self.level,
            source_size=len(plain) if reference is None else 0,
            window_log=window_log(reach_bytes),
            write_content_size=True,
            write_checksum=False,
            write_dict_id=False,
        )
        dictionary = None
        if reference is not None:
            dictionary = zstandard.ZstdCompressionDict(
                reference, dict_type=zstandard.DICT_TYPE_RAWCONTENT
            )
        return zstandard.ZstdCompressor(
            compression_params=parameters, dict_data=dictionary
        ).compress(plain)


def window_log(reach_bytes: int) -> int:
    """Smallest zstd window that covers so many bytes, as a power of two."""
    return max(10, min(limits.MAX_WINDOW_BYTES - 1, reach_bytes - 1 | 1).bit_length())
