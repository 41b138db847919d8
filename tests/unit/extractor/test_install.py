"""A home in which ``bin`` leads to one complete version, whatever happens on the way there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container.errors import (
    BusyError,
    DowngradeError,
    IntegrityError,
    NoSpaceError,
    NotWritableError,
)
from container.reader import PayloadReader, open_payload
from extractor import events, warm
from extractor import manifest as records
from extractor.home import Home
from extractor.install import Installed, install, is_newer
from extractor.lock import locked
from extractor.upkeep import rollback
from tests.support import commands, watchdog
from tests.support.homes import check_home, in_namespace, record_of, traces
from tests.support.payloads import MemorySource, dissect
from tests.support.samples import look, open_product, product, write_payload
from tests.support.trees import File, Symlink, write_tree

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.support.homes import Trace


def contents(root: str | Path) -> dict[str, Trace]:
    """Traces without the ctime, which changes with each further name that a file gets."""
    return {path: trace._replace(ctime_ns=0) for path, trace in traces(Path(root)).items()}


def there(done: Installed) -> Installed:
    """The outcome of installing the same once more."""
    return done._replace(already=True, plain_bytes=0, shared_bytes=0)


def test_a_fresh_home_is_made(tmp_path: Path, old: PayloadReader) -> None:
    home = Home(str(tmp_path / "not/yet"))
    done = install(old, home, 2)
    name = f"v1.0.0-{old.index_sha256.hex()[:8]}"
    assert done == Installed(
        home.version_path(name),
        "1.0.0",
        already=False,
        held=False,
        plain_bytes=old.index.plain_bytes,
        shared_bytes=0,
    )
    assert sorted(os.listdir(home.path)) == [".lock", "bin", "staging", "versions"]
    assert os.readlink(home.bin) == f"versions/{name}"
    check_home(home, old, tmp_path / "old")


def test_the_record_says_what_is_installed(home: Home, old: PayloadReader) -> None:
    install(old, home)
    root, record = record_of(home)
    assert (record.version, record.platform) == ("1.0.0", old.index.metadata.platform)
    assert record.index_sha256 == old.index_sha256.hex()
    assert record.index_xxh3 == old.location.footer.index_xxh3
    assert record.components == {"server": "1.0.0", "runner": "1.0.0"}
    assert record.previous is None
    kinds = {stat.S_IFMT(mode) for mode in record.modes}
    assert kinds == {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}
    # Every file and link, and of the directories those that nothing else would be missed with.
    filled = {"runner", "runner/lib", "runner/data", "runner/closed"}
    assert sorted(record.paths) == sorted(
        path
        for place in root.rglob("*")
        if (path := place.relative_to(root).as_posix()) not in {*filled, records.NAME}
    )


def test_the_home_can_be_moved_afterwards(tmp_path: Path, home: Home, old: PayloadReader) -> None:
    install(old, home)
    os.rename(home.path, tmp_path / "moved")
    moved = Home(str(tmp_path / "moved"))
    assert install(old, moved).already
    check_home(moved, old, tmp_path / "old")


def test_a_warm_start_writes_nothing_takes_no_lock_and_reads_no_payload(
    tmp_path: Path, home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = install(old, home)
    before = traces(tmp_path)
    with open(home.lock) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(PayloadReader, "read_stored", None)
        second: list[Installed] = []
        assert watchdog.ends(lambda: second.append(install(old, home))) is None
    assert second == [there(first)]
    assert traces(tmp_path) == before


READ_ONLY = """
import os, sys
from container.reader import open_payload
from extractor import examine
from extractor.home import Home
from extractor.install import install
home = Home(sys.argv[2])
try:
    os.mkdir(home.path + "/x")
except OSError as error:
    print(error.strerror)
with open_payload(sys.argv[1]) as reader:
    done = install(reader, home)
    print(done.already, done.plain_bytes, done.path)
    print([finding for finding in examine.verify(home, reader) if finding.problem])
