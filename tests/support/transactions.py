"""What can be done to a home, each from its own state before to its own state after."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from container.errors import NotInstalledError
from container.reader import open_payload
from extractor import events, examine, upkeep, warm
from extractor import manifest as records
from extractor.install import Installed, install
from tests.support.samples import look, product, settings, write_payload
from tests.support.system import unflushed
from tests.support.trees import File, Symlink, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from extractor.home import Home
    from tests.support.trees import Found, Node

    Tree = dict[str, Found]

LEGACY = b"written by an older program, right into bin"
_LEFT_BY_A_KILL: dict[str, Node] = {
    "file": File(b"half"),
    "out": Symlink("/"),
    "deep/closed/file": File(b"half", 0o400),
}


class Releases:
    """Payloads of three versions, which share most of their files, and the trees they hold.

    Args:
        root: an empty directory.
    """

    def __init__(self, root: Path) -> None:
        self.payloads: dict[str, Path] = {}
        self.trees: dict[str, Tree] = {}
        for seed, version in enumerate(("1.0.0", "2.0.0", "3.0.0"), 1):
            (root / version).mkdir(parents=True)
            self.payloads[version] = write_payload(root / version, product(seed), settings(version))
            self.trees[version] = look(root / version / "components")

    def install(
        self,
        home: Home,
        version: str,
        listener: Callable[[events.Event], object] = events.ignore,
        **how: bool,
    ) -> Installed:
        """Start the program that carries a version."""
        with open_payload(self.payloads[version]) as reader:
            return install(reader, home, 1, listener, **how)

    def in_use(self, home: Home) -> str | None:
        """The version that ``bin`` leads to, read to its last byte; None where it leads nowhere.

        Raises:
            AssertionError: it leads to something that is not whole.
        """
        if not os.path.islink(home.bin):
            return None
        tree = found(home)
        version = next((name for name, wanted in self.trees.items() if tree == wanted), None)
        assert version is not None, f"bin leads to no whole version: {os.readlink(home.bin)}"
        assert [row for row in examine.verify(home) if row.problem] == []
        with open_payload(self.payloads[version]) as reader:
            assert [row for row in examine.verify(home, reader) if row.problem] == []
        return version


def found(home: Home) -> Tree:
    """What ``bin`` leads to, without the record of it.

    Raises:
        AssertionError: the record is missing, or ``bin`` leads nowhere.
    """
    tree = look(Path(os.path.realpath(home.bin)))
    assert tree.pop(records.NAME, None) is not None, "no record"
    return tree


class Transaction:
    """One of the things that change a home; subclasses say which.

    Args:
        releases: what is installed.
    """

    before: tuple[str | None, ...] = ()
    """Versions that may be in use where it was broken off: not done, or done."""
    after: str = ""
    """The version that is in use when it is done."""

    def __init__(self, releases: Releases) -> None:
        self.releases = releases

    def prepare(self, home: Home) -> None:
        """Bring a home into the state before."""

    def act(self, home: Home) -> None:
        """The transaction itself."""
        raise NotImplementedError

    def start(self, home: Home) -> None:
        """What a user does next, who knows nothing of a fault; and the upkeep, some day."""
        self.act(home)
        upkeep.clean(home)

    def check_broken(self, home: Home) -> None:
        """A whole version is in use, or nothing is there where nothing was.

        Raises:
            AssertionError: neither.
        """
        assert self.releases.in_use(home) in self.before

    def check_done(self, home: Home) -> None:
        """It is done, and nothing that was broken off is left.

        Raises:
            AssertionError: it is not, or something is.
        """
        assert self.releases.in_use(home) == self.after
        assert os.listdir(home.staging) == []
        for name in home.version_names():
            record = records.read(home.version_path(name))
            assert record is not None, name
            assert warm.damaged(record, home.version_path(name)) == [], name


class First(Transaction):
    """Nothing is there: not even the home, or the directory that it shall be in."""

    before = (None, "2.0.0")
    after = "2.0.0"

    def act(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "2.0.0")

    def check_done(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_done(home)
        assert self.releases.install(home, "2.0.0").already


class Upgrade(Transaction):
    """Shared files, an old version to be removed, and what a killed attempt has left."""

    before = ("2.0.0", "3.0.0")
    after = "3.0.0"

    def prepare(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "1.0.0")
        self.releases.install(home, "2.0.0")
        write_tree(Path(home.staging) / "killed", _LEFT_BY_A_KILL)

    def act(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "3.0.0")

    def start(self, home: Home) -> None:
        """The program of the old version is started, too: it needs nothing where it is in use."""
        if self.releases.in_use(home) == "2.0.0":
            assert self.releases.install(home, "2.0.0").already
        super().start(home)

    def check_done(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_done(home)
        assert self.releases.install(home, "3.0.0").already
        # One whose record could not be read is none to go back to.
        assert len(home.version_names()) <= 2


class Repair(Transaction):
    """A program of the version in use has lost its end."""

    after = "2.0.0"

    def prepare(self, home: Home) -> None:
        """See ``Transaction``."""
        root = self.releases.install(home, "2.0.0").path
        os.truncate(os.path.join(root, "server"), 100)

    def act(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "2.0.0")

    def check_broken(self, home: Home) -> None:
        """Everything but the damaged file is as it was, or it is repaired."""
        tree, wanted = found(home), self.releases.trees["2.0.0"]
        assert tree.keys() == wanted.keys()
        assert {path for path in wanted if tree[path] != wanted[path]} <= {"server"}

    def check_done(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_done(home)
        assert len(home.version_names()) == 1


class RollBack(Transaction):
    """Back to the version before."""

    before = ("2.0.0", "1.0.0")
    after = "1.0.0"

    def prepare(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "1.0.0")
        self.releases.install(home, "2.0.0")

    def act(self, home: Home) -> None:
        """See ``Transaction``."""
        upkeep.rollback(home)

    def start(self, home: Home) -> None:
        """Who sees the old version does not go back once more; there is nothing to go back to."""
        if self.releases.in_use(home) == "2.0.0":
            assert self.releases.install(home, "2.0.0").already
            super().start(home)

    def check_done(self, home: Home) -> None:
        """The newer program does not bring its version back."""
        assert self.releases.install(home, "2.0.0").held
        super().check_done(home)


class Return(Transaction):
    """To the version that ``rollback`` went back from, and which is still there."""

    before = ("1.0.0", "2.0.0")
    after = "2.0.0"

    def prepare(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "1.0.0")
        self.releases.install(home, "2.0.0")
        upkeep.rollback(home)

    def act(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "2.0.0", force=True)

    def check_done(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_done(home)
        assert self.releases.install(home, "2.0.0").already


class Clean(Transaction):
    """Two versions that nobody needs, and what a killed attempt has left."""

    before = ("2.0.0",)
    after = "2.0.0"

    def prepare(self, home: Home) -> None:
        """See ``Transaction``."""
        self.releases.install(home, "1.0.0")
        old = self.releases.install(home, "2.0.0").path
        for name in ("v0.1.0-00000000", "v0.2.0-00000000"):
            shutil.copytree(old, home.version_path(name), symlinks=True)
        write_tree(Path(home.staging) / "killed", _LEFT_BY_A_KILL)

    def act(self, home: Home) -> None:
        """See ``Transaction``."""
        upkeep.clean(home)

    def check_done(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_done(home)
        assert len(home.version_names()) == 2
        with suppress(NotInstalledError):
            upkeep.rollback(home)
        assert self.releases.in_use(home) == "1.0.0"


class OverDirectory(First):
    """An older program has written into ``bin`` directly."""

    def prepare(self, home: Home) -> None:
        """See ``Transaction``."""
        write_tree(Path(home.bin), {"stigmer-server": File(LEGACY, 0o755)})

    def check_broken(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_broken(home)
        self._check_kept(home)

    def check_done(self, home: Home) -> None:
        """See ``Transaction``."""
        super().check_done(home)
        self._check_kept(home)

    def _check_kept(self, home: Home) -> None:
        """The older program's file is somewhere, and once."""
        places = [path for path in Path(home.path).iterdir() if path.name.startswith("bin")]
        kept = [path / "stigmer-server" for path in places if not path.is_symlink()]
        assert [path.read_bytes() for path in kept] == [LEGACY]


TRANSACTIONS: dict[str, type[Transaction]] = {
    "first": First,
    "upgrade": Upgrade,
    "repair": Repair,
    "rollback": RollBack,
    "return": Return,
    "clean": Clean,
    "over a directory": OverDirectory,
}


def prepared(transaction: Transaction, home: Home) -> Home:
    """A home in the state before, made without waiting for the disk."""
    with unflushed():
        transaction.prepare(home)
    return home
