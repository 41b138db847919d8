"""Files that unpack themselves: started, they write what they carry, and most start it.

None of them can be asked for a part of it, but for those that hand a name on to their unpacker.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchmarks.measure import Command
from benchmarks.peers.peer import (
    BYTES,
    CHECKOUT,
    EMPTY,
    LINKS,
    MARKER,
    MODES,
    NOTHING,
    RELEASE_START,
    Peer,
    Start,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = "kept"


class SelfExtractor(Peer):
    """One file that unpacks itself.

    Args:
        start: what is started, by those that must start something.
        quick: pack soon instead of small.
    """

    native = True

    def __init__(self, start: Start = RELEASE_START, *, quick: bool = False) -> None:
        super().__init__(quick=quick)
        self.start = start


class SevenZip(SelfExtractor):
    """7-Zip's self-extractor for consoles: LZMA2, with a filter for executables."""

    packages: ClassVar = {"7z": "p7zip-full"}
    # The module writes a link as an empty file; 7z itself would restore it.
    loses = frozenset({LINKS})
    checks = NOTHING
    suffix = ".7z-sfx"
    module = Path("/usr/lib/p7zip/7zCon.sfx")

    @property
    def name(self) -> str:
        """With its level."""
        return f"7z self-extractor -mx={self._level}"

    @property
    def _level(self) -> int:
        return 1 if self.quick else 9

    def absent(self) -> str | None:
        """The program comes without its module in some packages."""
        missing = super().absent()
        if missing is None and not self.module.exists():
            return f"absent: {self.module.name} (apt install p7zip-full)"
        return missing

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``7z a -sfx``, links kept as links in the archive."""
        seven = ["7z", "a", "-snl", f"-mx={self._level}", f"-mmt={jobs}", f"-sfx{self.module}"]
        code = '"$@" && chmod +x "$0"'
        argv = ["sh", "-c", code, str(archive), *seven, str(archive), "."]
        return Command((argv,), f"7z a -sfx -mx={self._level} -mmt={jobs}", tree)

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """It starts nothing."""
        del jobs
        return Command(([str(archive), "x", "-y", f"-o{target}"],), "7z self-extractor")

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        """All over again, over what is there."""
        return self.unpack(archive, target, jobs)

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """Names are handed on to the unpacker."""
        del jobs
        argv = [str(archive), "x", "-y", f"-o{target}", name]
        return Command((argv,), f"7z self-extractor x {name}")


class Makeself(SelfExtractor):
    """A shell script with a tar behind it; MD5 and CRC of that tar are checked before unpacking."""

    packages: ClassVar = {"makeself": "makeself", "zstd": "zstd"}
    checks = NOTHING
    suffix = ".makeself"

    @property
    def name(self) -> str:
        """With its compression."""
        return f"makeself, zstd {self._level}"

    @property
    def _level(self) -> int:
        return 3 if self.quick else 19

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """``makeself --zstd``, with its own checksums."""
        del jobs
        zstd = ["--zstd", "--complevel", str(self._level)]
        rest = ["--keep-umask", "--nox11", "--nowait", "--quiet", "--tar-quietly"]
        argv = ["makeself", *zstd, *rest, "--tar-format", "gnu", str(tree), str(archive)]
        return Command(([*argv, "release", "true"],), f"makeself {' '.join(zstd)}")

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """Told to start nothing."""
        del jobs
        words = ["--quiet", "--noprogress", "--nox11", "--noexec", "--target", str(target)]
        return Command(([str(archive), *words],), "makeself --noexec")

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        """All over again, over what is there."""
        return self.unpack(archive, target, jobs)

    def component(self, archive: Path, target: Path, name: str, jobs: int) -> Command:
        """``--tar`` hands its words on to tar, and checks nothing."""
        del jobs
        argv = [str(archive), "--tar", "x", f"./{name}"]
        return Command((argv,), f"makeself --tar x {name}", target)


class Wrappe(SelfExtractor):
    """wrappe: zstd and a checksum for each file, unpacked on all cores, kept for the next start.

    Args:
        start: what it starts.
        verification: of what is there at the next start: none, existence (its default), checksum.
        quick: pack soon instead of small.
    """

    packages: ClassVar = {"cargo": "rustup"}
    # It clears a read-only flag, which on Linux lets everybody write; and links become absolute.
    loses = frozenset({MODES, LINKS})
    leaves = ("._wrappe_",)

    def __init__(
        self,
        start: Start = RELEASE_START,
        *,
        verification: str = "existence",
        quick: bool = False,
    ) -> None:
        super().__init__(start, quick=quick)
        self._verification = verification

    @property
    def name(self) -> str:
        """With its level and verification."""
        return f"wrappe -c {self._level} -e {self._verification}"

    @property
    def suffix(self) -> str:
        """One for each kind of verification."""
        return f".wrappe-{self._verification}"

    @property
    def checks(self) -> str:
        """What the verification looks at."""
        return {
            "none": MARKER,
            "existence": "that each file exists",
            "checksum": f"{BYTES}: XXH64",
        }[self._verification]

    @property
    def _level(self) -> int:
        return 3 if self.quick else 19

    def absent(self) -> str | None:
        """Built by cargo, into the cache of fixtures."""
        if super().absent() is None:
            return None
        return "absent: cargo (rustup toolchain install stable; it then builds wrappe)"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """It takes all cores that it may use."""
        del jobs
        words = ["--program", self.start.program, "--level", str(self._level)]
        words += ["--verification", self._verification]
        return _recipe("wrappe", tree, archive, words, self.name)

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """The program that it starts takes its place."""
        del jobs
        return _started([str(archive), *self.start.arguments], target, self.name)

    def written(self, target: Path) -> Path:
        """In a directory for the program, and in that one for the version."""
        return target / "release" / "1.0.0"

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        """The same command."""
        return self.unpack(archive, target, jobs)

    def bare(self, target: Path) -> Command:
        """The program that it turns into."""
        return self.start.command(self.written(target))


class _Frozen(SelfExtractor):
    """A frozen Python program that starts what it carries, and does nothing else."""

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """Its first argument is the program that it starts."""
        del jobs
        words = [str(archive), self.start.program, *self.start.arguments]
        return _started(words, target, self.name)

    def keep(self, archive: Path, target: Path, jobs: int) -> Command:
        """Told to move what it unpacked to where it stays."""
        del jobs
        return _started([str(archive)], target, self.name, {"KEEP": str(target / _KEPT)})

    def written(self, target: Path) -> Path:
        """Where it was told to move it."""
        return target / _KEPT

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        """The same command."""
        return self.unpack(archive, target, jobs)


class OneFile(_Frozen):
    """PyInstaller's onefile: zlib for each file, unpacked at every start, removed at the end."""

    name = "PyInstaller onefile"
    packages: ClassVar = {"objdump": "binutils"}
    # Every file is for its owner alone, and executable; a link becomes a copy.
    loses = frozenset({LINKS, MODES, EMPTY})
    checks = NOTHING
    suffix = ".onefile"

    def absent(self) -> str | None:
        """A package of Python, and what it looks into programs with."""
        if importlib.util.find_spec("PyInstaller") is None:
            return "absent: PyInstaller (pip install '.[freeze]')"
        return super().absent()

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """It has one level, and one core."""
        del jobs
        return _recipe("onefile", tree, archive, [], "pyinstaller, one file, the tree as data")


