"""What a start costs that finds everything unpacked: beside all peers, and what each looks at."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.lineup import LineUp, kept, line_up, raw, require_outputs
from benchmarks.measure import (
    Command,
    Contestant,
    Run,
    interleave,
    paired_ratio,
    run,
    shown_seconds,
    walls,
)
from benchmarks.peers import Stigmer, Wrappe, others
from benchmarks.peers.peer import BYTES, MARKER, NOTHING
from benchmarks.report import Result, Table, Target
from benchmarks.warming import Script

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_VERIFY = "stigmer-payload verify"
_SCRIPT, _EMPTY = "stigmer-payload check, bare interpreter", "empty bare interpreter"
# The target: twenty times as fast.
_LIMIT = 1 / 20
_COLUMNS = [
    "command",
    "looks at",
    "whole process (middle half)",
    "beyond what it starts",
    "ours is, of it: process",
    "check",
]


class _Field(NamedTuple):
    """Who starts again, and where each has its files."""

    lined: LineUp
    commands: dict[str, Command]
    shown: dict[str, str]
    checks: dict[str, str]
    bare: dict[str, Command]
    """Of those that start something: that by itself."""


def measure(workspace: Workspace) -> Result:
    """Everybody unpacks once, into a directory of its own; then starts again in turns."""
    tree = workspace.release()
    peers = others(workspace.start)
    peers += [Wrappe(workspace.start, verification=what) for what in ("none", "checksum")]
    lined = line_up(workspace, peers, tree)
    notes = require_outputs(workspace, lined, tree, partial(kept, workspace))
    field = _unpack_all(workspace, lined)
    payload, home = lined.archives[lined.ours], _place(workspace, lined.ours.name) / "home"
    check = Script(workspace, "check-release", "check", payload, home)
    runs = interleave(
        {name: Contestant(command) for name, command in field.commands.items()}
        | {_without(name): Contestant(command) for name, command in field.bare.items()}
        | {_SCRIPT: check.contestant()}
        | {_EMPTY: Script(workspace, "empty-release", "nothing").contestant()},
        workspace.rounds,
        workspace.say,
    )
    inside = [value / 1000 for value in check.milliseconds("imports", "check")]
    beyond = {_SCRIPT: inside} | {
        name: [
            whole - start
            for whole, start in zip(walls(runs[name]), walls(runs[_without(name)]), strict=True)
        ]
        for name in field.bare
    }
    return Result(
        "again",
        [_table(workspace, field, runs, beyond)],
        _targets(field, runs, beyond),
        [
            *notes,
            "beyond what it starts: the process less the program that it starts, by itself",
            "beyond, of the bare interpreter: what the library measured, its imports with it",
            "tar, zip, squashfs and cp have no such start, and are left out",
        ],
        {
            "shown": field.shown,
            "checks": field.checks,
            "processes": raw(runs),
            "beyond_seconds": beyond,
            "library": check.answers,
        },
    )


def _unpack_all(workspace: Workspace, lined: LineUp) -> _Field:
    commands: dict[str, Command] = {}
    checks: dict[str, str] = {}
    bare: dict[str, Command] = {}
    for peer, archive in lined.archives.items():
        place = _place(workspace, peer.name)
        command = peer.again(archive, place, workspace.cores)
        if command is None:
            continue
        workspace.say(f"unpacking: {peer.name}")
        workspace.fresh(place)
        run(command)
        commands[peer.name], checks[peer.name] = command, peer.checks
        if (alone := peer.bare(place)) is not None:
            bare[peer.name] = alone
        if isinstance(peer, Stigmer):
            commands[_VERIFY] = peer.verify(place, workspace.cores)
            checks[_VERIFY] = f"{BYTES}: XXH3"
    shown = {name: command.shown for name, command in commands.items()} | {_SCRIPT: _SCRIPT}
    return _Field(lined, commands, shown, checks | {_SCRIPT: lined.ours.checks}, bare)


def _place(workspace: Workspace, name: str) -> Path:
    return workspace.root / f"again {name}"


def _without(name: str) -> str:
    return f"started by {name}, by itself"


def _table(
    workspace: Workspace,
    field: _Field,
    runs: dict[str, list[Run]],
    beyond: dict[str, list[float]],
) -> Table:
    ours = walls(runs[field.lined.ours.name])
    shown, checks = field.shown | {_EMPTY: _EMPTY}, field.checks | {_EMPTY: ""}
    rows = []
    for name in sorted(shown, key=lambda name: median(walls(runs[name]))):
        rest = beyond.get(name)
        rows.append(
            [
                shown[name],
                checks[name],
                shown_seconds(walls(runs[name])),
                _ms(rest) if rest else "",
                f"{paired_ratio(ours, walls(runs[name])):.2f}",
                f"{paired_ratio(beyond[_SCRIPT], rest):.3f}" if rest else "",
            ]
        )
    return Table(
        f"Start of an installed release, {workspace.cores} cores, {workspace.rounds} rounds:",
        _COLUMNS,
        rows + field.lined.absent_rows(len(_COLUMNS)),
    )


def _targets(
    field: _Field,
    runs: dict[str, list[Run]],
    beyond: dict[str, list[float]],
) -> list[Target]:
    """Of the fastest peer that looks at contents, and of the one that looks at each file."""
    theirs = [name for name in field.commands if name not in (field.lined.ours.name, _VERIFY)]
    looking = [name for name in theirs if field.checks[name] not in (NOTHING, MARKER)]
    reading = [name for name in looking if field.checks[name].startswith(BYTES)]
    ours, inside = walls(runs[field.lined.ours.name]), beyond[_SCRIPT]
    targets = []
    for what, names in {"contents": reading, "each file": looking}.items():
        known = [name for name in names if name in beyond]
        if known:
            best = min(known, key=lambda name: median(beyond[name]))
            ratio = paired_ratio(inside, beyond[best])
            label = f"check alone, of the fastest that looks at {what} ({best})"
            targets.append(Target(label, ratio, _LIMIT))
        if names:
            best = min(names, key=lambda name: median(walls(runs[name])))
            ratio = paired_ratio(ours, walls(runs[best]))
            label = f"install again, whole, of the fastest that looks at {what} ({best})"
            targets.append(Target(label, ratio, _LIMIT))
    return targets


def _ms(values: list[float]) -> str:
    return f"{1000 * median(values):.1f} ms"
