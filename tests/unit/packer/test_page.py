"""The page of ``inspect --html``: whatever the names are, it says what they are and no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from container.reader import open_payload
from container.units import human_bytes, ratio
from packer import hosts, page, report
from tests.support.samples import noise, product, write_payload
from tests.support.trees import File

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from tests.support.payloads import Components

HOSTILE = '<script>alert("1")</script>&amp;\'\n\x00\u202e\u2028\ud800 --> ]]>'
VISIBLE = '<script>alert("1")</script>&amp;\'\\n\\x00\\u202e\\u2028\\ud800 --> ]]>'


def facts_of(directory: Path, components: Components) -> dict[str, Any]:
    with open_payload(write_payload(directory, components)) as reader:
        return report.describe(reader, hosts.identify(reader.source, reader.location))


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Any]:
    return facts_of(tmp_path, product())


def read(text: str) -> Element:
    """The page as XML: every tag is closed, every character legal."""
    assert text.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(text.encode())


def texts(root: Element, tag: str) -> list[str]:
    return ["".join(found.itertext()) for found in root.iter(tag)]


def table(root: Element, number: int) -> list[list[str]]:
    rows = list(root.iter("table"))[number].iter("tr")
    return [["".join(cell.itertext()) for cell in row] for row in rows]


def area(rect: Element) -> float:
    return float(rect.attrib["width"]) * float(rect.attrib["height"])


def stored_of(facts: dict[str, Any]) -> dict[str, int]:
    """Stored bytes of the files that weigh something, the heaviest first."""
    found = {
        entry["path"]: entry["stored_bytes"]
        for component in facts["components"]
        for entry in component["entries"]
        if entry["stored_bytes"]
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def test_the_tables_say_what_inspect_says(facts: dict[str, Any]) -> None:
    root = read(page.render(facts))
    parts = {row[0].split(" ")[0]: row[1:] for row in table(root, 0)[1:]}
    assert list(parts) == [*(component["name"] for component in facts["components"]), "index"]
    for component in facts["components"]:
        plain, stored = component["plain_bytes"], component["stored_bytes"]
        assert parts[component["name"]] == [
            *(human_bytes(plain), human_bytes(stored), ratio(stored, plain)),
            ratio(stored, facts["file"]["bytes"]),
        ]
    files = table(root, 1)
    assert files[0] == ["file", "plain", "stored", "ratio"]
    stored = {path: human_bytes(size) for path, size in stored_of(facts).items()}
    assert {row[0]: row[2] for row in files[1:]} == stored
    assert [row[0] for row in files[1:]] == list(stored)


def test_the_rest_of_the_file_is_a_part_of_its_own(facts: dict[str, Any]) -> None:
    """So that shares of the file add up to it."""
    shares = [float(row[4].rstrip("%")) for row in table(read(page.render(facts)), 0)[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_a_host_is_a_part(facts: dict[str, Any]) -> None:
    facts["file"]["bytes"] += 50_000
    facts["host"] |= {"host_bytes": 50_000, "format": "ELF", "architectures": ["amd64"]}
    row = table(read(page.render(facts)), 0)[1]
    assert row[:4] == ["host ELF amd64", "50.0 kB", "50.0 kB", "100.0%"]


@pytest.mark.parametrize(("name", "width", "height"), [("wide", 1200, 680), ("narrow", 344, 900)])
def test_areas_of_all_sections_are_of_one_scale(
    facts: dict[str, Any], name: str, width: int, height: int
) -> None:
    root = read(page.render(facts))
    (svg,) = (svg for svg in root.iter("svg") if svg.attrib["class"] == name)
    scale = width * height / facts["file"]["bytes"]
    drawn = {"".join(rect.itertext()): area(rect) for rect in svg.iter("rect")}
    for path, size in stored_of(facts).items():
        (told,) = (told for told in drawn if told.startswith(f"{path}: "))
        # As far as the numbers of the picture have digits.
        assert drawn[told] == pytest.approx(size * scale, rel=0.01)
        assert f"{human_bytes(size)} stored" in told


def test_rectangles_of_large_files_lead_to_their_rows(facts: dict[str, Any]) -> None:
    root = read(page.render(facts))
    rows = {
        f"#{row.attrib['id']}": "".join(row[0].itertext())
        for row in root.iter("tr")
        if "id" in row.attrib
    }
    links = list(root.iter("a"))
    assert {rows[link.attrib["href"]] for link in links} == set(stored_of(facts))
    for link in links:
        assert texts(link, "title")[0].startswith(f"{rows[link.attrib['href']]}: ")


def test_parts_that_are_no_component_lead_to_no_row(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path, {"host": File(noise(1, 500), 0o755), "rest": {"index": File(noise(2, 500))}}
    )
    facts["file"]["bytes"] += 900
    facts["host"] |= {"host_bytes": 900}
    titles = [texts(link, "title")[0].split(": ")[0] for link in read(page.render(facts)).iter("a")]
    assert sorted(titles) == ["host", "host", "rest/index", "rest/index"]


def test_names_cannot_become_markup(facts: dict[str, Any]) -> None:
    """Also of a file that a reader would refuse: nothing here relies on its checks."""
    facts["file"]["path"] = f"some/where/{HOSTILE.replace('/', '|')}"
    facts["version"] = facts["platform"] = facts["zstd_version"] = HOSTILE
    facts["host"] |= {"host_bytes": 9000, "format": HOSTILE, "architectures": [HOSTILE]}
    for component in facts["components"]:
        component["name"] = component["version"] = HOSTILE
        for entry in component["entries"]:
            entry["path"] += HOSTILE
    facts["weights"] = [
        {"component": HOSTILE, "package": HOSTILE, "plain_bytes": 3, "stored_bytes": 2}
    ]
    root = read(page.render(facts))
    assert {element.tag for element in root.iter()} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "small", "table"),
        *("thead", "tbody", "tr", "th", "td", "svg", "g", "a", "rect", "text", "tspan"),
    }
    for element in root.iter():
        assert not any(name.startswith("on") for name in element.attrib)
    assert VISIBLE.replace("/", "|") in texts(root, "h1")[0]
    assert table(root, 1)[1][0].endswith(VISIBLE)
    assert table(root, 2)[1][0] == f"{VISIBLE} {VISIBLE}"
    assert any(VISIBLE[:20] in told for told in texts(root, "title"))


def test_names_that_are_legal_in_a_payload_are_told_apart_from_markup(tmp_path: Path) -> None:
    name = "R&amp;D's \u202egnp.exe"
    root = read(page.render(facts_of(tmp_path, {"tree": {name: File(noise(3, 900), 0o644)}})))
    assert table(root, 1)[1][0] == "tree/R&amp;D's \\u202egnp.exe"


def test_nothing_is_fetched_and_nothing_runs(facts: dict[str, Any]) -> None:
    text = page.render(facts)
    assert re.findall(r"(?i)\b(?:src|script|import|url|https?|//)\b", text) == []
    assert set(re.findall(r'href="([^"]*)"', text)) == {f"#file-{row}" for row in range(1, 6)}


def test_packages_have_a_table_where_they_were_weighed(facts: dict[str, Any]) -> None:
    facts["weights"] = [
        {"component": "runner", "package": name, "plain_bytes": 4 * size, "stored_bytes": size}
        for name, size in (("light", 10), ("heavy", 4000))
    ]
    assert table(read(page.render(facts)), 2)[1:] == [
        ["heavy runner", "16.0 kB", "4.00 kB", "25.0%"],
        ["light runner", "40 B", "10 B", "25.0%"],
    ]


def test_the_same_facts_give_the_same_page(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    again = facts_of(tmp_path / "again", product())
    assert page.render(again) == page.render(facts)


@pytest.mark.parametrize("heavy", [0, 1900], ids=["all alike", "as many rectangles as can be"])
def test_ten_thousand_files_give_a_page_that_can_be_sent(facts: dict[str, Any], heavy: int) -> None:
    component = facts["components"][1]
    component["entries"] = [
        {
            "path": f"runner/package_{number % 100}/{'long' * 20}&{'long' * 20}_{number}.py",
            "kind": "file",
            "plain_bytes": 40_000,
            "stored_bytes": 10_000 if number < heavy else 10,
        }
        for number in range(10_000)
    ]
    facts["components"] = [component]
    facts["file"]["bytes"] = sum(entry["stored_bytes"] for entry in component["entries"])
    text = page.render(facts)
    assert "smaller" in text
    assert text.count("<rect") > heavy
    assert len(text.encode()) < 2_000_000


def overlapping(svg: Element) -> list[tuple[str, str]]:
    """Pairs of texts that would be drawn over each other, by the width their font has."""
    font = float(svg.attrib["font-size"])
    boxes = [
        (text, float(line.attrib["x"]), float(line.attrib["y"]), len(text) * font * 0.6)
        for line in svg.iter("text")
        for text in ["".join(line.itertext())]
    ]
    return [
        (one[0], other[0])
        for number, one in enumerate(boxes)
        for other in boxes[:number]
        if abs(one[2] - other[2]) < font
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    ]


def test_names_do_not_lie_over_each_other(tmp_path: Path) -> None:
    tree = {
        f"package_{number % 7}/{'x' * (number % 5)}/module_{number}.py": File(
            noise(number, 40 + number**2), 0o644
        )
        for number in range(60)
    }
    root = read(page.render(facts_of(tmp_path, {"tree": tree, "program": File(b"x" * 99, 0o755)})))
    for svg in root.iter("svg"):
        assert len(list(svg.iter("text"))) > 10
        assert overlapping(svg) == []


def test_wide_and_cut_names_fit_their_rectangles(tmp_path: Path) -> None:
    tree = {"世界" * 30: File(noise(1, 3000), 0o644), "b" * 200: File(noise(2, 2000), 0o644)}
    root = read(page.render(facts_of(tmp_path, {"tree": tree})))
    (narrow,) = (svg for svg in root.iter("svg") if svg.attrib["class"] == "narrow")
    (wide,) = (text for text in texts(narrow, "text") if text.startswith("世"))
    (cut,) = (text for text in texts(narrow, "text") if text.startswith("bbb"))
    assert wide.endswith(("世…", "界…"))
    assert cut.endswith("b…")
    for columns in (2 * len(wide) - 1, len(cut)):
        assert columns * 11 * 0.6 <= 344
