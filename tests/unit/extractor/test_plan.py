"""What is to be written, decided from the index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from container.errors import UnknownEntryError
from container.reader import PayloadReader
from extractor.plan import make_plan, select
from tests.support.payloads import MemorySource, pack_plan
from tests.support.samples import FRAME_BYTES, akin, noise, plan_of, product, settings
from tests.support.trees import File

if TYPE_CHECKING:
    from pathlib import Path

    from container.model import Index
    from extractor.plan import Plan
    from tests.support.trees import Node

PROGRAMS: dict[str, File | dict[str, Node]] = {
    "one": File(noise(1, 600), 0o755),
    "two": File(akin(noise(1, 600), 2, 700), 0o755),
}


def index_of(
    root: Path,
    components: dict[str, File | dict[str, Node]],
    references: dict[str, str] | None = None,
) -> Index:
    plan = plan_of(root, components, references)
    return PayloadReader(MemorySource(pack_plan(plan, settings()))).index


def planned(index: Index, *names: str) -> Plan:
    return make_plan(index, select(index, names))


def test_all_components_are_taken_where_none_is_named_and_in_payload_order(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS)
    assert [component.name for component in select(index, ())] == ["one", "two"]
    assert [component.name for component in select(index, ("two", "one", "two"))] == ["one", "two"]
    assert [component.name for component in select(index, ["two"])] == ["two"]


def test_an_unknown_component_is_refused_and_the_known_ones_are_told(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS)
    with pytest.raises(UnknownEntryError, match=r"three: .*one, two"):
        select(index, ("one", "three"))


def test_every_kind_of_entry_goes_to_its_own_list(tmp_path: Path) -> None:
    plan = planned(index_of(tmp_path, product()))
    assert [entry.path for entry in plan.directories] == [
        "runner",
        "runner/closed",
        "runner/data",
        "runner/hollow",
        "runner/lib",
    ]
    assert [entry.path for entry in plan.empty_files] == ["runner/data/empty"]
    assert [entry.path for entry in plan.symlinks] == ["runner/lib/link.so", "runner/lib/up"]
    # Which of two names is the link is decided by their order, not by who was there first.
    assert [(entry.path, entry.link) for entry in plan.hardlinks] == [
        ("runner/runner", "runner/alias")
    ]
    written = {entry.path for file in plan.files for entry in file.entries}
    assert written == {
        "server",
        "runner/alias",
        "runner/closed/inside",
        "runner/data/small",
        "runner/lib/first.so",
        "runner/lib/same.so",
    }


def test_the_parts_of_a_file_tile_it_and_the_parts_of_a_frame_tile_the_frame(
    tmp_path: Path,
) -> None:
    index = index_of(tmp_path, product())
    plan = planned(index)
    ends = [0] * len(plan.files)
    for task in plan.tasks:
        position = 0
        for part in task.parts:
            assert part.size > 0
            assert part.frame_offset == position
            assert part.file_offset == ends[part.extent]
            position += part.size
            ends[part.extent] += part.size
        assert position == index.frames[task.number].plain_bytes
    assert ends == [file.plain_bytes for file in plan.files]
    spans = [file.last_task - file.first_task for file in plan.files]
    # Otherwise nothing was cut, and this test saw nothing.
    assert max(spans) >= 5000 // FRAME_BYTES
    for number, file in enumerate(plan.files):
        fillers = [
            position
            for position, task in enumerate(plan.tasks)
            if number in [part.extent for part in task.parts]
        ]
        assert fillers == list(range(file.first_task, file.last_task + 1))
    assert plan.largest_frame_bytes == max(frame.plain_bytes for frame in index.frames)


def test_the_same_content_is_one_file_plan_with_several_entries(tmp_path: Path) -> None:
    index = index_of(tmp_path, product())
    plan = planned(index)
    shared = [file for file in plan.files if len(file.entries) > 1]
    assert [[entry.path for entry in file.entries] for file in shared] == [
        ["runner/lib/first.so", "runner/lib/same.so"]
    ]
    # Written twice, so it counts twice, although it is decoded once.
    assert plan.plain_bytes == index.plain_bytes == index.content_bytes + 1500


def test_only_the_frames_of_the_selected_components_are_read(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS)
    plan = planned(index, "two")
    assert [task.number for task in plan.tasks] == [1]
    assert [(file.first_task, file.last_task) for file in plan.files] == [(0, 0)]
    assert plan.plain_bytes == 700


def test_a_reference_from_a_component_that_is_not_wanted_becomes_scratch(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS, {"two": "one"})
    plan = planned(index, "two")
    assert [[entry.path for entry in file.entries] for file in plan.files] == [["one"], ["two"]]
    assert [file.scratch for file in plan.files] == [True, False]
    assert [task.reference for task in plan.tasks] == [None, 0]
    # Scratch is no file of the user's: it is not part of the sum.
    assert plan.plain_bytes == 700
    assert [component.name for component in plan.components] == ["two"]


def test_a_reference_from_a_component_that_is_wanted_is_written_once(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS, {"two": "one"})
    plan = planned(index)
    assert [file.scratch for file in plan.files] == [False, False]
    assert [task.reference for task in plan.tasks] == [None, 0]


def test_a_reference_whose_content_several_files_have_is_still_written_to_all(
    tmp_path: Path,
) -> None:
    components: dict[str, File | dict[str, Node]] = {
        "base": {"a": File(noise(3, 600)), "b": File(noise(3, 600))},
        "later": {"c": File(akin(noise(3, 600), 5, 2000))},
    }
    plan = planned(index_of(tmp_path, components, {"later/c": "base/b"}))
    assert [[entry.path for entry in file.entries] for file in plan.files] == [
        ["base/a", "base/b"],
        ["later/c"],
    ]
    assert [task.reference for task in plan.tasks] == [None, 0, 0]


def test_scratch_takes_of_a_shared_frame_only_the_part_that_is_needed(tmp_path: Path) -> None:
    components: dict[str, File | dict[str, Node]] = {
        "base": {"a": File(noise(3, 300)), "b": File(noise(4, 300))},
        "later": {"c": File(akin(noise(4, 300), 5, 900))},
    }
    index = index_of(tmp_path, components, {"later/c": "base/b"})
    plan = planned(index, "later")
    assert [(task.number, task.reference) for task in plan.tasks] == [(0, None), (1, 0)]
    (part,) = plan.tasks[0].parts
    assert (part.extent, part.frame_offset, part.file_offset, part.size) == (0, 300, 0, 300)
    assert plan.files[0].scratch
    assert plan.files[0].entries[0].path == "base/b"


def test_an_empty_selection_of_frames_is_a_plan_too(tmp_path: Path) -> None:
    plan = planned(index_of(tmp_path, {"hollow": {"empty": File(b"")}}))
    assert (plan.tasks, plan.files, plan.largest_frame_bytes) == ((), (), 0)
    assert [entry.path for entry in plan.empty_files] == ["hollow/empty"]