class Nuitka(_Frozen):
    """Nuitka's onefile in a directory that stays: one zstd stream, CRC-32 of what is on disk.

    As the stream cannot be entered in the middle, every start decodes all of it, too.
    """

    packages: ClassVar = {"gcc": "gcc", "patchelf": "patchelf"}
    # Executable or not is all that it stores.
    loses = frozenset({MODES, EMPTY})
    checks = f"{BYTES}: CRC-32"
    suffix = ".nuitka"

    @property
    def name(self) -> str:
        """With its level."""
        return f"Nuitka onefile, cached, zstd {3 if self.quick else 22}"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """Compiled by Nuitka, which is installed into the cache of fixtures."""
        words = ["--jobs", str(jobs), *(["--quick"] if self.quick else [])]
        shown = "nuitka --mode=onefile, in a directory that stays"
        return _recipe("nuitka", tree, archive, words, shown)

    def bare(self, target: Path) -> Command:
        """The frozen program that was unpacked, which starts the one that it carries."""
        program = target / "release" / "onefile.bin"
        words = [str(program), self.start.program, *self.start.arguments]
        return Command((words,), f"{self.name}: the frozen program")


class GoEmbed(SelfExtractor):
    """A Go program with ``//go:embed`` that writes its files as Stigmer's old one did.

    Programs are embedded as they are, directories as a tar.gz. What is there is removed, then all
    is written in place: no lock, no hash, nothing in parallel.
    """

    checks = NOTHING
    suffix = ".go-embed"

    @property
    def name(self) -> str:
        """With what it does to a directory."""
        return f"go:embed, tar + gzip -{self._level}"

    @property
    def _level(self) -> int:
        return 1 if self.quick else 9

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        """With the Go of PATH, or the one of PyPI that fixtures bring."""
        del jobs
        words = ["--level", str(self._level)]
        return _recipe("embed", tree, archive, words, "go build, go:embed")

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        """It starts nothing."""
        del jobs
        return Command(([str(archive), str(target)],), "go:embed, RemoveAll, then write")

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        """All over again: what it does at an update."""
        return self.unpack(archive, target, jobs)


class ScieJump(SelfExtractor):
    """scie-jump, of which there is no recipe here: none could be tried."""

    name = "scie-jump"
    suffix = ".scie"

    def absent(self) -> str:
        """No registry that this project fetches from has it."""
        return "absent: on no registry (gh release download --repo a-scie/jump)"


def _recipe(which: str, tree: Path, archive: Path, words: list[str], shown: str) -> Command:
    argv = [sys.executable, "-m", "fixtures.peers", which, str(tree), str(archive), *words]
    return Command((argv,), shown, CHECKOUT)


def _started(
    words: list[str], target: Path, shown: str, variables: Mapping[str, str] | None = None
) -> Command:
    """A start that unpacks below ``target``; what it starts is part of it."""
    return Command(
        (words,),
        shown,
        variables={"TMPDIR": str(target), **(variables or {})},
    )
