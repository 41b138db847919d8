"""Each rule between rows, broken alone in a model that is sound otherwise."""

from collections.abc import Callable
from typing import Any

import pytest

from container import invariants, limits
from container.errors import (
    ContainerError,
    FormatError,
    LimitExceededError,
    UnsafePathError,
    UnsupportedVersionError,
)
from container.model import Component, ComponentKind, EntryKind, Index
from tests.support.payloads import (
    METADATA,
    directory_entry,
    file_entry,
    frame_row,
    symlink_entry,
    with_row,
)

# Numbers of the rows below.
PROG, TREE, A, B, COPY, EMPTY, HARD, LINK, SUB, DEEP = range(10)


def sound() -> Index:
    """A program that is the reference of the tree's second frame, and one entry of each kind."""
    entries = [
        file_entry("prog", b"program!", 0, 0o755),
        directory_entry("tree"),
        file_entry("tree/a", b"aaaa", 8, 0o755),
        file_entry("tree/b", b"bbbbbb", 12),
        file_entry("tree/copy", b"aaaa", 8),
        file_entry("tree/empty"),
        file_entry("tree/hard", b"aaaa", 8, 0o755)._replace(
            kind=int(EntryKind.HARDLINK), link="tree/a"
        ),
        symlink_entry("tree/link", "sub/deep"),
        directory_entry("tree/sub"),
        file_entry("tree/sub/deep", b"d", 18),
    ]
    frames = [
        frame_row(b"12345", 8),
        frame_row(b"123", 6, 5, 8),
        frame_row(b"1234", 5, 8, 14, reference=PROG),
    ]
    components = (
        Component("prog", "1", ComponentKind.FILE, PROG, 0, 1, 0, 1, frozenset(), 8, bytes(32)),
        Component("tree", "1", ComponentKind.TREE, A, 1, 9, 1, 2, frozenset({0}), 15, bytes(32)),
    )
    return Index(METADATA, components, tuple(frames), tuple(entries))


Change = Callable[[Index], Index]


def metadata(**changes: Any) -> Change:
    return lambda index: index._replace(metadata=index.metadata._replace(**changes))


def rows(part: str, number: int, **changes: Any) -> Change:
    return lambda index: with_row(index, part, number, **changes)


def entry(number: int, **changes: Any) -> Change:
    return rows("entries", number, **changes)


def frame(number: int, **changes: Any) -> Change:
    return rows("frames", number, **changes)


def component(number: int, **changes: Any) -> Change:
    return rows("components", number, **changes)


def both(*changes: Change) -> Change:
    def change(index: Index) -> Index:
        for each in changes:
            index = each(index)
        return index

    return change


OTHER_DIGEST = bytes(range(16))

