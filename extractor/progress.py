"""Show an extraction's events: a bar on a terminal, a line a component otherwise, or JSON."""

from __future__ import annotations

import os
import sys
import time

from container.typed import TYPE_CHECKING
from container.units import human_bytes
from extractor.events import Advanced, Durable, Kept, Removed, Started, Waiting
from extractor.output import say

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from extractor.events import Event, Listener

# A terminal is redrawn at most so often: more is flicker, and costs time.
_REDRAWS = 100
# With the longest numbers, and a name of so many letters, a line stays within 80 columns.
_BAR_WIDTH = 20
_NAME_WIDTH = 17


class EventPrinter:
    """A listener that writes to standard error.

    Args:
        style: one of ``words.STYLES``; ``auto`` is a bar where a terminal can show one, else lines.
            Without a standard error nothing is shown.
    """

    def __init__(self, style: str = "auto") -> None:
        if sys.stderr is None:
            style = "none"
        elif style == "auto":
            capable = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
            style = "bar" if capable else "lines"
        self._show: Listener = {
            "bar": self._show_bar,
            "lines": self._show_line,
            "json": self._show_json,
            "none": lambda _: None,
        }[style]
        self._bar: ProgressBar[int] | None = None
        self._due_bytes: int | None = None
        self._done_bytes = 0
        self._component = ""
        self._began_ns = 0
        self._left_bytes: dict[str, int] = {}
        self._labels: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._show(event)

    def _show_bar(self, event: Event) -> None:
        if isinstance(event, Started):
            self._began_ns = time.monotonic_ns()
            self._due_bytes = event.plain_bytes
        elif isinstance(event, Advanced):
            bar = self._drawn_bar()
            self._done_bytes += event.plain_bytes
            self._component = event.component
            if bar is not None:
                bar.update(event.plain_bytes)
        else:
            # What follows the extraction stands on lines of its own.
            self.end()
            self._show_message(event)

    def _drawn_bar(self) -> ProgressBar[int] | None:
        """The bar, drawn at 0 % where it was not there yet; None where none is due.

        It is made as late as that so that other workers decode while click is imported.
        """
        if self._due_bytes is not None:
            import click

            self._bar = click.progressbar(
                length=self._due_bytes,
                label="installing",
                file=sys.stderr,
                width=_BAR_WIDTH,
                show_eta=False,
                item_show_func=lambda _: self._describe(),
                update_min_steps=max(1, self._due_bytes // _REDRAWS),
            )
            self._due_bytes = None
            self._bar.__enter__()
        return self._bar

    def _describe(self) -> str:
        """Bytes, rate and component, as the bar shows them at its end."""
        seconds = (time.monotonic_ns() - self._began_ns) / 1e9
        rate = human_bytes(self._done_bytes / seconds) if seconds else "-"
        return f"{human_bytes(self._done_bytes)} {rate}/s {self._component[:_NAME_WIDTH]}"

    def _show_line(self, event: Event) -> None:
        if isinstance(event, Started):
            say(f"installing {human_bytes(event.plain_bytes)}", err=True)
            for share in event.components:
                self._left_bytes[share.name] = share.plain_bytes
                self._labels[share.name] = f"{share.name} {share.version}"
                if not share.plain_bytes:
                    say(f"{self._labels[share.name]}: unchanged", err=True)
        elif isinstance(event, Advanced):
            self._done_bytes += event.plain_bytes
            self._left_bytes[event.component] -= event.plain_bytes
            if not self._left_bytes[event.component]:
                say(f"{self._labels[event.component]}: extracted", err=True)
        else:
            self._show_message(event)

    def _show_message(self, event: Event) -> None:
        if isinstance(event, Waiting):
            say(f"waiting for another installation into {event.home}", err=True)
        elif isinstance(event, Kept):
            say(f"warning: {event.path} stays: {event.reason}", err=True)

    def _show_json(self, event: Event) -> None:
        import json

        names = {
            Waiting: "waiting",
            Started: "started",
            Advanced: "advanced",
            Durable: "durable",
            Removed: "removed",
            Kept: "kept",
        }
        facts = event._asdict()
        if isinstance(event, Started):
            facts["components"] = [share._asdict() for share in event.components]
        say(json.dumps({"event": names[type(event)]} | facts), err=True)

    def end(self) -> None:
        """Leave the bar's line; to be called whatever happened."""
        bar = self._drawn_bar()
        if bar is not None:
            bar.__exit__(None, None, None)
            self._bar = None
