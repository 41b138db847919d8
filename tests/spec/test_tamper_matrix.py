"""The tamper matrix of FORMAT.md section 12: which check notices which change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from container import codec, digest
from container.errors import ContainerError
from container.model import EntryKind
from container.reader import open_payload
from tests.spec import document
from tests.vectors.make_vectors import (
    GREETER,
    TREE,
    Parts,
    flipped,
    pack,
    raw_frame,
    with_frame,
    with_row,
)

HOST = b"#!/bin/sh\nexit 0\n"
LEAD = bytes(4096 - len(HOST))
FOREIGN = b"signature" * 10
PAYLOAD = pack(GREETER, TREE)
PARTS = Parts.of(PAYLOAD)
INDEX = codec.decode_index(PARTS.index_data)
PACKED = HOST + LEAD + PARTS.sealed(behind_index=FOREIGN, lead_bytes=len(LEAD))
PLAIN = GREETER[0].contents
OTHER = PLAIN.replace(b"hello", b"HELLO")

(MATRIX,) = document.tables_with("change", "open", "extract", "verify", "pinned")


def frame_of(plain: bytes) -> bytes:
    return raw_frame(plain, f"20 {len(plain):02x}")


def other_frame_of(plain: bytes) -> bytes:
    """The same bytes behind a header of another form: content size in 4 bytes."""
    return raw_frame(plain, "a0" + len(plain).to_bytes(4, "little").hex())


def other_frame_and_file_digest() -> bytes:
    replaced = with_frame(PAYLOAD, 0, frame_of(OTHER), sha256=INDEX.frames[0].sha256)
    return with_row(replaced, "entries", 0, xxh3_128=digest.xxh3_128(OTHER))


FRAMES_START = len(HOST) + len(LEAD)
INDEX_START = FRAMES_START + len(PARTS.frames) + 8
FOREIGN_START = INDEX_START + len(PARTS.index_data)
CHANGES: dict[str, Callable[[], bytes]] = {
    "a bit of the host": lambda: flipped(PACKED, 3),
    "a bit of the lead": lambda: flipped(PACKED, len(HOST)),
    "a bit of the foreign bytes": lambda: flipped(PACKED, FOREIGN_START),
    "a bit of the footer": lambda: flipped(PACKED, len(PACKED) - 40),
    "a bit of the index": lambda: flipped(PACKED, INDEX_START + 50),
    "a bit of a frame": lambda: flipped(PACKED, FRAMES_START + 12),
    "the last byte is lost": lambda: PACKED[:-1],
    "the first byte of a payload alone is lost": lambda: PAYLOAD[1:],
    "a frame with other contents, XXH3 of the frame mended": lambda: with_frame(
        PAYLOAD, 0, frame_of(OTHER), sha256=INDEX.frames[0].sha256
    ),
    "a frame with the same contents, XXH3 of the frame mended": lambda: with_frame(
        PAYLOAD, 0, other_frame_of(PLAIN), sha256=INDEX.frames[0].sha256
    ),
    "a frame with other contents, every XXH3 mended": other_frame_and_file_digest,
    "a mode, XXH3 of the index mended": lambda: with_row(PAYLOAD, "entries", 0, mode=0o777),
    "the version of a component, XXH3 of the index mended": lambda: with_row(
        PAYLOAD, "components", 0, version="1.1"
    ),
    "another payload": lambda: pack(TREE),
}


def check_open(path: Path) -> None:
    with open_payload(path) as reader:
        assert reader.index.components


def check_extract(path: Path) -> None:
    with open_payload(path) as reader:
        for entry in reader.index.entries:
            if entry.kind in (EntryKind.FILE, EntryKind.HARDLINK):
                for _ in reader.read_entry(entry):
                    pass


def check_verify(path: Path) -> None:
    with open_payload(path) as reader:
        reader.verify()


def check_pinned(path: Path) -> None:
    with open_payload(path, digest.sha256(PARTS.index_data)):
        pass


CHECKS = {
    "open": check_open,
    "extract": check_extract,
    "verify": check_verify,
    "pinned": check_pinned,
}


def notices(check: Callable[[Path], None], path: Path) -> str:
    try:
        check(path)
    except ContainerError:
        return "yes"
    return "no"


def test_every_row_is_tried() -> None:
    assert [row[0] for row in MATRIX.rows] == list(CHANGES)
    assert MATRIX.header[1:] == tuple(CHECKS)


@pytest.mark.parametrize("row", MATRIX.rows, ids=[row[0] for row in MATRIX.rows])
def test_checks_notice_what_the_matrix_says(row: tuple[str, ...], tmp_path: Path) -> None:
    change, *expected = row
    path = tmp_path / "tampered"
    path.write_bytes(CHANGES[change]())
    assert [notices(check, path) for check in CHECKS.values()] == expected


@pytest.mark.parametrize("data", [PACKED, PAYLOAD], ids=["packed", "alone"])
def test_without_a_change_nothing_is_noticed(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(data)
    assert {notices(check, path) for check in CHECKS.values()} == {"no"}


def test_pin_and_verify_notice_a_bit_anywhere(tmp_path: Path) -> None:
    path, payload = tmp_path / "tampered", pack(GREETER)
    pin = digest.sha256(Parts.of(payload).index_data)
    for position in range(len(payload)):
        path.write_bytes(flipped(payload, position))
        with pytest.raises(ContainerError), open_payload(path, pin) as reader:
            reader.verify()
