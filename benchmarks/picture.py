"""The main figures as one picture: a file of its own, light and dark, for a README."""

from __future__ import annotations

import html
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import charts
from benchmarks.charts import Bar, Figure
from benchmarks.errors import BenchmarkError
from benchmarks.found import is_ours, newest, walls
from benchmarks.report import seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.found import Document, Rounds

_GAP, _HEADING, _MARGIN = 28, 50, 12
_LABEL = "First start and size beside other ways to ship the same files; shorter is better"


def render(documents: Sequence[Document], columns: int) -> str:
    """First start and size beside the peers.

    Args:
        documents: oldest first.
        columns: 2, or 1 for a phone.
    Raises:
        BenchmarkError: there are no results of these scenarios.
    """
    first, size = newest(documents, "first"), newest(documents, "size")
    if first is None or size is None:
        raise BenchmarkError("no result of first and size: run python -m benchmarks first size")
    figures = [(first, time_bars(first.processes())), (size, size_bars(size.stored_bytes))]
    parts: list[str] = []
    x = y = _MARGIN
    bottom = 0.0
    for found, figure in figures:
        parts += [
            f'<g transform="translate({x} {charts.number(y)})">',
            charts.text(0, 12, found.title, "ours"),
            charts.text(0, 27, found.run, "soft"),
            charts.text(0, 41, found.machine, "soft"),
            f'<g transform="translate(0 {_HEADING})">',
            *figure.parts,
            "</g></g>",
        ]
        bottom = max(bottom, y + _HEADING + figure.height)
        if columns == 1:
            y = int(bottom) + _GAP
        else:
            x += charts.WIDTH + _GAP
    width = 2 * _MARGIN + columns * charts.WIDTH + (columns - 1) * _GAP
    height = charts.number(bottom + _MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{html.escape(_LABEL)}">\n'
        f"<style>{charts.STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" style="fill: var(--ground)"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def size_bars(stored_bytes: dict[str, int]) -> Figure:
    """A bar for each archive."""
    rows = [
        Bar(name, size, size, size, human_bytes(size), f"{name}: {size:,} bytes", is_ours(name))
        for name, size in stored_bytes.items()
    ]
    return charts.bars(rows, human_bytes(max(stored_bytes.values())))


def time_bars(processes: dict[str, Rounds]) -> Figure:
    """A bar for each contestant: the median, and a line from the least to the largest."""
    rows = []
    for name, rounds in processes.items():
        taken = walls(rounds)
        middle, low, high = median(taken), min(taken), max(taken)
        details = f"{name}: median {seconds(middle)}, from {seconds(low)} to {seconds(high)}"
        rows.append(Bar(name, middle, low, high, seconds(middle), details, is_ours(name)))
    return charts.bars(rows, seconds(max(row.high for row in rows)))
