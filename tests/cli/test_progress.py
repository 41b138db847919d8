"""Progress goes to standard error: a bar on a terminal, plain lines otherwise, nothing for JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from extractor.preflight import this_platform
from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Workshop

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLUMNS = 80


def words_for(shop: Workshop, command: str) -> tuple[str, list[str | Path]]:
    """A program and the words of one of its commands that does something for a while."""
    output = shop.path("out")
    packing: list[str | Path] = [
        *("--output", output, "--version", "1.0.0", "--level", "1"),
        *("--platform", this_platform(), *shop.components),
    ]
    known: dict[str, tuple[str, list[str | Path]]] = {
        "pack": ("stigmer-pack", ["pack", *packing]),
        "embed": ("stigmer-pack", ["embed", "--host", shop.host, *packing]),
        "verify": ("stigmer-pack", ["verify", shop.payload]),
        "unpack": ("stigmer-extract", ["unpack", shop.payload, "--to", output]),
        "install": ("stigmer-extract", ["install", shop.payload, "--home", output]),
    }
    return known[command]


LINES = {
    "pack": ["reading   2 components", "packing   4.40 kB", "verifying 4.40 kB"],
    "embed": ["reading   2 components", "packing   4.40 kB", "verifying 4.40 kB"],
    "verify": ["verifying 9.05 kB"],
    "unpack": ["installing 10.5 kB", "runner 1.0.0: extracted", "server 1.0.0: extracted"],
    "install": ["installing 10.5 kB", "runner 1.0.0: extracted", "server 1.0.0: extracted"],
}
BARS = {
    "pack": ["packing   4.40 kB", "verifying 4.40 kB"],
    "embed": ["packing   4.40 kB", "verifying 4.40 kB"],
    "verify": ["verifying 9.05 kB"],
    "unpack": ["installing"],
    "install": ["installing"],
}


@pytest.mark.parametrize("command", LINES)
def test_a_pipe_gets_a_plain_line_for_each_stage(shop: Workshop, command: str) -> None:
    program, words = words_for(shop, command)
    outcome = commands.run(program, *words)
    assert outcome.status == 0, outcome
    first, *rest = outcome.err.splitlines()
    # Which component is complete first is for the workers to decide.
    rest = sorted(rest) if program == "stigmer-extract" else rest
    assert [first, *rest] == LINES[command]


def screen(shown: str) -> list[str]:
    """What has stood on each line of a terminal, one state after the other."""
    return [
        state
        for line in ESCAPES.sub("", shown).split("\n")
        for state in line.rstrip("\r").split("\r")
    ]


@pytest.mark.parametrize("command", BARS)
def test_a_terminal_gets_a_bar_for_each_stage(shop: Workshop, command: str) -> None:
    program, words = words_for(shop, command)
    outcome = commands.run_on_terminal(program, *words, columns=COLUMNS)
    assert outcome.status == 0, outcome
    states = screen(outcome.err)
    # A longer line would wrap, and each further step would begin a new one.
    assert max(map(len, states)) < COLUMNS
    for label in BARS[command]:
        steps = [state for state in states if state.startswith(label) and "[" in state]
        width = 20 if program == "stigmer-extract" else 30
        if program == "stigmer-extract":
            assert steps[0].startswith(f"{label}  [{'-' * 20}]    0%  0 B ")
        bar, _, behind = steps[-1].partition("  100%")
        assert bar == f"{label}  [{'#' * width}]"
        # Bytes, rate and component; spaces cover longer text that stood there.
        text = r"  10\.5 kB \d\S* [kM]?B/s (server|runner) *" if width == 20 else " *"
        assert re.fullmatch(text, behind), steps
    # The cursor is shown again, and stands at the beginning of a line.
    assert outcome.err.rfind("\x1b[?25h") > outcome.err.rfind("\x1b[?25l")
    assert states[-1] == ""
    # The result is no part of what is shown meanwhile.
    assert "[" not in outcome.out.split(":")[0]


@pytest.mark.parametrize("command", LINES)
def test_nothing_is_shown_where_json_is_asked_for(shop: Workshop, command: str) -> None:
    program, words = words_for(shop, command)
    outcome = commands.run_on_terminal(program, *words, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("{")


@pytest.mark.parametrize("command", ["unpack", "verify"])
def test_a_bar_that_ends_with_an_error_leaves_its_line(shop: Workshop, command: str) -> None:
    data = bytearray(shop.payload.read_bytes())
    # In the second half of the frames: the bar has begun by then.
    data[5600] ^= 1
    damaged = shop.copy(shop.payload, "damaged", bytes(data))
    program, words = words_for(shop, command)
    words = [damaged if word == shop.payload else word for word in words]
    outcome = commands.run_on_terminal(program, *words)
    assert outcome.status == 15, outcome
    states = screen(outcome.err)
    assert states[-2].startswith("error: ")
    assert "[" in states[-3]
    assert outcome.err.rfind("\x1b[?25h") > outcome.err.rfind("\x1b[?25l")


@pytest.mark.parametrize("command", ["unpack", "install"])
def test_a_bar_that_never_advances_is_drawn_empty(shop: Workshop, command: str) -> None:
    """It is made late; where the first frame is damaged, it is still what was begun."""
    data = bytearray(shop.payload.read_bytes())
    data[20] ^= 1
    damaged = shop.copy(shop.payload, "damaged", bytes(data))
    program, words = words_for(shop, command)
    words = [damaged if word == shop.payload else word for word in words]
    outcome = commands.run_on_terminal(program, *words, "--jobs", "1")
    assert outcome.status == 15, outcome
    *_, bar, error, end = screen(outcome.err)
    assert bar.startswith(f"installing  [{'-' * 20}]    0%  0 B ")
    assert error.startswith("error: ")
    assert end == ""


def test_a_bar_keeps_to_its_line_whatever_it_has_to_tell(shop: Workshop) -> None:
    """Three digits in front of the point, and the longest name of a real component or a longer."""
    name = "workflow-runner-of-many-letters"
    shop.path(name).write_bytes(b"x" * 5000)
    words = ("--output", shop.path("out"), "--version", "1", "--platform", this_platform())
    assert commands.pack("pack", *words, f"{name}={shop.path(name)}").status == 0
    outcome = commands.run_on_terminal(
        "stigmer-extract",
        *("install", shop.path("out"), "--home", shop.path("home")),
        columns=COLUMNS,
        before="import extractor.progress\nextractor.progress.human_bytes = lambda _: '999.9 MB'",
    )
    states = screen(outcome.err)
    assert max(map(len, states)) == COLUMNS - 1
    assert states[-2].endswith("100%  999.9 MB 999.9 MB/s workflow-runner-o")


KEEPS = """
import extractor.upkeep
from extractor import events
def remove_old(home, listener):
    listener(events.Kept("/old", "in use by process 7"))
