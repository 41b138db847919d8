"""Archives that another program unpacks, and none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from benchmarks.measure import Command
from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path

# Names sorted, owners and times fixed: the size does not depend on who packs, and when.
_TAR = ["--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]


class TarZstd(Peer):
    """A tar through zstd with the longest window that ``zstd -d`` accepts unasked."""

    packages: ClassVar = {"tar": "tar", "zstd": "zstd"}
    suffix = ".tar.zst"

    @property
    def name(self) -> str:
        """With its options."""
        return f"tar + zstd -{self._level} --long=27"

    @property
    def _level(self) -> int:
        return 3 if self.quick else 19

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """One stream on one core: what the name says."""
        del jobs
        return _tar_through(tree, archive, ["zstd", "-q", f"-{self._level}", "--long=27", "-c"])

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``zstd -dc | tar x``."""
        del jobs
        return self._through_tar(archive, target)

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """The same, and tar writes what is asked for alone."""
        del jobs
        return self._through_tar(archive, target, f"./{name}")

    def _through_tar(self, archive: Path, target: Path, *names: str) -> Command:
        zstd = ["zstd", "-q", "-dc", "--long=27", str(archive)]
        shown = ["zstd -dc --long=27 | tar x", *_shown(names)]
        return Command((zstd, ["tar", "x", "-C", str(target), *names]), " ".join(shown))


class TarGzip(Peer):
    """The tar.gz that everybody can unpack."""

    packages: ClassVar = {"tar": "tar", "gzip": "gzip"}
    suffix = ".tar.gz"

    @property
    def name(self) -> str:
        """With its level."""
        return f"tar + gzip -{self._level}"

    @property
    def _level(self) -> int:
        return 1 if self.quick else 9

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``tar c | gzip``."""
        del jobs
        return _tar_through(tree, archive, ["gzip", f"-{self._level}", "-n"])

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``tar xzf``."""
        del jobs
        return Command((["tar", "xzf", str(archive), "-C", str(target)],), "tar xzf")

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """The same, and tar writes what is asked for alone."""
        del jobs
        argv = ["tar", "xzf", str(archive), "-C", str(target), f"./{name}"]
        return Command((argv,), f"tar xzf FILE {name}")


class TarXz(Peer):
    """The smallest of the common ones, and the slowest to unpack."""

    packages: ClassVar = {"tar": "tar", "xz": "xz-utils"}
    suffix = ".tar.xz"

    @property
    def name(self) -> str:
        """With its level."""
        return f"tar + xz {self._level}"

    @property
    def _level(self) -> str:
        return "-1" if self.quick else "-9e"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``tar c | xz``."""
        del jobs
        return _tar_through(tree, archive, ["xz", self._level, "-T1", "-c"])

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``tar xJf``."""
        del jobs
        return Command((["tar", "xJf", str(archive), "-C", str(target)],), "tar xJf")

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """The same, and tar writes what is asked for alone."""
        del jobs
        argv = ["tar", "xJf", str(archive), "-C", str(target), f"./{name}"]
        return Command((argv,), f"tar xJf FILE {name}")


class Zip(Peer):
    """A zip, each file deflated by itself."""

    packages: ClassVar = {"zip": "zip", "unzip": "unzip"}
    suffix = ".zip"

    @property
    def name(self) -> str:
        """With its level."""
        return f"zip -{self._level}"

    @property
    def _level(self) -> int:
        return 1 if self.quick else 9

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``zip``, links kept as links."""
        del jobs
        argv = ["zip", "-q", "-r", "-y", "-X", f"-{self._level}", str(archive), "."]
        return Command((argv,), self.name, tree)

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``unzip``."""
        del jobs
        return Command((["unzip", "-q", str(archive), "-d", str(target)],), "unzip")

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """The one of that name, a file or a directory with all below it."""
        del jobs
        # Of the two patterns one matches; for the other, unzip ends with 11 and a word of caution.
        code = 'unzip -q "$0" "$1" "$1/*" -d "$2"; test $? -eq 0 -o $? -eq 11'
        argv = ["sh", "-c", code, str(archive), name, str(target)]
        return Command((argv,), f"unzip FILE {name}")


class SquashFs(Peer):
    """What an AppImage carries, in the larger of its usual block sizes."""

    packages: ClassVar = {"mksquashfs": "squashfs-tools", "unsquashfs": "squashfs-tools"}
    suffix = ".squashfs"

    @property
    def name(self) -> str:
        """With its level and block size."""
        return f"squashfs, zstd {self._level}, 1 MiB blocks"

    @property
    def _level(self) -> int:
        return 3 if self.quick else 19

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``mksquashfs``."""
        zstd = ["-comp", "zstd", "-Xcompression-level", str(self._level), "-b", "1M"]
        quiet = ["-noappend", "-no-progress", "-quiet", "-all-root", "-processors", str(jobs)]
        argv = ["mksquashfs", str(tree), str(archive), *zstd, *quiet]
        return Command((argv,), f"mksquashfs {' '.join(zstd)} -processors {jobs}")

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``unsquashfs``, in parallel as it does by itself."""
        return Command((_unsquashfs(archive, target, jobs),), f"unsquashfs -p {jobs}")

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """The same, of one path."""
        argv = [*_unsquashfs(archive, target, jobs), name]
        return Command((argv,), f"unsquashfs -p {jobs} FILE {name}")


class Copy(Peer):
    """No archive: ``cp -r`` of the plain tree, the least that any extraction has to write."""

    name = "plain files"
    packages: ClassVar = {"cp": "coreutils"}

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """``cp -r``; the "archive" is the plain tree."""
        del jobs
        return Command((["cp", "-r", f"{archive}/.", str(target)],), "cp -r")

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """``cp -r`` of one path."""
        del jobs
        return Command((["cp", "-r", f"{archive}/{name}", str(target)],), f"cp -r {name}")


def tar_of(tree: Path, archive: Path) -> Command:
    """A plain tar of all below ``tree``."""
    return Command((["tar", *_TAR, "-cf", str(archive), "-C", str(tree), "."],), "tar c")


def _tar_through(tree: Path, archive: Path, compress: list[str]) -> Command:
    tar = ["tar", *_TAR, "-cf", "-", "-C", str(tree), "."]
    return Command((tar, compress), f"tar c | {' '.join(compress)}", output=archive)


def _shown(names: tuple[str, ...]) -> list[str]:
    return [name.removeprefix("./") for name in names]


def _unsquashfs(archive: Path, target: Path, jobs: int) -> list[str]:
    return ["unsquashfs", "-q", "-n", "-f", "-p", str(jobs), "-d", str(target), str(archive)]
