"""How large a release is, beside what else it could be shipped as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.inputs import tree_bytes
from benchmarks.peers import Peer, Stigmer, TarGzip, TarZstd, others
from benchmarks.report import Result, Table, Target
from container.units import human_bytes

if TYPE_CHECKING:
    from benchmarks.workspace import Workspace

_LIMITS: dict[type[Peer], float] = {TarZstd: 1.00, TarGzip: 0.75}


def measure(workspace: Workspace) -> Result:
    """Pack the same tree with everybody; sizes do not vary, so once is enough."""
    result = Result("size")
    ours = Stigmer()
    for platform in workspace.platforms:
        tree = workspace.release(platform)
        plain_bytes = tree_bytes(tree)
        peers = [peer for peer in others() if peer.suffix]
        present = [peer for peer in peers if not peer.absent()]
        archives = workspace.archives([ours, *present], tree)
        sizes = [archive.stat().st_size for archive in archives]
        our_bytes = sizes[0]
        rows = [
            [peer.name, human_bytes(size), f"{size / plain_bytes:.3f}", f"{our_bytes / size:.3f}"]
            for peer, size in zip([ours, *present], sizes, strict=True)
        ]
        rows += [[peer.name, peer.absent() or "", "", ""] for peer in peers if peer.absent()]
        result.tables.append(
            Table(
                f"Release for {platform}, {human_bytes(plain_bytes)} plain:",
                ["archive", "stored", "of plain", "ours is, of it"],
                rows,
            )
        )
        for peer, size in zip(present, sizes[1:], strict=True):
            limit = _LIMITS.get(type(peer))
            if limit is not None:
                what = f"{platform}: payload with index and footer, of {peer.name}"
                result.targets.append(Target(what, our_bytes / size, limit))
        result.runs[platform] = {
            "plain_bytes": plain_bytes,
            "stored_bytes": {
                peer.name: size for peer, size in zip([ours, *present], sizes, strict=True)
            },
        }
    return result
