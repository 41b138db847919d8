"""What ``inspect`` found, as one HTML file with a treemap: no script, no font, no network.

Every name in it comes from a file that somebody may have made to do harm, so each goes through
``shown``. The page is well-formed XML as well, which a test reads it as.
"""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from container.units import human_bytes, ratio
from packer.treemap import Box, Item, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packer.treemap import Block, Cell

_LARGEST = 30
"""Rows of the tables of files and of packages."""

_TITLE_COLUMNS = 120
"""Of a path that a rectangle tells; bounds the size of the page, too."""

_ADVANCE = 0.61
"""Width of a character, of the size of a font in which all have the same."""

_COLOURS = 6

_LEAST_COLUMNS = 6
"""A name that must be cut shorter is left out."""

_EXPLANATION = """An area is what something adds to the size of this file. Frames are compressed
as a whole, so a file's stored bytes are its share of its frames, by plain size. Contents that are
stored once for several files count for the first of them. Point at a rectangle for its details;
those of the largest files lead to their rows below."""


class _Picture(NamedTuple):
    """A size that the treemap is drawn in; a style rule shows the one that fits the window."""

    name: str
    width: int
    height: int
    """Of all rectangles together, without headings."""
    font: int
    least_area: int
    """Smaller files share a rectangle."""


_PICTURES = (_Picture("wide", 1200, 680, 12, 420), _Picture("narrow", 344, 900, 11, 420))
_LEAST_HEIGHT = 2


class _Section(NamedTuple):
    """A strip of the picture, as wide as all of it."""

    name: str
    note: str
    items: tuple[Item, ...]

    @property
    def plain_bytes(self) -> int:
        return sum(item.plain_bytes for item in self.items)

    @property
    def stored_bytes(self) -> int:
        return sum(item.stored_bytes for item in self.items)


def render(facts: dict[str, Any]) -> str:
    """The page, the same for the same facts.

    Args:
        facts: of ``report.describe``; with ``weights``, these have a table of their own.
    """
    sections = _sections(facts)
    file_bytes = facts["file"]["bytes"]
    name = shown(facts["file"]["path"].rpartition("/")[2])
    largest = _largest(facts)
    rows = {item.path: f"file-{number}" for number, item in enumerate(largest, 1)}
    body = [
        f"<h1>{name}</h1>",
        f"<p>{_summary(facts)}</p>",
        *(_svg(picture, sections, file_bytes, rows) for picture in _PICTURES),
        f"<p>{_EXPLANATION}</p>",
        *_table(
            "Parts of the file",
            ("part", "plain", "stored", "ratio", "share"),
            (
                (
                    f"{shown(section.name)} <small>{shown(section.note)}</small>",
                    *_sizes(section.plain_bytes, section.stored_bytes),
                    ratio(section.stored_bytes, file_bytes),
                )
                for section in sections
            ),
        ),
        *_table(
            f"The {len(largest)} largest files",
            ("file", "plain", "stored", "ratio"),
            ((shown(item.path), *_sizes(item.plain_bytes, item.stored_bytes)) for item in largest),
            list(rows.values()),
        ),
    ]
    if "weights" in facts:
        weights = sorted(facts["weights"], key=lambda weight: -weight["stored_bytes"])[:_LARGEST]
        body += _table(
            f"The {len(weights)} heaviest packages, with the modules inside of programs",
            ("package", "plain", "stored", "ratio"),
            (
                (
                    f"{shown(weight['package'])} <small>{shown(weight['component'])}</small>",
                    *_sizes(weight["plain_bytes"], weight["stored_bytes"]),
                )
                for weight in weights
            ),
        )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{name}: what weighs how much</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def shown(text: str) -> str:
    """Untrusted text for HTML, also in attributes; what cannot be seen is shown as an escape."""
    return html.escape(_visible(text))


def _visible(text: str) -> str:
    """Without control, format and line-separating characters.

    Format characters turn the direction of what follows them, others are not legal in XML.
    """
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def _sections(facts: dict[str, Any]) -> list[_Section]:
    """Everything that the file consists of; what it holds besides comes last.

    No component has a blank in its name, so what is none has no path of a file of one.
    """
    place, host = facts["file"], facts["host"]
    sections = []
    if host["host_bytes"]:
        size = host["host_bytes"]
        note = " ".join([host["format"], *host["architectures"]])
        sections.append(_Section("host", note, (Item("the host", size, size),)))
    for component in facts["components"]:
        note = f"{component['version']}, files: {component['files']}"
        items = tuple(_item(entry) for entry in component["entries"] if entry["kind"] == "file")
        sections.append(_Section(component["name"], note, items))
    index_bytes = place["index_bytes"]
    known = sum(section.stored_bytes for section in sections) + index_bytes
    rest_bytes = max(0, place["bytes"] - known)
    rest = (
        Item("index and padding/index", index_bytes, index_bytes),
        Item("index and padding/padding and footer", rest_bytes, rest_bytes),
    )
    sections.append(_Section("index and padding", "with footer, and signature if any", rest))
    return sections