extractor.upkeep.remove_old = remove_old
"""


def test_a_warning_behind_the_bar_has_a_line_of_its_own(shop: Workshop) -> None:
    program, words = words_for(shop, "install")
    outcome = commands.run_on_terminal(program, *words, before=KEEPS)
    assert outcome.status == 0, outcome
    states = screen(outcome.err)
    assert states[-2:] == ["warning: /old stays: in use by process 7", ""]
    assert "100%" in states[-3]


def test_what_is_unchanged_is_said_of_its_component(shop: Workshop) -> None:
    home = shop.path("home")
    for version in ("1", "2"):
        shop.server.write_bytes(b"program" * 500 + version.encode())
        assert shop.pack(version, "--version", version).status == 0
        words = ("install", shop.path(version), "--home", home, "--progress", "lines")
        outcome = commands.extract(*words)
    assert outcome.err.splitlines() == [
        "installing 3.50 kB",
        "runner 2.0: unchanged",
        "server 2: extracted",
    ]
    assert " (3.50 kB and 404 B unchanged in 0." in outcome.out


def test_events_are_json_where_that_is_asked_for(shop: Workshop) -> None:
    program, words = words_for(shop, "install")
    outcome = commands.run(program, *words, "--progress", "json")
    events = [json.loads(line) for line in outcome.err.splitlines()]
    assert events[0] == {
        "event": "started",
        "components": [
            {"name": "server", "version": "1.0.0", "plain_bytes": 5000},
            {"name": "runner", "version": "1.0.0", "plain_bytes": 5548},
        ],
        "plain_bytes": 10548,
    }
    assert events[-1] == {"event": "durable"}
    assert {event["event"] for event in events[1:-1]} == {"advanced"}
    assert {event["component"] for event in events[1:-1]} == {"server", "runner"}
    assert sum(event["plain_bytes"] for event in events[1:-1]) == 10548
    assert outcome.out.startswith("installed 1.0.0: ")


@pytest.mark.parametrize("style", ["bar", "lines", "json", "none"])
def test_a_style_that_is_asked_for_goes_before_the_terminal_and_json(
    shop: Workshop, style: str
) -> None:
    program, words = words_for(shop, "install")
    outcome = commands.run(program, *words, "--progress", style, "--json")
    assert outcome.status == 0, outcome
    assert json.loads(outcome.out)["already"] is False
    assert (outcome.err == "") == (style == "none")
    assert outcome.err.startswith("{") == (style == "json")
    assert ("extracted" in outcome.err) == (style == "lines")


def test_a_terminal_that_can_do_nothing_gets_lines(shop: Workshop) -> None:
    program, words = words_for(shop, "install")
    before = "import os; os.environ['TERM'] = 'dumb'"
    outcome = commands.run_on_terminal(program, *words, before=before)
    assert outcome.err.splitlines()[0] == "installing 10.5 kB"
    assert "\x1b" not in outcome.err


def test_an_installation_that_is_there_shows_nothing(shop: Workshop) -> None:
    program, words = words_for(shop, "install")
    assert commands.run(program, *words).status == 0
    outcome = commands.run_on_terminal(program, *words)
    assert (outcome.status, outcome.err) == (0, "")
