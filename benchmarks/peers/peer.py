"""What every way to carry a tree has in common: one method for each thing that is timed.

Each method gives the command, or None where the peer cannot do it. ``absent`` tells what is
missing and what brings it; nothing is installed from here.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import ClassVar, NamedTuple

from benchmarks.measure import Command

_BIN = Path(sys.executable).parent
CHECKOUT = Path(__file__).resolve().parents[2]
# What can be lost of a file besides its contents; see ``benchmarks.outputs``.
LINKS, MODES, EMPTY = "links", "modes", "empty directories"
# What a next start looks at; others say it in words of their own.
NOTHING = "nothing: it writes everything again"
MARKER = "a file that names the version"
BYTES = "every byte"


class Start(NamedTuple):
    """The program that is started when everything is unpacked, by peers that start one."""

    program: str
    """Its path below the tree."""
    arguments: tuple[str, ...] = ()

    def command(self, tree: Path) -> Command:
        """The program by itself, where it was unpacked before."""
        program = str(tree / self.program)
        return Command(([program, *self.arguments],), " ".join([self.program, *self.arguments]))


RELEASE_START = Start("stigmer-server", ("--version",))


class Peer:
    """One way to carry a tree.

    Attributes:
        packages: Debian package of each tool that it needs.
        loses: what its output does not keep: of ``LINKS``, ``MODES``, ``EMPTY``.
        leaves: how the names of files begin that it adds to the tree.
        native: it packs for the platform alone that it runs on.

    Args:
        quick: pack soon instead of small.
    """

    packages: ClassVar[dict[str, str]] = {}
    loses: ClassVar[frozenset[str]] = frozenset()
    leaves: ClassVar[tuple[str, ...]] = ()
    native: ClassVar[bool] = False

    def __init__(self, *, quick: bool = False) -> None:
        self.quick = quick

    @property
    def name(self) -> str:
        """For tables."""
        raise NotImplementedError

    @property
    def suffix(self) -> str:
        """Of its archives; empty where it has none."""
        return ""

    @property
    def checks(self) -> str:
        """What a start that finds everything unpacked looks at."""
        return ""

    def absent(self) -> str | None:
        """What is missing on this machine, and the command that brings it; None: nothing."""
        missing = sorted(tool for tool in self.packages if shutil.which(tool) is None)
        if not missing:
            return None
        wanted = sorted({self.packages[tool] for tool in missing})
        return f"absent: {', '.join(missing)} (apt install {' '.join(wanted)})"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command | None:
        """Make an archive of all below ``tree``, as small as a release would."""
        del tree, archive, jobs
        return None

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command | None:
        """Write all that the archive holds into ``target``, an empty directory."""
        del archive, target, jobs
        return None

    def keep(self, archive: Path, target: Path, jobs: int) -> Command | None:
        """As ``unpack``, but what it writes stays where ``written`` says: to be compared."""
        return self.unpack(archive, target, jobs)

    def written(self, target: Path) -> Path:
        """Where the tree is when ``keep`` has ended."""
        return target

    def again(self, archive: Path, target: Path, jobs: int) -> Command | None:
        """A start that finds in ``target`` what the same command has written before."""
        del archive, target, jobs
        return None

    def bare(self, target: Path) -> Command | None:
        """What ``again`` starts when it has looked, by itself."""
        del target
        return None

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command | None:
        """Write what is called so directly below the tree, and nothing else."""
        del archive, target, name, jobs
        return None


def tool(name: str) -> str:
    """The command of the environment that runs this, wherever PATH leads."""
    return str(_BIN / name)
