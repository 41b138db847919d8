"""Frames as FORMAT.md section 4 wants them, the same for the same input."""

import random

import pytest

from container.frames import FrameDecoder, Reference, parse_frame
from packer.compress import Compressor, window_log
from tests.support.payloads import frame_row

PLAIN = bytes(random.Random(5).choices(b"abcdefgh", k=40_000))


@pytest.mark.parametrize("level", [1, 9, 19, 22])
@pytest.mark.parametrize("size", [1, 255, 256, 40_000])
@pytest.mark.parametrize("reference", [None, b"x", PLAIN[::-1], PLAIN[1000:]])
def test_a_frame_says_its_size_and_has_neither_checksum_nor_dictionary_id(
    level: int, size: int, reference: bytes | None
) -> None:
    plain = PLAIN[:size]
    compressor = Compressor(level)
    stored = compressor.compress(plain, reference)
    assert stored[4] & 0b111 == 0
    assert parse_frame(stored)[1:] == (size, len(stored))
    assert compressor.compress(plain, reference) == stored
    dictionary = None if reference is None else Reference(reference)
    decoded = FrameDecoder(size).decode(stored, frame_row(stored, size), "frame", dictionary)
    assert decoded == plain


def test_a_reference_is_reached_over_its_whole_length() -> None:
    noise = random.Random(6).randbytes(1 << 20)
    # Only the very beginning of the reference helps, from the very end of the frame.
    plain = noise[100_000:400_000] + noise[:4096]
    reference = noise[:4096] + noise[400_000:]
    saved = len(Compressor(19).compress(plain)) - len(Compressor(19).compress(plain, reference))
    assert saved > 4000


def test_a_frame_reaches_back_over_its_own_length() -> None:
    # At level 1 zstd by itself looks back half a megabyte.
    noise = random.Random(7).randbytes(3 << 20)
    compressor = Compressor(1)
    assert len(compressor.compress(noise + noise[:65536])) < len(noise) + 1000


@pytest.mark.parametrize(
    ("reach", "log"),
    [
        (1, 10),
        (1024, 10),
        (1025, 11),
        (1 << 20, 20),
        ((1 << 20) + 1, 21),
        (1 << 27, 27),
        (1 << 30, 27),
    ],
)
def test_the_window_covers_what_it_must_within_the_limit(reach: int, log: int) -> None:
    assert window_log(reach) == log