BROKEN: list[tuple[str, Change, type[ContainerError], str]] = [
    ("platform", metadata(platform="plan9-mips"), FormatError, "unknown platform"),
    ("version", metadata(version="a b"), UnsafePathError, "product version"),
    ("zstd version", metadata(zstd_version=""), UnsafePathError, "zstd version"),
    ("frame of nothing", frame(0, plain_bytes=0), LimitExceededError, "plain size of a frame"),
    ("frame stored in nothing", frame(1, stored_bytes=0), LimitExceededError, "stored size"),
    (
        "large frame",
        frame(0, plain_bytes=limits.MAX_FRAME_PLAIN_BYTES + 1),
        LimitExceededError,
        "frame 0: plain size",
    ),
    (
        "large stored frame",
        frame(2, stored_bytes=limits.MAX_FRAME_STORED_BYTES + 1),
        LimitExceededError,
        "frame 2: stored size",
    ),
    ("filter", frame(1, filter=2), UnsupportedVersionError, "frame 1.*reads no filters"),
    ("entry of nobody", component(1, entry_count=8), FormatError, "do not share out all rows"),
    ("frame of nobody", component(1, frame_count=1), FormatError, "do not share out all rows"),
    ("name twice", component(1, name="prog"), FormatError, "same name"),
    ("component name", component(1, name="a/b"), UnsafePathError, "component name"),
    ("component version", component(1, version="\n"), UnsafePathError, "component version"),
    (
        "sizes over the limit",
        component(1, plain_bytes=limits.MAX_PLAIN_BYTES),
        LimitExceededError,
        "plain size of the payload",
    ),
    ("illegal path", entry(DEEP, path="tree/sub/.."), UnsafePathError, "illegal path"),
    ("absolute path", entry(DEEP, path="/etc/passwd"), UnsafePathError, "illegal path"),
    ("collision", entry(B, path="tree/A"), UnsafePathError, "collides"),
    ("collision of components", entry(PROG, path="Tree"), UnsafePathError, "collides"),
    ("order", entry(A, path="tree/c"), FormatError, "ascending order"),
    ("outside its tree", entry(DEEP, path="tree2/deep"), UnsafePathError, "parent is not"),
    ("parent missing", entry(DEEP, path="tree/zub/deep"), UnsafePathError, "tree/zub"),
    ("parent is a file", entry(LINK, path="tree/hard/x"), UnsafePathError, "tree/hard"),
    ("parent is a symlink", entry(SUB, path="tree/link/x"), UnsafePathError, "tree/link"),
    ("tree without a root", entry(TREE, path="tre"), FormatError, "begins with its own directory"),
    (
        "root is a file",
        entry(TREE, kind=int(EntryKind.SYMLINK), link="a"),
        FormatError,
        "begins with its own directory",
    ),
    ("program of another name", entry(PROG, path="progs"), FormatError, "path differs"),
    ("program below a tree", component(1, kind=ComponentKind.FILE), FormatError, "exactly one"),
    (
        "program is a directory",
        entry(PROG, kind=int(EntryKind.DIRECTORY)),
        FormatError,
        "exactly one entry",
    ),
    ("entry point not executable", component(1, entry_point=B), FormatError, "entry point"),
    ("entry point a directory", component(1, entry_point=SUB), FormatError, "entry point"),
    ("entry point a link", component(1, entry_point=LINK), FormatError, "entry point"),
    ("digests of one extent", entry(COPY, xxh3_128=OTHER_DIGEST), FormatError, "overlaps"),
    ("sizes of one extent", entry(COPY, plain_bytes=3), FormatError, "overlaps"),
    ("gap", entry(DEEP, content_offset=19), FormatError, "gap or overlap"),
    ("overlap", entry(B, content_offset=11), FormatError, "gap or overlap"),
    ("in another's frame", entry(DEEP, content_offset=0), FormatError, "gap or overlap"),
    (
        "frames left over",
        both(entry(DEEP, plain_bytes=0, content_offset=0, xxh3_128=invariants.EMPTY_XXH3_128)),
        FormatError,
        "do not fill the component's frames",
    ),
    ("extent past the frames", frame(2, plain_bytes=4), FormatError, "do not fill"),
    ("empty with an offset", entry(EMPTY, content_offset=8), FormatError, "an empty file"),
    ("empty with a digest", entry(EMPTY, xxh3_128=OTHER_DIGEST), FormatError, "an empty file"),
    ("sum of sizes", component(1, plain_bytes=14), FormatError, "size differs from its files'"),
    ("hardlink to nothing", entry(HARD, link="tree/none"), FormatError, "a hardlink repeats"),
    ("hardlink to a symlink", entry(HARD, link="tree/link"), FormatError, "a hardlink repeats"),
    ("hardlink to a directory", entry(HARD, link="tree"), FormatError, "a hardlink repeats"),
    ("hardlink elsewhere", entry(HARD, link="prog"), FormatError, "a hardlink repeats"),
    ("hardlink to a later", entry(HARD, link="tree/sub/deep"), FormatError, "a hardlink repeats"),
    ("hardlink with a mode", entry(HARD, mode=0o644), FormatError, "a hardlink repeats"),
    ("hardlink with a size", entry(HARD, plain_bytes=1), FormatError, "a hardlink repeats"),
    ("directory with a size", entry(SUB, plain_bytes=1), FormatError, "only files have contents"),
    ("symlink with a digest", entry(LINK, xxh3_128=OTHER_DIGEST), FormatError, "only files"),
    ("link out", entry(LINK, link="../prog"), UnsafePathError, "leads out"),
    ("reference a directory", frame(2, reference=TREE), FormatError, "file with contents"),
    ("reference a symlink", frame(2, reference=LINK), FormatError, "file with contents"),
    ("reference a hardlink", frame(2, reference=HARD), FormatError, "file with contents"),
    ("reference empty", frame(2, reference=EMPTY), FormatError, "file with contents"),
    ("reference later", frame(0, reference=A), FormatError, "ends before the frame begins"),
    ("reference to itself", frame(0, reference=PROG), FormatError, "ends before the frame"),
    ("reference in its own frame", frame(2, reference=B), FormatError, "ends before the frame"),
    (
        "reference with a reference",
        both(frame(1, reference=PROG), frame(2, reference=A)),
        FormatError,
        "a reference itself has none",
    ),
    ("needs too little", component(1, needs=frozenset()), FormatError, "needs differ"),
    ("needs too much", frame(2, reference=A), FormatError, "needs differ"),
]


def test_the_model_is_sound_before_it_is_broken() -> None:
    invariants.check(sound())


@pytest.mark.parametrize(
    ("change", "error", "text"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_each_rule(change: Change, error: type[ContainerError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        invariants.check(change(sound()))
    assert type(caught.value) is error


def test_a_reference_in_its_own_component_needs_no_other() -> None:
    index = both(frame(2, reference=A), component(1, needs=frozenset()))(sound())
    invariants.check(index)


@pytest.mark.parametrize("size", [limits.MAX_REFERENCE_BYTES, limits.MAX_REFERENCE_BYTES + 1])
def test_a_reference_has_a_largest_size(size: int) -> None:
    frame_bytes = limits.MAX_FRAME_PLAIN_BYTES
    sizes = [frame_bytes, frame_bytes, size - 2 * frame_bytes, 1]
    frames = [
        frame_row(b"x", plain, number, sum(sizes[:number]))
        for number, plain in enumerate(sizes)
        if plain
    ]
    frames[-1] = frames[-1]._replace(reference=1)
    entries = (
        directory_entry("t"),
        file_entry("t/a", b"a")._replace(plain_bytes=size),
        file_entry("t/b", b"b", size),
    )
    component = Component(
        "t", "1", ComponentKind.TREE, None, 0, 3, 0, len(frames), frozenset(), size + 1, bytes(32)
    )
    index = Index(METADATA, (component,), tuple(frames), entries)
    if size > limits.MAX_REFERENCE_BYTES:
        with pytest.raises(LimitExceededError, match="size of a reference"):
            invariants.check(index)
    else:
        invariants.check(index)


def test_a_65th_component_is_refused() -> None:
    entries = tuple(directory_entry(f"t{number:02}") for number in range(65))
    components = tuple(
        Component(
            entry.path, "1", ComponentKind.TREE, None, number, 1, 0, 0, frozenset(), 0, bytes(32)
        )
        for number, entry in enumerate(entries)
    )
    invariants.check(Index(METADATA, components[:64], (), entries[:64]))
    with pytest.raises(LimitExceededError, match="number of components"):
        invariants.check(Index(METADATA, components, (), entries))
