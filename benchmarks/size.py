"""How large a release is, beside what else it could be shipped as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.inputs import tree_bytes
from benchmarks.lineup import line_up
from benchmarks.peers import Peer, TarGzip, others
from benchmarks.report import Result, Table, Target
from container.units import human_bytes

if TYPE_CHECKING:
    from benchmarks.workspace import Workspace

_LIMITS: dict[type[Peer], float] = {TarGzip: 0.75}
_LIMIT = 1.0
_NATIVE = "linux-amd64"


def measure(workspace: Workspace) -> Result:
    """Pack the same tree with everybody; sizes do not vary, so once is enough."""
    result = Result("size", notes=["all of a file counts: those that unpack themselves can start"])
    for platform in workspace.platforms:
        figures = _measure(workspace, platform, result)
        result.runs.update(figures if platform == _NATIVE else {platform: figures})
    return result


def _measure(workspace: Workspace, platform: str, result: Result) -> dict[str, Any]:
    tree = workspace.release(platform)
    plain_bytes = tree_bytes(tree)
    peers = [peer for peer in others(workspace.start) if peer.suffix]
    elsewhere = [
        peer for peer in peers if peer.native and platform != _NATIVE and not peer.absent()
    ]
    lined = line_up(workspace, [peer for peer in peers if peer not in elsewhere], tree)
    sizes = {peer: archive.stat().st_size for peer, archive in lined.archives.items()}
    our_bytes = sizes[lined.ours]
    rows = [
        [peer.name, human_bytes(size), f"{size / plain_bytes:.3f}", f"{our_bytes / size:.3f}"]
        for peer, size in sorted(sizes.items(), key=lambda item: item[1])
    ]
    rows += [
        [peer.name, "not measured: packs for this machine alone", "", ""] for peer in elsewhere
    ]
    title = f"Release for {platform}, {human_bytes(plain_bytes)} plain:"
    columns = ["archive", "stored", "of plain", "ours is, of it"]
    result.tables.append(Table(title, columns, rows + lined.absent_rows(len(columns))))
    for peer, size in sizes.items():
        if peer is not lined.ours:
            what = f"{platform}: payload with index and footer, of {peer.name}"
            limit = _LIMITS.get(type(peer), _LIMIT)
            result.targets.append(Target(what, our_bytes / size, limit))
    return {
        "plain_bytes": plain_bytes,
        "shown": {
            peer.name: command.shown
            for peer, archive in lined.archives.items()
            if (command := peer.pack(tree, archive, workspace.cores)) is not None
        },
        "stored_bytes": {peer.name: size for peer, size in sizes.items()},
    }
