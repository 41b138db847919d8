"""Files on disk: created and never opened, exact modes, errors that say what and where."""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from container.errors import NoSpaceError, NotWritableError
from container.model import EntryKind
from extractor.destinations import DirectoryDestination, explained
from tests.support import watchdog
from tests.support.payloads import directory_entry, file_entry, symlink_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from container.model import Entry


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


@pytest.fixture
def destination(root: Path) -> DirectoryDestination:
    return DirectoryDestination(str(root))


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def hardlink_entry(path: str, target: str) -> Entry:
    return file_entry(path)._replace(kind=int(EntryKind.HARDLINK), link=target)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o644, 0o600, 0o444, 0o400, 0o000])
def test_a_file_has_exactly_its_mode(
    destination: DirectoryDestination, root: Path, umask: int, mode: int
) -> None:
    descriptor = destination.create_file(file_entry("file", mode=mode))
    # Writable all the same: a descriptor is not asked for the mode again.
    destination.write(descriptor, memoryview(b"content"), 0)
    destination.close_file(descriptor)
    assert mode_of(root / "file") == mode
    (root / "file").chmod(0o600)
    assert (root / "file").read_bytes() == b"content"


@pytest.mark.parametrize("mode", [0o777, 0o644, 0o444, 0o000])
def test_a_file_that_is_written_whole_has_its_mode_and_its_contents(
    destination: DirectoryDestination,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    umask: int,
    mode: int,
) -> None:
    closed: list[int] = []
    real = os.close

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "close", close)
    destination.write_file(file_entry("file", mode=mode), memoryview(b"content"))
    assert len(closed) == 1
    assert mode_of(root / "file") == mode
    (root / "file").chmod(0o600)
    assert (root / "file").read_bytes() == b"content"


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o555, 0o700])
def test_a_directory_gets_its_mode_at_the_end_and_is_private_until_then(
    destination: DirectoryDestination, root: Path, umask: int, mode: int
) -> None:
    destination.make_directory(directory_entry("dir", mode))
    assert mode_of(root / "dir") == 0o700
    destination.finish_directory(directory_entry("dir", mode))
    assert mode_of(root / "dir") == mode
    (root / "dir").chmod(0o700)


def test_links_are_written_as_they_are(destination: DirectoryDestination, root: Path) -> None:
    descriptor = destination.create_file(file_entry("file"))
    destination.write(descriptor, memoryview(b"shared"), 0)
    destination.close_file(descriptor)
    destination.make_symlink(symlink_entry("dangling", "no/such/file"))
    destination.make_hardlink(hardlink_entry("second", "file"))
    assert os.readlink(root / "dangling") == "no/such/file"
    assert (root / "second").samefile(root / "file")


def test_writes_go_to_their_offsets_in_any_order(
    destination: DirectoryDestination, root: Path
) -> None:
    descriptor = destination.create_file(file_entry("file"))
    destination.write(descriptor, memoryview(b"later"), 7)
    destination.write(descriptor, memoryview(b"sooner "), 0)
    with destination.map_file(descriptor) as mapped:
        assert mapped[:] == b"sooner later"
    destination.close_file(descriptor)
    assert (root / "file").read_bytes() == b"sooner later"


