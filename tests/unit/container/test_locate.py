"""A payload is found by its footer at the end, and by nothing else."""

import pytest

from container import magic
from container.errors import ContainerError, FormatError, NotAContainerError
from container.locate import locate
from container.reader import PayloadReader
from tests.support.payloads import MemorySource, directory_entry, dissect, seal, tree_index

PAYLOAD = seal(tree_index([directory_entry("tree")]), b"")
HOST = b"#!/bin/sh\n" + bytes(300)


def test_a_payload_alone_begins_with_the_file() -> None:
    place = locate(MemorySource(PAYLOAD))
    assert (place.payload_offset, place.lead_offset) == (0, 0)
    assert place.payload_bytes == len(PAYLOAD)
    assert place.footer_offset == len(PAYLOAD) - magic.FOOTER_BYTES


def test_offsets_count_back_from_the_end_behind_any_host() -> None:
    payload = seal(tree_index([directory_entry("tree")]), b"", lead_bytes=7)
    place = locate(MemorySource(HOST + bytes(7) + payload))
    assert (place.lead_offset, place.payload_offset) == (len(HOST), len(HOST) + 7)
    assert place.frames_bytes == 0
    reader = PayloadReader(MemorySource(HOST + bytes(7) + payload))
    assert reader.index == dissect(PAYLOAD).index


def test_bytes_between_index_and_footer_belong_to_the_host() -> None:
    sound = dissect(PAYLOAD)
    footer = sound.footer
    payload = seal(
        sound.index_data,
        b"",
        index_distance=footer.index_distance + 5,
        payload_distance=footer.payload_distance + 5,
    )
    payload = payload[: -magic.FOOTER_BYTES] + b"other" + payload[-magic.FOOTER_BYTES :]
    assert PayloadReader(MemorySource(payload)).index == sound.index


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (b"", NotAContainerError, "too short"),
        (PAYLOAD[-63:], NotAContainerError, "too short"),
        (HOST, NotAContainerError, "no payload ends here"),
        (PAYLOAD + b"\n", NotAContainerError, "no payload ends here"),
        (PAYLOAD + HOST, NotAContainerError, "no payload ends here"),
        (PAYLOAD[:-1], NotAContainerError, "no payload ends here"),
        (PAYLOAD[-64:], FormatError, "lost its beginning"),
        (PAYLOAD[1:], FormatError, "in front of the file"),
        (seal(dissect(PAYLOAD).index_data, b"", lead_bytes=1), FormatError, "in front of the file"),
    ],
)
def test_what_is_no_whole_payload(data: bytes, error: type[ContainerError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        locate(MemorySource(data, "the-file"))
    assert type(caught.value) is error
    assert str(caught.value).startswith("the-file: ")


def test_of_a_payload_inside_a_payload_only_the_outer_one_is_found() -> None:
    outer = seal(tree_index([directory_entry("outer")], name="outer"), b"")
    reader = PayloadReader(MemorySource(PAYLOAD + outer))
    assert [component.name for component in reader.index.components] == ["outer"]
    assert reader.location.payload_offset == len(PAYLOAD)


def test_only_head_and_footer_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemorySource(HOST * 1000 + PAYLOAD)
    read = source.read_at
    reads: list[tuple[int, int]] = []

    def read_at(offset: int, size: int) -> bytes:
        reads.append((offset, size))
        return read(offset, size)

    monkeypatch.setattr(source, "read_at", read_at)
    locate(source)
    assert reads == [(0, 4096), (source.size - 64, 64)]
