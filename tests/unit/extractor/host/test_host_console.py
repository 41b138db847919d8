from __future__ import annotations

import io
import sys
from unittest import mock

import pytest

from extractor.host import console, events
from extractor.host.health import Health
from extractor.host.server import Condition

STORY = (
    events.Orphan("agent-runner", 7, killed=True),
    events.Starting("stigmer-server"),
    events.Ready("stigmer-server", 7234, 0.123, None),
    events.Starting("workflow-runner"),
    events.Starting("agent-runner"),
    events.Ready("agent-runner", 2, 1.5, temporal=True),
    events.Ready("workflow-runner", 3, 2, temporal=False),
    events.Up(2),
    events.Died("workflow-runner", ("first", "second")),
    events.Stopping("agent-runner"),
    events.Stopped("agent-runner", killed=True),
    events.Stopping("stigmer-server"),
    events.Stopped("stigmer-server", killed=False),
)
LINES = """\
agent-runner     ended pid 7, left by a host that died, which had to be killed
stigmer-server   ready on port 7234 after 0.12 s
agent-runner     ready on port 2 after 1.50 s, connected to Temporal
workflow-runner  ready on port 3 after 2.00 s, waiting for Temporal
waiting for Temporal at t:1
workflow-runner  failed; the last lines of its log:
  first
  second
agent-runner     killed: it did not end in time
stigmer-server   stopped
"""


class Screen(io.StringIO):
    """Standard error, which may be a terminal, and may be gone."""

    def __init__(self, *, terminal: bool = False, gone: bool = False) -> None:
        super().__init__()
        self.terminal = terminal
        self.gone = gone

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


def told(screen: Screen, *story: events.Event) -> str:
    """What a console shows of a story; pytest puts its own standard error in before a test."""
    with mock.patch.object(sys, "stderr", screen):
        one = console.Console("t:1")
        for event in story:
            one(event)
        one.end()
    return screen.getvalue()


@pytest.mark.parametrize(("terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_lines_where_nothing_can_be_erased(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    assert told(Screen(terminal=terminal), *STORY) == LINES


def test_a_terminal_shows_what_is_waited_for_and_keeps_the_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = told(Screen(terminal=True), *STORY)
    assert "starting workflow-runner, agent-runner ...\r\x1b[K" in shown
    assert "stopping stigmer-server ...\r\x1b[K" in shown
    # Not by ``splitlines``, to which a carriage return ends a line as well.
    seen = [line.rpartition("\r\x1b[K")[2] for line in shown.split("\n")]
    assert "\n".join(seen) == LINES


def test_a_service_that_wrote_nothing() -> None:
    shown = told(Screen(), events.Died("agent-runner", ()))
    assert shown.endswith("of its log:\n  (it wrote nothing)\n")


def test_a_terminal_that_was_closed_is_no_failure() -> None:
    assert told(Screen(gone=True), *STORY) == ""


@pytest.mark.parametrize(
    ("alive", "health", "temporal", "text"),
    [
        (True, Health.SERVING, None, "healthy, port 1, pid 2"),
        (True, Health.SERVING, Health.SERVING, "healthy, port 1, pid 2, connected to Temporal"),
        (
            True,
            Health.NOT_SERVING,
            Health.NOT_SERVING,
            "not healthy, port 1, pid 2, waiting for Temporal",
        ),
        (True, Health.UNREACHABLE, Health.UNREACHABLE, "does not answer, port 1, pid 2, waiting"),
        # Somebody else may answer on the port of a service that has ended.
        (False, Health.SERVING, Health.SERVING, "ended, port 1, pid 2"),
    ],
)
def test_conditions(alive: bool, health: Health, temporal: Health | None, text: str) -> None:
    row = Condition("agent-runner", 2, 1, alive, health, temporal)
    assert console.condition_text(row).startswith(f"agent-runner     {text}")
    assert row.healthy is (alive and health is Health.SERVING)
