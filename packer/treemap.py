"""Rectangles for what weighs how much: laid out here, drawn by ``packer.page``.

Every area is proportional to its bytes, through all levels: nothing is taken away for borders or
headings. Names are those of the payload, unescaped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OPENED_SHARE = 0.5
"""A directory with more of its component than this is shown as what is in it."""


class Box(NamedTuple):
    """A rectangle, in units of the picture."""

    x: float
    y: float
    width: float
    height: float


class Item(NamedTuple):
    """Something that takes room in the packed file."""

    path: str
    plain_bytes: int
    stored_bytes: int


class Cell(NamedTuple):
    """One rectangle that is drawn."""

    box: Box
    name: str
    """Behind the path of its block; a file's whole path where it is alone in its block."""
    items: tuple[Item, ...]
    """One file, or several that are too small for rectangles of their own."""


class Block(NamedTuple):
    """A package, or whatever else the parts of a component are."""

    box: Box
    name: str
    """The last segment of its path."""
    cells: tuple[Cell, ...]


@dataclass
class Node:
    """A file, or a directory with all that is in it."""

    path: str
    item: Item | None = None
    children: dict[str, Node] = field(default_factory=dict)
    stored_bytes: int = 0

    def items(self) -> Iterator[Item]:
        """All files at or below it."""
        if self.item is not None:
            yield self.item
        for child in self.children.values():
            yield from child.items()


def squarify(sizes: Sequence[float], box: Box) -> list[Box]:
    """Divide a box into rectangles with areas in the ratio of their sizes, each nearly square.

    Args:
        sizes: > 0; largest first gives the best shapes.
        box: divided without a rest.
    Source: Bruls, Huizing, van Wijk: Squarified Treemaps, 2000.
    """
    boxes: list[Box] = []
    left = sum(sizes)
    start = 0
    while start < len(sizes):
        x, y, width, height = box
        side = min(width, height)
        scale = width * height / left
        row, end = sizes[start], start + 1
        worst = _worst(sizes[start : start + 1], row, side, scale)
        while end < len(sizes):
            longer = _worst(sizes[start : end + 1], row + sizes[end], side, scale)
            if longer > worst:
                break
            row, worst, end = row + sizes[end], longer, end + 1
        # The row lies along the shorter side and takes its share of the longer one.
        depth = row / left * max(width, height)
        place = 0.0
        for size in sizes[start:end]:
            length = size / row * side
            if width >= height:
                boxes.append(Box(x, y + place, depth, length))
            else:
                boxes.append(Box(x + place, y, length, depth))
            place += length
        if width >= height:
            box = Box(x + depth, y, width - depth, height)
        else:
            box = Box(x, y + depth, width, height - depth)
        left -= row
        start = end
    return boxes


def _worst(row: Sequence[float], total: float, side: float, scale: float) -> float:
    """The ratio of sides of the least square rectangle in a row of sizes along a side."""
    thickness = total * scale / side if side else 0
    if not thickness:
        return 1
    lengths = (size * scale / thickness for size in (max(row), min(row)))
    return max(max(length / thickness, thickness / length) for length in lengths)


def lay_out(items: Sequence[Item], box: Box, least_area: float) -> list[Block]:
    """Divide a box among the files of one component.

    Args:
        items: whose paths begin with one and the same segment; those of 0 bytes are left out.
        box: for all of them.
        least_area: files with a smaller rectangle share one.
    """
    root = _tree([item for item in items if item.stored_bytes])
    if not root.stored_bytes:
        return []
    area_per_byte = box.width * box.height / root.stored_bytes
    blocks = []
    groups = _grouped(sorted(_opened(root), key=_heaviest), least_area / area_per_byte)
    boxes = squarify([sum(node.stored_bytes for node in group) for group in groups], box)
    for group, place in zip(groups, boxes, strict=True):
        if len(group) > 1:
            small = tuple(item for node in group for item in node.items())
            name = smaller(len(small))
            blocks.append(Block(place, name, (Cell(place, name, small),)))
            continue
        name = group[0].path.rpartition("/")[2]
        cells = _cells(group[0], group[0].path, place, least_area / area_per_byte)
        blocks.append(Block(place, name, tuple(cells)))
    return blocks


def smaller(count: int) -> str:
    """The name of files that share a rectangle."""
    return f"{count} smaller"


def _tree(items: Sequence[Item]) -> Node:
    top = Node("")
    for item in items:
        node = top
        node.stored_bytes += item.stored_bytes
        for name in item.path.split("/"):
            path = f"{node.path}/{name}" if node.path else name
            node = node.children.setdefault(name, Node(path))
            node.stored_bytes += item.stored_bytes
        node.item = item
    # All lie below the component's own directory, or are the component.
    return next(iter(top.children.values()), top)


def _opened(root: Node) -> list[Node]:
    """The parts of a component: what is in it, and in a directory that is nearly all of it."""
    nodes, parts = [root], []
    while nodes:
        node = nodes.pop()
        if node.children and node.stored_bytes > _OPENED_SHARE * root.stored_bytes:
            nodes += node.children.values()
        else:
            parts.append(node)
    return parts


def _cells(node: Node, block: str, box: Box, least_bytes: float) -> Iterator[Cell]:
    if node.item is not None:
        yield Cell(box, _behind(node.path, block), (node.item,))
        return
    groups = _grouped(sorted(node.children.values(), key=_heaviest), least_bytes)
    boxes = squarify([sum(child.stored_bytes for child in group) for group in groups], box)
    for group, place in zip(groups, boxes, strict=True):
        small = tuple(item for child in group for item in child.items())
        if len(group) > 1:
            yield Cell(place, smaller(len(small)), small)
        elif group[0].stored_bytes < least_bytes:
            name = _behind(group[0].path, block)
            yield Cell(place, name if len(small) == 1 else f"{name}/", small)
        else:
            yield from _cells(group[0], block, place, least_bytes)


def _grouped(nodes: Sequence[Node], least_bytes: float) -> list[list[Node]]:
    """Each by itself, and those that are too small together; the heaviest comes first."""
    groups = [[node] for node in nodes if node.stored_bytes >= least_bytes]
    small = [node for node in nodes if node.stored_bytes < least_bytes]
    if small:
        groups.append(small)
    return sorted(groups, key=lambda group: -sum(node.stored_bytes for node in group))


def _behind(path: str, base: str) -> str:
    return path.removeprefix(base).lstrip("/") or path.rpartition("/")[2]


def _heaviest(node: Node) -> tuple[int, str]:
    return -node.stored_bytes, node.path
