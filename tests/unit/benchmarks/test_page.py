"""The page of all results: what is there is drawn, what is not is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as command_line
from benchmarks import charts, found, page, picture
from benchmarks.errors import BenchmarkError
from benchmarks.report import Result, Target, document
from benchmarks.stages import PARTS
from tests.support.commands import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from xml.etree.ElementTree import Element

PEER = "tar + <zstd> & friends"
OURS = "stigmer-payload"
XMLNS = "{http://www.w3.org/2000/svg}"


def run(wall_seconds: float, **more: float) -> dict[str, float]:
    return {"wall_seconds": wall_seconds, "cpu_seconds": 0.1, "peak_bytes": 30_000_000, **more}


def timed(scenario: str) -> Result:
    return Result(
        scenario,
        targets=[Target("first start, of the floor", 1.2, 1.15)],
        runs={
            "processes": {
                PEER: [run(0.8), run(1.2), run(1.0)],
                OURS: [run(0.4), run(0.4), run(0.3)],
                "a floor": [run(0.1), run(0.1), run(0.1)],
            },
            "shown": {PEER: "zstd -dc | tar x", OURS: "stigmer-extract install"},
        },
    )


def sized() -> Result:
    return Result(
        "size",
        targets=[Target("payload, of tar", 0.9, 1.0)],
        runs={
            "plain_bytes": 4000,
            "stored_bytes": {PEER: 1000, OURS: 900},
            "shown": {OURS: "stigmer-pack", PEER: PEER},
        },
    )


def staged() -> Result:
    one = {part: float(number) for number, part in enumerate(PARTS)}
    return Result(
        "stages",
        runs={"stages": {"one worker": [one, one], "two workers": [{"read": 0.5, "hash": 0.25}]}},
    )


def made(results: Sequence[Result], commit: str = "0123456789ab", **settings: Any) -> Any:
    """A document as it is read again."""
    machine = {
        "cpu": "a <processor>",
        "cores_used": 2,
        "cores": 8,
        "filesystem": "ext4",
        "load_before": [0.1, 0.2, 0.3],
        "commit": commit,
    }
    settings = {"rounds": 3, "when": "2026-01-02T03:04+00:00", "tiny": False} | settings
    return json.loads(json.dumps(document(machine, settings, list(results))))


def read(text: str) -> Element:
    assert text.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(text)


def told(root: Element, tag: str) -> list[str]:
    return ["".join(found.itertext()) for found in root.iter(tag)]


def tables(root: Element) -> list[list[list[str]]]:
    return [
        [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        for table in root.iter("table")
    ]


def widths(root: Element) -> dict[str, float]:
    """Of bars, by what they tell when pointed at."""
    found = {}
    for group in (group for group in root.iter("g") if group.find("rect") is not None):
        title, rect = group.find("title"), group.find("rect")
        assert title is not None
        assert rect is not None
        found[str(title.text)] = float(rect.attrib["width"])
    return found


def test_every_scenario_has_its_section() -> None:
    scenarios = ("first", "again", "component", "small", "gigabyte")
    root = read(page.render([made([sized(), *map(timed, scenarios), staged()])]))
    assert told(root, "h2") == [
        "Size, beside the peers",
        "First start, beside the peers",
        "Warm start, beside the peers",
        "One component of three",
        "Many small files",
        "A gigabyte",
        "Where a first start spends its time: one worker",
        "Over commits",
    ]


def test_what_is_not_there_is_named() -> None:
    root = read(page.render([made([timed("first")])]))
    assert told(root, "h2") == ["First start, beside the peers", "Not shown", "Over commits"]
    assert "python -m benchmarks size again component small gigabyte stages" in "".join(
        root.itertext()
    )


def test_bars_begin_at_zero_and_are_of_one_scale() -> None:
    root = read(page.render([made([timed("first")])]))
    assert widths(root) == {
        f"{OURS}: median 0.400 s, from 0.300 s to 0.400 s": pytest.approx(
            344 * 0.4 / 1.2, abs=0.01
        ),
        f"{PEER}: median 1.000 s, from 0.800 s to 1.200 s": pytest.approx(344 / 1.2, abs=0.01),
    }
    (spread, _) = (path for path in root.iter("path") if path.attrib["class"] == "spread")
    assert spread.attrib["d"].startswith(f"M{charts.number(0.3 / 1.2 * charts.WIDTH)} ")


def test_tables_say_what_the_pictures_say() -> None:
    sizes, times, *_ = tables(read(page.render([made([sized(), timed("first")])])))
    assert sizes[1:] == [
        [f"{OURS} stigmer-pack", "900 B", "22.5%", ""],
        [PEER, "1.00 kB", "25.0%", "0.900"],
    ]
    assert times[1:] == [
        [f"{OURS} stigmer-extract install", "0.400 s", "0.300 s", "0.400 s", "30.0 MB", ""],
        [f"{PEER} zstd -dc | tar x", "1.000 s", "0.800 s", "1.200 s", "30.0 MB", "0.33"],
    ]


def test_a_peak_that_cannot_be_told_is_a_bound() -> None:
    result = timed("first")
    result.runs["processes"][OURS] = [run(0.4, unseen_bytes=31_000_000)] * 3
    (_, ours, _), *_ = tables(read(page.render([made([result])])))
    assert ours[4] == "< 31.0 MB"


def test_ours_is_marked_by_more_than_its_colour() -> None:
    root = read(page.render([made([timed("first")])]))
    assert "svg .ours { font-weight: bold; }" in charts.STYLE
    marked = [text.text for text in root.iter("text") if "ours" in text.attrib["class"]]
    assert marked[:2] == [OURS, "0.400 s"]


def test_what_else_was_timed_has_its_own_bars_and_notes() -> None:
    result = timed("again")
    result.runs["cold"] = {PEER: [run(2.0)] * 3, OURS: [run(0.5)] * 3}
    result.runs["beyond_seconds"] = {PEER: [-0.1, 0.6, 0.7]}
    result.notes.append("a < note")
    root = read(page.render([made([result])]))
    assert told(root, "h2")[:3] == [
        "Warm start, beside the peers",
        "Warm start, beside the peers, cache cold",
        "Warm start, beside the peers, beyond the program that each starts",
    ]
    _, cold, beyond, *_ = tables(root)
    assert [row[-1] for row in cold[1:]] == ["", "0.25"]
    assert beyond[1][1:] == ["0.600 s", "-0.100 s", "0.700 s", "", ""]
    assert told(root, "li") == ["a < note"]


def test_stages_are_one_bar_and_a_table() -> None:
    root = read(page.render([made([staged()])]))
    parts = [rect for rect in root.iter("rect") if rect.attrib["class"].startswith("part")]
    total = sum(range(len(PARTS)))
    x = 0.0
    for number, part in enumerate(parts):
        assert float(part.attrib["x"]) == pytest.approx(x, abs=0.1)
        assert float(part.attrib["width"]) == pytest.approx(number / total * 344, abs=0.01)
        x += float(part.attrib["width"])
    assert x == pytest.approx(charts.WIDTH, abs=0.1)
    rows = tables(root)[0]
    assert rows[0] == ["stage", "one worker", "two workers", "share of one worker"]
    assert [row[0].split(" ", 1)[1] for row in rows[1:]] == list(PARTS)
    read_row = rows[1 + PARTS.index("read")]
    assert read_row[1:] == ["3000.0 ms", "500.0 ms", f"{100 * 3 / total:.1f}%"]


def test_the_newest_result_of_a_scenario_counts() -> None:
    older, newer = sized(), sized()
    newer.runs["stored_bytes"][OURS] = 800
    documents = [made([older]), made([newer], "abcdef0", when="2026-02-03T00:00+00:00")]
    text = page.render(documents)
    assert "abcdef0" in text
    assert tables(read(text))[0][1] == [f"{OURS} stigmer-pack", "800 B", "20.0%", ""]


def test_history_has_ratios_and_memory_with_their_limits() -> None:
    targets = [
        Target("ratio", 0.9, 1.0),
        Target("memory", 70.0, 64.0, "MiB"),
        Target("time", 3.0, 5.0, "s"),
    ]
    later = [Target("ratio", 1.5, 1.25)]
    documents = [
        made([Result("some", targets=targets)], "aaaaaaaaaaaa"),
        made([Result("some", targets=later)], "bbbbbbbbbbbb+", when="2026-02-03T00:00+00:00"),
    ]
    root = read(page.render(documents))
    assert told(root, "figcaption") == ["ratio", "memory"]
    assert told(root, "summary") == ["some: promises: 2, missed: 2"]
    assert "not comparable: time." in told(root, "p")[-1]
    ratio, memory = root.iter("figure")
    assert told(ratio, "text") == ["0", "at most 1.25", "1.500, MISSED", *_ends()]
    assert told(memory, "text") == ["0", "at most 64", "70.0 MiB, MISSED", "aaaaaaa 01-02"]
    places = [float(circle.attrib["cy"]) for circle in ratio.iter("circle")]
    # Of 76 units from zero to the largest value.
    assert places == [pytest.approx(92 - 0.9 / 1.5 * 76), 16]
    (limit,) = (path for path in ratio.iter("path") if path.attrib["class"] == "limit")
    for value in (1.0, 1.25):
        assert charts.number(92 - value / 1.5 * 76) in limit.attrib["d"]
    assert tables(root)[-1][1:] == [
        ["ratio", "aaaaaaa 01-02", "0.900", "1"],
        ["ratio", "bbbbbbb 02-03", "1.500", "1.25"],
        ["memory", "aaaaaaa 01-02", "70.0 MiB", "64"],
    ]


def _ends() -> tuple[str, str]:
    return "aaaaaaa 01-02", "bbbbbbb 02-03"


def test_results_of_before_peers_had_commands_are_shown() -> None:
    """The shape of older files: no ``shown``, sizes by platform, ``unpack`` for a first start."""
    unpack = Result("unpack", runs={"processes": dict(timed("x").runs["processes"])})
    unpack.runs["processes"]["start and imports alone"] = [run(0.2)] * 3
    size = Result("size", runs={"linux-amd64": sized().runs})
    root = read(page.render([made([unpack, size])]))
    assert told(root, "h2")[:2] == [
        "Size, beside the peers",
        "Unpacking, not durable, beside the peers",
    ]
    assert "first" in "".join(root.itertext())
    assert [row[0] for row in tables(root)[1]] == ["contestant", "a floor", OURS, PEER]


def test_files_are_read_in_order_and_tiny_ones_left_out(tmp_path: Path) -> None:
    for name, when, tiny in (("a", "2026-03", False), ("b", "2026-01", False), ("c", "2026", True)):
        text = json.dumps(made([sized()], name * 7, when=f"{when}-02T03:04+00:00", tiny=tiny))
        (tmp_path / f"{name}.json").write_text(text)
    assert [one["machine"]["commit"][0] for one in found.read(tmp_path)] == ["b", "a"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"settings": {}}'])
def test_what_is_no_result_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(BenchmarkError, match=r"odd\.json: not a result"):
        found.read(tmp_path)


def test_no_results_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="run python -m benchmarks first"):
        found.read(tmp_path)


@pytest.mark.parametrize(("columns", "width"), [(2, 740), (1, 368)])
def test_the_picture_stands_alone(columns: int, width: int) -> None:
    root = ET.fromstring(picture.render([made([sized(), timed("first")])], columns))
    assert root.tag == f"{XMLNS}svg"
    assert root.attrib["width"] == str(width)
    texts = ["".join(text.itertext()) for text in root.iter(f"{XMLNS}text")]
    assert texts.count(OURS) == texts.count(PEER) == 2
    assert texts.count("3 rounds, 2026-01-02, commit 0123456789ab") == 2
    style = root.find(f"{XMLNS}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in str(style.text)


def test_a_picture_of_too_few_results_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="run python -m benchmarks first size"):
        picture.render([made([sized()])], columns=1)


def test_the_command_line_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "one.json").write_text(json.dumps(made([sized(), timed("first")])))
    monkeypatch.setattr(command_line, "_RESULTS", results)
    drawn = [tmp_path / "page.html", tmp_path / "main.svg", tmp_path / "main-narrow.svg"]
    assert command_line.main(["--page", str(drawn[0]), "--picture", str(drawn[1])]) == 0
    assert capsys.readouterr().out.count("written: ") == 3
    first = [path.read_text() for path in drawn]
    for text in first:
        ET.fromstring(text)
    assert command_line.main(["--page", str(drawn[0]), "--picture", str(drawn[1])]) == 0
    assert [path.read_text() for path in drawn] == first


def test_the_kept_results_can_be_drawn() -> None:
    root = read(page.render(found.read(command_line._RESULTS)))
    assert len(list(root.iter("figure"))) > 5


@pytest.mark.parametrize(("name", "columns"), [("figures.svg", 2), ("figures-narrow.svg", 1)])
def test_the_kept_pictures_show_the_kept_results(name: str, columns: int) -> None:
    """Where this fails: python -m benchmarks --picture docs/pictures/figures.svg."""
    kept = (REPOSITORY / "docs" / "pictures" / name).read_text("utf-8")
    assert kept == picture.render(found.read(command_line._RESULTS), columns)
