"""The working directory of a run: staged trees and archives, each made once."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks import inputs
from benchmarks.errors import BenchmarkError
from benchmarks.measure import run
from benchmarks.peers import RELEASE_START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.peers import Peer, Start


class Workspace:
    """Where the measured files lie, and how a run was asked to be.

    Args:
        root: an empty directory; all is made below it, and its owner removes it.
        rounds: of timed scenarios.
        cores: that the measured processes may use; also the workers of parallel ones.
        platforms: to compare sizes for.
        tiny: a few small real files instead of a release: tries the benchmarks, measures nothing.
    """

    def __init__(
        self, root: Path, rounds: int, cores: int, platforms: Sequence[str], *, tiny: bool
    ) -> None:
        self.root = root
        self.rounds = rounds
        self.cores = cores
        self.platforms = tuple(platforms)
        self.tiny = tiny

    @property
    def start(self) -> Start:
        """Of the release: what a peer starts that must start something."""
        # What stands for the service in a tiny run knows this word alone.
        return RELEASE_START._replace(arguments=("-V=full",)) if self.tiny else RELEASE_START

    def release(self, platform: str = "linux-amd64") -> Path:
        """The three components of a release."""
        return self.tree(
            platform, lambda target: inputs.stage_release(platform, target, tiny=self.tiny)
        )

    def tree(self, name: str, stage: Callable[[Path], None]) -> Path:
        """The tree of that name, staged when it is first asked for."""
        path = self.root / f"{name}.tree"
        if not path.exists():
            self.say(f"staging {name}")
            with self._whole(path):
                stage(path)
        return path

    def archive(self, peer: Peer, tree: Path, label: str = "") -> Path:
        """The archive that a peer makes of a tree; of a peer without archives the tree itself.

        Args:
            peer: its tools are there.
            tree: of this workspace.
            label: tells two archives of one peer and tree apart.
        """
        path = self.root / f"{tree.stem}{label}{peer.suffix}" if peer.suffix else tree
        if not path.exists():
            command = peer.pack(tree, path, self.cores)
            if command is None:
                raise BenchmarkError(f"{peer.name} makes no archives")
            self.say(f"packing {tree.stem}: {command.shown}")
            with self._whole(path):
                run(command)
        return path

    def archives(self, peers: Sequence[Peer], tree: Path) -> list[Path]:
        """An archive of each peer, made side by side: nothing here is timed."""
        with ThreadPoolExecutor(self.cores) as pool:
            return list(pool.map(lambda peer: self.archive(peer, tree), peers))

    @contextmanager
    def _whole(self, path: Path) -> Iterator[None]:
        """What a block makes is there whole, or not at all: another scenario may ask for it."""
        try:
            yield
        except BaseException:
            self.clear(path)
            raise

    def clear(self, path: Path) -> None:
        """Remove a file or directory, if it is there."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def fresh(self, path: Path) -> None:
        """Make an empty directory of it."""
        self.put_aside(path)
        path.mkdir()

    def put_aside(self, path: Path) -> None:
        """Empty all files below a directory and move it away, until all of the run is removed.

        For some minutes ext4 uses no inode again that was deleted, and to pass over thousands of
        them makes each new file cost half a millisecond, which measured as much as 25 times the
        time of all else: of 7,000 small files, ``tar`` took 0.17 s, and 4.4 s after three removals.
        Inodes that stay cost nothing.
        """
        if not path.is_dir():
            return
        for directory, _, names in os.walk(path):
            for name in names:
                file = os.path.join(directory, name)
                if stat.S_ISREG(os.lstat(file).st_mode):
                    os.chmod(file, stat.S_IRUSR | stat.S_IWUSR)
                    os.truncate(file, 0)
        aside = self.root / "aside"
        aside.mkdir(exist_ok=True)
        path.rename(aside / str(len(os.listdir(aside))))

    def say(self, line: str) -> None:
        """One line of progress, on standard error."""
        print(f"  {line}", file=sys.stderr, flush=True)
