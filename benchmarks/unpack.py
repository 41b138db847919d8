"""How long unpacking a release takes, beside its peers and beside what it cannot go below."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.inputs import fingerprint, tree_bytes
from benchmarks.measure import (
    Command,
    Contestant,
    Run,
    cpus,
    floor_seconds,
    interleave,
    paired_ratio,
    run,
    shown_peak,
    walls,
)
from benchmarks.peers import Copy, Peer, Stigmer, others
from benchmarks.probing import Probe
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_DECODE, _IMPORTS = "decode frames, write nothing", "start and imports alone"
_FLOOR_LIMIT = 1.4


def measure(workspace: Workspace) -> Result:
    """Compare outputs first, then take turns."""
    tree = workspace.release()
    ours, copy = Stigmer(), Copy()
    present = [peer for peer in others() if not peer.absent()]
    absent = [peer for peer in others() if peer.absent()]
    archives = dict(zip([ours, *present], workspace.archives([ours, *present], tree), strict=True))
    target = workspace.root / "unpacked"
    commands: dict[str, Command] = {}
    for peer, archive in archives.items():
        command = peer.unpack(archive, target, workspace.cores)
        if command is not None:
            commands[peer.name] = command
            _require_same_output(workspace, peer, command, tree, target)
    probes = {
        _DECODE: Probe(workspace, "decoding", archives[ours]),
        _IMPORTS: Probe(workspace, "imports"),
    }
    contestants = {
        name: Contestant(
            command,
            before=lambda: workspace.fresh(target),
            after=lambda: workspace.clear(target),
        )
        for name, command in commands.items()
    } | {name: probe.contestant() for name, probe in probes.items()}
    runs = interleave(contestants, workspace.rounds, workspace.say)
    return _result(
        workspace,
        runs,
        {name: command.shown for name, command in commands.items()},
        absent,
        probes[_DECODE],
        (ours.name, copy.name, tree_bytes(tree)),
    )


def _require_same_output(
    workspace: Workspace, peer: Peer, command: Command, tree: Path, target: Path
) -> None:
    """Nobody is timed who does not write the same files, modes and links.

    Raises:
        BenchmarkError: something differs.
    """
    workspace.say(f"comparing output: {peer.name}")
    workspace.fresh(target)
    run(command)
    wanted, found = set(fingerprint(tree)), set(fingerprint(target))
    workspace.clear(target)
    if wanted != found:
        first = min(wanted ^ found)
        raise BenchmarkError(
            f"{peer.name} writes something else: {len(wanted ^ found)} differences, first {first}"
        )


def _result(
    workspace: Workspace,
    runs: dict[str, list[Run]],
    shown: dict[str, str],
    absent: list[Peer],
    decode: Probe,
    subject: tuple[str, str, int],
) -> Result:
    ours, copy, plain_bytes = subject
    our_walls = walls(runs[ours])
    rows = []
    for name in sorted(shown, key=lambda name: median(walls(runs[name]))):
        theirs = walls(runs[name])
        rows.append(
            [
                shown[name],
                seconds(median(theirs)),
                seconds(median(cpus(runs[name]))),
                shown_peak(runs[name]),
                f"{paired_ratio(our_walls, theirs):.2f}",
            ]
        )
    rows += [[peer.name, peer.absent() or "", "", "", ""] for peer in absent]
    floors = [
        floor_seconds(decode_cpu, copy_cpu, workspace.cores)
        for decode_cpu, copy_cpu in zip(
            decode.values("decode_cpu_seconds"), cpus(runs[copy]), strict=True
        )
    ]
    start_walls = walls(runs[_IMPORTS])
    beyond_start = [wall - start for wall, start in zip(our_walls, start_walls, strict=True)]
    ratio, beyond_ratio = paired_ratio(our_walls, floors), paired_ratio(beyond_start, floors)
    decode_seconds = median(decode.values("decode_cpu_seconds"))
    return Result(
        "unpack",
        [
            Table(
                f"A release of {human_bytes(plain_bytes)} plain, fresh process, "
                f"{workspace.cores} cores, medians of {workspace.rounds} rounds:",
                ["command", "wall", "CPU", "peak memory", "our wall, of its"],
                rows,
            ),
            Table(
                "What unpacking cannot go below, on these cores:",
                ["part", "seconds"],
                [
                    ["decode all frames, one core, CPU", seconds(decode_seconds)],
                    ["cp -r, CPU", seconds(median(cpus(runs[copy])))],
                    [f"floor: their sum / {workspace.cores}", seconds(median(floors))],
                    ["wall / floor", f"{ratio:.2f}"],
                    ["interpreter and imports, wall", seconds(median(start_walls))],
                    ["(wall - interpreter and imports) / floor", f"{beyond_ratio:.2f}"],
                ],
            ),
        ],
        [Target("wall clock of unpack, of the floor", ratio, _FLOOR_LIMIT)],
        [],
        {
            "plain_bytes": plain_bytes,
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
            "decoding": decode.answers,
            "floor_seconds": floors,
        },
    )
