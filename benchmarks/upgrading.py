"""What an upgrade costs that changes one Go program: beside extracting that program alone."""

from __future__ import annotations

import shutil
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.inputs import table_of, tree_bytes, vary
from benchmarks.installing import QUICK_LEVEL, InstallProbe
from benchmarks.measure import Contestant, interleave, paired_ratio, run, walls
from benchmarks.peers import Stigmer
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_RATIO = 1.3
_PIECE_BYTES = 1 << 20
_CHANGED = ("stigmer-server", "workflow-runner")
_WAYS = {
    "install": "installing it alone, durable",
    "extract": "unpacking it alone, not durable",
}
"""What an upgrade stands beside: the same promise, and the least that could be done."""


def measure(workspace: Workspace) -> Result:
    """For each of the Go programs: the rest of the release stays as it is."""
    old_tree = workspace.release()
    old = workspace.archive(Stigmer(QUICK_LEVEL), old_tree, ".quick")
    probes: dict[str, InstallProbe] = {}
    contestants: dict[str, Contestant] = {}
    for name in _CHANGED:
        tree = workspace.tree(f"changed-{name}", partial(_stage, old_tree, name=name))
        new = workspace.archive(Stigmer(QUICK_LEVEL), tree)
        upgrade = InstallProbe(workspace, f"upgrade {name}", ["durable"], new)
        alone = InstallProbe(workspace, f"alone {name}", ["unpacked"], new, (name,))
        first = InstallProbe(workspace, f"upgrade {name}", ["durable"], old)
        only = workspace.tree(f"only-{name}", partial(_stage_only, tree, name=name))
        installed = workspace.archive(Stigmer(QUICK_LEVEL), only)
        install = InstallProbe(workspace, f"install {name}", ["durable"], installed)
        probes |= {
            f"upgrade {name}": upgrade,
            f"extract {name}": alone,
            f"install {name}": install,
        }
        contestants |= {
            f"upgrade {name}": upgrade.contestant(partial(run, first.command)),
            f"extract {name}": alone.contestant(),
            f"install {name}": install.contestant(),
        }
    runs = interleave(contestants, workspace.rounds, workspace.say)
    targets = []
    rows = []
    for name in _CHANGED:
        took = probes[f"upgrade {name}"].seconds()
        rows.append([name, human_bytes(tree_bytes(old_tree / name)), seconds(median(took))])
        for way in _WAYS:
            other = probes[f"{way} {name}"].seconds()
            ratio = paired_ratio(took, other)
            whole = paired_ratio(walls(runs[f"upgrade {name}"]), walls(runs[f"{way} {name}"]))
            rows[-1] += [seconds(median(other)), f"{ratio:.2f}"]
            targets += [
                Target(f"upgrade of {name}, of {_WAYS[way]}, in the library", ratio, _RATIO),
                Target(f"upgrade of {name}, of {_WAYS[way]}, process", whole, _RATIO),
            ]
    return Result(
        "upgrade",
        [
            Table(
                f"One program of a release changes, {workspace.cores} cores, medians of "
                f"{workspace.rounds} rounds, in the library:",
                ["changed", "its size", "upgrade, durable"]
                + [word for way in _WAYS.values() for word in (way, "ratio")],
                rows,
            )
        ],
        targets,
        [],
        {
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
            "library": {name: probe.answers for name, probe in probes.items()},
        },
    )


def _stage(old: Path, target: Path, name: str) -> None:
    """The release again, one program of which has other bytes that compress as before."""
    shutil.copytree(old, target, symlinks=True)
    table = table_of(1)
    # In pieces: the memory of this process counts as that of the programs it starts.
    with open(old / name, "rb") as read, open(target / name, "r+b") as written:
        while piece := read.read(_PIECE_BYTES):
            written.write(vary(piece, table))


def _stage_only(tree: Path, target: Path, name: str) -> None:
    """A release that has no other program."""
    target.mkdir()
    shutil.copy2(tree / name, target / name)