def _item(entry: dict[str, Any]) -> Item:
    return Item(entry["path"], entry["plain_bytes"], entry["stored_bytes"])


def _largest(facts: dict[str, Any]) -> list[Item]:
    """Files by stored bytes."""
    found = [
        _item(entry)
        for component in facts["components"]
        for entry in component["entries"]
        if entry["kind"] == "file" and entry["stored_bytes"]
    ]
    return sorted(found, key=lambda item: (-item.stored_bytes, item.path))[:_LARGEST]


def _summary(facts: dict[str, Any]) -> str:
    stored, plain = facts["stored_bytes"], facts["plain_bytes"]
    return (
        f"{human_bytes(facts['file']['bytes'])}: components of {human_bytes(plain)}, stored in "
        f"{human_bytes(stored)} ({ratio(stored, plain)}), and what surrounds them. Version "
        f"{shown(facts['version'])} for {shown(facts['platform'])}, zstd "
        f"{shown(facts['zstd_version'])} level {facts['level']}."
    )


def _svg(
    picture: _Picture, sections: Sequence[_Section], file_bytes: int, rows: dict[str, str]
) -> str:
    """All sections below each other, so that equal areas are equal bytes throughout."""
    heading = picture.font + 10
    parts: list[str] = []
    y = 0.0
    for number, section in enumerate(sections):
        height = picture.height * section.stored_bytes / file_bytes
        drawn = height >= _LEAST_HEIGHT
        told = f"{human_bytes(section.stored_bytes)}, {ratio(section.stored_bytes, file_bytes)}"
        if not drawn:
            told += ": too small"
        room = int(picture.width / picture.font / _ADVANCE) - len(told) - 2
        name = _cut(_visible(section.name), max(room, 1))
        parts.append(
            f'<text class="heading" x="0" y="{_number(y + picture.font + 2)}"><tspan class="name">'
            f"{html.escape(name)}</tspan>  {told}</text>"
        )
        y += heading
        if drawn:
            box = Box(0, y, picture.width, height)
            blocks = lay_out(section.items, box, picture.least_area)
            drawing = _Drawing(picture, file_bytes, rows)
            parts.append(f'<g class="c{number % _COLOURS}">')
            for block in blocks:
                parts += drawing.block(block)
                # What is all of its section has its name above it already.
                if len(blocks) > 1:
                    parts += drawing.names(block)
            parts.append("</g>")
            y += height + 6
    return (
        f'<svg class="{picture.name}" viewBox="0 0 {picture.width} {_number(y)}" role="group" '
        f'aria-label="Treemap; the tables below say the same" font-size="{picture.font}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )


class _Drawing(NamedTuple):
    """What the rectangles of one picture are drawn with."""

    picture: _Picture
    file_bytes: int
    rows: dict[str, str]

    def block(self, block: Block) -> Iterator[str]:
        """Its cells, and an outline around them where there are several."""
        for cell in block.cells:
            row = self.rows.get(cell.items[0].path) if len(cell.items) == 1 else None
            title = f"<title>{html.escape(self._details(cell))}</title>"
            if row is None:
                yield f"<rect{_place(cell.box)}>{title}</rect>"
            else:
                yield f'<a href="#{row}"><rect{_place(cell.box)}>{title}</rect></a>'
        if len(block.cells) > 1:
            yield f'<rect class="outline"{_place(block.box)}/>'

    def names(self, block: Block) -> Iterator[str]:
        """Of a block and its cells, each inside of its own rectangle, where it has room."""
        line = self.picture.font + 3
        y, bottom = block.box.y + line - 1, block.box.y + block.box.height - 4
        stored = sum(item.stored_bytes for cell in block.cells for item in cell.items)
        for text, kind in ((block.name, "name"), (human_bytes(stored), "size")):
            if y <= bottom:
                yield from self._text(block.box, y, text, kind)
                y += line
        if len(block.cells) < 2:
            return
        for cell in block.cells:
            bottom = cell.box.y + cell.box.height - 4
            if cell.box.height >= line + 4 and bottom >= y:
                yield from self._text(cell.box, bottom, cell.name.rpartition("/")[2], "file")

    def _text(self, box: Box, y: float, text: str, kind: str) -> Iterator[str]:
        """One line; a name may be cut, and a number may not."""
        text = _visible(text)
        columns = int((box.width - 8) / self.picture.font / _ADVANCE)
        least = len(text) if kind == "size" else _LEAST_COLUMNS
        if columns >= min(_columns(text), least):
            place = f'x="{_number(box.x + 4)}" y="{_number(y)}"'
            yield f'<text class="{kind}" {place}>{html.escape(_cut(text, columns))}</text>'

    def _details(self, cell: Cell) -> str:
        plain = sum(item.plain_bytes for item in cell.items)
        stored = sum(item.stored_bytes for item in cell.items)
        if len(cell.items) == 1:
            name = cell.items[0].path
        else:
            name = f"{cell.name}: {len(cell.items)} files"
        name = _cut(_visible(name), _TITLE_COLUMNS, _TITLE_COLUMNS // 3)
        return (
            f"{name}: {human_bytes(stored)} stored "
            f"({ratio(stored, self.file_bytes)} of the file), {human_bytes(plain)} plain, "
            f"ratio {ratio(stored, plain)}"
        )


def _table(
    title: str,
    columns: Sequence[str],
    rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]],
    ids: Sequence[str] = (),
) -> Iterator[str]:
    """Cells are HTML already; all but the first column hold numbers."""
    # Rows are grids on a phone, and browsers forget then that they are rows: roles say so.
    yield f'<h2>{title}</h2>\n<table role="table"><thead role="rowgroup"><tr role="row">'
    yield "".join(f'<th role="columnheader" scope="col">{column}</th>' for column in columns)
    yield '</tr></thead><tbody role="rowgroup">'
    for number, (first, *numbers) in enumerate(rows):
        mark = f' id="{ids[number]}"' if ids else ""
        cells = "".join(f'<td role="cell">{cell}</td>' for cell in numbers)
        yield f'<tr role="row"{mark}><th role="rowheader" scope="row">{first}</th>{cells}</tr>'
    yield "</tbody></table>"


