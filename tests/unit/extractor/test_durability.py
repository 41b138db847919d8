"""What is asked of the kernel before a version is published, on each platform."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from container.errors import NoSpaceError
from extractor import durability, libc
from extractor.install import install
from tests.support.homes import check_home
from tests.support.trees import Directory, File, Symlink, write_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from container.reader import PayloadReader
    from extractor.home import Home
    from tests.support.trees import Tree

TREE: Tree = {
    "program": File(b"x" * 100, 0o755),
    "lib/inner/one": File(b"1", 0o444),
    "lib/two": File(b"2"),
    "link": Symlink("program"),
    "to-directory": Symlink("lib"),
    "dangling": Symlink("nowhere"),
    "hollow": Directory(),
}


class Calls:
    """Notes what is flushed, in order; paths are relative to ``root``."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = root
        self.made: list[tuple[str, str]] = []
        self.fail_at: str | None = None
        real, move = os.fsync, os.rename

        def fsync(descriptor: int) -> None:
            self.note("fsync", descriptor)
            real(descriptor)

        def rename(source: str, target: str) -> None:
            self.made.append(("rename", os.path.relpath(target, root)))
            move(source, target)

        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "rename", rename)

    def note(self, call: str, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        self.made.append((call, os.path.relpath(path, self.root)))
        if self.fail_at == call:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree", TREE)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch, tmp_path)


def fake_libc(patch: pytest.MonkeyPatch, **functions: object) -> None:
    """The only functions that the C library has."""
    patch.setattr(libc, "function", functions.get)


def test_one_call_settles_the_whole_tree(
    tree: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(durability, "_kernel", lambda: (5, 8))

    def syncfs(descriptor: int) -> int:
        calls.note("syncfs", descriptor)
        return 0

    fake_libc(monkeypatch, syncfs=syncfs)
    durability.flush_tree(str(tree))
    assert calls.made == [("syncfs", "tree")]


def check_each(made: list[tuple[str, str]], call: str = "fsync") -> None:
    """Every file, and every directory behind what is in it."""
    files = {"tree/program", "tree/lib/inner/one", "tree/lib/two"}
    directories = {"tree", "tree/lib", "tree/lib/inner", "tree/hollow"}
    order = [path for _, path in made]
    assert sorted(order) == sorted(files | directories)
    for path in directories:
        assert all(order.index(path) > order.index(x) for x in order if x.startswith(f"{path}/"))
    assert {path: how for how, path in made} == dict.fromkeys(files, "fsync") | dict.fromkeys(
        directories, call
    )


@pytest.mark.parametrize("why", ["no such call", "an old kernel", "another system"])
def test_where_one_call_is_not_enough_each_file_is_flushed(
    tree: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def syncfs(descriptor: int) -> int:
        raise AssertionError

    monkeypatch.setattr(sys, "platform", "freebsd14" if why == "another system" else "linux")
    monkeypatch.setattr(durability, "_kernel", lambda: (5, 7 if why == "an old kernel" else 8))
    fake_libc(monkeypatch, **({} if why == "no such call" else {"syncfs": syncfs}))
    durability.flush_tree(str(tree))
    check_each(calls.made)


@pytest.mark.parametrize("refused", [False, True])
def test_on_macos_directories_are_flushed_through_the_drives_cache(
    tree: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """The last call of all is one of those; what does not know them gets an fsync."""
    monkeypatch.setattr(sys, "platform", "darwin")
    fake_libc(monkeypatch)
    asked: list[int] = []

    def control(descriptor: int, command: int) -> int:
        assert command == 51
        asked.append(descriptor)
        if refused:
            raise OSError(errno.ENOTSUP, "Operation not supported")
        calls.note("F_FULLFSYNC", descriptor)
        return 0

    monkeypatch.setattr(fcntl, "fcntl", control)
    durability.flush_tree(str(tree))
    check_each(calls.made, "fsync" if refused else "F_FULLFSYNC")
    assert len(asked) == 4
    assert calls.made[-1][1] == "tree"


@pytest.mark.parametrize("each", [False, True])
def test_an_error_of_the_disk_is_raised(
    tree: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch, each: bool
) -> None:
    descriptors = os.listdir("/proc/self/fd")

    def syncfs(descriptor: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    calls.fail_at = "fsync"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(durability, "_kernel", lambda: (6, 0))
    fake_libc(monkeypatch, **({} if each else {"syncfs": syncfs}))
    with pytest.raises(OSError, match="Input/output error") as caught:
        durability.flush_tree(str(tree))
    assert caught.value.errno == errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        durability.flush_directory(str(tree))
    assert os.listdir("/proc/self/fd") == descriptors


def test_the_real_call_tells_the_real_error(tmp_path: Path) -> None:
    syncfs = durability._syncfs()
    if syncfs is None:
        assert sys.platform != "linux" or durability._kernel() < (5, 8)
        return
    descriptor = os.open(tmp_path, os.O_RDONLY)
    syncfs(descriptor)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        syncfs(descriptor)
    assert caught.value.errno == errno.EBADF


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.18.44-fc-v669", (6, 18)),
        ("5.8.0-rc1", (5, 8)),
        ("5.10", (5, 10)),
        ("4.19+", (4, 19)),
        ("5.x", (5, 0)),
    ],
)
def test_kernels_are_known_by_their_release(
    monkeypatch: pytest.MonkeyPatch, release: str, version: tuple[int, int]
) -> None:
    fields = ("Linux", "node", release, "#1", "x86_64")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(fields))
    assert durability._kernel() == version


def test_write_back_is_started_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, ...]] = []

    class Call:
        argtypes: Sequence[Any] = ()

        def __call__(self, *arguments: int) -> int:
            made.append(arguments)
            return -1  # as where the file system does not know it: a hint may fail

    call = Call()
    fake_libc(monkeypatch, sync_file_range=call)
    durability.write_back_starter()(7, 1 << 40, 5)
    assert made == [(7, 1 << 40, 5, 2)]
    # Offsets beyond 2 GiB need a width.
    assert list(call.argtypes[1:3]) == [ctypes.c_int64, ctypes.c_int64]
    fake_libc(monkeypatch)
    durability.write_back_starter()(7, 0, 5)
    monkeypatch.undo()
    with (tmp_path / "file").open("wb") as stream:
        durability.write_back_starter()(stream.fileno(), 0, 5)


