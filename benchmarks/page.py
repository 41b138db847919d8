"""All results as one page: static HTML and SVG, no network.

Times of two runs are never compared: over commits the page shows ratios and memory only.
"""

from __future__ import annotations

import html
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import charts
from benchmarks.charts import Point
from benchmarks.found import TIMED, is_ours, newest, our_name, quickest_first, walls
from benchmarks.measure import paired_ratio
from benchmarks.picture import size_bars, time_bars
from benchmarks.report import Target, seconds
from benchmarks.stages import PARTS, milliseconds
from container.units import human_bytes, ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.found import Document, Found, Rounds

_COMPARABLE = ("", "MiB")
"""Units of what may be compared between two runs: ratios, and memory."""

_OPENED = ("first", "size", "again", "memory")
"""Scenarios whose history is not folded."""

_INTRODUCTION = """Bars begin at zero and show medians, lines on them the least and the largest of
all rounds; shorter is better. Contestants took turns. Ours is the one named stigmer-payload, and a
ratio is the median of pairs of one round. Times of two runs must not be compared. Read
BENCHMARKS.md before quoting a number."""


def render(documents: Sequence[Document]) -> str:
    """The page.

    Args:
        documents: oldest first.
    """
    blocks: list[str] = []
    missing: list[str] = []
    for scenario, draw in (
        ("size", _size_section),
        *((name, _timed_section) for name in TIMED),
        ("stages", _stages_section),
    ):
        found = newest(documents, scenario)
        if found is not None:
            blocks += draw(found)
        if found is None or found.result["scenario"] != scenario:
            missing.append(scenario)
    if missing:
        names = ", ".join(f"<code>{name}</code>" for name in missing)
        blocks.append(
            f"<h2>Not shown</h2>\n<p>There is no result yet of {names}; "
            f"<code>python -m benchmarks {' '.join(missing)}</code> measures it.</p>"
        )
    blocks += _history_section(documents)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>Benchmarks</title>\n<style>{charts.STYLE}{_STYLE}</style></head>\n<body>\n"
        f"<h1>Benchmarks</h1>\n<p>{_INTRODUCTION}</p>\n" + "\n".join(blocks) + "\n</body></html>\n"
    )


def _section(title: str, found: Found, figure: str, table: Iterable[str]) -> Iterator[str]:
    load = found.document["machine"]["load_before"][0]
    origin = f"{found.run}, {found.machine}, load before {load}"
    yield f'<section><h2>{html.escape(title)}</h2>\n<p class="soft">{html.escape(origin)}</p>'
    yield f'<div class="pair"><div>{figure}</div><div>'
    yield from table
    yield "</div></div></section>"


def _size_section(found: Found) -> Iterator[str]:
    sizes, plain_bytes = found.stored_bytes, found.runs["plain_bytes"]
    ours = sizes.get(our_name(sizes) or "", 0)
    rows = [
        (
            _named(found, name),
            human_bytes(size),
            ratio(size, plain_bytes),
            "" if is_ours(name) else f"{ours / size:.3f}",
        )
        for name, size in sizes.items()
    ]
    figure = charts.inline(size_bars(sizes), f"{found.title}; the table says the same")
    table = _table(("archive", "stored", "of plain", "ours, of it"), rows)
    yield from _section(found.title, found, figure, table)
    yield from _notes(found)


def _timed_section(found: Found) -> Iterator[str]:
    yield from _timed(found.title, found, found.processes())
    if "cold" in found.runs:
        yield from _timed(f"{found.title}, cache cold", found, found.processes("cold"))
    if found.runs.get("beyond_seconds"):
        beyond = {
            name: [{"wall_seconds": value} for value in values]
            for name, values in found.runs["beyond_seconds"].items()
        }
        title = f"{found.title}, beyond the program that each starts"
        yield from _timed(title, found, quickest_first(beyond))
    yield from _notes(found)


def _notes(found: Found) -> Iterator[str]:
    if found.result["notes"]:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in found.result["notes"])
        yield f'<ul class="soft">{notes}</ul>'


def _timed(title: str, found: Found, processes: dict[str, Rounds]) -> Iterator[str]:
    our = our_name(processes)
    rows = []
    for name, rounds in processes.items():
        taken = walls(rounds)
        rows.append(
            (
                _named(found, name),
                seconds(median(taken)),
                seconds(min(taken)),
                seconds(max(taken)),
                html.escape(_peak(rounds)),
                "" if our in (None, name) else f"{paired_ratio(walls(processes[our]), taken):.2f}",
            )
        )
    figure = charts.inline(time_bars(processes), f"{title}; the table says the same")
    table = _table(("contestant", "wall", "least", "most", "peak", "ours, of it"), rows)
    yield from _section(title, found, figure, table)


def _named(found: Found, name: str) -> str:
    """A contestant with its command, as HTML."""
    shown = found.commands.get(name, name)
    command = f" <small>{html.escape(shown)}</small>" if shown != name else ""
    return html.escape(name) + command


def _stages_section(found: Found) -> Iterator[str]:
    """The first of its series is one worker, whose parts add up; it is what is drawn."""
    series = found.runs["stages"]
    drawn, *_ = series
    medians = {
        name: {part: median(one[part] for one in taken) for part in PARTS if part in taken[0]}
        for name, taken in series.items()
    }
    parts = medians[drawn]
    whole = sum(parts.values())
    details = [
        f"{part}: {milliseconds(value)}, {ratio(value, whole)}" for part, value in parts.items()
    ]
    rows = [
        (
            f'<span class="key p{position}">{position + 1}</span> {html.escape(part)}',
            *(milliseconds(column[part]) if part in column else "" for column in medians.values()),
            ratio(value, whole),
        )
        for position, (part, value) in enumerate(parts.items())
    ]
    title = f"{found.title}: {drawn}"
    figure = charts.inline(
        charts.stack(list(parts.values()), details), "The stages in a row; the table says the same"
    )
    columns = ("stage", *series, f"share of {drawn}")
    yield from _section(title, found, figure, _table(columns, rows))
    yield from _notes(found)


