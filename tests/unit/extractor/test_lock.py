"""One at a time changes a home, and whoever dies frees it."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from container.errors import BusyError, NoSpaceError, NotWritableError
from extractor import events
from extractor.lock import locked
from tests.support import watchdog
from tests.support.homes import REPOSITORY

if TYPE_CHECKING:
    from extractor.home import Home


@pytest.fixture(autouse=True)
def _made(home: Home) -> None:
    os.mkdir(home.path)


HOLDS = """
import sys
from extractor.home import Home
from extractor.lock import locked
with locked(Home(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(home: Home) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, home.path],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_who_does_not_wait_is_told_at_once(home: Home) -> None:
    process = holder(home)
    try:
        with pytest.raises(BusyError) as caught, locked(home, wait=False):
            raise AssertionError
        error = caught.value
        assert (error.what, error.where, error.remedy) == (
            "another process is changing this installation",
            home.path,
            "wait until it is done, and try again",
        )
    finally:
        end(process)
    # The kernel has freed it: nobody has to remove a file.
    with locked(home, wait=False):
        assert os.path.exists(home.lock)


def test_who_waits_is_told_that_and_goes_on_when_the_holder_dies(home: Home) -> None:
    process = holder(home)
    told: list[events.Event] = []
    waits = threading.Event()
    inside = threading.Event()

    def listen(event: events.Event) -> None:
        told.append(event)
        waits.set()

    def wait() -> None:
        with locked(home, listen):
            inside.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        watchdog.wait(waits)
        assert not inside.is_set()
    finally:
        end(process)
    watchdog.wait(inside)
    thread.join(watchdog.SECONDS)
    assert told == [events.Waiting(home.path)]


def test_nobody_is_told_of_a_lock_that_is_free(home: Home) -> None:
    told: list[events.Event] = []
    for _ in range(2):
        with locked(home, told.append, wait=False):
            pass
    assert told == []


def test_an_error_inside_frees_it(home: Home) -> None:
    with pytest.raises(KeyboardInterrupt), locked(home):
        raise KeyboardInterrupt
    with locked(home, wait=False):
        pass


def test_no_link_is_followed_to_another_file(home: Home) -> None:
    os.symlink("victim", home.lock)
    with pytest.raises(OSError, match="symbolic links") as caught, locked(home):
        raise AssertionError
    assert caught.value.filename == home.lock
    assert not os.path.lexists(os.path.join(home.path, "victim"))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, NotWritableError),
        (errno.EROFS, NotWritableError),
        (errno.ENOSPC, NoSpaceError),
        (errno.EIO, OSError),
    ],
)
def test_a_lock_that_cannot_be_made_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(kind, match=r"\.lock"), locked(home):
        raise AssertionError


def test_a_lock_that_the_file_system_does_not_know_is_told_with_its_path(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptors = os.listdir("/proc/self/fd")

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available") as caught, locked(home):
        raise AssertionError
    assert caught.value.filename == home.lock
    assert os.listdir("/proc/self/fd") == descriptors


def test_a_child_process_does_not_keep_it(home: Home) -> None:
    with locked(home):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
    try:
        with locked(home, wait=False):
            pass
    finally:
        child.kill()
        child.communicate()
