"""Opening, listing, streaming and verifying one payload."""

import hashlib
import random
from pathlib import Path

import pytest

from container import digest, magic
from container.errors import FormatError, IntegrityError, UnknownEntryError
from container.reader import PayloadReader, open_payload
from packer.packing import prepare
from packer.sources import ComponentSource
from tests.support.payloads import (
    SETTINGS,
    Components,
    MemorySource,
    dissect,
    frame_row,
    pack,
    pack_forced,
    pack_plan,
    seal,
    with_row,
    write_components,
    zstd_frame,
)
from tests.support.trees import File, Hardlink, Symlink

PROGRAM = random.Random(2).randbytes(2500)
TEXT = b"some text, " * 300
COMPONENTS: Components = {
    "prog": File(PROGRAM, 0o755),
    "tree": {
        "a": File(TEXT),
        "b": File(PROGRAM[:700] + TEXT),
        "copy": File(TEXT),
        "empty": File(b""),
        "hard": Hardlink("b"),
        "link": Symlink("a"),
    },
}


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Frames of 1 KiB, so that files span several; the tree's frames use the program."""
    components = write_components(tmp_path_factory.mktemp("src"), COMPONENTS)
    plan = prepare(components, SETTINGS)
    first = plan.components[0].frame_count
    references = [None] * first + [0] * (len(plan.frames) - first)
    return pack_forced(plan.with_references(references))


def read(reader: PayloadReader, path: str) -> bytes:
    return b"".join(map(bytes, reader.read_entry(reader.entry(path))))


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("prog", PROGRAM),
        ("tree/a", TEXT),
        ("tree/b", PROGRAM[:700] + TEXT),
        ("tree/copy", TEXT),
        ("tree/hard", PROGRAM[:700] + TEXT),
        ("tree/empty", b""),
    ],
)
def test_a_file_is_streamed_whole(payload: bytes, path: str, content: bytes) -> None:
    reader = PayloadReader(MemorySource(payload))
    entry = reader.entry(path)
    chunks = [bytes(chunk) for chunk in reader.read_entry(entry)]
    assert b"".join(chunks) == content
    assert all(chunks)


def test_same_content_is_stored_once(payload: bytes) -> None:
    index = dissect(payload).index
    assert index.content_bytes == len(PROGRAM) + len(TEXT) + 700 + len(TEXT)
    assert index.plain_bytes == index.content_bytes + len(TEXT)


def test_all_of_a_sound_payload_verifies_and_progress_adds_up(payload: bytes) -> None:
    reader = PayloadReader(MemorySource(payload))
    progress: list[int] = []
    reader.verify(progress.append)
    assert sum(progress) == reader.index.content_bytes


def test_an_unknown_path_is_told(payload: bytes) -> None:
    with pytest.raises(UnknownEntryError, match="tree/none"):
        PayloadReader(MemorySource(payload)).entry("tree/none")


def test_a_pinned_index_is_the_only_one_that_opens(payload: bytes) -> None:
    sound = dissect(payload)
    pin = hashlib.sha256(sound.index_data).digest()
    assert PayloadReader(MemorySource(payload), pin).index_sha256 == pin
    other = seal(
        sound.index._replace(metadata=sound.index.metadata._replace(level=2)), sound.frames
    )
    PayloadReader(MemorySource(other))
    with pytest.raises(IntegrityError, match="not the pinned one"):
        PayloadReader(MemorySource(other), pin)