print(examine.status(home, None)["copied"])
"""


@pytest.mark.parametrize("copied", [False, True])
def test_a_home_that_an_image_build_has_made_is_used_as_it_is(
    tmp_path: Path, home: Home, old: PayloadReader, copied: bool
) -> None:
    """On a file system that is really read-only, so that no write can go unnoticed."""
    done = install(old, home)
    if copied:
        os.rename(home.path, tmp_path / "aside")
        shutil.copytree(tmp_path / "aside", home.path, symlinks=True)
        # As an image layer: whole seconds, and no empty directories that nothing needs.
        os.utime(Path(done.path, "server"), ns=(0, 10**9))
        os.rmdir(home.staging)
        os.unlink(home.lock)
    before = traces(Path(home.path))
    outcome = in_namespace(
        'mount --bind "$2" "$2"; mount -o remount,ro,bind "$2"\n"$PYTHON" -c "$CODE" "$@"',
        old.source.name,
        home.path,
        python=READ_ONLY,
    )
    assert outcome.stdout.splitlines() == [
        "Read-only file system",
        f"True 0 {done.path}",
        "[]",
        str(copied),
    ], outcome
    assert traces(Path(home.path)) == before


def test_an_update_switches_bin_and_leaves_the_old_version_as_it_is(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home)
    before = contents(first.path)
    with open(os.path.join(home.bin, "server"), "rb") as running:
        second = install(new, home, 2)
        assert running.read() == look(tmp_path / "old/components")["server"].content
    assert (second.already, second.version) == (False, "1.1.0")
    assert contents(first.path) == before
    check_home(home, new, tmp_path / "new")
    assert len(home.version_names()) == 2
    assert record_of(home)[1].previous == os.path.basename(first.path)


def test_an_older_program_does_not_replace_what_a_newer_one_has_installed(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    install(new, home)
    before = traces(Path(home.versions))
    with pytest.raises(DowngradeError) as caught:
        install(old, home)
    error = caught.value
    assert (error.what, error.where) == ("a newer version is installed", home.path)
    assert (error.expected, error.found) == ("at most 1.0.0", "1.1.0")
    assert error.remedy == (
        "start the newer program, go back with `rollback`, or install with --force"
    )
    assert traces(Path(home.versions)) == before
    check_home(home, new, tmp_path / "new")
    install(old, home, force=True)
    check_home(home, old, tmp_path / "old")


def test_a_version_that_is_there_is_only_switched_to(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home)
    second = install(new, home)
    before = contents(first.path)
    assert install(old, home, force=True) == there(first)
    after = contents(first.path)
    assert {path for path in before if before[path] != after[path]} == {
        first.path,
        os.path.join(first.path, records.NAME),
    }
    check_home(home, old, tmp_path / "old")
    assert rollback(home).path == second.path


def test_a_repair_does_not_bring_back_what_is_held(
    home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home)
    install(new, home)
    rollback(home)
    done = install(new, home, distrust=True)
    assert (done.held, done.path) == (True, first.path)


def test_a_version_whose_record_cannot_be_read_is_kept(
    home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home)
    os.truncate(os.path.join(first.path, records.NAME), 10)
    install(new, home)
    _, record = record_of(home)
    assert record.previous == os.path.basename(first.path)
    assert os.path.isdir(first.path)


def test_a_copy_that_is_switched_to_is_still_known_as_one(
    home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home)
    install(new, home)
    copy = f"{first.path}.copy"
    shutil.copytree(first.path, copy, symlinks=True)
    shutil.rmtree(first.path)
    os.rename(copy, first.path)
    assert install(old, home, force=True).already
    _, record = record_of(home)
    assert warm.is_copy(record, first.path)
    assert warm.damaged(record, first.path) == []


@pytest.mark.parametrize("version", ["dev", "1.0.0"])
def test_builds_without_an_order_are_known_by_their_contents(
    tmp_path: Path, home: Home, version: str
) -> None:
    """Two builds of one version replace each other, in both directions, and are never mixed."""
    with (
        open_product(tmp_path / "a", version, 1) as first,
        open_product(tmp_path / "b", version, 2) as second,
    ):
        for reader, sources in ((first, "a"), (second, "b"), (first, "a")):
            install(reader, home)
            check_home(home, reader, tmp_path / sources)


@pytest.mark.parametrize(("installed", "offered"), [("dev", "1.0.0"), ("1.0.0", "dev")])
def test_a_build_without_an_order_is_neither_older_nor_newer(
    tmp_path: Path, home: Home, installed: str, offered: str
) -> None:
    with (
        open_product(tmp_path / "a", installed, 1) as first,
        open_product(tmp_path / "b", offered, 2) as second,
    ):
        install(first, home)
        install(second, home)
        check_home(home, second, tmp_path / "b")


@pytest.mark.parametrize(
    ("installed", "offered", "newer"),
    [
        ("1.10.0", "1.9.9", True),
        ("1.9.9", "1.10.0", False),
        ("1.0.0", "1.0.0", False),
        ("2.0.0", "2.0.0-rc.1", True),
        ("2.0.0-rc.1", "2.0.0", False),
        ("2.0.0-rc.2", "2.0.0-rc.1", True),
        ("v2.0.0", "1.0.0", True),
        ("dev", "1.0.0", False),
        ("1.0.0", "dev", False),
        ("3f9c2a1b", "1.0.0", False),
    ],
)
def test_versions_are_ordered_as_their_authors_mean_it(
    installed: str, offered: str, newer: bool
) -> None:
    assert is_newer(installed, offered) is newer


@pytest.mark.parametrize("path", ["server", "runner/lib/link.so", "runner/hollow"])
def test_of_a_damaged_version_only_what_is_bad_is_extracted_again(
    tmp_path: Path, home: Home, old: PayloadReader, path: str
) -> None:
    first = install(old, home)
    place = Path(home.bin, path)
    if place.is_dir():
        place.rmdir()
    else:
        place.unlink()
    second = install(old, home)
    assert not second.already
    assert re.fullmatch(re.escape(first.path) + r"\.r[0-9a-f]{4}", second.path)
    extracted = 5000 if path == "server" else 0
    assert second.plain_bytes == extracted
    assert second.shared_bytes == old.index.plain_bytes - extracted
    check_home(home, old, tmp_path / "old")
    # Nothing but the repaired one is needed any more, and nothing went wrong with what is shared.
    assert home.version_names() == [os.path.basename(second.path)]
    os.unlink(home.bin)
    assert install(old, home) == there(second)


def test_a_version_that_is_damaged_and_runs_is_not_written_to(
    tmp_path: Path, home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = install(old, home)
    os.truncate(os.path.join(home.bin, "server"), 7)
    before = contents(first.path)
    monkeypatch.setattr("extractor.upkeep._used_paths", lambda: [(42, f"{first.path}/server")])
    told: list[events.Event] = []
    second = install(old, home, listener=told.append)
    assert told[-1] == events.Kept(first.path, "in use by process 42")
    assert contents(first.path) == before
    assert second.path != first.path
    check_home(home, old, tmp_path / "old")


def test_without_its_record_a_version_is_extracted_anew(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    first = install(old, home)
    os.unlink(os.path.join(first.path, records.NAME))
    second = install(old, home)
    assert (second.plain_bytes, second.shared_bytes) == (old.index.plain_bytes, 0)
    check_home(home, old, tmp_path / "old")


def test_a_damage_that_metadata_do_not_show_is_repaired_where_nothing_is_trusted(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    first = install(old, home)
    server = Path(first.path, "server")
    status = server.stat()
    with server.open("r+b") as stream:
        stream.write(b"\0")
    os.utime(server, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert install(old, home).already
    second = install(old, home, 2, distrust=True)
    assert (second.plain_bytes, second.shared_bytes) == (5000, old.index.plain_bytes - 5000)
    check_home(home, old, tmp_path / "old")


def test_a_repair_does_not_lose_the_way_back(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, home)
    install(new, home)
    os.unlink(os.path.join(home.bin, "server"))
    install(new, home)
    assert record_of(home)[1].previous == os.path.basename(first.path)
    assert Path(first.path).is_dir()


def test_a_bin_that_is_a_directory_is_moved_aside_with_all_that_is_in_it(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    mine = write_tree(Path(home.bin), {"server": File(b"of an older program", 0o755)})
    kept = look(mine)
    mine.chmod(0o555)
    install(old, home)
    check_home(home, old, tmp_path / "old")
    (aside,) = Path(home.path).glob("bin.old-*")
    assert look(aside) == kept
    assert aside.stat().st_mode & 0o777 == 0o555
    aside.chmod(0o755)


@pytest.mark.parametrize("target", ["/nowhere", "bin", "versions/v0-gone", "."])
def test_a_bin_that_leads_nowhere_or_elsewhere_is_replaced(
    tmp_path: Path, home: Home, old: PayloadReader, target: str
) -> None:
    os.mkdir(home.path)
    os.symlink(target, home.bin)
    install(old, home)
    check_home(home, old, tmp_path / "old")


def test_leftovers_of_killed_attempts_are_swept_and_no_link_is_followed(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    victim = write_tree(tmp_path / "victim", {"file": File(b"kept", 0o600)})
    kept = look(victim)
    left = write_tree(
        Path(home.staging, "0123456789abcdef/version"),
        {"server": File(b"half", 0o000), "out": Symlink(str(victim)), "bin": Symlink("..")},
    )
    os.symlink("versions/v0.9.0-killed", os.path.join(home.staging, "bin"))
    os.symlink(victim, os.path.join(home.staging, "out"))
    Path(home.staging, "file").write_bytes(b"?")
    left.chmod(0o555)
    told: list[events.Event] = []
    install(old, home, listener=told.append)
    check_home(home, old, tmp_path / "old")
    assert look(victim) == kept
    removed = [event.path for event in told if isinstance(event, events.Removed)]
    names = sorted(os.path.basename(path) for path in removed)
    assert names == ["0123456789abcdef", "bin", "file", "out"]


@pytest.mark.parametrize("failing", ["home", "versions", "staging", ".lock"])
def test_a_home_that_cannot_be_written_to_is_told(
    home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def refusing(real: Callable[..., object]) -> Callable[..., object]:
        def refuse(path: str, *arguments: object) -> object:
            if os.path.basename(path) == failing:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path, *arguments)

        return refuse

    monkeypatch.setattr(os, "mkdir", refusing(os.mkdir))
    monkeypatch.setattr(os, "open", refusing(os.open))
    with pytest.raises(NotWritableError, match=re.escape(failing)):
        install(old, home)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_damaged_payload_changes_nothing(
    tmp_path: Path, home: Home, old: PayloadReader, jobs: int
) -> None:
    install(old, home)
    payload = bytearray(write_payload(tmp_path / "damaged", product(5)).read_bytes())
    # The first one is of a program that has changed: what is unchanged is not even read.
    payload[dissect(bytes(payload)).index.frames[0].stored_offset] ^= 1
    before = contents(home.versions)
    with pytest.raises(IntegrityError):
        install(PayloadReader(MemorySource(bytes(payload))), home, jobs)
    check_home(home, old, tmp_path / "old")
    assert contents(home.versions) == before


@pytest.mark.parametrize("call", ["symlink", "replace"])
def test_an_error_while_publishing_leaves_bin_and_no_leftover(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    install(old, home)
    real = getattr(os, call)

    def refuse(source: str, target: str) -> None:
        if os.path.basename(target).startswith("bin"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(NoSpaceError):
            install(new, home)
    check_home(home, old, tmp_path / "old")
    # The version is complete: the next attempt has only to switch.
    assert install(new, home).already
    check_home(home, new, tmp_path / "new")


def test_a_record_that_cannot_be_written_is_told(
    home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if os.path.basename(path) == records.NAME and flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(NoSpaceError, match="version: no space left"):
        install(old, home)
    assert os.listdir(home.staging) == os.listdir(home.versions) == []
    assert not os.path.lexists(home.bin)


@pytest.mark.parametrize("moment", [events.Started, events.Advanced, events.Durable])
def test_a_listener_that_gives_up_leaves_the_old_version(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader, moment: type
) -> None:
    install(old, home)

    def give_up(event: events.Event) -> None:
        if isinstance(event, moment):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(new, home, 1, give_up)
    check_home(home, old, tmp_path / "old")


def test_the_listener_hears_the_whole_story(
    tmp_path: Path, home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    heard: list[events.Event] = []
    install(old, home, 2, heard.append)
    shares = (events.Share("server", "1.0.0", 5000), events.Share("runner", "1.0.0", 5548))
    assert heard[0] == events.Started(shares, 10548)
    assert heard[-1] == events.Durable()
    steps = [event for event in heard[1:-1] if isinstance(event, events.Advanced)]
    assert len(steps) == len(heard) - 2
    for share in shares:
        mine = [event.plain_bytes for event in steps if event.component == share.name]
        assert sum(mine) == share.plain_bytes
    # Of an upgrade only what is extracted is announced.
    heard.clear()
    done = install(new, home, 2, heard.append)
    started = heard[0]
    assert isinstance(started, events.Started)
    assert [share.plain_bytes for share in started.components] == [5000, 2500]
    assert started.plain_bytes == done.plain_bytes == 7500
    heard.clear()
    install(new, home, 2, heard.append)
    assert heard == []


def test_one_that_does_not_wait_is_told_that_another_is_at_it(
    home: Home, old: PayloadReader, new: PayloadReader
) -> None:
    install(old, home)
    with locked(home):
        with pytest.raises(BusyError):
            install(new, home, wait=False)
        # What is installed needs no lock.
        assert install(old, home, wait=False).already


def test_one_that_waited_finds_what_the_other_has_installed(
    tmp_path: Path, home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes while the first extracts, says that it waits, and then writes nothing."""
    replace = os.replace
    replaced: list[str] = []

    def note(source: str, target: str) -> None:
        replaced.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    heard: list[events.Event] = []
    outcome: list[Installed] = []
    waits = threading.Event()

    def second() -> None:
        def listen(event: events.Event) -> None:
            heard.append(event)
            waits.set()

        with open_payload(tmp_path / "old/payload") as reader:
            outcome.append(install(reader, home, 1, listen))

    thread = threading.Thread(target=second, daemon=True)

    def first(event: events.Event) -> None:
        if isinstance(event, events.Started):
            thread.start()
            watchdog.wait(waits)

    done = install(old, home, 1, first)
    thread.join(watchdog.SECONDS)
    assert heard == [events.Waiting(home.path)]
    assert outcome == [there(done)]
    assert replaced == [home.bin]
    assert len(home.version_names()) == 1
    check_home(home, old, tmp_path / "old")


def test_of_many_processes_at_once_one_extracts_and_all_agree(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    os.mkdir(home.path)
    with contextlib.ExitStack() as stack:
        # Held until all are there, so that they really meet.
        lock = stack.enter_context(open(home.lock, "w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ("install", tmp_path / "old/payload", "--home", home.path)
        processes: list[subprocess.Popen[str]] = []
        for _ in range(8):
            process = commands.start("stigmer-extract", *words)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said == f"waiting for another installation into {home.path}\n"
        fcntl.flock(lock, fcntl.LOCK_UN)
        outcomes = [commands.finish(process) for process in processes]
    assert [outcome.status for outcome in outcomes] == [0] * 8
    (name,) = home.version_names()
    version = home.version_path(name)
    said_last = sorted(outcome.out.partition(" (")[0].strip() for outcome in outcomes)
    assert said_last == [f"1.0.0 is installed: {version}"] * 7 + [f"installed 1.0.0: {version}"]
    assert sum("installing" in outcome.err for outcome in outcomes) == 1
    check_home(home, old, tmp_path / "old")
