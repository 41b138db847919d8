"""Who takes part: everybody that is there, packed, and found to write what it was given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.errors import BenchmarkError
from benchmarks.inputs import fingerprint
from benchmarks.measure import (
    Command,
    Contestant,
    Run,
    cpus,
    paired_ratio,
    run,
    shown_peak,
    shown_seconds,
    walls,
)
from benchmarks.outputs import require_same
from benchmarks.peers import Peer, Stigmer
from benchmarks.report import Table, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.workspace import Workspace

COLUMNS = ["command", "wall (middle half)", "CPU", "peak memory", "our wall, of its"]


class LineUp(NamedTuple):
    """Of one tree."""

    archives: dict[Peer, Path]
    """Ours first."""
    absent: dict[str, str]
    """Name -> why it is not here."""

    @property
    def ours(self) -> Peer:
        """This project."""
        return next(iter(self.archives))

    def absent_rows(self, columns: int) -> list[list[str]]:
        """Of a table with so many columns."""
        return [[name, why, *[""] * (columns - 2)] for name, why in self.absent.items()]


def line_up(
    workspace: Workspace, peers: Sequence[Peer], tree: Path, ours: Stigmer | None = None
) -> LineUp:
    """Pack the tree with this project, and with everybody that is there.

    A peer that has to be built here, and cannot be, is absent; an error of all others counts.

    Args:
        workspace: keeps the archives.
        peers: without this project.
        tree: what they pack.
        ours: this project; at the release level where nothing is said.
    Raises:
        BenchmarkError: one that is there cannot pack it.
    """
    absent = {peer.name: why for peer in peers if (why := peer.absent())}
    present = [ours or Stigmer(), *(peer for peer in peers if peer.name not in absent)]

    def archive(peer: Peer) -> Path | str:
        try:
            return workspace.archive(peer, tree)
        except BenchmarkError as error:
            if not peer.native:
                raise
            workspace.say(f"absent: {peer.name}: {error}")
            return f"absent: cannot be built here: {str(error).splitlines()[-1]}"

    with ThreadPoolExecutor(workspace.cores) as pool:
        made = dict(zip(present, pool.map(archive, present), strict=True))
    absent |= {peer.name: why for peer, why in made.items() if isinstance(why, str)}
    return LineUp({peer: path for peer, path in made.items() if not isinstance(path, str)}, absent)


def require_outputs(
    workspace: Workspace,
    lined: LineUp,
    tree: Path,
    keep: Callable[[Peer, Path, Path], Command | None],
    only: str | None = None,
) -> list[str]:
    """Nobody is timed who does not write the same files; what else is lost is told.

    Args:
        workspace: for the directory that is written to.
        lined: who takes part.
        tree: the original.
        keep: of a peer, its archive and the target: the command that writes it.
        only: what is wanted of the tree; all of it where nothing is said.
    Returns:
        Lines for readers about peers that do not keep all.
    Raises:
        BenchmarkError: something differs.
    """
    target = workspace.root / "compared"
    wanted = [row for row in fingerprint(tree) if only is None or row[0].partition("/")[0] == only]
    notes = []
    for peer, archive in lined.archives.items():
        command = keep(peer, archive, target)
        if command is None:
            continue
        workspace.say(f"comparing output: {peer.name}")
        workspace.fresh(target)
        run(command)
        notes += require_same(peer, wanted, fingerprint(peer.written(target)))
        workspace.put_aside(target)
    return notes


def kept(workspace: Workspace, peer: Peer, archive: Path, target: Path) -> Command | None:
    """The command of ``require_outputs`` for all of a tree."""
    return peer.keep(archive, target, workspace.cores)


def writing(
    workspace: Workspace,
    commands: Mapping[str, Command],
    before: Callable[[], object] = lambda: None,
) -> dict[str, Contestant]:
    """Contestants that write into the directory ``unpacked``, which is new for each run."""
    target = workspace.root / "unpacked"

    def fresh() -> None:
        workspace.fresh(target)
        before()

    return {
        name: Contestant(command, before=fresh, after=partial(workspace.put_aside, target))
        for name, command in commands.items()
    }


def table(
    title: str,
    runs: Mapping[str, list[Run]],
    shown: Mapping[str, str],
    lined: LineUp,
) -> Table:
    """Of everybody's runs, the fastest first; our wall clock as ratios within each round."""
    ours = walls(runs[lined.ours.name])
    rows = [
        [
            shown[name],
            shown_seconds(walls(runs[name])),
            seconds(median(cpus(runs[name]))),
            shown_peak(runs[name]),
            f"{paired_ratio(ours, walls(runs[name])):.2f}",
        ]
        for name in sorted(shown, key=lambda name: median(walls(runs[name])))
    ]
    return Table(title, COLUMNS, rows + lined.absent_rows(len(COLUMNS)))


def raw(runs: Mapping[str, list[Run]]) -> dict[str, list[dict[str, float]]]:
    """Every single run, for JSON."""
    return {name: [one._asdict() for one in taken] for name, taken in runs.items()}
