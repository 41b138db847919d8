"""What a peer has written, compared with what it was given: before anything is timed."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.peers.peer import EMPTY, LINKS, MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.inputs import Row
    from benchmarks.peers import Peer

CONTENTS = "contents"
"""No peer may lose these."""


def differences(
    wanted: Iterable[Row], found: Iterable[Row], leaves: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Paths that differ, by what differs: ``CONTENTS``, or one of what a peer may lose.

    Args:
        wanted: fingerprint of the original.
        found: of what was written.
        leaves: how names of files begin that may be there besides.
    """
    there = {
        path: (mode, content)
        for path, mode, content in found
        if not path.rpartition("/")[2].startswith(tuple(leaves))
    }
    rows = list(wanted)
    parents = {path.rpartition("/")[0] for path, _, _ in rows}
    differing: dict[str, list[str]] = {}
    for path, mode, content in rows:
        got = there.pop(path, None)
        if got == (mode, content):
            continue
        if stat.S_ISLNK(mode):
            kind = LINKS
        elif got is None:
            kind = EMPTY if stat.S_ISDIR(mode) and path not in parents else CONTENTS
        elif (stat.S_IFMT(mode), content) != (stat.S_IFMT(got[0]), got[1]):
            kind = CONTENTS
        else:
            kind = MODES
        differing.setdefault(kind, []).append(path)
    if there:
        differing.setdefault(CONTENTS, []).extend(there)
    return differing


def require_same(peer: Peer, wanted: Iterable[Row], found: Iterable[Row]) -> list[str]:
    """Check that a peer has written what it was given; tell what else it has lost of it.

    Returns:
        For readers: one line for each kind of loss that the peer is known for, and that it had.
    Raises:
        BenchmarkError: something differs that this peer keeps otherwise.
    """
    differing = differences(wanted, found, peer.leaves)
    for kind, paths in differing.items():
        if kind not in peer.loses:
            raise BenchmarkError(
                f"{peer.name} writes something else: {kind} of {len(paths)} paths, "
                f"first {min(paths)}"
            )
    return [
        f"{peer.name} does not keep {kind}: {len(paths)} differ, first {min(paths)}"
        for kind, paths in sorted(differing.items())
    ]
