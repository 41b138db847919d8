"""Charts as SVG: bars from zero, one stacked bar, a line over commits. Text stays text.

Colours come from ``STYLE``, for light and dark; nothing is told by a colour alone. Widths of text
are reckoned for a wide font, since each machine brings its own.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 344
"""Of every chart: it is readable on a phone, and two or three stand side by side elsewhere."""

_FONT = 12
_CHARACTER_WIDTH = 0.62 * _FONT
_ROW_HEIGHT = 31
_BAR_HEIGHT = 9
_STACK_HEIGHT = 34
_LINE_HEIGHT = 110
_LEFT, _RIGHT = 34, 6

# Contrast of text to its ground is at least 4.5, of bars to theirs at least 3. Parts of a stack are
# light in both schemes, and what is written on them dark.
STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #16202a; --soft: #4c5a67; --line: #d5dbe1;
  --ours: #0b62b8; --theirs: #82909d; }
@media (prefers-color-scheme: dark) { :root { --ground: #10161d; --ink: #eef2f6; --soft: #b3bfcb;
  --line: #333f4b; --ours: #6db3f8; --theirs: #75838f; } }
svg { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .soft { fill: var(--soft); }
svg .ours { font-weight: bold; }
svg rect { fill: var(--theirs); }
svg rect.ours { fill: var(--ours); }
svg .grid { stroke: var(--line); fill: none; }
svg .spread { stroke: var(--ink); stroke-width: 1.5; fill: none; }
svg .limit { stroke: var(--ink); stroke-dasharray: 5 3; fill: none; }
svg .line { stroke: var(--ours); stroke-width: 2; fill: none; }
svg circle { fill: var(--ours); stroke: var(--ground); }
svg .on { fill: #10161d; text-anchor: middle; }
svg .end { text-anchor: end; }
.p0 { --part: #c4ccd4; } .p1 { --part: #f2e86d; } .p2 { --part: #f0b45a; } .p3 { --part: #8fd0f5; }
.p4 { --part: #5aa5e0; } .p5 { --part: #5cc2a0; } .p6 { --part: #e8925f; } .p7 { --part: #d79bc4; }
.p8 { --part: #b5a4e8; } .p9 { --part: #e9ecef; }
svg rect.part { fill: var(--part); stroke: var(--ground); }
"""


class Figure(NamedTuple):
    """Something drawn, to be placed; its size in units of the picture."""

    height: float
    parts: list[str]


class Bar(NamedTuple):
    """One contestant."""

    name: str
    value: float
    low: float
    high: float
    told: str
    """The value, as people read it."""
    details: str
    is_ours: bool


class Point(NamedTuple):
    """One result of a target."""

    value: float
    limit: float
    label: str
    """Of its place in time."""
    told: str
    """The value, as people read it."""
    details: str

    @property
    def is_met(self) -> bool:
        """The promise is kept."""
        return self.value <= self.limit


def bars(rows: Sequence[Bar], axis: str) -> Figure:
    """One below the other, on one scale that begins at zero.

    Args:
        rows: at least one.
        axis: what the scale ends at, told: of the largest value.
    """
    scale = WIDTH / (max(max(row.high for row in rows), 0) or 1)
    parts = []
    y = 0.0
    for row in rows:
        kind = "ours" if row.is_ours else ""
        room = int((WIDTH - 12) / _CHARACTER_WIDTH) - len(row.told)
        top = y + _FONT + 4
        # What is left of a difference can be less than nothing.
        width, height = number(max(row.value, 0) * scale), _BAR_HEIGHT
        parts += [
            f"<g><title>{html.escape(row.details)}</title>",
            text(0, y + _FONT, cut(row.name, room), kind),
            text(WIDTH, y + _FONT, row.told, f"end {kind}"),
            f'<rect class="{kind}" x="0" y="{number(top)}" width="{width}" height="{height}"/>',
        ]
        if row.high > row.low:
            middle = number(top + _BAR_HEIGHT / 2)
            reach = f"M{number(max(row.low, 0) * scale)} {middle}H{number(row.high * scale)}"
            parts.append(f'<path class="spread" d="{reach}"/>')
        parts.append("</g>")
        y += _ROW_HEIGHT
    parts += [
        f'<path class="grid" d="M0 {number(y)}H{WIDTH}"/>',
        text(0, y + _FONT + 3, "0", "soft"),
        text(WIDTH, y + _FONT + 3, axis, "soft end"),
    ]
    return Figure(y + _FONT + 8, parts)


