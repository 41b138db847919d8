"""Charts keep to their room, and to the truth: every scale begins at zero."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from benchmarks.charts import WIDTH, Bar, Point, bars, inline, line, stack


@pytest.mark.parametrize(
    ("values", "limit"),
    [([0.5], 1.0), ([2.0], 1.0), ([0.0], 0.0), ([1.0, 3.0, 2.0], 1.5), ([0.1] * 40, 1.0)],
)
def test_a_line_and_its_limit_are_inside_of_the_chart(values: list[float], limit: float) -> None:
    figure = line([Point(value, limit, "commit", "told", "details") for value in values])
    root = ET.fromstring(inline(figure, "label"))
    circles = list(root.iter("circle"))
    assert len(circles) == len(values)
    for circle, value in zip(circles, values, strict=True):
        x, y = float(circle.attrib["cx"]), float(circle.attrib["cy"])
        assert 34 < x < WIDTH
        assert y == pytest.approx(92 - 76 * value / (max(*values, limit) or 1), abs=0.01)
    (path,) = (path for path in root.iter("path") if path.attrib["class"] == "limit")
    for y in re.findall(r"V([\d.]+)", path.attrib["d"]):
        assert 16 <= float(y) <= 92
    for text in root.iter("text"):
        assert 9 < float(text.attrib["y"]) <= figure.height


def test_a_long_name_leaves_room_for_its_value() -> None:
    root = ET.fromstring(inline(bars([Bar("x" * 99, 1, 1, 1, "1.000 s", "", False)], "1 s"), ""))
    name, value, *_ = ("".join(text.itertext()) for text in root.iter("text"))
    assert name.endswith("x\N{HORIZONTAL ELLIPSIS}")
    assert value == "1.000 s"
    assert (len(name) + len(value)) * 12 * 0.62 < WIDTH


@pytest.mark.parametrize("value", [0, -1])
def test_what_is_nothing_or_less_can_be_drawn(value: float) -> None:
    root = ET.fromstring(inline(bars([Bar("none", value, value, 0, "0 s", "", False)], "0 s"), ""))
    (rect,) = root.iter("rect")
    assert rect.attrib["width"] == "0"


def test_a_part_has_its_number_where_there_is_room() -> None:
    root = ET.fromstring(inline(stack([80, 1, 19], ["first", "second", "third"]), ""))
    assert [text.text for text in root.iter("text")] == ["1", "3"]
    assert [title.text for title in root.iter("title")] == ["first", "second", "third"]
