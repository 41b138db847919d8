"""What a start costs that finds everything installed, beside an interpreter that does nothing."""

from __future__ import annotations

import json
import sys
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.inputs import stage_many
from benchmarks.installing import CHECKOUT, QUICK_LEVEL, InstallProbe
from benchmarks.measure import Command, Contestant, interleave, run, walls
from benchmarks.peers import Stigmer
from benchmarks.report import Result, Table, Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_LIMITS_MS = {200: 2, 7_000: 10}
# Milliseconds drown in the noise of a process's start: many rounds, each of which is short.
_MORE_ROUNDS = 10

# ``os`` is a part of the start: ``site`` imports it, and so does a frozen program's loader.
_START = "import os, sys, time\nsys.path.insert(0, sys.argv[1])\nbegan = time.perf_counter_ns()\n"
_SCRIPTS = {
    "nothing": 'print("{}")',
    "check": """
from extractor.home import Home
from extractor.warm import installed
imported = time.perf_counter_ns()
found = installed(sys.argv[2], Home(sys.argv[3]))
ended = time.perf_counter_ns()
assert found is not None
print('{"imports": %d, "check": %d, "files": %d}'
      % (imported - began, ended - imported, len(found[1].paths)))
""",
    "lstat": """
with open(sys.argv[2]) as stream:
    paths = stream.read().splitlines()
lstat = os.lstat
began = time.perf_counter_ns()
for path in paths:
    lstat(path)
print('{"lstat": %d}' % (time.perf_counter_ns() - began))
""",
}


class Script:
    """A program of a few lines in a bare interpreter: without ``site``, as in a frozen one."""

    def __init__(self, workspace: Workspace, label: str, script: str, *words: Path) -> None:
        self.answers: list[dict[str, Any]] = []
        self._output = workspace.root / f"warm-{label}.json"
        argv = [sys.executable, "-I", "-S", "-c", _START + _SCRIPTS[script], str(CHECKOUT)]
        self._command = Command(
            ([*argv, *map(str, words)],), f"python -I -S: {script}", output=self._output
        )

    def contestant(self) -> Contestant:
        """To be run in rounds with others."""
        return Contestant(self._command, after=self._keep)

    def milliseconds(self, *keys: str) -> list[float]:
        """The sum of some answers, of each round."""
        return [sum(answer[key] for key in keys) / 1e6 for answer in self.answers]

    def _keep(self) -> None:
        text = self._output.read_text()
        if text:
            self.answers.append(json.loads(text))


def measure(workspace: Workspace) -> Result:
    """Trees of two sizes, installed once; then nothing is written any more."""
    scripts = {"nothing": Script(workspace, "nothing", "nothing")}
    for files in _LIMITS_MS:
        payload, home = _installed(workspace, files)
        listed = workspace.root / f"files-{files}.txt"
        listed.write_text("".join(f"{path}\n" for path in _paths(home)))
        scripts |= {
            f"check {files}": Script(workspace, f"check-{files}", "check", payload, home),
            f"lstat {files}": Script(workspace, f"lstat-{files}", "lstat", listed),
        }
    runs = interleave(
        {name: script.contestant() for name, script in scripts.items()},
        workspace.rounds * _MORE_ROUNDS,
    )
    rows, targets = [], []
    nothing = walls(runs["nothing"])
    for files, limit_ms in _LIMITS_MS.items():
        check, lstat = scripts[f"check {files}"], scripts[f"lstat {files}"]
        beyond = [
            1000 * (whole - start)
            for whole, start in zip(walls(runs[f"check {files}"]), nothing, strict=True)
        ]
        inside = median(check.milliseconds("imports", "check"))
        rows.append(
            [
                f"{check.answers[-1]['files']:,}",
                _ms(check.milliseconds("imports")),
                _ms(check.milliseconds("check")),
                _ms(lstat.milliseconds("lstat")),
                _ms(beyond),
            ]
        )
        targets += [
            Target(f"imports and check, {files:,} files", inside, limit_ms, "ms"),
            Target(f"process beyond an empty one, {files:,} files", median(beyond), limit_ms, "ms"),
        ]
    return Result(
        "warm",
        [
            Table(
                f"A warm start, medians of {len(nothing)} rounds; the empty interpreter takes "
                f"{1000 * median(nothing):.1f} ms:",
                ["files", "imports", "check", "lstat of each alone", "process, beyond"],
                rows,
            )
        ],
        targets,
        ["lstat of each alone, in a bare loop, is what no check of all files goes below"],
        {
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
            "answers": {name: script.answers for name, script in scripts.items()},
        },
    )


def _installed(workspace: Workspace, files: int) -> tuple[Path, Path]:
    tree = workspace.tree(f"warm-{files}", partial(_stage, files=files))
    payload = workspace.archive(Stigmer(QUICK_LEVEL), tree)
    probe = InstallProbe(workspace, f"warm {files}", ["durable"], payload)
    run(probe.command)
    return payload, probe.home


def _stage(target: Path, files: int) -> None:
    target.mkdir()
    # And the hundred directories that they are in, and the one around those.
    stage_many(target / "packages", files + 101)


def _paths(home: Path) -> list[Path]:
    return sorted(path for path in (home / "bin").resolve().rglob("*.py"))


def _ms(values: list[float]) -> str:
    return f"{median(values):.2f} ms"
