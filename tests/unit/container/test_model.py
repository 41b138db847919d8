"""Lookups in an index: extents, frames under an entry, owners."""

import pytest

from container.errors import UnknownEntryError
from container.model import Component, ComponentKind, EntryKind, Index
from tests.support.payloads import METADATA, directory_entry, file_entry, frame_row

CONTENTS = {"tree/a": b"a" * 10, "tree/b": b"b" * 25, "tree/c": b"c"}


def make_index() -> Index:
    """A program of 4 bytes in one frame, and a tree of 36 in frames of 12."""
    entries = [
        file_entry("prog", b"prog", 0, 0o755),
        directory_entry("tree"),
        file_entry("tree/a", CONTENTS["tree/a"], 4),
        file_entry("tree/b", CONTENTS["tree/b"], 14),
        file_entry("tree/c", CONTENTS["tree/c"], 39),
        file_entry("tree/copy", CONTENTS["tree/a"], 4),
        file_entry("tree/empty"),
    ]
    hardlink = entries[2]._replace(path="tree/hard", kind=int(EntryKind.HARDLINK), link="tree/a")
    sizes = [4, 12, 12, 12]
    frames = [
        frame_row(b"x" * size, size, sum(sizes[:number]), sum(sizes[:number]))
        for number, size in enumerate(sizes)
    ]
    components = (
        Component("prog", "1", ComponentKind.FILE, 0, 0, 1, 0, 1, frozenset(), 4, bytes(32)),
        Component("tree", "1", ComponentKind.TREE, None, 1, 7, 1, 3, frozenset(), 46, bytes(32)),
    )
    return Index(METADATA, components, tuple(frames), (*entries, hardlink))


def test_the_extents_of_a_component_are_in_stream_order_with_all_their_owners() -> None:
    index = make_index()
    found = index.extents_of(index.component("tree"))
    assert [tuple(extent) for extent in found] == [(4, 10, (2, 5)), (14, 25, (3,)), (39, 1, (4,))]


@pytest.mark.parametrize(
    ("number", "frames"),
    [
        pytest.param(0, range(1), id="a frame of its own"),
        pytest.param(2, range(1, 2), id="the first part of a frame"),
        pytest.param(3, range(1, 4), id="across three frames"),
        pytest.param(4, range(3, 4), id="the last byte of a frame"),
        pytest.param(6, range(0), id="no bytes"),
        pytest.param(7, range(1, 2), id="a hardlink"),
    ],
)
def test_the_frames_under_an_entry(number: int, frames: range) -> None:
    index = make_index()
    assert list(index.frames_under(index.entries[number])) == list(frames)


def test_every_entry_has_the_component_that_lists_it_as_its_owner() -> None:
    index = make_index()
    assert [index.owner(number) for number in range(8)] == [0] + [1] * 7


def test_sums() -> None:
    index = make_index()
    assert (index.stored_bytes, index.content_bytes, index.plain_bytes) == (40, 40, 50)
    tree = index.component("tree")
    assert (index.content_span(tree), index.stored_bytes_of(tree)) == ((4, 40), 36)


def test_an_unknown_component_is_told_with_those_there_are() -> None:
    with pytest.raises(UnknownEntryError, match=r"nothing: .*prog, tree"):
        make_index().component("nothing")
