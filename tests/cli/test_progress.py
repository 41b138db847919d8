"""Progress goes to standard error: a bar on a terminal, plain lines otherwise, nothing for JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from extractor.install import this_platform
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
    "unpack": ["extracting 10.5 kB: server, runner"],
    "install": ["extracting 10.5 kB: server, runner"],
}
BARS = {
    "pack": ["packing   4.40 kB", "verifying 4.40 kB"],
    "embed": ["packing   4.40 kB", "verifying 4.40 kB"],
    "verify": ["verifying 9.05 kB"],
    "unpack": ["extracting 10.5 kB"],
    "install": ["extracting 10.5 kB"],
}


@pytest.mark.parametrize("command", LINES)
def test_a_pipe_gets_a_plain_line_for_each_stage(shop: Workshop, command: str) -> None:
    program, words = words_for(shop, command)
    outcome = commands.run(program, *words)
    assert outcome.status == 0, outcome
    assert outcome.err.splitlines() == LINES[command]


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
        assert steps[-1].rstrip() == f"{label}  [{'#' * 30}]  100%"
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


def test_an_installation_that_is_there_shows_nothing(shop: Workshop) -> None:
    program, words = words_for(shop, "install")
    assert commands.run(program, *words).status == 0
    outcome = commands.run_on_terminal(program, *words)
    assert (outcome.status, outcome.err) == (0, "")
