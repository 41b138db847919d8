"""One frame: every way in which its bytes can contradict the index or themselves."""

import errno
import mmap
import os
import random
import sys

import pytest
import zstandard

from container.errors import ContainerError, FormatError, IntegrityError, LimitExceededError
from container.frames import FrameDecoder, Reference, parse_frame
from tests.support.payloads import frame_row, raw_block, raw_frame, zstd_frame

PLAIN = bytes(random.Random(1).choices(b"abcdefgh", k=5000))


def decode(stored: bytes, plain_bytes: int, reference: Reference | None = None) -> bytes:
    row = frame_row(stored, plain_bytes)
    return bytes(FrameDecoder(plain_bytes).decode(stored, row, "frame 7", reference))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 5000, 65535 + 256, 65536 + 256, 1 << 18])
def test_a_frame_of_the_packer_is_decoded(size: int) -> None:
    plain = (PLAIN * 60)[:size]
    assert decode(zstd_frame(plain), size) == plain


def test_a_frame_with_a_checksum_and_a_window_is_decoded() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=10, write_checksum=True
    )
    stored = zstandard.ZstdCompressor(compression_params=parameters).compress(PLAIN)
    assert parse_frame(stored).window_bytes == 1024
    assert decode(stored, len(PLAIN)) == PLAIN


@pytest.mark.parametrize(
    ("blocks", "plain"),
    [
        (raw_block(b"abc"), b"abc"),
        (raw_block(b"ab", last=False) + raw_block(b"c"), b"abc"),
        (raw_block(b"a", kind=1, size=9), b"a" * 9),
        (raw_block(b"", last=False) * 50 + raw_block(b"x"), b"x"),
    ],
)
def test_frames_written_by_hand_are_decoded(blocks: bytes, plain: bytes) -> None:
    stored = raw_frame(blocks, plain_bytes=len(plain))
    assert parse_frame(stored).stored_bytes == len(stored)
    assert decode(stored, len(plain)) == plain


def test_the_buffer_serves_smaller_frames_too() -> None:
    decoder = FrameDecoder(5000)
    for size in (5000, 1, 4999):
        stored = zstd_frame(PLAIN[:size])
        assert decoder.decode(stored, frame_row(stored, size), "frame") == PLAIN[:size]


def test_memory_that_was_given_back_is_there_again() -> None:
    decoder = FrameDecoder(5000, 5000)
    stored = zstd_frame(PLAIN)
    for _ in range(2):
        kept = decoder.stored_buffer[: len(stored)]
        kept[:] = stored
        assert decoder.decode(kept, frame_row(stored, len(PLAIN)), "frame") == PLAIN
        decoder.give_back()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pages may stay")
def test_memory_that_was_given_back_takes_no_room() -> None:
    decoder = FrameDecoder(5000, 5000)
    stored = zstd_frame(PLAIN)
    kept = decoder.stored_buffer[: len(stored)]
    kept[:] = stored
    plain = decoder.decode(kept, frame_row(stored, len(PLAIN)), "frame")
    decoder.give_back()
    assert not any(plain)
    assert not any(kept)


# Shorter than zstd's own least dictionary, and one that looks like a trained dictionary.
@pytest.mark.parametrize("reference", [b"x", b"1234567", b"\x37\xa4\x30\xec" + PLAIN, PLAIN * 30])
def test_a_reference_is_raw_content_whatever_it_looks_like(reference: bytes) -> None:
    stored = zstd_frame(PLAIN, reference)
    assert decode(stored, len(PLAIN), Reference(reference)) == PLAIN


def test_a_frame_without_its_reference_is_no_silent_garbage() -> None:
    stored = zstd_frame(PLAIN, PLAIN)
    with pytest.raises(IntegrityError):
        decode(stored, len(PLAIN))


SOUND = raw_frame(raw_block(b"abcdef"), plain_bytes=6)
WHOLE = zstd_frame(PLAIN)

