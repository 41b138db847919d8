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
    from collections.abc import Sequence
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


def planned(index: Index, *names: str, present: Sequence[str] = ()) -> Plan:
    numbers = {number for number, entry in enumerate(index.entries) if entry.path in present}
    assert len(numbers) == len(present)
    return make_plan(index, select(index, names), numbers)


def files_of(plan: Plan) -> list[list[str]]:
    """Paths of the files of each extent."""
    return [
        [entry.path, *(copy.path for copy in plan.copies.get(extent, ()))]
        for extent, entry in enumerate(plan.files)
    ]


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
    written = {path for paths in files_of(plan) for path in paths}
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
    held_bytes = [0] * len(plan.files)
    for task in plan.tasks:
        frame = index.frames[task.number]
        position = frame.content_offset
        for extent in task.extents:
            entry = plan.files[extent]
            # Where the frame goes on is where the file goes on, too.
            assert entry.content_offset + held_bytes[extent] == position
            end = min(
                entry.content_offset + entry.plain_bytes, frame.content_offset + frame.plain_bytes
            )
            assert end > position
            held_bytes[extent] += end - position
            position = end
        assert position == frame.content_offset + frame.plain_bytes
    assert held_bytes == [entry.plain_bytes for entry in plan.files]
    # Otherwise nothing was cut, and this test saw nothing.
    assert len([extent for task in plan.tasks for extent in task.extents]) > len(plan.files)
    assert len(plan.tasks) > 5000 // FRAME_BYTES
    assert [task.number for task in plan.tasks] == list(range(len(index.frames)))
    components = {extent: task.component for task in plan.tasks for extent in task.extents}
    assert [components[extent] for extent in sorted(components)] == ["server"] + ["runner"] * 4
    assert plan.largest_frame_bytes == max(frame.plain_bytes for frame in index.frames)


def test_the_same_content_is_one_extent_with_several_files(tmp_path: Path) -> None:
    index = index_of(tmp_path, product())
    plan = planned(index)
    shared = [paths for paths in files_of(plan) if len(paths) > 1]
    assert shared == [["runner/lib/first.so", "runner/lib/same.so"]]
    # Written twice, so it counts twice, although it is decoded once.
    assert plan.plain_bytes == index.plain_bytes == index.content_bytes + 1500


def test_only_the_frames_of_the_selected_components_are_read(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS)
    plan = planned(index, "two")
    assert [task.number for task in plan.tasks] == [1]
    assert files_of(plan) == [["two"]]
    assert [task.component for task in plan.tasks] == ["two"]
    assert (plan.plain_bytes, plan.component_bytes) == (700, (700,))


def test_a_reference_from_a_component_that_is_not_wanted_becomes_scratch(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS, {"two": "one"})
    plan = planned(index, "two")
    assert files_of(plan) == [["one"], ["two"]]
    assert [task.scratch for task in plan.tasks] == [True, False]
    assert [task.component for task in plan.tasks] == ["one", "two"]
    assert [task.reference for task in plan.tasks] == [None, 0]
    assert plan.ready == ()
    # Scratch is no file of the user's: it is not part of the sum.
    assert plan.plain_bytes == 700
    assert [component.name for component in plan.components] == ["two"]


def test_a_reference_from_a_component_that_is_wanted_is_written_once(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS, {"two": "one"})
    plan = planned(index)
    assert [task.scratch for task in plan.tasks] == [False, False]
    assert [task.reference for task in plan.tasks] == [None, 0]


def test_a_reference_whose_content_several_files_have_is_still_written_to_all(
    tmp_path: Path,
) -> None:
    components: dict[str, File | dict[str, Node]] = {
        "base": {"a": File(noise(3, 600)), "b": File(noise(3, 600))},
        "later": {"c": File(akin(noise(3, 600), 5, 2000))},
    }
    plan = planned(index_of(tmp_path, components, {"later/c": "base/b"}))
    assert files_of(plan) == [["base/a", "base/b"], ["later/c"]]
    assert [task.reference for task in plan.tasks] == [None, 0, 0]


def test_scratch_takes_of_a_shared_frame_only_the_part_that_is_needed(tmp_path: Path) -> None:
    components: dict[str, File | dict[str, Node]] = {
        "base": {"a": File(noise(3, 300)), "b": File(noise(4, 300))},
        "later": {"c": File(akin(noise(4, 300), 5, 900))},
    }
    index = index_of(tmp_path, components, {"later/c": "base/b"})
    plan = planned(index, "later")
    assert [(task.number, task.reference) for task in plan.tasks] == [(0, None), (1, 0)]
    assert [task.extents for task in plan.tasks] == [range(1), range(1, 2)]
    assert [task.scratch for task in plan.tasks] == [True, False]
    assert files_of(plan) == [["base/b"], ["later/c"]]
    assert plan.files[0].content_offset - index.frames[0].content_offset == 300