def stack(values: Sequence[float], details: Sequence[str]) -> Figure:
    """One bar of parts; each has its number on it, counted from one, where there is room.

    Args:
        values: >= 0; their sum is > 0.
        details: of each, for those who point at it.
    """
    scale = WIDTH / sum(values)
    parts = []
    x = 0.0
    for position, (value, detail) in enumerate(zip(values, details, strict=True)):
        width = value * scale
        parts.append(
            f'<rect class="part p{position}" x="{number(x)}" y="0" width="{number(width)}" '
            f'height="{_STACK_HEIGHT}"><title>{html.escape(detail)}</title></rect>'
        )
        if width >= _CHARACTER_WIDTH * 2 + 2:
            parts.append(text(x + width / 2, _STACK_HEIGHT / 2 + 4, str(position + 1), "on"))
        x += width
    return Figure(_STACK_HEIGHT, parts)


def line(points: Sequence[Point]) -> Figure:
    """Values one after the other, with their limits; the scale begins at zero.

    Args:
        points: at least one, oldest first; equal steps, whatever the time between them.
    """
    top, bottom = 16.0, _LINE_HEIGHT - 18.0
    highest = max(max(point.value, point.limit) for point in points) or 1
    step = (WIDTH - _LEFT - _RIGHT - 20) / max(len(points) - 1, 1)

    def place(position: int, value: float) -> tuple[str, str]:
        x = _LEFT + 10 + position * step if len(points) > 1 else (WIDTH + _LEFT) / 2
        return number(x), number(bottom - (bottom - top) * value / highest)

    places = [place(position, point.value) for position, point in enumerate(points)]
    limits = [place(position, point.limit)[1] for position, point in enumerate(points)]
    stairs = f"M{_LEFT} {limits[0]}" + "".join(
        f"H{x}V{y}" for (x, _), y in zip(places, limits, strict=True)
    )
    last = points[-1]
    limit_y, last_y = float(limits[-1]), float(places[-1][1])
    # Beside its line, on the side where the value is not.
    above = last_y > limit_y or limit_y > bottom - _FONT
    beside = limit_y - 4 if above else limit_y + _FONT + 2
    parts = [
        f'<path class="grid" d="M{_LEFT} {number(top)}V{number(bottom)}H{WIDTH}"/>',
        text(_LEFT - 5, bottom + 4, "0", "soft end"),
        f'<path class="limit" d="{stairs}H{WIDTH}"/>',
        text(WIDTH, beside, f"at most {last.limit:g}", "soft end"),
        f'<path class="line" d="M{"L".join(f"{x} {y}" for x, y in places)}"/>',
    ]
    for (x, y), point in zip(places, points, strict=True):
        title = f"<title>{html.escape(point.details)}</title>"
        parts.append(f'<circle cx="{x}" cy="{y}" r="4">{title}</circle>')
    parts += [
        text(_LEFT + 4, _FONT - 2, f"{last.told}, {'met' if last.is_met else 'MISSED'}", "ours"),
        text(_LEFT, _LINE_HEIGHT - 3, points[0].label, "soft"),
    ]
    if len(points) > 1:
        parts.append(text(WIDTH, _LINE_HEIGHT - 3, last.label, "soft end"))
    return Figure(_LINE_HEIGHT, parts)


def inline(figure: Figure, label: str) -> str:
    """A chart inside of a page, which has the style."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {number(figure.height)}" role="img" '
        f'aria-label="{html.escape(label)}">\n' + "\n".join(figure.parts) + "\n</svg>"
    )


def text(x: float, y: float, told: str, kind: str) -> str:
    """One line; its baseline begins, or with a kind of ``end`` ends, at a place."""
    return f'<text class="{kind}" x="{number(x)}" y="{number(y)}">{html.escape(told)}</text>'


def cut(told: str, characters: int) -> str:
    """At most so many characters."""
    if len(told) <= characters:
        return told
    return told[: characters - 1] + "\N{HORIZONTAL ELLIPSIS}"


def number(value: float) -> str:
    """To a hundredth, without zeros that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
