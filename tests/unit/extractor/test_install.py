"""A home in which ``bin`` leads to one complete version, whatever happens on the way there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from container.errors import (
    IntegrityError,
    NoSpaceError,
    NotWritableError,
    WrongPlatformError,
)
from container.reader import PayloadReader, open_payload
from extractor import events, state
from extractor.install import Installed, install, this_platform
from tests.support import commands, watchdog
from tests.support.payloads import MemorySource, dissect
from tests.support.samples import look, open_product, product, sources_of, write_payload
from tests.support.trees import File, Symlink, write_tree

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTHER_PLATFORM = "darwin-arm64" if this_platform() != "darwin-arm64" else "linux-amd64"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def old(tmp_path: Path) -> Iterator[PayloadReader]:
    with open_product(tmp_path / "old", "1.0.0", 1) as reader:
        yield reader


@pytest.fixture
def new(tmp_path: Path) -> Iterator[PayloadReader]:
    with open_product(tmp_path / "new", "1.1.0", 2) as reader:
        yield reader


class Trace(NamedTuple):
    """What would show that something was written."""

    inode: int
    mtime_ns: int
    ctime_ns: int


def traces(root: Path) -> dict[str, Trace]:
    places = [root, *root.rglob("*")]
    found = {str(place): place.lstat() for place in places}
    return {
        path: Trace(status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        for path, status in found.items()
    }


def installed_tree(home: Path) -> dict[str, object]:
    found: dict[str, object] = dict(look((home / "bin").resolve()))
    del found[state.MANIFEST_NAME]
    return found


def check_home(home: Path, leads_to: PayloadReader, sources: Path) -> None:
    """``bin`` leads to exactly that, undamaged, and no attempt has left anything."""
    version = leads_to.index.metadata.version
    assert os.readlink(home / "bin").startswith(f"versions/v{version}-")
    assert installed_tree(home) == sources_of(sources)
    assert list((home / "staging").iterdir()) == []


def test_a_fresh_home_is_made(tmp_path: Path, home: Path, old: PayloadReader) -> None:
    done = install(old, str(home / "not/yet"), 2)
    place = home / "not/yet"
    name = f"v1.0.0-{old.index_sha256.hex()[:8]}"
    assert done == Installed(
        str(place / "versions" / name), "1.0.0", already=False, plain_bytes=old.index.plain_bytes
    )
    assert sorted(each.name for each in place.iterdir()) == [".lock", "bin", "staging", "versions"]
    assert os.readlink(place / "bin") == f"versions/{name}"
    check_home(place, old, tmp_path / "old")


def test_the_home_may_be_relative_and_moved_afterwards(
    tmp_path: Path, home: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert install(old, "home").path == str(home / "versions" / os.listdir(home / "versions")[0])
    home.rename(tmp_path / "moved")
    assert install(old, str(tmp_path / "moved")).already
    assert (tmp_path / "moved/bin/server").read_bytes()


def test_a_warm_start_writes_nothing_takes_no_lock_and_reads_no_payload(
    tmp_path: Path, home: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = install(old, str(home))
    before = traces(tmp_path)
    with (home / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(PayloadReader, "read_stored", None)
        second: list[Installed] = []
        assert watchdog.ends(lambda: second.append(install(old, str(home)))) is None
    assert second == [Installed(first.path, "1.0.0", already=True, plain_bytes=0)]
    assert traces(tmp_path) == before


def test_an_update_switches_bin_and_leaves_the_old_version_as_it_is(
    tmp_path: Path, home: Path, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, str(home))
    before = traces(tmp_path / "home" / "versions" / os.path.basename(first.path))
    with (home / "bin/server").open("rb") as running:
        second = install(new, str(home), 2)
        assert running.read() == look(tmp_path / "old/components")["server"].content
    assert (second.already, second.version) == (False, "1.1.0")
    assert traces(tmp_path / "home" / "versions" / os.path.basename(first.path)) == before
    check_home(home, new, tmp_path / "new")
    assert len(list((home / "versions").iterdir())) == 2


def test_going_back_switches_bin_without_writing_a_file(
    tmp_path: Path, home: Path, old: PayloadReader, new: PayloadReader
) -> None:
    first = install(old, str(home))
    install(new, str(home))
    before = traces(home / "versions")
    back = install(old, str(home))
    assert back == Installed(first.path, "1.0.0", already=True, plain_bytes=0)
    assert traces(home / "versions") == before
    check_home(home, old, tmp_path / "old")


@pytest.mark.parametrize("path", ["server", "runner/lib/link.so", state.MANIFEST_NAME])
def test_a_damaged_version_is_replaced_beside_itself(
    tmp_path: Path, home: Path, old: PayloadReader, path: str
) -> None:
    first = install(old, str(home))
    (home / "bin" / path).unlink()
    damaged = traces(home / "versions" / os.path.basename(first.path))
    second = install(old, str(home))
    assert not second.already
    assert re.fullmatch(re.escape(first.path) + r"\.r[0-9a-f]{4}", second.path)
    assert traces(home / "versions" / os.path.basename(first.path)) == damaged
    check_home(home, old, tmp_path / "old")
    # The sound one of two of that name is found again, without bin.
    (home / "bin").unlink()
    assert install(old, str(home)) == Installed(second.path, "1.0.0", already=True, plain_bytes=0)


def test_a_bin_that_is_a_directory_is_moved_aside_with_all_that_is_in_it(
    tmp_path: Path, home: Path, old: PayloadReader
) -> None:
    mine = write_tree(home / "bin", {"server": File(b"of an older program", 0o755)})
    kept = look(mine)
    mine.chmod(0o555)
    install(old, str(home))
    check_home(home, old, tmp_path / "old")
    (aside,) = home.glob("bin.old-*")
    assert look(aside) == kept
    assert aside.stat().st_mode & 0o777 == 0o555
    aside.chmod(0o755)


@pytest.mark.parametrize("target", ["/nowhere", "bin", "versions/v0-gone", "."])
def test_a_bin_that_leads_nowhere_or_elsewhere_is_replaced(
    tmp_path: Path, home: Path, old: PayloadReader, target: str
) -> None:
    home.mkdir()
    (home / "bin").symlink_to(target)
    install(old, str(home))
    check_home(home, old, tmp_path / "old")


def test_leftovers_of_killed_attempts_are_swept_and_no_link_is_followed(
    tmp_path: Path, home: Path, old: PayloadReader
) -> None:
    victim = write_tree(tmp_path / "victim", {"file": File(b"kept", 0o600)})
    kept = look(victim)
    write_tree(
        home / "staging/0123456789abcdef/version",
        {"server": File(b"half", 0o000), "out": Symlink(str(victim)), "bin": Symlink("..")},
    )
    (home / "staging/bin").symlink_to("versions/v0.9.0-killed")
    (home / "staging/out").symlink_to(victim)
    (home / "staging/file").write_bytes(b"?")
    (home / "staging/0123456789abcdef/version").chmod(0o555)
    install(old, str(home))
    check_home(home, old, tmp_path / "old")
    assert look(victim) == kept


def test_a_payload_for_another_machine_is_refused_before_anything_is_made(
    tmp_path: Path, home: Path
) -> None:
    with open_product(tmp_path / "other", platform=OTHER_PLATFORM) as reader:
        with pytest.raises(WrongPlatformError) as caught:
            install(reader, str(home))
        assert (caught.value.expected, caught.value.found) == (this_platform(), OTHER_PLATFORM)
    assert not home.exists()


def test_a_lack_of_space_is_told_before_anything_is_written(
    tmp_path: Path,
    home: Path,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(old, str(home))
    real = os.statvfs(home)
    free_bytes = [0]

    class Status(NamedTuple):
        f_bavail: int
        f_frsize: int

    monkeypatch.setattr(os, "statvfs", lambda _path: Status(free_bytes[0] // 512, 512))
    with pytest.raises(NoSpaceError) as caught:
        install(new, str(home))
    assert caught.value.found == "0"
    needed_bytes = int(re.sub(r"\D", "", caught.value.expected or ""))
    assert needed_bytes > new.index.plain_bytes
    check_home(home, old, tmp_path / "old")
    free_bytes[0] = needed_bytes - 1
    with pytest.raises(NoSpaceError):
        install(new, str(home))
    free_bytes[0] = needed_bytes + 511
    install(new, str(home))
    check_home(home, new, tmp_path / "new")
    assert real.f_frsize > 0


@pytest.mark.parametrize("failing", ["home", "versions", "staging", ".lock"])
def test_a_home_that_cannot_be_written_to_is_told(
    home: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch, failing: str
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
        install(old, str(home))


def test_a_lock_that_the_file_system_does_not_know_is_told_with_its_path(
    home: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available") as caught:
        install(old, str(home))
    assert caught.value.filename == str(home / ".lock")


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_damaged_payload_changes_nothing(
    tmp_path: Path, home: Path, old: PayloadReader, jobs: int
) -> None:
    install(old, str(home))
    payload = bytearray(write_payload(tmp_path / "damaged", product(5)).read_bytes())
    payload[dissect(bytes(payload)).index.frames[-1].stored_offset] ^= 1
    before = traces(home / "versions")
    with pytest.raises(IntegrityError):
        install(PayloadReader(MemorySource(bytes(payload))), str(home), jobs)
    check_home(home, old, tmp_path / "old")
    assert traces(home / "versions") == before


@pytest.mark.parametrize("call", ["symlink", "replace"])
def test_an_error_while_publishing_leaves_bin_and_no_leftover(
    tmp_path: Path,
    home: Path,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    install(old, str(home))
    real = getattr(os, call)

    def refuse(source: str, target: str) -> None:
        if os.path.basename(target) == "bin":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(NoSpaceError):
            install(new, str(home))
    check_home(home, old, tmp_path / "old")
    # The version is complete: the next attempt has only to switch.
    assert install(new, str(home)).already
    check_home(home, new, tmp_path / "new")


def test_a_listener_that_gives_up_leaves_the_old_version(
    tmp_path: Path, home: Path, old: PayloadReader, new: PayloadReader
) -> None:
    install(old, str(home))

    def give_up(event: events.Event) -> None:
        if isinstance(event, events.Advanced):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(new, str(home), 1, give_up)
    check_home(home, old, tmp_path / "old")


def test_one_that_waited_finds_what_the_other_has_installed(
    tmp_path: Path, home: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
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
            outcome.append(install(reader, str(home), 1, listen))

    thread = threading.Thread(target=second, daemon=True)

    def first(event: events.Event) -> None:
        if isinstance(event, events.Started):
            thread.start()
            watchdog.wait(waits)

    done = install(old, str(home), 1, first)
    thread.join(watchdog.SECONDS)
    assert heard == [events.Waiting(str(home))]
    assert outcome == [done._replace(already=True, plain_bytes=0)]
    assert replaced == [str(home / "bin")]
    assert len(list((home / "versions").iterdir())) == 1
    check_home(home, old, tmp_path / "old")


def test_of_many_processes_at_once_one_extracts_and_all_agree(
    tmp_path: Path, home: Path, old: PayloadReader
) -> None:
    home.mkdir()
    with contextlib.ExitStack() as stack:
        # Held until all are there, so that they really meet.
        lock = stack.enter_context((home / ".lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ("install", tmp_path / "old/payload", "--home", home)
        processes: list[subprocess.Popen[str]] = []
        for _ in range(8):
            process = commands.start("stigmer-extract", *words)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stderr is not None
            assert process.stderr.readline() == (f"waiting for another installation into {home}\n")
        fcntl.flock(lock, fcntl.LOCK_UN)
        outcomes = [commands.finish(process) for process in processes]
    assert [outcome.status for outcome in outcomes] == [0] * 8
    (version,) = (home / "versions").iterdir()
    said = sorted(outcome.out.partition(" (")[0].strip() for outcome in outcomes)
    assert said == [f"1.0.0 is installed: {version}"] * 7 + [f"installed 1.0.0: {version}"]
    assert sum("extracting" in outcome.err for outcome in outcomes) == 1
    check_home(home, old, tmp_path / "old")


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("linux", "x86_64", "linux-amd64"),
        ("linux", "aarch64", "linux-arm64"),
        ("darwin", "arm64", "darwin-arm64"),
        ("darwin", "x86_64", "darwin-amd64"),
        ("win32", "AMD64", "windows-amd64"),
        ("freebsd14", "riscv64", "freebsd14-riscv64"),
    ],
)
def test_machines_are_called_as_payloads_call_them(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, platform: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    fields = ("s", "n", "r", "v", machine)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(fields))
    assert this_platform() == platform
