"""This project, as a contestant among the others."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measure import Command, answer
from benchmarks.peers.peer import Peer, tool

_QUICK_LEVEL = 3
_CHECKOUT = Path(__file__).resolve().parents[2]
# With the probes that measure it.
_PACKAGES = ("container", "extractor", "packer", "benchmarks")
_START = """
from extractor import main, commands, progress, unpack
main.output.leave(0)
"""


class Stigmer(Peer):
    """This project, by its two commands. Each thing directly below a tree is a component."""

    name = "stigmer-payload"
    suffix = ".payload"
    checks = "kind, size, times, inode of each file"

    def __init__(
        self, level: int | None = None, *, references: bool = True, quick: bool = False
    ) -> None:
        super().__init__(quick=quick)
        self._level = _QUICK_LEVEL if quick and level is None else level
        self._references = references

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``stigmer-pack pack``; the release level unless another was chosen."""
        options = [] if self._level is None else ["--level", str(self._level)]
        if not self._references:
            options.append("--no-references")
        fixed = ["--version", "1.0.0", "--platform", "linux-amd64", "--jobs", str(jobs)]
        components = [f"{path.name}={path}" for path in sorted(tree.iterdir())]
        return Command(
            ([tool("stigmer-pack"), "pack", *options, *fixed, f"--output={archive}", *components],),
            " ".join(["stigmer-pack pack", *options, "--jobs", str(jobs)]),
        )

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``stigmer-extract unpack``."""
        argv = [tool("stigmer-extract"), "unpack", str(archive), "--to", str(target)]
        return Command(([*argv, "--jobs", str(jobs)],), f"stigmer-extract unpack --jobs {jobs}")

    def start(self) -> Command:
        """An interpreter that imports what ``unpack`` imports, and leaves as it does."""
        return Command(([sys.executable, "-c", _START],), "start and imports alone")

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        """``stigmer-extract install``."""
        argv = [tool("stigmer-extract"), "install", str(archive), "--home", str(target / "home")]
        return Command(([*argv, "--jobs", str(jobs)],), "stigmer-extract install")

    def verify(self, target: Path, jobs: int) -> Command:
        """``stigmer-extract verify`` of what ``again`` has installed: every byte is read."""
        argv = [tool("stigmer-extract"), "verify", "--home", str(target / "home")]
        return Command(([*argv, "--jobs", str(jobs)],), "stigmer-extract verify")

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """``stigmer-extract unpack FILE COMPONENT``."""
        argv = [tool("stigmer-extract"), "unpack", str(archive), name, "--to", str(target)]
        return Command(([*argv, "--jobs", str(jobs)],), f"stigmer-extract unpack FILE {name}")


def compile_modules() -> None:
    """Compile this project's modules, as an installer and a freezer do for users.

    In a checkout that is left to the first start, which an environment may forbid
    (``PYTHONDONTWRITEBYTECODE``); then each start compiles them anew, for 20 ms.

    Raises:
        BenchmarkError: one of them cannot be compiled.
    """
    # In a process of its own: what is imported here counts in every peak.
    directories = [str(_CHECKOUT / name) for name in _PACKAGES]
    answer([sys.executable, "-m", "compileall", "-q", *directories])
