"""How long one component out of three takes, where a peer can be asked for a part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.inputs import tree_bytes
from benchmarks.lineup import LineUp, line_up, raw, require_outputs, table, writing
from benchmarks.measure import Command, interleave, paired_ratio, walls
from benchmarks.peers import Copy, Peer, others
from benchmarks.report import Result, Target
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

# The one that needs another as a reference, so what is decoded is more than what is written;
# and the one with most bytes and files.
_NAMES = ("workflow-runner", "agent-runner")


def measure(workspace: Workspace) -> Result:
    """Each is a contest of its own; the first one's runs are those under ``processes``."""
    tree = workspace.release()
    lined = line_up(workspace, others(workspace.start), tree)
    result = Result("component", runs={"component": _NAMES[0]})
    for name in _NAMES:
        _contest(workspace, lined, tree, name, result)
    target = workspace.root / "unpacked"
    unable = [
        peer.name
        for peer, archive in lined.archives.items()
        if peer.component(archive, target, _NAMES[0], workspace.cores) is None
    ]
    result.notes.append(f"cannot be asked for a part, and are left out: {', '.join(unable)}")
    return result


def _contest(workspace: Workspace, lined: LineUp, tree: Path, name: str, result: Result) -> None:
    def command_of(peer: Peer, archive: Path, target: Path) -> Command | None:
        return peer.component(archive, target, name, workspace.cores)

    target = workspace.root / "unpacked"
    result.notes.extend(require_outputs(workspace, lined, tree, command_of, only=name))
    commands = {
        peer.name: command
        for peer, archive in lined.archives.items()
        if (command := command_of(peer, archive, target)) is not None
    }
    runs = interleave(writing(workspace, commands), workspace.rounds, workspace.say)
    shown = {key: command.shown for key, command in commands.items()}
    size = human_bytes(tree_bytes(tree / name))
    title = f"{name} alone, {size} plain, {workspace.cores} cores, {workspace.rounds} rounds:"
    result.tables.append(table(title, runs, shown, lined))
    ours = walls(runs[lined.ours.name])
    result.targets.extend(
        Target(f"{name}, of {peer.name}", paired_ratio(ours, walls(runs[peer.name])), 1.0)
        for peer in lined.archives
        if peer.name in runs and peer is not lined.ours and not isinstance(peer, Copy)
    )
    figures: dict[str, Any] = {"shown": shown, "processes": raw(runs)}
    result.runs.update(figures if name == _NAMES[0] else {name: figures})