def order_of(calls: Calls, home: Home) -> list[tuple[str, str]]:
    """Flushes and renames below the home, without the random names."""
    prefix = os.path.relpath(home.path, calls.root)
    shown = []
    for call, path in calls.made:
        if path == "." or path.startswith(prefix):
            place = os.path.relpath(path, prefix) if path != "." else "above"
            shown.append((call, place.split("/")[0] if place.startswith("staging") else place))
    return shown


def test_a_version_is_durable_before_it_has_its_name_and_its_name_before_bin_leads_to_it(
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    calls: Calls,
) -> None:
    monkeypatch.setattr(durability, "_kernel", lambda: (6, 0))
    replace = os.replace

    def syncfs(descriptor: int) -> int:
        calls.note("syncfs", descriptor)
        return 0

    def note_replace(source: str, target: str) -> None:
        calls.made.append(("replace", os.path.relpath(target, calls.root)))
        replace(source, target)

    fake_libc(monkeypatch, syncfs=syncfs)
    monkeypatch.setattr(os, "replace", note_replace)
    name = f"versions/{os.path.basename(install(old, home).path)}"
    transaction = [
        ("syncfs", "staging"),
        ("rename", name),
        ("fsync", "versions"),
        ("replace", "bin"),
        ("fsync", "."),
    ]
    # The home is new: so is its own name.
    assert order_of(calls, home) == [*transaction, ("fsync", "above")]
    calls.made.clear()
    name = f"versions/{os.path.basename(install(new, home).path)}"
    transaction[1] = ("rename", name)
    assert order_of(calls, home) == transaction


@pytest.mark.parametrize(
    ("call", "number", "kind"),
    [
        ("syncfs", errno.EIO, OSError),
        ("syncfs", errno.ENOSPC, NoSpaceError),
        ("flush", errno.EDQUOT, NoSpaceError),
        ("flush", errno.EIO, OSError),
    ],
)
def test_what_is_not_durable_is_not_published(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    kind: type[Exception],
) -> None:
    install(old, home)

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if call == "syncfs":
            patch.setattr(durability, "_syncfs", lambda: fail)
        else:
            patch.setattr(durability, "flush", fail)
        with pytest.raises(kind) as caught:
            install(new, home)
    # Told with a place, as every error of the system.
    assert home.path in str(caught.value)
    check_home(home, old, tmp_path / "old")
    install(new, home)
    check_home(home, new, tmp_path / "new")


def test_a_home_whose_parent_may_not_be_opened_is_installed_all_the_same(
    tmp_path: Path, home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if path == os.path.dirname(home.path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    install(old, home)
    check_home(home, old, tmp_path / "old")
