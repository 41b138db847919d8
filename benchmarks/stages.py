"""Where the time of a first start goes: on one worker, so that the parts add up, and on two."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Command, Contestant, Run, interleave, paired_ratio, walls
from benchmarks.peers import Stigmer
from benchmarks.report import Result, Table
from benchmarks.stage_probe import STAGES
from container.units import ratio

if TYPE_CHECKING:
    from benchmarks.workspace import Workspace

_CHECKOUT = Path(__file__).resolve().parent.parent
_ONE, _TWO, _UNTIMED = "one worker", "two workers", "one worker, untimed"
_OTHER = "two workers, the other thread"
_WORDS = {
    _ONE: ["--jobs", "1"],
    _TWO: ["--jobs", "2"],
    _UNTIMED: ["--jobs", "1", "--untimed"],
}

START, REST = "interpreter and imports", "rest"
PARTS = (START, *STAGES, REST)
"""Of a whole process; the first one has the interpreter's end as well."""

Parts = dict[str, float]
"""Seconds of each part, of one round."""


class _Probe:
    """One of the contestants; ``answers`` has what it printed, one for each round."""

    def __init__(self, workspace: Workspace, name: str, payload: Path) -> None:
        self.answers: list[dict[str, Any]] = []
        stem = f"stages-{name.replace(' ', '-').replace(',', '')}"
        self._workspace = workspace
        self._home = workspace.root / stem
        self._output = workspace.root / f"{stem}.json"
        words = [str(payload), str(self._home), *_WORDS[name]]
        self._command = Command(
            ([sys.executable, "-m", "benchmarks.stage_probe", *words],),
            " ".join(["python -m benchmarks.stage_probe", *_WORDS[name]]),
            _CHECKOUT,
            self._output,
        )

    def contestant(self) -> Contestant:
        """To be run in rounds with others."""
        return Contestant(self._command, after=self._keep)

    def _keep(self) -> None:
        text = self._output.read_text()
        # A probe that failed has printed nothing; the failure itself is reported by the run.
        if text:
            self.answers.append(json.loads(text))
        self._workspace.put_aside(self._home)


def measure(workspace: Workspace) -> Result:
    """Everybody installs the release into a new home."""
    payload = workspace.archive(Stigmer(), workspace.release())
    probes = {name: _Probe(workspace, name, payload) for name in _WORDS}
    contestants = {name: probe.contestant() for name, probe in probes.items()}
    # Not kept: what is read for the first time comes from the disk.
    interleave(contestants, 1)
    for probe in probes.values():
        probe.answers.clear()
    runs = interleave(contestants, workspace.rounds, workspace.say)
    parts = {
        name: [
            parts_of(answer, run.wall_seconds)
            for answer, run in zip(probes[name].answers, runs[name], strict=True)
        ]
        for name in (_ONE, _TWO)
    }
    parts[_OTHER] = [
        {stage: answer["others"].get(stage, 0) / 1e9 for stage in STAGES}
        for answer in probes[_TWO].answers
    ]
    return _result(workspace, parts, runs)


def parts_of(answer: dict[str, Any], process_seconds: float) -> Parts:
    """What the main thread of one process spent, whole: the parts add up to the process.

    Args:
        answer: of the probe.
        process_seconds: wall clock of its process.
    """
    wall_seconds = answer["wall_ns"] / 1e9
    stages = {stage: answer["main"].get(stage, 0) / 1e9 for stage in STAGES}
    return {
        START: process_seconds - wall_seconds,
        **stages,
        REST: wall_seconds - sum(stages.values()),
    }


def milliseconds(value: float) -> str:
    """Of a value in seconds, as ``12.3 ms``."""
    return f"{value * 1e3:.1f} ms"


def _result(
    workspace: Workspace, parts: dict[str, list[Parts]], runs: dict[str, list[Run]]
) -> Result:
    medians = {
        name: {part: median(one[part] for one in rounds) for part in rounds[0]}
        for name, rounds in parts.items()
    }
    whole = median(walls(runs[_ONE]))
    rows = [
        [
            part,
            milliseconds(medians[_ONE][part]),
            ratio(medians[_ONE][part], whole),
            milliseconds(medians[_TWO][part]),
            milliseconds(medians[_OTHER][part]) if part in medians[_OTHER] else "",
        ]
        for part in PARTS
    ]
    rows.append(["process", milliseconds(whole), "", milliseconds(median(walls(runs[_TWO]))), ""])
    cost = paired_ratio(walls(runs[_ONE]), walls(runs[_UNTIMED]))
    return Result(
        "stages",
        [
            Table(
                f"Wall time of a first start, durable, medians of {workspace.rounds} rounds:",
                ["part", _ONE, "share", f"{_TWO}, main thread", "the other thread"],
                rows,
            )
        ],
        notes=[
            f"timed, of untimed: {cost:.2f}; medians of parts need not add up to that of the whole",
            "two workers: a part includes waiting for the interpreter's lock",
            "two workers: the rest includes waiting for the other worker",
        ],
        runs={
            "stages": parts,
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
        },
    )
