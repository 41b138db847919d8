"""This project and what else a release could be shipped as, with the same two scenarios.

Each method gives the command for a scenario, or None where the peer cannot do it. ``absent``
tells which tools are missing and what brings them; nothing is installed from here.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import ClassVar

from benchmarks.measure import Command

_BIN = Path(sys.executable).parent
# Names sorted, owners and times fixed: the size does not depend on who packs, and when.
_TAR = ["--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]


class Peer:
    """One way to carry a tree.

    Attributes:
        name: for tables.
        packages: Debian package of each tool that it needs.
        suffix: of its archives.
    """

    name: ClassVar[str]
    packages: ClassVar[dict[str, str]] = {}
    suffix: ClassVar[str] = ""

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


class Stigmer(Peer):
    """This project, by its two commands. Each thing directly below a tree is a component."""

    name = "stigmer-payload"
    suffix = ".payload"

    def __init__(self, level: int | None = None, *, references: bool = True) -> None:
        self._level = level
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


class TarZstd(Peer):
    """A tar through zstd with the longest window that ``zstd -d`` accepts unasked."""

    name = "tar + zstd -19 --long=27"
    packages: ClassVar = {"tar": "tar", "zstd": "zstd"}
    suffix = ".tar.zst"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """One stream on one core: what the name says."""
        del jobs
        return _tar_through(tree, archive, ["zstd", "-q", "-19", "--long=27", "-c"])

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``zstd -dc | tar x``."""
        del jobs
        return Command(
            (["zstd", "-q", "-dc", "--long=27", str(archive)], ["tar", "x", "-C", str(target)]),
            "zstd -dc --long=27 | tar x",
        )


class TarGzip(Peer):
    """The tar.gz that everybody can unpack."""

    name = "tar + gzip -9"
    packages: ClassVar = {"tar": "tar", "gzip": "gzip"}
    suffix = ".tar.gz"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``tar c | gzip -9``."""
        del jobs
        return _tar_through(tree, archive, ["gzip", "-9", "-n"])

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``tar xzf``."""
        del jobs
        return Command((["tar", "xzf", str(archive), "-C", str(target)],), "tar xzf")


class TarXz(Peer):
    """The smallest of the common ones, and the slowest to unpack."""

    name = "tar + xz -9e"
    packages: ClassVar = {"tar": "tar", "xz": "xz-utils"}
    suffix = ".tar.xz"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``tar c | xz -9e``."""
        del jobs
        return _tar_through(tree, archive, ["xz", "-9e", "-T1", "-c"])

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``tar xJf``."""
        del jobs
        return Command((["tar", "xJf", str(archive), "-C", str(target)],), "tar xJf")


class Zip(Peer):
    """A zip, deflate 9."""

    name = "zip -9"
    packages: ClassVar = {"zip": "zip", "unzip": "unzip"}
    suffix = ".zip"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``zip -9``, links kept as links."""
        del jobs
        return Command((["zip", "-q", "-r", "-y", "-X", "-9", str(archive), "."],), "zip -9", tree)

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``unzip``."""
        del jobs
        return Command((["unzip", "-q", str(archive), "-d", str(target)],), "unzip")


class SquashFs(Peer):
    """What an AppImage carries, in the larger of its usual block sizes."""

    name = "squashfs, zstd 19, 1 MiB blocks"
    packages: ClassVar = {"mksquashfs": "squashfs-tools", "unsquashfs": "squashfs-tools"}
    suffix = ".squashfs"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``mksquashfs``."""
        zstd = ["-comp", "zstd", "-Xcompression-level", "19", "-b", "1M"]
        quiet = ["-noappend", "-no-progress", "-quiet", "-all-root", "-processors", str(jobs)]
        argv = ["mksquashfs", str(tree), str(archive), *zstd, *quiet]
        return Command((argv,), f"mksquashfs {' '.join(zstd)} -processors {jobs}")

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``unsquashfs``, in parallel as it does by itself."""
        argv = ["unsquashfs", "-q", "-n", "-f", "-p", str(jobs), "-d", str(target), str(archive)]
        return Command((argv,), f"unsquashfs -p {jobs}")


class Copy(Peer):
    """No archive: ``cp -r`` of the plain tree, the least that any extraction has to write."""

    name = "plain files"
    packages: ClassVar = {"cp": "coreutils"}

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``cp -r``; the "archive" is the plain tree."""
        del jobs
        return Command((["cp", "-r", f"{archive}/.", str(target)],), "cp -r")


def others() -> list[Peer]:
    """Everybody but this project."""
    return [TarZstd(), TarGzip(), TarXz(), Zip(), SquashFs(), Copy()]


def tar_of(tree: Path, archive: Path) -> Command:
    """A plain tar of all below ``tree``."""
    return Command((["tar", *_TAR, "-cf", str(archive), "-C", str(tree), "."],), "tar c")


def _tar_through(tree: Path, archive: Path, compress: list[str]) -> Command:
    tar = ["tar", *_TAR, "-cf", "-", "-C", str(tree), "."]
    return Command((tar, compress), f"tar c | {' '.join(compress)}", output=archive)


def tool(name: str) -> str:
    """The command of the environment that runs this, wherever PATH leads."""
    return str(_BIN / name)
