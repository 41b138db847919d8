"""How long packing a release takes, beside zstd on the same bytes at the same level."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.inputs import tree_bytes
from benchmarks.measure import (
    Command,
    Contestant,
    cpus,
    interleave,
    paired_ratio,
    run,
    shown_peak,
    walls,
)
from benchmarks.peers import Stigmer, TarZstd, tar_of
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from benchmarks.workspace import Workspace

_LIMIT = 1.3
# A run takes a minute, so noise of seconds matters little.
_MAX_ROUNDS = 3
_WITH, _WITHOUT, _ZSTD = "stigmer-pack", "stigmer-pack, no references", "zstd"


def measure(workspace: Workspace) -> Result:
    """References cost time and save bytes: both are told, the target is for independent frames."""
    tree = workspace.release()
    rounds = min(workspace.rounds, _MAX_ROUNDS)
    output = workspace.root / "packed.output"
    commands = {
        _WITHOUT: Stigmer(references=False).pack(tree, output, workspace.cores),
        _WITH: Stigmer().pack(tree, output, workspace.cores),
    }
    absent = TarZstd().absent()
    if absent is None:
        tar = workspace.root / f"{tree.stem}.tar"
        run(tar_of(tree, tar))
        zstd = ["zstd", "-q", "-f", "-19", f"-T{workspace.cores}"]
        commands[_ZSTD] = Command(([*zstd, str(tar), "-o", str(output)],), " ".join(zstd))
    sizes: dict[str, int] = {}

    def keep(name: str) -> None:
        if output.exists():
            sizes[name] = output.stat().st_size
            workspace.clear(output)

    runs = interleave(
        {
            name: Contestant(command, after=partial(keep, name))
            for name, command in commands.items()
        },
        rounds,
        workspace.say,
    )
    base = _ZSTD if _ZSTD in runs else _WITHOUT
    rows = [
        [
            commands[name].shown,
            seconds(median(walls(taken))),
            seconds(median(cpus(taken))),
            shown_peak(taken),
            human_bytes(sizes[name]),
            f"{paired_ratio(walls(taken), walls(runs[base])):.2f}",
        ]
        for name, taken in runs.items()
    ]
    targets = []
    time_ratio = paired_ratio(walls(runs[_WITH]), walls(runs[_WITHOUT]))
    size_ratio = sizes[_WITH] / sizes[_WITHOUT]
    notes = [f"references: {time_ratio:.2f} x the time, {size_ratio:.3f} x the size without them"]
    if absent is None:
        ratio = paired_ratio(walls(runs[_WITHOUT]), walls(runs[_ZSTD]))
        targets.append(Target("wall clock of packing independent frames, of zstd", ratio, _LIMIT))
    else:
        notes.append(f"{TarZstd.name}: {absent}")
    return Result(
        "packing",
        [
            Table(
                f"A release of {human_bytes(tree_bytes(tree))} plain, {workspace.cores} cores, "
                f"medians of {rounds} rounds; ours also digests every file, "
                "decodes and checks what it wrote, and makes it durable:",
                ["command", "wall", "CPU", "peak memory", "stored", f"wall, of {base}"],
                rows,
            )
        ],
        targets,
        notes,
        {
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
            "stored_bytes": sizes,
        },
    )
