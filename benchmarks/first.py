"""How long the first start of a release takes, beside all peers and what none can go below."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.disk import make_cold
from benchmarks.inputs import tree_bytes
from benchmarks.installing import InstallProbe
from benchmarks.lineup import LineUp, kept, line_up, raw, require_outputs, table, writing
from benchmarks.measure import (
    Command,
    Contestant,
    Run,
    cpus,
    floor_seconds,
    interleave,
    paired_ratio,
    walls,
)
from benchmarks.peers import Copy, Stigmer, TarZstd, others
from benchmarks.probing import Probe
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_DECODE, _IMPORTS = "decode frames, write nothing", "start and imports alone"
DURABLE, VOLATILE = "stigmer-payload install, durable", "stigmer-payload install, not durable"
_PROGRAM = "the started program alone"
_FLOOR_LIMIT, _BEYOND_LIMIT = 1.4, 1.15
_TAR_LIMIT, _DURABLE_LIMIT = 0.65, 1.25


class _Taken(NamedTuple):
    """All runs of the warm rounds, and what the decoding probe has said in each."""

    runs: dict[str, list[Run]]
    decoding: Probe
    floors: list[float]


def measure(workspace: Workspace) -> Result:
    """Compare outputs first, then take turns: with a warm cache, then with a cold one."""
    tree = workspace.release()
    lined = line_up(workspace, others(workspace.start), tree)
    notes = require_outputs(workspace, lined, tree, partial(kept, workspace))
    payload = lined.archives[lined.ours]
    target = workspace.root / "unpacked"
    commands = {
        peer.name: command
        for peer, archive in lined.archives.items()
        if (command := peer.unpack(archive, target, workspace.cores)) is not None
    }
    installs = {
        DURABLE: InstallProbe(workspace, "first", ["durable"], payload),
        VOLATILE: InstallProbe(workspace, "first-volatile", ["volatile"], payload),
    }
    shown = {name: command.shown for name, command in commands.items()}
    shown |= {name: name.removeprefix("stigmer-payload ") for name in installs}
    decoding = Probe(workspace, "decoding", payload)
    program = workspace.start.command(tree)
    runs = interleave(
        writing(workspace, commands)
        | {name: probe.contestant() for name, probe in installs.items()}
        | {_DECODE: decoding.contestant(), _PROGRAM: Contestant(program)}
        | {_IMPORTS: Contestant(Stigmer().start())},
        workspace.rounds,
        workspace.say,
    )
    floors = [
        floor_seconds(decode, copy, workspace.cores)
        for decode, copy in zip(
            decoding.values("decode_cpu_seconds"), cpus(runs[Copy().name]), strict=True
        )
    ]
    taken = _Taken(runs, decoding, floors)
    forgotten: set[str] = set()
    cold = interleave(
        _cold(workspace, lined, commands, forgotten)
        | {
            name: probe.contestant(lambda: forgotten.add(make_cold([payload])))
            for name, probe in installs.items()
        },
        workspace.rounds,
        lambda line: workspace.say(f"cold: {line}"),
    )
    size = human_bytes(tree_bytes(tree))
    where = f"{size} plain, fresh process, {workspace.cores} cores, {workspace.rounds} rounds"
    program_seconds = seconds(median(walls(runs[_PROGRAM])))
    return Result(
        "first",
        [
            table(f"First start, cache warm: {where}:", runs, shown, lined),
            table(f"First start, cache cold: {where}:", cold, shown, lined),
            _floor_table(workspace, taken, lined),
        ],
        _targets(taken, lined),
        [
            *notes,
            f"cold cache: {min(forgotten)}",
            f"wrappe, onefile and Nuitka start {program.shown} in the end: {program_seconds} alone",
            "onefile removes what it wrote before it ends",
        ],
        {
            "plain_bytes": tree_bytes(tree),
            "shown": shown,
            "processes": raw(runs),
            "cold": raw(cold),
            "library": {name: probe.answers for name, probe in installs.items()},
            "decoding": decoding.answers,
            "floor_seconds": floors,
        },
    )


def _cold(
    workspace: Workspace, lined: LineUp, commands: dict[str, Command], forgotten: set[str]
) -> dict[str, Contestant]:
    """Everybody, each right after the cache has lost what it reads."""
    contestants: dict[str, Contestant] = {}
    for peer, archive in lined.archives.items():
        forget = partial(_forget, archive, forgotten)
        contestants |= writing(workspace, {peer.name: commands[peer.name]}, forget)
    return contestants


def _forget(archive: Path, forgotten: set[str]) -> None:
    files = [archive]
    if archive.is_dir():
        files = [path for path in archive.rglob("*") if path.is_file()]
    forgotten.add(make_cold(files))


def _beyond(taken: _Taken, name: str) -> list[float]:
    """Wall clock without the start of the interpreter, in each round."""
    starts = walls(taken.runs[_IMPORTS])
    return [wall - start for wall, start in zip(walls(taken.runs[name]), starts, strict=True)]


def _floor_table(workspace: Workspace, taken: _Taken, lined: LineUp) -> Table:
    ours = lined.ours.name
    decode = median(taken.decoding.values("decode_cpu_seconds"))
    wall = paired_ratio(walls(taken.runs[ours]), taken.floors)
    rows = [
        ["decode all frames, one core, CPU", seconds(decode)],
        ["cp -r, CPU", seconds(median(cpus(taken.runs[Copy().name])))],
        [f"floor: their sum / {workspace.cores}", seconds(median(taken.floors))],
        ["interpreter and imports, wall", seconds(median(walls(taken.runs[_IMPORTS])))],
        ["unpack / floor", f"{wall:.2f}"],
    ]
    for label, name in {"unpack": ours, "install, not durable": VOLATILE}.items():
        ratio = paired_ratio(_beyond(taken, name), taken.floors)
        rows.append([f"({label} - interpreter and imports) / floor", f"{ratio:.2f}"])
    return Table("What a first start cannot go below, on these cores:", ["part", "value"], rows)


def _targets(taken: _Taken, lined: LineUp) -> list[Target]:
    runs, ours = taken.runs, walls(taken.runs[lined.ours.name])
    beyond = paired_ratio(_beyond(taken, lined.ours.name), taken.floors)
    durable = paired_ratio(walls(runs[DURABLE]), walls(runs[VOLATILE]))
    targets = [
        Target(
            "wall clock of unpack, of the floor", paired_ratio(ours, taken.floors), _FLOOR_LIMIT
        ),
        Target("unpack beyond interpreter start, of the floor", beyond, _BEYOND_LIMIT),
        Target("install, durable, of not durable", durable, _DURABLE_LIMIT),
    ]
    for peer in lined.archives:
        if peer is not lined.ours and not isinstance(peer, Copy):
            limit = _TAR_LIMIT if isinstance(peer, TarZstd) else 1.0
            ratio = paired_ratio(ours, walls(runs[peer.name]))
            targets.append(Target(f"unpack, of {peer.name}", ratio, limit))
    return targets
