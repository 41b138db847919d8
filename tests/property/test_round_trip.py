"""Whatever goes in comes out: content, mode, link, shared inode; in any number of threads."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container.reader import PayloadReader
from packer.packing import prepare
from packer.plan import Plan
from tests.support.payloads import (
    SETTINGS,
    Components,
    MemorySource,
    component,
    extract,
    pack_forced,
    pack_plan,
    write_components,
)
from tests.support.strategies import components
from tests.support.trees import read_tree

FRAME_BYTES = st.sampled_from([64, 100, 1024, 4096])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round-trip")


class Workshop:
    """An empty directory for one example, emptied again behind it."""

    def __init__(self, root: Path) -> None:
        self.source, self.target = root / "source", root / "target"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for place in (self.source, self.target):
            shutil.rmtree(place, ignore_errors=True)


def packed(workshop: Workshop, given_components: Components, frame_bytes: int) -> Plan:
    written = write_components(workshop.source, given_components)
    return prepare(written, SETTINGS._replace(frame_bytes=frame_bytes), references=False)


def check(workshop: Workshop, payload: bytes, names: list[str], jobs: int) -> PayloadReader:
    """What is extracted is what was packed, or the part of it that was asked for."""
    reader = PayloadReader(MemorySource(payload))
    reader.verify()
    extract(reader, workshop.target, jobs, names)
    wanted = read_tree(workshop.source)
    if names:
        wanted = {path: node for path, node in wanted.items() if path.split("/")[0] in names}
    assert read_tree(workshop.target) == wanted
    return reader


@given(st.data())
def test_what_is_packed_is_extracted(scratch: Path, data: st.DataObject) -> None:
    frame_bytes = data.draw(FRAME_BYTES)
    given_components = data.draw(components(frame_bytes))
    names = data.draw(st.lists(st.sampled_from(sorted(given_components)), unique=True))
    with Workshop(scratch) as workshop:
        plan = packed(workshop, given_components, frame_bytes)
        payload = pack_plan(plan, SETTINGS._replace(frame_bytes=frame_bytes, jobs=2))
        reader = check(workshop, payload, names, data.draw(st.integers(1, 4)))
        for entry in reader.index.entries:
            if entry.kind in {1, 4}:
                content = b"".join(map(bytes, reader.read_entry(entry)))
                assert content == (workshop.source / entry.path).read_bytes()


def possible_references(plan: Plan, chosen: list[int | None], frame: int) -> Iterator[int]:
    """Entries that FORMAT.md section 4.3 allows this frame to have, after the choices so far."""
    for number, entry in enumerate(plan.entries):
        end = entry.content_offset + entry.plain_bytes
        if number not in plan.sources or not entry.plain_bytes:
            continue
        under = [
            reference
            for other, reference in zip(plan.frames, chosen, strict=False)
            if other.content_offset < end
            and entry.content_offset < other.content_offset + other.plain_bytes
        ]
        if end <= plan.frames[frame].content_offset and not any(n is not None for n in under):
            yield number


@given(st.data())
def test_frames_with_references_are_extracted_as_well(scratch: Path, data: st.DataObject) -> None:
    frame_bytes = data.draw(FRAME_BYTES)
    given_components = data.draw(components(frame_bytes))
    names = data.draw(st.lists(st.sampled_from(sorted(given_components)), unique=True))
    with Workshop(scratch) as workshop:
        plan = packed(workshop, given_components, frame_bytes)
        chosen: list[int | None] = []
        for frame in range(len(plan.frames)):
            possible = list(possible_references(plan, chosen, frame))
            chosen.append(data.draw(st.sampled_from([*possible, None])) if possible else None)
        payload = pack_forced(plan.with_references(chosen))
        reader = check(workshop, payload, names, data.draw(st.integers(1, 4)))
        assert [frame.reference for frame in reader.index.frames] == chosen


@settings(max_examples=40)
@given(st.data())
def test_a_second_packing_of_what_was_extracted_gives_the_same_bytes(
    scratch: Path, data: st.DataObject
) -> None:
    given_components = data.draw(components(256))
    small = SETTINGS._replace(frame_bytes=256)
    with Workshop(scratch) as workshop:
        written = write_components(workshop.source, given_components)
        payload = pack_plan(prepare(written, small), small)
        extract(PayloadReader(MemorySource(payload)), workshop.target, 2)
        again = [component(workshop.target / each.name) for each in reversed(written)]
        assert pack_plan(prepare(again, small), small) == payload


def test_the_comparison_sees_which_names_share_an_inode(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").write_bytes(b"x")
    found = read_tree(tmp_path)
    assert [node.shared_with for node in found.values()] == ["a", "a", "c"]
