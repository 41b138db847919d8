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
        probes |= {f"upgrade {name}": upgrade, f"extract {name}": alone}
        contestants |= {
            f"upgrade {name}": upgrade.contestant(partial(run, first.command)),
            f"extract {name}": alone.contestant(),
        }
    runs = interleave(contestants, workspace.rounds, workspace.say)
    targets = []
    rows = []
    for name in _CHANGED:
        upgrade, alone = probes[f"upgrade {name}"], probes[f"extract {name}"]
        ratio = paired_ratio(upgrade.seconds(), alone.seconds())
        wall_ratio = paired_ratio(walls(runs[f"upgrade {name}"]), walls(runs[f"extract {name}"]))
        targets += [
            Target(f"upgrade of {name}, of extracting it alone, in the library", ratio, _RATIO),
            Target(f"upgrade of {name}, of extracting it alone, process", wall_ratio, _RATIO),
        ]
        rows.append(
            [
                name,
                human_bytes(tree_bytes(old_tree / name)),
                seconds(median(upgrade.seconds())),
                seconds(median(alone.seconds())),
                f"{ratio:.2f}",
            ]
        )
    return Result(
        "upgrade",
        [
            Table(
                f"One program of a release changes, {workspace.cores} cores, medians of "
                f"{workspace.rounds} rounds, in the library:",
                ["changed", "its size", "upgrade, durable", "extracted alone", "ratio"],
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