def _history_section(documents: Sequence[Document]) -> Iterator[str]:
    """By scenario a chart for each target, and a table of them."""
    lines: dict[str, dict[str, list[Point]]] = {}
    left_out: set[str] = set()
    for document in documents:
        commit, when = document["machine"]["commit"], document["settings"]["when"]
        for result in document["results"]:
            for fields in result["targets"]:
                target = Target(**fields)
                if target.unit not in _COMPARABLE:
                    left_out.add(target.what)
                    continue
                value = f"{target.value:.1f} {target.unit}" if target.unit else ""
                point = Point(
                    target.value,
                    target.limit,
                    f"{commit[:7]} {when[5:10]}",
                    value or f"{target.value:.3f}",
                    f"{target.line()}, commit {commit}, {when}",
                )
                of_scenario = lines.setdefault(result["scenario"], {})
                of_scenario.setdefault(target.what, []).append(point)
    yield "<section><h2>Over commits</h2>"
    yield (
        "<p>Each promise with its limit, by commit and date of the run: ratios to something "
        "measured in the same run, and memory. A <code>+</code> tells of changes since the commit."
        "</p>"
    )
    for scenario, promises in lines.items():
        yield from _history(scenario, promises)
    if left_out:
        names = "; ".join(html.escape(what) for what in sorted(left_out))
        yield (
            f'<p class="soft">Left out, since times of two runs are not comparable: {names}.</p>'
        )
    yield "</section>"


def _history(scenario: str, promises: dict[str, list[Point]]) -> Iterator[str]:
    missed = sum(not points[-1].is_met for points in promises.values())
    opened = ' open="open"' if scenario in _OPENED else ""
    yield (
        f"<details{opened}><summary><b>{html.escape(scenario)}</b>: promises: {len(promises)}, "
        f'missed: {missed}</summary>\n<div class="many">'
    )
    for what, points in promises.items():
        label = html.escape(f"{what}: {points[-1].details}")
        figure = charts.inline(charts.line(points), label)
        yield f"<figure><figcaption>{html.escape(what)}</figcaption>{figure}</figure>"
    yield "</div>"
    rows = [
        (html.escape(what), point.label, point.told, f"{point.limit:g}")
        for what, points in promises.items()
        for point in points
    ]
    yield from _table(("promise", "commit", "measured", "at most"), rows)
    yield "</details>"


def _peak(rounds: Rounds) -> str:
    """The median peak; one that cannot be told as the bound that it is below."""
    if "peak_bytes" not in rounds[0]:
        return ""
    peak = median(one["peak_bytes"] for one in rounds)
    unseen = median(one.get("unseen_bytes", 0) for one in rounds)
    return f"< {human_bytes(unseen)}" if peak <= unseen else human_bytes(peak)


def _table(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Cells are HTML already, and those of the first column name their rows."""
    # Rows are grids on a phone, and browsers forget then that they are rows: roles say so.
    yield f'<table role="table" style="--columns: {len(columns) - 1}"><thead role="rowgroup">'
    heads = "".join(
        f'<th role="columnheader" scope="col">{html.escape(column)}</th>' for column in columns
    )
    yield f'<tr role="row">{heads}</tr></thead><tbody role="rowgroup">'
    for first, *cells in rows:
        numbers = "".join(f'<td role="cell">{cell}</td>' for cell in cells)
        yield f'<tr role="row"><th role="rowheader" scope="row">{first}</th>{numbers}</tr>'
    yield "</tbody></table>"


_STYLE = """
body { margin: 0 auto; padding: 8px; max-width: 1200px; background: var(--ground);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: .4rem 0; }
h2 { font-size: 1.1rem; margin: 1.8rem 0 .2rem; }
p { margin: .3rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.soft, small { color: var(--soft); }
p.soft, ul.soft { font-size: .82rem; }
ul { margin: .6rem 0; padding-left: 1.2rem; max-width: 46rem; overflow-wrap: anywhere; }
svg { display: block; width: 100%; max-width: 480px; }
.pair, .many { display: grid; gap: 1rem 2rem; align-items: start; }
.pair > *, .many > * { min-width: 0; }
@media (min-width: 900px) { .pair { grid-template-columns: 26rem 1fr; } }
.many { grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
figure { margin: .6rem 0 0; }
figcaption { font-size: .82rem; overflow-wrap: anywhere; }
summary { margin-top: 1rem; cursor: pointer; overflow-wrap: anywhere; }
.many + table { margin-top: 1rem; }
.key { display: inline-block; min-width: 1.3rem; text-align: center; background: var(--part);
  color: #10161d; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .2rem .3rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; font-variant-numeric: tabular-nums; font-size: .82rem; }
td { white-space: nowrap; }
th:first-child { text-align: left; font-weight: normal; overflow-wrap: anywhere; }
thead th, thead th:first-child { font-weight: bold; color: var(--soft); }
@media (max-width: 599px) {
  tr { display: grid; grid-template-columns: repeat(var(--columns), 1fr);
    border-bottom: 1px solid var(--line); }
  th, td { border: 0; overflow-wrap: anywhere; }
  th:first-child { grid-column: 1 / -1; }
}
"""
