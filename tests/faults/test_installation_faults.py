"""A fault at every call of everything that changes a home; a whole version survives each of them.

A kill is a real one, of a process forked for it. Each fault is followed by what a user does next,
who starts the program again, and by reading every file.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from container.errors import ContainerError, NoSpaceError
from extractor import upkeep
from extractor.home import Home
from tests.support.system import (
    ALL_CALLS,
    ERRORS,
    KILLS,
    WAYS,
    Call,
    Faults,
    killed,
    possible,
    unflushed,
    watched,
)
from tests.support.transactions import TRANSACTIONS, Releases, Transaction, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LEAST_POINTS = 1000
# Each takes a share of the points of one transaction, for tests that run side by side.
_SHARES = 4


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at all processes takes ten times as long as all the rest; it changes nothing."""
    monkeypatch.setattr(upkeep, "_used_paths", list)


@pytest.fixture(params=TRANSACTIONS)
def transaction(request: pytest.FixtureRequest, releases: Releases) -> Transaction:
    return TRANSACTIONS[request.param](releases)


def calls_of(transaction: Transaction, root: Path) -> Faults:
    """The calls of a transaction that nothing disturbs."""
    home = prepared(transaction, Home(str(root / "counted" / "home")))
    counting = Faults()
    with watched(counting):
        transaction.act(home)
    with unflushed():
        transaction.check_done(home)
    return counting


def points(
    counted: Faults, ways: Iterable[str], share: int = 0, of: int = 1
) -> Iterator[tuple[int, str]]:
    """Number of the call, and what happens there."""
    every = [
        (number, how)
        for number, call in enumerate(counted.calls)
        for how in ways
        if possible(how, call)
    ]
    return iter(every[share::of])


def check_survived(transaction: Transaction, home: Home) -> None:
    with unflushed():
        transaction.check_broken(home)
        transaction.start(home)
        transaction.check_done(home)


def test_every_kind_of_call_is_made_and_there_are_many(releases: Releases, tmp_path: Path) -> None:
    """Otherwise the tests below would pass by not looking."""
    made: Counter[str] = Counter()
    total = 0
    for name, kind in TRANSACTIONS.items():
        counted = calls_of(kind(releases), tmp_path / name)
        made.update(call.name for call in counted.calls)
        total += len(list(points(counted, WAYS)))
    assert made.keys() == set(ALL_CALLS)
    assert total >= _LEAST_POINTS


_AUDITED = {
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "open",
}


def test_nothing_changes_a_disk_past_the_layer(transaction: Transaction, tmp_path: Path) -> None:
    """The interpreter itself tells of every such call; the layer has seen as many."""
    home = prepared(transaction, Home(str(tmp_path / "home")))
    seen, told = Faults(), []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _AUDITED or not armed:
            return
        if event == "open":
            flags = arguments[2]
            assert isinstance(flags, int)
            if not flags & (os.O_WRONLY | os.O_RDWR):
                return
        told.append(event)

    def act() -> None:
        sys.addaudithook(audit)  # for ever: of the forked process
        armed.append(True)
        transaction.act(home)
        armed.clear()
        counted = Counter(_audited(call) for call in seen.calls)
        del counted[""]
        assert counted == Counter(told), f"{counted} {Counter(told)}"

    armed: list[bool] = []
    assert killed(act, seen) == 0


def _audited(call: Call) -> str:
    """The event that the interpreter raises for a call; empty where it raises none."""
    if call.name == "open":
        return "open" if call.writes else ""
    if call.name in ("rename", "replace"):
        return "os.rename"
    if call.name in ("chmod", "fchmod"):
        return "os.chmod"
    if call.name == "unlink":
        return "os.remove"
    return f"os.{call.name}" if call.name in ("link", "mkdir", "rmdir", "symlink") else ""


@pytest.mark.parametrize("share", range(_SHARES))
def test_a_kill_at_any_call(transaction: Transaction, tmp_path: Path, share: int) -> None:
    counted = calls_of(transaction, tmp_path)
    for number, how in points(counted, KILLS, share, _SHARES):
        home = prepared(transaction, Home(str(tmp_path / f"{number} {how}" / "home")))
        signal_number = killed(partial(transaction.act, home), Faults(number, how))
        where = f"{how} call {number}, {counted.calls[number].name}"
        assert signal_number == 9, where
        try:
            check_survived(transaction, home)
        except (AssertionError, ContainerError, OSError) as error:
            raise AssertionError(where) from error


@pytest.mark.parametrize("share", range(_SHARES))
def test_an_error_at_any_call(transaction: Transaction, tmp_path: Path, share: int) -> None:
    counted = calls_of(transaction, tmp_path)
    for number, how in points(counted, ERRORS, share, _SHARES):
        home = prepared(transaction, Home(str(tmp_path / f"{number} {how}" / "home")))
        faults = Faults(number, how)
        where = f"{how} at call {number}, {counted.calls[number].name}"
        open_before = os.listdir("/dev/fd")
        told: Exception | None = None
        try:
            with watched(faults):
                transaction.act(home)
        except (ContainerError, OSError) as error:
            told = error
        assert faults.calls[number] == counted.calls[number], where
        assert os.listdir("/dev/fd") == open_before, where
        try:
            if told is None:
                assert transaction.releases.in_use(home) == transaction.after
            else:
                check_told(told, home, full=how == "ENOSPC" and faults.calls[number].takes_space())
            check_survived(transaction, home)
        except (AssertionError, ContainerError, OSError) as error:
            raise AssertionError(where) from error


def check_told(error: Exception, home: Home, *, full: bool) -> None:
    """The error says where; a full disk is told as one.

    Raises:
        AssertionError: it does not.
    """
    if full:
        assert isinstance(error, NoSpaceError)
        # Of a new home also the directory that it is in is flushed.
        assert os.path.dirname(home.path) in str(error)
    if isinstance(error, OSError):
        assert error.errno in (errno.EIO, errno.ENOSPC)
        assert error.filename is not None