def test_a_scratch_file_has_no_name_and_can_be_mapped(
    destination: DirectoryDestination, root: Path
) -> None:
    descriptor = destination.create_scratch()
    assert list(root.iterdir()) == []
    destination.write(descriptor, memoryview(b"for a moment"), 0)
    with destination.map_file(descriptor) as mapped:
        assert mapped[:] == b"for a moment"
    destination.close_file(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_scratch_files_of_several_workers_do_not_meet(
    destination: DirectoryDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All stand in ``open`` at once, so that one name taken twice is found."""
    barrier = threading.Barrier(8)
    real = os.open

    def meet(path: str, flags: int, mode: int) -> int:
        watchdog.wait(barrier)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", meet)
    found: list[int | BaseException] = []

    def create() -> None:
        try:
            found.append(destination.create_scratch())
        except OSError as error:
            found.append(error)

    threads = [threading.Thread(target=create, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(watchdog.SECONDS)
    descriptors = [each for each in found if isinstance(each, int)]
    for descriptor in descriptors:
        os.close(descriptor)
    assert len(descriptors) == 8


def plant(root: Path, how: str) -> Path:
    """Something at the name ``root/entry``; returns what must stay as it is."""
    victim = root.parent / "victim"
    victim.write_bytes(b"untouched")
    victim.chmod(0o640)
    if how == "file":
        os.link(victim, root / "entry")
    elif how == "symlink":
        (root / "entry").symlink_to(victim)
    elif how == "dangling":
        (root / "entry").symlink_to(root.parent / "new")
    else:
        (root / "entry").mkdir()
    return victim


@pytest.mark.parametrize("how", ["file", "symlink", "dangling", "directory"])
@pytest.mark.parametrize("kind", ["file", "whole", "directory", "symlink", "hardlink"])
def test_what_stands_there_is_never_opened(
    destination: DirectoryDestination, root: Path, kind: str, how: str
) -> None:
    victim = plant(root, how)
    (root / "target").write_bytes(b"of a hardlink")
    creators: dict[str, Callable[[], object]] = {
        "file": lambda: destination.create_file(file_entry("entry")),
        "whole": lambda: destination.write_file(file_entry("entry"), memoryview(b"x")),
        "directory": lambda: destination.make_directory(directory_entry("entry")),
        "symlink": lambda: destination.make_symlink(symlink_entry("entry", "elsewhere")),
        "hardlink": lambda: destination.make_hardlink(hardlink_entry("entry", "target")),
    }
    with pytest.raises(FileExistsError) as caught:
        creators[kind]()
    assert str(root / "entry") in (caught.value.filename, caught.value.filename2)
    assert (victim.read_bytes(), mode_of(victim)) == (b"untouched", 0o640)
    assert not (root.parent / "new").exists()


def test_a_hardlink_to_a_symlink_does_not_follow_it(
    destination: DirectoryDestination, root: Path
) -> None:
    victim = plant(root, "symlink")
    destination.make_hardlink(hardlink_entry("second", "entry"))
    assert (root / "second").is_symlink()
    assert victim.stat().st_nlink == 1


def test_a_planted_scratch_name_is_not_opened_either(
    destination: DirectoryDestination, root: Path
) -> None:
    victim = root.parent / "victim"
    victim.write_bytes(b"untouched")
    (root / ".scratch-1").symlink_to(victim)
    with pytest.raises(FileExistsError):
        destination.create_scratch()
    assert victim.read_bytes() == b"untouched"


def test_short_writes_are_completed(
    destination: DirectoryDestination, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, sizes = os.pwrite, []

    def write_three(descriptor: int, data: memoryview, offset: int) -> int:
        sizes.append(len(data))
        return pwrite(descriptor, data[:3], offset)

    descriptor = destination.create_file(file_entry("file"))
    monkeypatch.setattr(os, "pwrite", write_three)
    destination.write(descriptor, memoryview(b"0123456789"), 2)
    destination.close_file(descriptor)
    assert sizes == [10, 7, 4, 1]
    assert (root / "file").read_bytes() == b"\0\x000123456789"
    destination.write_file(file_entry("whole"), memoryview(b"0123456789"))
    assert sizes == [10, 7, 4, 1] * 2
    assert (root / "whole").read_bytes() == b"0123456789"


def test_no_call_writes_as_much_as_a_huge_page(
    destination: DirectoryDestination, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, sizes = os.pwrite, []

    def counted(descriptor: int, data: memoryview, offset: int) -> int:
        sizes.append(len(data))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", counted)
    plain = bytes(range(256)) * ((2 << 20) // 256) + b"end"
    destination.write_file(file_entry("whole"), memoryview(plain))
    descriptor = destination.create_file(file_entry("file"))
    destination.write(descriptor, memoryview(plain), 2)
    destination.close_file(descriptor)
    assert max(sizes) < 2 << 20
    assert (root / "whole").read_bytes() == plain
    assert (root / "file").read_bytes() == b"\0\0" + plain


def test_a_write_that_fails_holds_no_part_of_the_file_that_its_bytes_come_from(
    destination: DirectoryDestination, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "source").write_bytes(bytes(1 << 20))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", full)
    descriptor = destination.open_file(file_entry("source"))
    with (
        pytest.raises(NoSpaceError) as caught,
        destination.map_file(descriptor) as mapped,
        memoryview(mapped) as view,
    ):
        destination.write_file(file_entry("copy"), view)
    destination.close_file(descriptor)
    assert mapped.closed
    assert caught.value.__traceback__ is not None


CALLS: dict[str, Callable[[DirectoryDestination], object]] = {
    "mkdir": lambda d: d.make_directory(directory_entry("entry")),
    "open": lambda d: d.create_file(file_entry("entry")),
    "fchmod": lambda d: d.create_file(file_entry("entry")),
    "symlink": lambda d: d.make_symlink(symlink_entry("entry", "target")),
    "link": lambda d: d.make_hardlink(hardlink_entry("entry", "target")),
    "chmod": lambda d: d.finish_directory(directory_entry("entry")),
}
ERRORS = {
    errno.ENOSPC: NoSpaceError,
    errno.EDQUOT: NoSpaceError,
    errno.EACCES: NotWritableError,
    errno.EPERM: NotWritableError,
    errno.EROFS: NotWritableError,
    errno.EIO: OSError,
}


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("call", CALLS)
def test_what_the_system_refuses_is_told_with_the_path(
    destination: DirectoryDestination,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(ERRORS[number]) as caught:
        CALLS[call](destination)
    assert str(root / "entry") in str(caught.value)
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, OSError)
    assert cause.errno == number


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("call", ["pwrite", "close"])
def test_an_error_of_a_descriptor_is_told_with_the_directory(
    destination: DirectoryDestination,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
) -> None:
    descriptor = destination.create_file(file_entry("entry"))
    with monkeypatch.context() as patch:
        real_close = os.close

        def refuse(*arguments: object) -> None:
            raise OSError(number, os.strerror(number))

        patch.setattr(os, call, refuse)
        calls = {
            "pwrite": lambda: destination.write(descriptor, memoryview(b"x"), 0),
            "close": lambda: destination.close_file(descriptor),
        }
        with pytest.raises(ERRORS[number], match="root"):
            calls[call]()
        real_close(descriptor)


def test_a_file_whose_mode_cannot_be_set_is_closed(
    destination: DirectoryDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    real = os.close

    def refuse(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fchmod", refuse)
    monkeypatch.setattr(os, "close", close)
    with pytest.raises(NotWritableError):
        destination.create_file(file_entry("entry"))
    assert len(closed) == 1


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("call", ["open", "fchmod", "pwrite", "close"])
def test_an_error_of_a_file_that_is_written_whole_is_told_with_its_path(
    destination: DirectoryDestination,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
) -> None:
    closed: list[int] = []
    real_close = os.close

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real_close(descriptor)

    def refuse(*arguments: int) -> None:
        if call == "close":
            close(*arguments)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close)
        patch.setattr(os, call, refuse)
        with pytest.raises(ERRORS[number]) as caught:
            destination.write_file(file_entry("entry"), memoryview(b"x"))
    assert str(root / "entry") in str(caught.value)
    assert len(closed) == (call != "open")


def test_an_error_that_has_a_path_keeps_it() -> None:
    error = OSError(errno.EIO, "Input/output error", "inner")
    assert explained(error, "outer") is error
    nameless = explained(OSError(errno.EIO, "Input/output error"), "outer")
    assert isinstance(nameless, OSError)
    assert (nameless.errno, nameless.filename) == (errno.EIO, "outer")


def test_the_texts_say_what_to_do() -> None:
    assert str(explained(OSError(errno.ENOSPC, "No space left on device"), "/home/x")) == (
        "/home/x: no space left on the file system or in the quota; "
        "free some space and start again; nothing was changed"
    )
    assert str(explained(OSError(errno.EROFS, "Read-only file system"), "/home/x")) == (
        "/home/x: cannot be written to: Read-only file system; "
        "choose another directory, or make this one yours"
    )


def test_a_file_that_is_there_is_opened_for_reading_only(
    destination: DirectoryDestination, root: Path
) -> None:
    (root / "there").write_bytes(b"content")
    descriptor = destination.open_file(file_entry("there"))
    try:
        assert os.pread(descriptor, 20, 0) == b"content"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.pwrite(descriptor, b"x", 0)
        assert not os.get_inheritable(descriptor)
    finally:
        destination.close_file(descriptor)


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_no_link_is_opened_in_place_of_a_file(
    destination: DirectoryDestination, root: Path, target: str
) -> None:
    (root / "there").write_bytes(b"content")
    (root / "link").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links") as caught:
        destination.open_file(file_entry("link"))
    assert caught.value.filename == str(root / "link")


def test_each_written_range_is_told_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int, int]] = []
    destination = DirectoryDestination(str(root), lambda *written: told.append(written))
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:3], at))
    descriptor = destination.create_file(file_entry("file"))
    destination.write(descriptor, memoryview(b"content"), 4)
    destination.close_file(descriptor)
    assert told == [(descriptor, 4, 7)]
    assert (root / "file").read_bytes() == bytes(4) + b"content"


@pytest.mark.parametrize(("size", "is_told"), [((64 << 10) - 1, False), (64 << 10, True)])
def test_of_files_that_are_written_whole_only_larger_ones_are_told(
    root: Path, size: int, is_told: bool
) -> None:
    told: list[tuple[int, ...]] = []
    destination = DirectoryDestination(
        str(root),
        lambda descriptor, *written: told.append((os.fstat(descriptor).st_size, *written)),
    )
    destination.write_file(file_entry("file"), memoryview(bytes(size)))
    assert told == [(size, 0, size)] * is_told


def test_a_listener_of_writes_that_fails_is_told_with_a_path(root: Path) -> None:
    def fail(_descriptor: int, _offset: int, _size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    destination = DirectoryDestination(str(root), fail)
    descriptor = destination.create_file(file_entry("file"))
    with pytest.raises(OSError, match="Input/output error") as caught:
        destination.write(descriptor, memoryview(b"content"), 0)
    assert caught.value.filename == str(root)
    destination.close_file(descriptor)
