"""Areas are bytes, nothing overlaps, nothing is left out."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container import limits
from packer.treemap import Block, Box, Item, lay_out, squarify

WHOLE = Box(3, 5, 400, 250)
CLOSE = 1e-6


def area(box: Box) -> float:
    return box.width * box.height


def overlap(one: Box, other: Box) -> float:
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(width, 0) * max(height, 0)


def check_division(boxes: list[Box], whole: Box) -> None:
    """All of the whole, each part inside of it and beside the others."""
    for box in boxes:
        assert overlap(box, whole) == pytest.approx(area(box), rel=CLOSE, abs=CLOSE)
    for one, other in combinations(boxes, 2):
        assert overlap(one, other) == pytest.approx(0, abs=CLOSE)
    assert sum(map(area, boxes)) == pytest.approx(area(whole))


def files(*sizes: tuple[str, int]) -> list[Item]:
    return [Item(path, 2 * size, size) for path, size in sizes]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40))
def test_a_box_is_divided_in_proportion(sizes: list[int]) -> None:
    boxes = squarify(sizes, WHOLE)
    check_division(boxes, WHOLE)
    for size, box in zip(sizes, boxes, strict=True):
        assert area(box) == pytest.approx(area(WHOLE) * size / sum(sizes), rel=CLOSE)


def test_equal_sizes_become_squares() -> None:
    assert squarify([1] * 4, Box(0, 0, 10, 10)) == [
        *(Box(0, 0, 5, 5), Box(0, 5, 5, 5)),
        *(Box(5, 0, 5, 5), Box(5, 5, 5, 5)),
    ]


def test_the_example_of_the_paper() -> None:
    """6, 6, 4, 3, 2, 2, 1 in 6 x 4: its last figure."""
    boxes = squarify([6, 6, 4, 3, 2, 2, 1], Box(0, 0, 6, 4))
    assert [(round(box.width, 2), round(box.height, 2)) for box in boxes] == [
        *((3, 2), (3, 2), (1.71, 2.33), (1.29, 2.33)),
        *((1.2, 1.67), (1.2, 1.67), (0.6, 1.67)),
    ]


@st.composite
def trees(draw: st.DrawFn) -> list[Item]:
    names = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
    paths = draw(st.sets(names, min_size=1, max_size=25))
    leaves = [path for path in sorted(paths) if not any(o.startswith(f"{path}/") for o in paths)]
    return [Item(f"root/{path}", 1, draw(st.integers(0, 5000))) for path in leaves]


@given(trees(), st.sampled_from([0.0, 50.0, 5000.0, 1e9]))
def test_a_tree_fills_its_box_with_every_file_once(items: list[Item], least: float) -> None:
    blocks = lay_out(items, WHOLE, least)
    heavy = sorted(item for item in items if item.stored_bytes)
    assert sorted(item for block in blocks for cell in block.cells for item in cell.items) == heavy
    if not heavy:
        assert blocks == []
        return
    check_division([block.box for block in blocks], WHOLE)
    check_division([cell.box for block in blocks for cell in block.cells], WHOLE)
    total = sum(item.stored_bytes for item in heavy)
    for block in blocks:
        check_division([cell.box for cell in block.cells], block.box)
        for cell in block.cells:
            stored = sum(item.stored_bytes for item in cell.items)
            assert area(cell.box) == pytest.approx(area(WHOLE) * stored / total, rel=CLOSE)


def names(blocks: list[Block]) -> dict[str, list[str]]:
    return {block.name: [cell.name for cell in block.cells] for block in blocks}


def test_a_directory_that_is_nearly_all_is_shown_as_what_is_in_it() -> None:
    items = files(
        ("run/run", 100), ("run/_in/one/a", 300), ("run/_in/one/b/c", 200), ("run/_in/d", 400)
    )
    assert names(lay_out(items, WHOLE, 0)) == {"d": ["d"], "one": ["a", "b/c"], "run": ["run"]}


def test_what_is_too_small_shares_a_rectangle() -> None:
    items = files(
        *((f"run/tiny/{number}", 1) for number in range(30)),
        *(("run/big", 4000), ("run/other", 3000), ("run/lib/big", 2000), ("run/lib/a/b", 3)),
        *(("run/lib/a/c", 3), ("run/lib/d", 5)),
    )
    assert names(lay_out(items, WHOLE, 200)) == {
        "big": ["big"],
        "other": ["other"],
        "lib": ["big", "3 smaller"],
        "tiny": ["30 smaller"],
    }


def test_one_small_directory_keeps_its_name() -> None:
    items = files(("run/big", 9000), ("run/lib/big", 2000), ("run/lib/a/b", 3), ("run/lib/a/c", 3))
    assert names(lay_out(items, WHOLE, 200))["lib"] == ["big", "a/"]


def test_a_program_is_one_rectangle() -> None:
    assert names(lay_out(files(("server", 7)), WHOLE, 100)) == {"server": ["server"]}


def test_the_deepest_legal_path_is_laid_out() -> None:
    deep = "/".join("a" * 512)
    (block,) = lay_out(files((deep, 7)), WHOLE, 100)
    assert block.cells[0].items[0].path == deep


def test_paths_as_deep_as_the_format_allows_are_laid_out() -> None:
    depth = limits.MAX_PATH_BYTES // 2 - 4
    items = [
        Item(f"c/{side}/{'d/' * depth}{number}", 1000, 500) for side in "xyz" for number in range(3)
    ]
    blocks = lay_out(items, Box(0, 0, 1200, 680), 420)
    assert sorted(item for block in blocks for cell in block.cells for item in cell.items) == items