def test_a_file_that_ends_where_a_frame_ends_is_not_of_the_next_one(tmp_path: Path) -> None:
    tree: dict[str, Node] = {"a": File(noise(1, FRAME_BYTES)), "b": File(noise(2, FRAME_BYTES))}
    plan = planned(index_of(tmp_path, {"tree": tree}))
    assert [task.extents for task in plan.tasks] == [range(1), range(1, 2)]


def test_a_frame_inside_of_a_file_holds_that_file_alone(tmp_path: Path) -> None:
    plan = planned(index_of(tmp_path, {"tree": {"a": File(noise(1, 3 * FRAME_BYTES))}}))
    assert [task.extents for task in plan.tasks] == [range(1)] * 3


def test_an_empty_selection_of_frames_is_a_plan_too(tmp_path: Path) -> None:
    plan = planned(index_of(tmp_path, {"hollow": {"empty": File(b"")}}))
    assert (plan.tasks, plan.files, plan.largest_frame_bytes) == ((), (), 0)
    assert [entry.path for entry in plan.empty_files] == ["hollow/empty"]


def test_what_is_there_is_not_written_and_its_frames_are_not_read(tmp_path: Path) -> None:
    index = index_of(tmp_path, product())
    plan = planned(index, present=["server", "runner/data/small"])
    written = {path for paths in files_of(plan) for path in paths}
    assert written == {
        "runner/alias",
        "runner/closed/inside",
        "runner/lib/first.so",
        "runner/lib/same.so",
    }
    server = index.entries[0]
    under = set(index.frames_under(server))
    assert under
    assert under.isdisjoint(task.number for task in plan.tasks)
    assert plan.component_bytes == (0, index.components[1].plain_bytes - len(b"small"))
    assert plan.plain_bytes == index.plain_bytes - 5000 - len(b"small")
    # Links, directories and empty files cost nothing, and are made every time.
    assert len(plan.directories) == 5
    assert [entry.path for entry in plan.empty_files] == ["runner/data/empty"]
    assert [entry.path for entry in plan.hardlinks] == ["runner/runner"]


def test_of_two_files_of_one_content_only_the_missing_one_is_written(tmp_path: Path) -> None:
    index = index_of(tmp_path, product())
    plan = planned(index, present=["runner/lib/first.so"])
    assert ["runner/lib/same.so"] in files_of(plan)
    assert plan.copies == {}
    assert plan.plain_bytes == index.plain_bytes - 1500


def test_a_reference_that_is_there_is_opened_not_decoded(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS, {"two": "one"})
    plan = planned(index, present=["one"])
    assert files_of(plan) == [["two"]]
    assert [(task.number, task.reference) for task in plan.tasks] == [(1, 1)]
    # Its number comes behind those of the files that are written.
    assert [(extent, index.entries[number].path) for extent, number in plan.ready] == [(1, "one")]


def test_a_reference_that_is_there_under_another_name_is_decoded_for_the_missing_one_alone(
    tmp_path: Path,
) -> None:
    components: dict[str, File | dict[str, Node]] = {
        "base": {"a": File(noise(3, 600)), "b": File(noise(3, 600))},
        "later": {"c": File(akin(noise(3, 600), 5, 2000))},
    }
    index = index_of(tmp_path, components, {"later/c": "base/b"})
    plan = planned(index, present=["base/a", "base/b"])
    assert [index.entries[number].path for _, number in plan.ready] == ["base/a"]
    # One of the two is missing: it is written, and is the reference itself.
    plan = planned(index, present=["base/a"])
    assert files_of(plan) == [["base/b"], ["later/c"]]
    assert plan.ready == ()
    assert [task.reference for task in plan.tasks] == [None, 0, 0]


def test_a_reference_that_no_missing_file_needs_is_left_alone(tmp_path: Path) -> None:
    index = index_of(tmp_path, PROGRAMS, {"two": "one"})
    plan = planned(index, present=["one", "two"])
    assert (plan.files, plan.tasks, plan.ready, plan.plain_bytes) == ((), (), (), 0)
    assert (plan.largest_frame_bytes, plan.largest_stored_bytes) == (0, 0)