def _sizes(plain_bytes: int, stored_bytes: int) -> tuple[str, str, str]:
    return human_bytes(plain_bytes), human_bytes(stored_bytes), ratio(stored_bytes, plain_bytes)


def _cut(text: str, columns: int, tail_characters: int = 0) -> str:
    """Text that fits into so many columns; what is missing is shown as missing.

    Args:
        text: visible.
        columns: > ``tail_characters`` twice: a wide character takes two.
        tail_characters: of the end that stays; what is missing is missing in front of it.
    """
    if _columns(text) <= columns:
        return text
    tail = text[len(text) - tail_characters :]
    left = columns - 1 - _columns(tail)
    head = ""
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        head += character
    return f"{head}\N{HORIZONTAL ELLIPSIS}{tail}"


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _place(box: Box) -> str:
    x, y, width, height = map(_number, box)
    return f' x="{x}" y="{y}" width="{width}" height="{height}"'


def _number(value: float) -> str:
    """To a hundredth, without zeros that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


# Contrast to the ground below is at least 7 of text in both schemes, and 3 of edges. Names tell
# parts apart, colours only help.
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #16202a; --soft: #4c5a67; --line: #c6ced6;
  --mark: #fff1b8; --edge: #5f6d7a;
  --c0: #d5dae0; --c1: #b9d6f2; --c2: #f7d2a0; --c3: #b5e0cf; --c4: #dcc9ef; --c5: #f0c9d2; }
@media (prefers-color-scheme: dark) { :root { --ground: #10161d; --ink: #eef2f6; --soft: #b3bfcb;
  --line: #36424e; --mark: #4a3f12; --edge: #b3bfcb;
  --c0: #414b56; --c1: #1d4b78; --c2: #6d4512; --c3: #1b5947; --c4: #523a70; --c5: #6d2f42; } }
body { margin: 0 auto; padding: 8px; max-width: 1200px; background: var(--ground);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: .4rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.4rem 0 .3rem; }
p { margin: .4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
svg { display: block; width: 100%; font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; }
svg.wide { display: none; }
svg.narrow { max-width: 560px; }
@media (min-width: 900px) { svg.wide { display: block; } svg.narrow { display: none; } }
text { fill: var(--ink); pointer-events: none; white-space: pre; }
.heading { fill: var(--soft); }
.heading .name { fill: var(--ink); font-weight: bold; }
rect { stroke: var(--edge); stroke-width: .6; }
rect.outline { fill: none; stroke-width: 1.8; pointer-events: none; }
a:hover rect, a:focus-visible rect, g rect:hover { stroke: var(--ink); stroke-width: 3; }
a:focus-visible { outline: none; }
g .name { font-weight: bold; }
g text { paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; }
.c0 rect { fill: var(--c0); } .c0 text { stroke: var(--c0); }
.c1 rect { fill: var(--c1); } .c1 text { stroke: var(--c1); }
.c2 rect { fill: var(--c2); } .c2 text { stroke: var(--c2); }
.c3 rect { fill: var(--c3); } .c3 text { stroke: var(--c3); }
.c4 rect { fill: var(--c4); } .c4 text { stroke: var(--c4); }
.c5 rect { fill: var(--c5); } .c5 text { stroke: var(--c5); }
g rect.outline { fill: none; }
table { border-collapse: collapse; width: 100%; max-width: 60rem; table-layout: fixed; }
th, td { padding: .2rem .3rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; font-variant-numeric: tabular-nums; font-size: .82rem; width: 3.9rem;
  overflow-wrap: anywhere; }
th:first-child { text-align: left; font-weight: normal; width: auto; }
thead th, thead th:first-child { font-weight: bold; color: var(--soft); }
small { color: var(--soft); }
@media (max-width: 599px) {
  tr { display: grid; grid-template-columns: repeat(4, 1fr); border-bottom: 1px solid var(--line); }
  th, td, th:first-child { width: auto; border: 0; }
  th:first-child { grid-column: 1 / -1; }
}
tr:target { background: var(--mark); }
"""