REFUSED: list[tuple[str, bytes, int, type[ContainerError], str]] = [
    ("nothing", b"", 6, FormatError, "not a zstd frame"),
    ("other magic", b"\x29" + SOUND[1:], 6, FormatError, "not a zstd frame"),
    ("skippable frame", b"\x50\x2a\x4d\x18\x01\0\0\0x", 6, FormatError, "not a zstd frame"),
    *(
        (
            f"dictionary id of {1 << flag >> 1} bytes",
            raw_frame(raw_block(b"abcdef"), plain_bytes=6, descriptor=flag),
            6,
            FormatError,
            "dictionary by number",
        )
        for flag in (1, 2, 3)
    ),
    (
        "reserved bit",
        raw_frame(raw_block(b"abcdef"), plain_bytes=6, descriptor=8),
        6,
        FormatError,
        "reserved bit",
    ),
    (
        "reserved block",
        raw_frame(raw_block(b"abcdef", kind=3), plain_bytes=6),
        6,
        FormatError,
        "reserved kind",
    ),
    ("bytes behind", SOUND + b"\0", 6, FormatError, "contradicts the index"),
    ("a second frame", SOUND + SOUND, 6, FormatError, "contradicts the index"),
    ("a skippable frame behind", SOUND + b"\x50\x2a\x4d\x18\0\0\0\0", 6, FormatError, "contradi"),
    ("larger than promised", SOUND, 5, FormatError, "contradicts.*expected 22 stored and 5"),
    ("smaller than promised", SOUND, 7, FormatError, "contradicts the index"),
    (
        "no content size",
        raw_frame(raw_block(b"abcdef"), window=0),
        6,
        FormatError,
        "contradicts the index.*None",
    ),
    (
        "content size of 2**64 - 1",
        raw_frame(raw_block(b"abcdef"), plain_bytes=2**64 - 1),
        6,
        FormatError,
        "contradicts the index",
    ),
    (
        "no last block",
        raw_frame(raw_block(b"abcdef", last=False), plain_bytes=6),
        6,
        FormatError,
        "leave its stored span",
    ),
    (
        "checksum missing",
        raw_frame(raw_block(b"abcdef"), plain_bytes=6, descriptor=4),
        6,
        FormatError,
        "contradicts the index",
    ),
    (
        "wrong checksum",
        raw_frame(raw_block(b"abcdef") + b"1234", plain_bytes=6, descriptor=4),
        6,
        IntegrityError,
        "zstd cannot decode",
    ),
    (
        "header says more than its blocks hold",
        raw_frame(raw_block(b"abc"), plain_bytes=6),
        6,
        IntegrityError,
        "frame 7",
    ),
    (
        "blocks hold more than the header says",
        raw_frame(raw_block(b"a", kind=1, size=1 << 17), plain_bytes=6),
        6,
        IntegrityError,
        "frame 7",
    ),
    (
        "window over the limit",
        raw_frame(raw_block(b"abcdef"), plain_bytes=6, window=(27 - 10) << 3 | 1),
        6,
        LimitExceededError,
        "window of a frame",
    ),
    (
        "largest window that can be said",
        raw_frame(raw_block(b"abcdef"), plain_bytes=6, window=0xFF),
        6,
        LimitExceededError,
        "window of a frame",
    ),
    (
        "garbage in a compressed block",
        raw_frame(raw_block(b"\xff" * 40, kind=2), plain_bytes=6),
        6,
        IntegrityError,
        "zstd cannot decode",
    ),
]


@pytest.mark.parametrize(
    ("stored", "plain_bytes", "error", "text"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_a_frame_that_breaks_a_rule(
    stored: bytes, plain_bytes: int, error: type[ContainerError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        decode(stored, plain_bytes)
    assert type(caught.value) is error
    assert str(caught.value).startswith("frame 7: ")


def test_the_largest_legal_window_is_decoded() -> None:
    stored = raw_frame(raw_block(b"abcdef"), plain_bytes=6, window=(27 - 10) << 3)
    assert decode(stored, 6) == b"abcdef"


@pytest.mark.parametrize("size", range(len(SOUND)))
def test_a_header_cut_anywhere_is_a_format_error(size: int) -> None:
    with pytest.raises(FormatError):
        decode(SOUND[:size], 6)


def test_a_kernel_without_huge_pages_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(mmap.mmap):
        def madvise(self, *_: object) -> None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(mmap, "mmap", Plain)
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 14, raising=False)
    assert decode(WHOLE, len(PLAIN)) == PLAIN


def test_stored_bytes_are_checked_before_they_are_looked_at() -> None:
    row = frame_row(WHOLE, len(PLAIN))
    with pytest.raises(IntegrityError, match="frame 7: stored bytes differ"):
        FrameDecoder(len(PLAIN)).decode(b"not zstd", row, "frame 7")
