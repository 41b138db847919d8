"""Order, sharing and cutting, decided without a file being opened."""

from pathlib import Path

import pytest

from container.errors import PackError
from container.model import ComponentKind, EntryKind
from packer.plan import Plan, make_plan
from packer.sources import (
    ComponentSource,
    Digests,
    Fingerprint,
    ScannedComponent,
    SourceEntry,
    SourceFile,
)

# Nothing is there: a plan that opened a file would fail.
NOWHERE = Path("/nowhere")


def file(path: str, size: int) -> SourceEntry:
    source = SourceFile(NOWHERE / path, Fingerprint(0, 0, size, 0, 0))
    return SourceEntry(path, EntryKind.FILE, 0o755, "", source)


def program(name: str, size: int) -> ScannedComponent:
    return ScannedComponent(
        ComponentSource(name, "1", NOWHERE), ComponentKind.FILE, (file(name, size),), name
    )


def tree(name: str, *entries: SourceEntry) -> ScannedComponent:
    root = SourceEntry(name, EntryKind.DIRECTORY, 0o755, "", None)
    return ScannedComponent(
        ComponentSource(name, "1", NOWHERE), ComponentKind.TREE, (root, *entries), None
    )


def plan_of(
    *components: ScannedComponent, frame_bytes: int = 100, same: dict[str, str] | None = None
) -> Plan:
    """A plan in which files of different names differ, but for those that ``same`` pairs."""
    digests = {}
    for component in components:
        for entry in component.entries:
            name = (same or {}).get(entry.path, entry.path)
            digests[entry.path] = Digests(name.encode()[:16].ljust(16), name.encode().ljust(32))
    identities = {component.source.name: bytes(32) for component in components}
    return make_plan(components, digests, identities, frame_bytes)


def test_programs_come_before_trees_and_small_ones_before_large_ones() -> None:
    components = [
        tree("tree-large", file("tree-large/a", 50)),
        tree("tree-small", file("tree-small/a", 5)),
        program("large", 60),
        program("same-b", 9),
        program("same-a", 9),
    ]
    order = ["same-a", "same-b", "large", "tree-small", "tree-large"]
    for given in (components, components[::-1]):
        assert [component.name for component in plan_of(*given).components] == order


def test_the_order_of_the_arguments_changes_nothing() -> None:
    components = [program("a", 50), tree("t", file("t/x", 250), file("t/y", 7)), program("b", 50)]
    assert plan_of(*components) == plan_of(*components[::-1])


def test_files_of_one_kind_stand_together_in_the_stream() -> None:
    plan = plan_of(
        tree(
            "t",
            file("t/a.py", 10),
            file("t/b.so", 10),
            file("t/c/a.py", 10),
            file("t/d", 10),
            file("t/e.so", 10),
            file("t/e/b.py", 10),
            SourceEntry("t/link", EntryKind.SYMLINK, 0o777, "d", None),
        ),
        frame_bytes=1000,
    )
    order = [part.source.file.relative_to(NOWHERE) for part in plan.frames[0].parts]
    assert list(map(str, order)) == ["t/d", "t/a.py", "t/c/a.py", "t/e/b.py", "t/b.so", "t/e.so"]


def test_same_content_is_stored_once_in_a_component_and_again_in_another() -> None:
    plan = plan_of(
        program("p", 30),
        tree("t", file("t/a", 30), file("t/b", 30), file("t/c", 20)),
        same={"t/b": "t/a", "p": "t/a"},
    )
    entries = {entry.path: entry for entry in plan.entries}
    assert entries["t/a"][-3:] == entries["t/b"][-3:]
    assert entries["p"].content_offset != entries["t/a"].content_offset
    assert plan.content_bytes == 30 + 30 + 20
    assert [component.plain_bytes for component in plan.components] == [30, 80]


def test_a_hardlink_repeats_its_file_and_counts_nothing() -> None:
    hard = SourceEntry("t/z", EntryKind.HARDLINK, 0o755, "t/a", None)
    plan = plan_of(tree("t", file("t/a", 30), hard))
    first, second = plan.entries[1:]
    assert second == first._replace(path="t/z", kind=EntryKind.HARDLINK, link="t/a")
    assert plan.components[0].plain_bytes == 30


@pytest.mark.parametrize(
    ("content_bytes", "frame_bytes", "sizes"),
    [
        (0, 100, []),
        (1, 100, [1]),
        (99, 100, [99]),
        (100, 100, [100]),
        (101, 100, [50, 51]),
        (200, 100, [100, 100]),
        (201, 100, [67, 67, 67]),
        (5, 1, [1] * 5),
    ],
)
def test_frames_are_cut_to_nearly_equal_sizes(
    content_bytes: int, frame_bytes: int, sizes: list[int]
) -> None:
    plan = plan_of(program("p", content_bytes), frame_bytes=frame_bytes)
    assert [frame.plain_bytes for frame in plan.frames] == sizes


def test_the_parts_of_all_frames_are_all_bytes_of_all_files_once() -> None:
    sizes = {"t/a": 130, "t/b": 1, "t/c": 77, "t/d": 300}
    plan = plan_of(tree("t", *(file(path, size) for path, size in sizes.items())))
    assert all(frame.plain_bytes <= 100 for frame in plan.frames)
    position = 0
    covered: dict[str, int] = dict.fromkeys(sizes, 0)
    for frame in plan.frames:
        assert frame.content_offset == position
        assert sum(part.size for part in frame.parts) == frame.plain_bytes
        for part in frame.parts:
            path = str(part.source.file.relative_to(NOWHERE))
            assert part.offset == covered[path]
            covered[path] += part.size
        position += frame.plain_bytes
    assert covered == sizes


def test_frames_belong_to_one_component_alone() -> None:
    plan = plan_of(program("a", 10), program("b", 20), tree("t"), frame_bytes=1000)
    assert [(c.first_frame, c.frame_count) for c in plan.components] == [(0, 1), (1, 1), (2, 0)]


def test_references_say_which_components_are_needed() -> None:
    plan = plan_of(program("a", 10), program("b", 250), program("c", 300))
    # a: frame 0; b: 1 to 3; c: 4 to 6.
    needs = plan.with_references([None, 0, None, 0, 1, 0, None]).components
    assert [component.needs for component in needs] == [frozenset(), {0}, {0, 1}]
    within = plan.with_references([None] * 4 + [None, None, 2]).components
    assert within[2].needs == frozenset()


@pytest.mark.parametrize(
    ("components", "text"),
    [([], "nothing to pack"), ([program("a", 1), tree("a")], "a: two components of the same name")],
)
def test_what_makes_no_plan(components: list[ScannedComponent], text: str) -> None:
    with pytest.raises(PackError, match=text):
        plan_of(*components)
