"""How much memory unpacking takes at its peak, for small and large payloads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import stage_real, tree_bytes
from benchmarks.measure import Contestant, Run, interleave
from benchmarks.peers import Stigmer
from benchmarks.probing import Probe
from benchmarks.report import Result, Table, Target
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_LIMIT_MIB = 128
# Interpreter, index and stored bytes; beside it what the design needs: frames and a reference.
_BASE_MIB = 64
_QUICK_LEVEL = 3
_SETS = {"130 MB": 130_000_000, "290 MB": 290_000_000, "1 GB": 1_000_000_000}
_TINY_SETS = {"tiny set": 10_000_000}


def measure(workspace: Workspace) -> Result:
    """The release at the release level; larger and smaller sets at a quick one."""
    target = workspace.root / "unpacked"
    rounds = workspace.rounds
    rows: list[list[str]] = []
    targets: list[Target] = []
    runs: dict[str, list[Run]] = {}
    imports = Contestant(Stigmer().start())
    runs |= interleave({"start and imports alone": imports}, rounds, workspace.say)
    for name, tree, peer, level in _subjects(workspace):
        archive = workspace.archive(peer, tree, "" if level == "release" else f".{level}")
        unpack = Contestant(
            peer.unpack(archive, target, workspace.cores),
            before=lambda: workspace.fresh(target),
            after=lambda: workspace.put_aside(target),
        )
        label = f"{name}, level {level}"
        runs |= interleave({label: unpack}, rounds, workspace.say)
        peak_bytes = max(run.peak_bytes for run in runs[label])
        stored_bytes = archive.stat().st_size
        rows.append(
            [label, human_bytes(tree_bytes(tree)), human_bytes(stored_bytes), _mib(peak_bytes)]
        )
        what = f"peak memory of unpack --jobs {workspace.cores}, {label}"
        targets.append(Target(what, peak_bytes / (1 << 20), _LIMIT_MIB, "MiB"))
        needed = Probe(workspace, "buffers", archive)
        interleave({"buffers": needed.contestant()}, 1)
        (frame_bytes,), (reference_bytes,) = map(needed.values, ("frame_bytes", "reference_bytes"))
        limit = _BASE_MIB + (workspace.cores * frame_bytes + reference_bytes) / (1 << 20)
        what += f", beside {workspace.cores} frames, a reference and {_BASE_MIB} MiB"
        targets.append(Target(what, peak_bytes / (1 << 20), limit, "MiB"))
        # A gigabyte and its archive are not kept for the scenarios that follow.
        if level != "release":
            workspace.clear(archive)
            workspace.put_aside(tree)
    start = max(run.peak_bytes for run in runs["start and imports alone"])
    rows.append(["start and imports alone", "", "", _mib(start)])
    return Result(
        "memory",
        [
            Table(
                f"Resident memory at its peak, unpack --jobs {workspace.cores}, largest of "
                f"{rounds} runs:",
                ["payload", "plain", "stored", "peak"],
                rows,
            )
        ],
        targets,
        [],
        {name: [run._asdict() for run in taken] for name, taken in runs.items()},
    )


def _subjects(workspace: Workspace) -> list[tuple[str, Path, Stigmer, str]]:
    release = ("release", workspace.release(), Stigmer(), "release")
    sets = _TINY_SETS if workspace.tiny else _SETS
    return [release] + [
        (
            name,
            workspace.tree(name, partial(stage_real, wanted_bytes=wanted)),
            Stigmer(_QUICK_LEVEL),
            str(_QUICK_LEVEL),
        )
        for name, wanted in sets.items()
    ]


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.1f} MiB"