def test_the_file_is_closed_by_with_and_after_an_error(payload: bytes, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(payload)
    bad.write_bytes(payload[:-1])
    with open_payload(good) as reader:
        assert reader.source.name == str(good)
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.read_stored(0, memoryview(bytearray(4096)))
    with pytest.raises(Exception, match=str(bad)):
        open_payload(bad)


def test_a_changed_byte_of_the_index_is_found_before_it_is_read(payload: bytes) -> None:
    position = len(payload) - magic.FOOTER_BYTES - 5
    changed = payload[:position] + b"X" + payload[position + 1 :]
    with pytest.raises(IntegrityError, match="digest of the index differs"):
        PayloadReader(MemorySource(changed))


def test_an_index_in_no_skippable_frame_is_refused(payload: bytes) -> None:
    place = PayloadReader(MemorySource(payload)).location.index_offset - 8
    changed = payload[:place] + b"\x50" + payload[place + 1 :]
    with pytest.raises(FormatError, match="not a skippable frame"):
        PayloadReader(MemorySource(changed))


@pytest.mark.parametrize("extra", [b"x", b"\x50\x2a\x4d\x18\0\0\0\0"])
@pytest.mark.parametrize("front", [True, False])
def test_frames_fill_the_payload_exactly(payload: bytes, extra: bytes, front: bool) -> None:
    sound = dissect(payload)
    frames = extra + sound.frames if front else sound.frames + extra
    with pytest.raises(FormatError, match="frames do not fill the payload"):
        PayloadReader(MemorySource(seal(sound.index_data, frames)))


def test_a_frame_of_other_contents_is_found_by_the_digest_of_its_file(payload: bytes) -> None:
    sound = dissect(payload)
    row = sound.index.frames[0]
    stored = zstd_frame(bytes(row.plain_bytes))
    frames = stored + sound.frames[row.stored_bytes :]
    changed = frame_row(stored, row.plain_bytes)
    rows = [changed]
    for old in sound.index.frames[1:]:
        rows.append(old._replace(stored_offset=rows[-1].stored_offset + rows[-1].stored_bytes))
    reader = PayloadReader(MemorySource(seal(sound.index._replace(frames=tuple(rows)), frames)))
    with pytest.raises(IntegrityError, match="prog: contents differ"):
        read(reader, "prog")
    with pytest.raises(IntegrityError, match="prog: contents differ"):
        reader.verify()
    # Its reference is what differs, so the file that uses it must not come out either.
    with pytest.raises(IntegrityError):
        read(reader, "tree/a")


@pytest.mark.parametrize(
    ("part", "number", "changes", "text"),
    [
        ("frames", 1, {"sha256": bytes(32)}, "frame 1: SHA-256 of a frame differs"),
        ("components", 1, {"content_sha256": bytes(32)}, "tree: SHA-256 of a component differs"),
        ("entries", 2, {"mode": 0o600}, "tree: SHA-256 of a component differs"),
    ],
)
def test_what_only_sha256_vouches_for_is_found_by_verify(
    payload: bytes, part: str, number: int, changes: dict[str, object], text: str
) -> None:
    sound = dissect(payload)
    index = with_row(sound.index, part, number, **changes)
    reader = PayloadReader(MemorySource(seal(index, sound.frames)))
    assert read(reader, "tree/b") == PROGRAM[:700] + TEXT
    with pytest.raises(IntegrityError, match=text):
        reader.verify()


def test_a_wrong_file_digest_is_found_at_the_end_of_the_stream(payload: bytes) -> None:
    sound = dissect(payload)
    number = next(n for n, entry in enumerate(sound.index.entries) if entry.path == "prog")
    index = with_row(sound.index, "entries", number, xxh3_128=digest.xxh3_128(b"other"))
    reader = PayloadReader(MemorySource(seal(index, sound.frames)))
    got: list[bytes] = []
    with pytest.raises(IntegrityError, match="prog: contents differ"):
        got.extend(map(bytes, reader.read_entry(reader.entry("prog"))))
    assert b"".join(got) == PROGRAM


def test_a_payload_without_anything_in_it_opens(tmp_path: Path) -> None:
    payload = pack(tmp_path / "src", {"tree": {}})
    index = dissect(payload).index
    empty = seal(index._replace(components=(), entries=(), frames=()), b"")
    reader = PayloadReader(MemorySource(empty))
    reader.verify()
    assert reader.index.plain_bytes == 0


def test_components_can_be_named_differently_from_their_paths(tmp_path: Path) -> None:
    (tmp_path / "built").write_bytes(b"program")
    plan = prepare([ComponentSource("server", "2.0", tmp_path / "built")], SETTINGS)
    reader = PayloadReader(MemorySource(pack_plan(plan)))
    assert read(reader, "server") == b"program"
