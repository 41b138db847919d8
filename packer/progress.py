"""How far packing is: a bar on a terminal, a line for each stage otherwise, or nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

import click

from container.units import human_bytes

if TYPE_CHECKING:
    from types import TracebackType

    from click._termui_impl import ProgressBar

_LABELS = {"read": "reading", "pack": "packing", "verify": "verifying"}


class StageProgress:
    """Shows stages one after the other, on standard error.

    Args:
        total_bytes: of each stage, plain.
        quiet: show nothing.
    """

    def __init__(self, total_bytes: int, *, quiet: bool) -> None:
        self._total_bytes = total_bytes
        self._quiet = quiet
        self._stage: str | None = None
        self._bar: ProgressBar[int] | None = None

    def __call__(self, stage: str, plain_bytes: int) -> None:
        """So many more bytes of a stage are done."""
        if self._quiet:
            return
        if stage != self._stage:
            self._end()
            self._begin(stage)
        if self._bar is not None:
            self._bar.update(plain_bytes)

    def _begin(self, stage: str) -> None:
        self._stage = stage
        label = f"{_LABELS[stage]:9} {human_bytes(self._total_bytes)}"
        if not sys.stderr.isatty():
            click.echo(label, err=True)
            return
        self._bar = click.progressbar(
            length=self._total_bytes, label=label, file=sys.stderr, width=30
        )
        self._bar.__enter__()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
