"""A probe as a contestant: run in its own process, its answers kept round by round."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Command, Contestant

if TYPE_CHECKING:
    from benchmarks.workspace import Workspace

_CHECKOUT = Path(__file__).resolve().parent.parent


class Probe:
    """One of ``benchmarks.probes``.

    Attributes:
        answers: what it printed, one for each round.

    Args:
        workspace: for the file that it prints to.
        name: of the probe.
        path: its argument.
    """

    def __init__(self, workspace: Workspace, name: str, path: Path | None = None) -> None:
        self.answers: list[dict[str, Any]] = []
        argument = [] if path is None else [str(path)]
        stem = "none" if path is None else path.name
        self._output = workspace.root / f"probe-{name}-{stem}.json"
        self._command = Command(
            ([sys.executable, "-m", "benchmarks.probes", name, *argument],),
            f"python -m benchmarks.probes {name}",
            _CHECKOUT,
            self._output,
        )

    def contestant(self) -> Contestant:
        """To be run in rounds with others."""
        return Contestant(self._command, after=self._keep)

    def values(self, key: str) -> list[float]:
        """One of the answers, of each round."""
        return [float(answer[key]) for answer in self.answers]

    def _keep(self) -> None:
        text = self._output.read_text()
        # A probe that failed has printed nothing; the failure itself is reported by the run.
        if text:
            self.answers.append(json.loads(text))
