"""The versions beside the one in use: going back, and removing what nobody needs."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container.errors import (
    BusyError,
    DowngradeError,
    NoSpaceError,
    NotInstalledError,
    NotWritableError,
)
from extractor import events, upkeep
from extractor import manifest as records
from extractor.install import install
from extractor.lock import locked
from extractor.upkeep import RolledBack, clean, held, rollback
from tests.support.homes import check_home, traces
from tests.support.trees import File, write_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from container.reader import PayloadReader
    from extractor.home import Home

    Readers = tuple[PayloadReader, PayloadReader, PayloadReader]


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test starts; they end with it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start_inside(root: str, how: str) -> subprocess.Popen[bytes]:
    """A real process that runs from a version, or was started with a path of it."""
    waits = "import sys; print(flush=True); sys.stdin.read()"
    argv: list[str] = [sys.executable, "-c", waits]
    cwd = None
    if how == "program":
        # A copy, so that the system itself says where it runs from.
        place = os.path.join(root, "sleeper")
        shutil.copy(shutil.which("cat") or "/bin/cat", place)
        argv = [place]
    elif how == "script":
        place = os.path.join(root, "script.py")
        Path(place).write_text(waits)
        argv = [sys.executable, place]
    elif how == "directory":
        cwd = os.path.join(root, "runner")
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd)
    assert process.stdin is not None
    assert process.stdout is not None
    if how == "program":
        process.stdin.write(b"\n")
        process.stdin.flush()
    # It has said something, so it runs.
    assert process.stdout.readline() == b"\n"
    return process


def versions(home: Home) -> list[str]:
    return [name.split("-")[0] for name in home.version_names()]


# Going back.


def test_one_goes_back_to_the_version_before_and_nothing_else_changes(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home).path
    install(new, home)
    before = traces(Path(home.versions))
    assert rollback(home) == RolledBack(first, "1.0.0", "1.1.0")
    assert traces(Path(home.versions)) == before
    check_home(home, old, tmp_path / "old")
    assert versions(home) == ["v1.0.0", "v1.1.0"]


def test_what_one_went_back_from_is_held_until_it_is_asked_for_by_force(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home).path
    second = install(new, home).path
    rollback(home)
    assert held(home) == {new.index_sha256.hex()}
    # The new program starts: it runs the old components.
    done = install(new, home)
    assert (done.path, done.version, done.held, done.already) == (first, "1.0.0", True, True)
    # The old one, too; and it is no news to it.
    done = install(old, home)
    assert (done.path, done.held, done.already) == (first, False, True)
    assert held(home) == {new.index_sha256.hex()}
    done = install(new, home, force=True)
    assert (done.path, done.held, done.already, done.plain_bytes) == (second, False, True, 0)
    assert held(home) == frozenset()
    assert not os.path.lexists(home.held)
    check_home(home, new, tmp_path / "new")
    # And back once more.
    assert rollback(home).path == first


def test_another_version_than_the_held_one_is_installed(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader, newest: PayloadReader
) -> None:
    install(old, home)
    install(new, home)
    rollback(home)
    assert not install(newest, home).held
    check_home(home, newest, tmp_path / "newest")
    assert held(home) == frozenset()
    # The one before is the one that was in use, not the one that was held.
    assert rollback(home).version == "1.0.0"


@pytest.fixture
def three(
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    newest: PayloadReader,
    running: list[subprocess.Popen[bytes]],
) -> Readers:
    """All installed, one after the other; the oldest stays because something runs from it."""
    running.append(start_inside(install(old, home).path, "program"))
    install(new, home)
    install(newest, home)
    assert versions(home) == ["v1.0.0", "v1.1.0", "v1.2.0"]
    return old, new, newest


def test_one_can_go_back_again_as_long_as_there_are_versions(
    tmp_path: Path, home: Home, three: Readers
) -> None:
    old, new, newest = three
    assert (rollback(home).version, rollback(home).version) == ("1.1.0", "1.0.0")
    os.unlink(os.path.join(home.bin, "sleeper"))
    check_home(home, old, tmp_path / "old")
    # Neither of the two comes back by itself.
    assert held(home) == {reader.index_sha256.hex() for reader in (new, newest)}
    for reader in (newest, new):
        assert install(reader, home).held
    with pytest.raises(NotInstalledError) as caught:
        rollback(home)
    assert caught.value.what == "there is no version to go back to"
    assert caught.value.remedy == "install another version with the program that carries it"
    check_home(home, old, tmp_path / "old")


def test_there_is_nothing_to_go_back_to_in_a_first_version(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    install(old, home)
    before = traces(Path(home.versions))
    with pytest.raises(NotInstalledError, match="no version to go back to"):
        rollback(home)
    assert traces(Path(home.versions)) == before
    assert held(home) == frozenset()


@pytest.mark.parametrize("how", ["removed", "without a record", "damaged"])
def test_one_does_not_go_back_to_a_version_that_is_not_sound(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader, how: str
) -> None:
    first = Path(install(old, home).path)
    install(new, home)
    if how == "removed":
        first.rename(tmp_path / "elsewhere")
    elif how == "without a record":
        (first / records.NAME).unlink()
    else:
        os.truncate(first / "server", 5)
    with pytest.raises(NotInstalledError) as caught:
        rollback(home)
    if how == "damaged":
        assert caught.value.what == "the version to go back to is damaged: server"
        assert caught.value.where == str(first)
        assert caught.value.remedy == "install it again with the program that carries it"
    check_home(home, new, tmp_path / "new")
    assert held(home) == frozenset()


@pytest.mark.parametrize("how", ["no home", "no bin", "a damaged record"])
def test_there_is_nothing_to_go_back_from(home: Home, old: PayloadReader, how: str) -> None:
    if how != "no home":
        root = install(old, home).path
        if how == "no bin":
            os.unlink(home.bin)
        else:
            os.truncate(os.path.join(root, records.NAME), 10)
    with pytest.raises(NotInstalledError) as caught:
        rollback(home)
    assert (caught.value.what, caught.value.where) == ("nothing is installed there", home.path)
    assert caught.value.remedy == "install it with `install`"
    assert os.path.lexists(home.path) == (how != "no home")


@pytest.mark.parametrize("action", [rollback, clean])
def test_who_does_not_wait_is_told_that_another_is_at_it(
    home: Home, old: PayloadReader, new: PayloadReader, action: object
) -> None:
    install(old, home)
    install(new, home)
    with locked(home), pytest.raises(BusyError):
        action(home, wait=False)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, NoSpaceError), (errno.EACCES, NotWritableError), (errno.EIO, OSError)],
)
def test_a_disk_that_refuses_leaves_the_version_in_use(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
) -> None:
    install(old, home)
    install(new, home)

    def refuse(source: str, target: str) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(kind, match="held"):
            rollback(home)
    assert os.readlink(home.bin).startswith("versions/v1.1.0-")
    assert rollback(home).version == "1.0.0"
    # What the first attempt left was swept by the second.
    assert os.listdir(home.staging) == []


def test_a_held_file_that_cannot_be_read_holds_nothing(home: Home, old: PayloadReader) -> None:
    install(old, home)
    assert held(home) == frozenset()
    Path(home.held).write_bytes(b"\xff\xfe")
    assert held(home) == frozenset()
    os.unlink(home.held)
    os.mkdir(home.held)
    assert held(home) == frozenset()


def test_a_held_file_that_cannot_be_removed_is_told(
    home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    install(old, home)
    os.mkdir(home.held)
    with pytest.raises(OSError, match="held"):
        install(new, home)


# Removing what is old.


def test_the_version_in_use_and_the_one_before_stay(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader, newest: PayloadReader
) -> None:
    told: list[events.Event] = []
    first = install(old, home).path
    install(new, home, listener=told.append)
    assert versions(home) == ["v1.0.0", "v1.1.0"]
    assert not [event for event in told if isinstance(event, events.Removed)]
    install(newest, home, listener=told.append)
    assert versions(home) == ["v1.1.0", "v1.2.0"]
    assert [event for event in told if isinstance(event, events.Removed)] == [events.Removed(first)]
    check_home(home, newest, tmp_path / "newest")
    # Shared files have lost a name, and nothing else.
    assert rollback(home).version == "1.1.0"
    check_home(home, new, tmp_path / "new")


@pytest.mark.parametrize("how", ["program", "script", "directory"])
def test_a_version_that_a_process_uses_stays_until_it_ends(
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    newest: PayloadReader,
    running: list[subprocess.Popen[bytes]],
    how: str,
) -> None:
    first = install(old, home).path
    process = start_inside(first, how)
    running.append(process)
    install(new, home)
    told: list[events.Event] = []
    install(newest, home, listener=told.append)
    assert told[-1] == events.Kept(first, f"in use by process {process.pid}")
    assert versions(home) == ["v1.0.0", "v1.1.0", "v1.2.0"]
    process.kill()
    process.communicate()
    told.clear()
    clean(home, told.append)
    assert told == [events.Removed(first)]
    assert versions(home) == ["v1.1.0", "v1.2.0"]


def test_a_process_of_the_version_in_use_keeps_no_other(
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    running: list[subprocess.Popen[bytes]],
) -> None:
    install(old, home)
    running.append(start_inside(install(new, home).path, "program"))
    clean(home, all_but_current=True)
    assert versions(home) == ["v1.1.0"]


def test_a_process_whose_directory_only_begins_alike_keeps_nothing(
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    running: list[subprocess.Popen[bytes]],
) -> None:
    first = install(old, home).path
    install(new, home)
    write_tree(Path(f"{first}-more"), {"runner/file": File(b"")})
    running.append(start_inside(f"{first}-more", "directory"))
    told: list[events.Event] = []
    clean(home, told.append, all_but_current=True)
    assert events.Removed(first) in told
    assert [event.path for event in told if isinstance(event, events.Kept)] == [f"{first}-more"]


def test_cleaning_can_take_the_one_before_too(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home).path
    install(new, home)
    told: list[events.Event] = []
    clean(home, told.append)
    assert told == []
    clean(home, told.append, all_but_current=True)
    assert told == [events.Removed(first)]
    check_home(home, new, tmp_path / "new")
    with pytest.raises(NotInstalledError, match="no version to go back to"):
        rollback(home)


def test_cleaning_sweeps_what_killed_attempts_have_left(home: Home, old: PayloadReader) -> None:
    install(old, home)
    left = write_tree(Path(home.staging, "0123456789abcdef"), {"version/half": File(b"")})
    told: list[events.Event] = []
    clean(home, told.append)
    assert told == [events.Removed(str(left))]
    assert os.listdir(home.staging) == []


@pytest.mark.parametrize("all_but_current", [False, True])
@pytest.mark.parametrize("how", ["no bin", "a damaged record"])
def test_nothing_is_removed_where_nobody_knows_what_is_in_use(
    home: Home, old: PayloadReader, new: PayloadReader, how: str, all_but_current: bool
) -> None:
    """The version before is then the only sound one."""
    install(old, home)
    second = install(new, home).path
    if how == "no bin":
        os.unlink(home.bin)
    else:
        os.truncate(os.path.join(second, records.NAME), 10)
    clean(home, all_but_current=all_but_current)
    assert versions(home) == ["v1.0.0", "v1.1.0"]


def test_there_is_nothing_to_clean_without_a_home(home: Home) -> None:
    with pytest.raises(NotInstalledError, match="nothing is installed there"):
        clean(home)
    assert not os.path.lexists(home.path)


@pytest.mark.parametrize("call", ["rename", "rmdir"])
def test_what_cannot_be_removed_is_told_and_is_in_nobodys_way(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    newest: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    first = install(old, home).path
    install(new, home)
    real = getattr(os, call)

    def refuse(path: str, *words: str) -> None:
        if path == first or f"{os.sep}old-" in path:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        real(path, *words)

    told: list[events.Event] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        install(newest, home, listener=told.append)
    kept = told[-1]
    assert isinstance(kept, events.Kept)
    assert kept.path == first
    assert "Permission denied" in kept.reason
    assert os.readlink(home.bin).startswith("versions/v1.2.0-")
    clean(home)
    check_home(home, newest, tmp_path / "newest")
    assert versions(home) == ["v1.1.0", "v1.2.0"]


def test_processes_that_may_not_be_looked_into_are_passed_over(
    home: Home, old: PayloadReader, new: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    class Hidden:
        pid = 1
        info: dict[str, object] = {"exe": None, "cwd": None, "cmdline": None}  # noqa: RUF012

    monkeypatch.setattr(psutil, "process_iter", lambda attributes: [Hidden()])
    install(old, home)
    install(new, home)
    clean(home, all_but_current=True)
    assert versions(home) == ["v1.1.0"]


def test_processes_are_listed_only_where_there_is_something_to_remove(
    home: Home, old: PayloadReader, new: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[tuple[int, str]]:
        raise AssertionError

    monkeypatch.setattr(upkeep, "_used_paths", fail)
    install(old, home)
    install(new, home)
    clean(home)


def test_a_downgrade_is_not_the_way_back(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    install(new, home)
    with pytest.raises(DowngradeError):
        install(old, home)
    # The forced one remembers where it came from, so that one can go back.
    install(old, home, force=True)
    assert rollback(home).version == "1.1.0"
    check_home(home, new, tmp_path / "new")
