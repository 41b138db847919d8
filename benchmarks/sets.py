"""First starts of other sets than the release: many small files, and many bytes.

Packed soon instead of small, by everybody: a gigabyte at the release level takes half an hour.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import START_SCRIPT, add_start, stage_many, stage_real, tree_bytes
from benchmarks.lineup import kept, line_up, raw, require_outputs, table, writing
from benchmarks.measure import interleave, paired_ratio, walls
from benchmarks.peers import Copy, Nuitka, Start, Stigmer, others
from benchmarks.report import Result, Target
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_SMALL_FILES, _TINY_SMALL_FILES = 7_000, 200
_LARGE_BYTES, _TINY_LARGE_BYTES = 1_000_000_000, 10_000_000


def measure_small(workspace: Workspace) -> Result:
    """7,000 small files: what each file costs, whatever is in it."""
    files = _TINY_SMALL_FILES if workspace.tiny else _SMALL_FILES
    return _measure(
        workspace, "small", workspace.tree(f"{files} files", partial(_stage_small, files=files))
    )


def measure_gigabyte(workspace: Workspace) -> Result:
    """1 GB: what each byte costs, and whether memory grows with them."""
    wanted = _TINY_LARGE_BYTES if workspace.tiny else _LARGE_BYTES
    tree = workspace.tree("gigabyte", partial(_stage_large, wanted_bytes=wanted))
    return _measure(workspace, "gigabyte", tree)


def _measure(workspace: Workspace, scenario: str, tree: Path) -> Result:
    start = Start(START_SCRIPT)
    peers = others(start, quick=True)
    notes = []
    if workspace.tiny:
        # Nuitka compiles for a minute, whatever it packs.
        notes = [f"not tried with tiny inputs: {Nuitka(quick=True).name}"]
        peers = [peer for peer in peers if not isinstance(peer, Nuitka)]
    lined = line_up(workspace, peers, tree, Stigmer(quick=True))
    notes += require_outputs(workspace, lined, tree, partial(kept, workspace))
    target = workspace.root / "unpacked"
    commands = {
        peer.name: command
        for peer, archive in lined.archives.items()
        if (command := peer.unpack(archive, target, workspace.cores)) is not None
    }
    runs = interleave(writing(workspace, commands), workspace.rounds, workspace.say)
    shown = {name: command.shown for name, command in commands.items()}
    stored_bytes = {
        peer.name: path.stat().st_size for peer, path in lined.archives.items() if peer.suffix
    }
    plain_bytes, files = tree_bytes(tree), sum(path.is_file() for path in tree.rglob("*"))
    ours = walls(runs[lined.ours.name])
    # Too much to be kept for the scenarios that follow.
    for path in {tree, *lined.archives.values()}:
        if path.is_dir():
            workspace.put_aside(path)
        else:
            workspace.clear(path)
    title = (
        f"First start of {files:,} files, {human_bytes(plain_bytes)} plain, cache warm, "
        f"{workspace.cores} cores, {workspace.rounds} rounds:"
    )
    return Result(
        scenario,
        [table(title, runs, shown, lined)],
        [
            Target(f"unpack, of {peer.name}", paired_ratio(ours, walls(runs[peer.name])), 1.0)
            for peer in lined.archives
            if peer is not lined.ours and not isinstance(peer, Copy)
        ],
        notes,
        {
            "plain_bytes": plain_bytes,
            "files": files,
            "stored_bytes": stored_bytes,
            "shown": shown,
            "processes": raw(runs),
        },
    )


def _stage_small(target: Path, files: int) -> None:
    target.mkdir()
    # And the hundred directories that they are in, and the one around those.
    stage_many(target / "packages", files + 101)
    add_start(target)


def _stage_large(target: Path, wanted_bytes: int) -> None:
    stage_real(target, wanted_bytes)
    add_start(target)
