"""Show what a host tells: one line for each thing that has happened, on standard error."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from extractor.host import events, services
from extractor.host.health import Health

if TYPE_CHECKING:
    from extractor.host.server import Condition

_WIDTH = max(map(len, services.NAMES))


class Console:
    """A listener of the host's events.

    A terminal that can also shows, in a line that goes away, what is being waited for.

    Args:
        temporal_address: told where a service waits for it.
    """

    def __init__(self, temporal_address: str) -> None:
        self._temporal_address = temporal_address
        self._can_erase = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._waiting: list[str] = []
        self._doing = ""
        self._waits_for_temporal = False
        self._shown = False

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        if isinstance(event, events.Starting):
            self._wait_for(event.name, "starting")
        elif isinstance(event, events.Stopping):
            self._wait_for(event.name, "stopping")
        elif isinstance(event, events.Ready):
            text = f"ready on port {event.port} after {event.seconds:.2f} s"
            if event.temporal is not None:
                text += f", {_temporal_text(connected=event.temporal)}"
                self._waits_for_temporal |= not event.temporal
            self._tell(event.name, text)
        elif isinstance(event, events.Up):
            if self._waits_for_temporal:
                self.say(f"waiting for Temporal at {self._temporal_address}")
        elif isinstance(event, events.Stopped):
            self._tell(event.name, "killed: it did not end in time" if event.killed else "stopped")
        elif isinstance(event, events.Orphan):
            killed = ", which had to be killed" if event.killed else ""
            self._tell(event.name, f"ended pid {event.pid}, left by a host that died{killed}")
        elif isinstance(event, events.Died):
            self._tell(event.name, "failed; the last lines of its log:")
            for line in event.last_lines or ("(it wrote nothing)",):
                self.say(f"  {line}")

    def say(self, text: str) -> None:
        """Show a line."""
        self._erase()
        _write(f"{text}\n")
        self._show()

    def end(self) -> None:
        """Leave nothing behind that waits."""
        self._waiting.clear()
        self._erase()

    def _tell(self, name: str, text: str) -> None:
        if name in self._waiting:
            self._waiting.remove(name)
        self.say(f"{name:{_WIDTH}}  {text}")

    def _wait_for(self, name: str, doing: str) -> None:
        self._doing = doing
        self._waiting.append(name)
        self._erase()
        self._show()

    def _erase(self) -> None:
        if self._shown:
            # To the beginning of the line, and clear it.
            _write("\r\x1b[K")
            self._shown = False

    def _show(self) -> None:
        if self._can_erase and self._waiting:
            _write(f"{self._doing} {', '.join(self._waiting)} ...")
            self._shown = True


def _write(text: str) -> None:
    # The terminal may have been closed: that ends the services, in order, and is no failure.
    with suppress(OSError):
        click.echo(text, err=True, nl=False)


def _temporal_text(*, connected: bool) -> str:
    return "connected to Temporal" if connected else "waiting for Temporal"


def condition_text(row: Condition) -> str:
    """A line of ``stigmer server status``."""
    if not row.alive:
        state = "ended"
    elif row.health is Health.SERVING:
        state = "healthy"
    elif row.health is Health.UNREACHABLE:
        state = "does not answer"
    else:
        state = "not healthy"
    text = f"{row.name:{_WIDTH}}  {state}, port {row.port}, pid {row.pid}"
    if row.temporal is not None and row.alive:
        text += f", {_temporal_text(connected=row.temporal is Health.SERVING)}"
    return text
