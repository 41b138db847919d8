"""Show an extraction's events: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from container.units import human_bytes
from extractor.events import Started, Waiting

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from extractor.events import Event


class EventPrinter:
    """A listener that writes to standard error."""

    def __init__(self) -> None:
        self._bar: ProgressBar[int] | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Waiting):
            click.echo(f"waiting for another installation into {event.home}", err=True)
        elif isinstance(event, Started):
            label = f"extracting {human_bytes(event.plain_bytes)}"
            if sys.stderr.isatty():
                self._bar = click.progressbar(
                    length=event.plain_bytes, label=label, file=sys.stderr, width=30
                )
                self._bar.__enter__()
            else:
                click.echo(f"{label}: {', '.join(event.component_names)}", err=True)
        elif self._bar is not None:
            self._bar.update(event.plain_bytes)

    def end(self) -> None:
        """Leave the bar's line; to be called whatever happened."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
