"""What would make an installation fail: found before anything is written, each with its remedy."""

from __future__ import annotations

import os
import resource
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from container.errors import (
    InstallError,
    NoSpaceError,
    NotExecutableError,
    NotWritableError,
    UnsuitableHomeError,
    WrongPlatformError,
)
from extractor import preflight
from extractor.home import Home
from extractor.install import install
from extractor.preflight import this_platform
from tests.support.homes import check_home, in_namespace, traces
from tests.support.payloads import file_entry, tree_index
from tests.support.samples import open_product

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from container.reader import PayloadReader

OTHER_PLATFORM = "darwin-arm64" if this_platform() != "darwin-arm64" else "linux-amd64"
OTHER_HOME = "choose another home with STIGMER_HOME"


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


def make_home(home: Home) -> None:
    for path in (home.path, home.versions, home.staging):
        os.mkdir(path, 0o755)


class Problem(NamedTuple):
    """Something that is in the way, and what is said about it."""

    arrange: Callable[[Home, pytest.MonkeyPatch], object]
    kind: type[InstallError]
    what: str
    where: Callable[[Home], str | None]
    expected: str | None
    found: str | None
    remedy: Callable[[Home], str]


def other_owner(home: Home, patch: pytest.MonkeyPatch) -> None:
    make_home(home)
    patch.setattr(os, "geteuid", lambda: 4321)


def replaced_by_file(place: Callable[[Home], str]) -> Callable[[Home, pytest.MonkeyPatch], None]:
    def arrange(home: Home, patch: pytest.MonkeyPatch) -> None:
        if place(home) != home.path:
            os.mkdir(home.path)
        os.close(os.open(place(home), os.O_CREAT))

    return arrange


def linked(place: Callable[[Home], str], target: str) -> Callable[[Home, pytest.MonkeyPatch], None]:
    def arrange(home: Home, patch: pytest.MonkeyPatch) -> None:
        if place(home) != home.path:
            os.mkdir(home.path)
        os.symlink(target, place(home))

    return arrange


def open_to_all(place: Callable[[Home], str]) -> Callable[[Home, pytest.MonkeyPatch], None]:
    def arrange(home: Home, patch: pytest.MonkeyPatch) -> None:
        make_home(home)
        os.chmod(place(home), 0o777)

    return arrange


def refused(place: Callable[[Home], str]) -> Callable[[Home, pytest.MonkeyPatch], None]:
    """The superuser may do everything, so the refusal is put in by hand."""

    def arrange(home: Home, patch: pytest.MonkeyPatch) -> None:
        make_home(home)
        os.close(os.open(home.lock, os.O_CREAT, 0o600))
        real = os.access
        patch.setattr(os, "access", lambda path, mode: path != place(home) and real(path, mode))

    return arrange


def refused_above(home: Home, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "access", lambda path, mode: False)


def few_files(home: Home, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resource, "getrlimit", lambda _: (64, 100))


def short_paths(home: Home, patch: pytest.MonkeyPatch) -> None:
    limits = {"PC_NAME_MAX": 255, "PC_PATH_MAX": 30}
    patch.setattr(os, "pathconf", lambda path, name: limits[name])


def short_names(home: Home, patch: pytest.MonkeyPatch) -> None:
    limits = {"PC_NAME_MAX": 12, "PC_PATH_MAX": 4096}
    patch.setattr(os, "pathconf", lambda path, name: limits[name])


LONGEST = "staging/0123456789abcdef/version/runner/closed/inside"
MOVE_IT = "move it away, and start again"

PROBLEMS: dict[str, Problem] = {
    "a home that is a file": Problem(
        replaced_by_file(lambda home: home.path),
        UnsuitableHomeError,
        "not a directory",
        lambda home: home.path,
        None,
        None,
        lambda home: MOVE_IT,
    ),
    "versions that are a file": Problem(
        replaced_by_file(lambda home: home.versions),
        UnsuitableHomeError,
        "not a directory",
        lambda home: home.versions,
        None,
        None,
        lambda home: MOVE_IT,
    ),
    "staging that leads elsewhere": Problem(
        linked(lambda home: home.staging, "/tmp"),
        UnsuitableHomeError,
        "not a directory",
        lambda home: home.staging,
        None,
        None,
        lambda home: MOVE_IT,
    ),
    "a home that leads nowhere": Problem(
        linked(lambda home: home.path, "nowhere"),
        UnsuitableHomeError,
        "a link that leads nowhere",
        lambda home: home.path,
        None,
        None,
        lambda home: f"remove it: rm {home.path}",
    ),
    "somebody else's": Problem(
        other_owner,
        UnsuitableHomeError,
        "belongs to another user",
        lambda home: home.path,
        "user 4321",
        f"user {os.geteuid()}",
        lambda home: (
            "start as that user (without sudo), give it back with "
            f"`sudo chown -R $(id -u) {home.path}`, or {OTHER_HOME}"
        ),
    ),
    "a home that all may write to": Problem(
        open_to_all(lambda home: home.path),
        UnsuitableHomeError,
        "everybody can write to it, and so replace the programs in it",
        lambda home: home.path,
        None,
        None,
        lambda home: f"close it: chmod o-w {home.path}",
    ),
    "versions that all may write to": Problem(
        open_to_all(lambda home: home.versions),
        UnsuitableHomeError,
        "everybody can write to it, and so replace the programs in it",
        lambda home: home.versions,
        None,
        None,
        lambda home: f"close it: chmod o-w {home.versions}",
    ),
    "a home that may not be written to": Problem(
        refused(lambda home: home.path),
        NotWritableError,
        "cannot be written to: Permission denied",
        lambda home: home.path,
        None,
        None,
        lambda home: f"make it yours with `sudo chown -R $(id -u) {home.path}`, or {OTHER_HOME}",
    ),
    "a lock that root has left": Problem(
        refused(lambda home: home.lock),
        NotWritableError,
        "cannot be written to: Permission denied",
        lambda home: home.lock,
        None,
        None,
        lambda home: f"make it yours with `sudo chown -R $(id -u) {home.path}`, or {OTHER_HOME}",
    ),
    "no home, and none can be made": Problem(
        refused_above,
        NotWritableError,
        "cannot be written to: Permission denied",
        lambda home: os.path.dirname(home.path),
        None,
        None,
        # Never: sudo chown -R of a directory that is not ours, such as /opt.
        lambda home: OTHER_HOME,
    ),
    "too few files may be open": Problem(
        few_files,
        UnsuitableHomeError,
        "too few files may be open at once",
        lambda home: None,
        "at least 128",
        "100",
        lambda home: "raise the limit: ulimit -n 128",
    ),
    "a path that is too long": Problem(
        short_paths,
        UnsuitableHomeError,
        "a path would be longer than this system allows",
        lambda home: os.path.join(home.path, LONGEST),
        "at most 30 bytes",
        "*",
        lambda home: "choose a home with a shorter path, with STIGMER_HOME",
    ),
    "a name that is too long": Problem(
        short_names,
        UnsuitableHomeError,
        "a name is longer than this file system allows",
        lambda home: "v1.0.0-01234567.r0123",
        "at most 12 bytes",
        "21",
        lambda home: "choose a home on another file system, with STIGMER_HOME",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_told_with_its_remedy_before_anything_is_written(
    tmp_path: Path, home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    problem = PROBLEMS[name]
    problem.arrange(home, monkeypatch)
    before = traces(tmp_path)
    with pytest.raises(InstallError) as caught:
        install(old, home)
    error = caught.value
    assert type(error) is problem.kind
    assert (error.what, error.where, error.remedy) == (
        problem.what,
        problem.where(home),
        problem.remedy(home),
    )
    assert error.expected == problem.expected
    assert problem.found in (error.found, "*")
    assert traces(tmp_path) == before


def test_a_payload_for_another_machine_is_refused_before_anything_is_made(
    tmp_path: Path, home: Home
) -> None:
    with open_product(tmp_path / "other", platform=OTHER_PLATFORM) as reader:
        with pytest.raises(WrongPlatformError) as caught:
            install(reader, home)
        assert (caught.value.expected, caught.value.found) == (this_platform(), OTHER_PLATFORM)
        assert caught.value.remedy == "fetch the release for this machine"
    assert not os.path.lexists(home.path)


def test_a_home_that_is_a_link_to_another_disk_is_a_home(
    tmp_path: Path, home: Home, old: PayloadReader
) -> None:
    (tmp_path / "disk").mkdir()
    os.symlink("disk", home.path)
    install(old, home)
    check_home(home, old, tmp_path / "old")


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775])
def test_a_group_may_share_a_home(
    tmp_path: Path, home: Home, old: PayloadReader, mode: int
) -> None:
    make_home(home)
    os.chmod(home.path, mode)
    install(old, home)
    check_home(home, old, tmp_path / "old")


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_a_home_that_is_made_is_closed_to_others_whatever_the_umask(
    home: Home, old: PayloadReader, mask: int
) -> None:
    before = os.umask(mask)
    try:
        install(old, home)
    finally:
        os.umask(before)
    for path in (home.path, home.versions, home.staging, home.version_path(home.current() or "")):
        assert stat.S_IMODE(os.stat(path).st_mode) & ~mask & 0o022 == 0
    assert stat.S_IMODE(os.stat(home.lock).st_mode) == 0o600


def test_the_longest_path_is_counted_to_the_byte(
    home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"PC_NAME_MAX": 255, "PC_PATH_MAX": len(os.path.join(home.path, LONGEST)) + 1}
    monkeypatch.setattr(os, "pathconf", lambda path, name: limits[name])
    preflight.check_path_length(home, old.index)
    limits["PC_PATH_MAX"] -= 1
    with pytest.raises(UnsuitableHomeError):
        preflight.check_path_length(home, old.index)


def test_a_long_version_lengthens_the_paths_too(
    home: Home, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise all is staged, and what is published then has paths that nobody can use."""
    version = "1.0.0-" + "x" * 100
    index = old.index._replace(metadata=old.index.metadata._replace(version=version))
    longest = f"versions/v{version}-01234567.r0123/runner/closed/inside"
    limits = {"PC_NAME_MAX": 255, "PC_PATH_MAX": len(os.path.join(home.path, longest)) + 1}
    monkeypatch.setattr(os, "pathconf", lambda path, name: limits[name])
    preflight.check_path_length(home, index)
    limits["PC_PATH_MAX"] -= 1
    with pytest.raises(UnsuitableHomeError, match="versions/v1"):
        preflight.check_path_length(home, index)


def test_lengths_are_counted_in_bytes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tree_index([file_entry("日" * 20)])
    limits = {"PC_NAME_MAX": 59, "PC_PATH_MAX": 4096}
    monkeypatch.setattr(os, "pathconf", lambda path, name: limits[name])
    with pytest.raises(UnsuitableHomeError) as caught:
        preflight.check_path_length(home, index)
    assert (caught.value.where, caught.value.found) == ("日" * 20, "60")
    limits["PC_NAME_MAX"] = 60
    preflight.check_path_length(home, index)


def test_this_systems_own_limits_are_asked_for(tmp_path: Path, old: PayloadReader) -> None:
    deep = tmp_path
    while len(str(deep)) < os.pathconf(tmp_path, "PC_PATH_MAX") - 300:
        deep /= "d" * 200
    preflight.check_path_length(Home(str(deep)), old.index)
    with pytest.raises(UnsuitableHomeError, match="longer than this system allows"):
        preflight.check_path_length(Home(str(deep / ("e" * 250))), old.index)


INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (128, 128, None),
        (1024, 4096, None),
        (INFINITE, INFINITE, None),
        (64, 128, (128, 128)),
        (64, 4096, (128, 4096)),
        (64, INFINITE, (128, INFINITE)),
    ],
)
def test_a_soft_limit_of_open_files_is_raised_where_it_is_the_only_obstacle(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: tuple[int, int] | None
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    preflight.check_descriptors()
    assert asked == [raised] * (raised is not None)


class Disk(NamedTuple):
    """What ``statvfs`` tells of a file system."""

    f_bavail: int
    f_favail: int = 1000
    f_files: int = 1000
    f_frsize: int = 4096
    f_flag: int = 0


def test_space_is_counted_to_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents, half a block for each file, and a margin for directories."""
    needed = 1_000_000 + 10 * 2048 + (4 << 20)
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(needed // 4096))
    with pytest.raises(NoSpaceError) as caught:
        preflight.check_space("/place", 1_000_000, 10)
    error = caught.value
    assert (error.what, error.where) == ("not enough space; nothing was written", "/place")
    assert (error.expected, error.found) == (f"{needed} bytes free", f"{needed // 4096 * 4096}")
    assert error.remedy == f"free some space and start again, or {OTHER_HOME}"
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(needed // 4096 + 1))
    preflight.check_space("/place", 1_000_000, 10)


def test_inodes_are_counted_where_there_is_a_number_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(1 << 30, f_favail=9))
    with pytest.raises(NoSpaceError) as caught:
        preflight.check_space("/place", 0, 10)
    error = caught.value
    assert (error.what, error.where) == ("not enough inodes; nothing was written", "/place")
    assert (error.expected, error.found) == ("10 free", "9")
    assert error.remedy == f"remove some files and start again, or {OTHER_HOME}"
    preflight.check_space("/place", 0, 9)
    # btrfs has no fixed number of them, and says 0.
    monkeypatch.setattr(os, "statvfs", lambda _: Disk(1 << 30, f_favail=0, f_files=0))
    preflight.check_space("/place", 0, 10)


def test_an_upgrade_asks_only_for_the_space_that_it_takes(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(old, home)
    asked: list[tuple[str, int, int]] = []
    monkeypatch.setattr(preflight, "check_space", lambda *words: asked.append(words))
    done = install(new, home)
    assert done.shared_bytes > 0
    assert asked == [(home.staging, done.plain_bytes, len(new.index.entries))]


def test_a_lack_of_space_leaves_what_was_there(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(old, home)
    before = traces(tmp_path / "home/versions")
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _: Disk(0))
        with pytest.raises(NoSpaceError, match="not enough space; nothing was written"):
            install(new, home)
    assert traces(tmp_path / "home/versions") == before
    check_home(home, old, tmp_path / "old")


def test_a_probe_says_whether_programs_run_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preflight.check_executable(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(NotExecutableError) as caught:
        preflight.check_executable(str(tmp_path))
    assert caught.value.where == str(tmp_path)
    assert caught.value.remedy == "choose a home on another file system, with STIGMER_HOME"
    assert list(tmp_path.iterdir()) == []


def test_a_probe_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="probe-"):
        preflight.check_executable(str(tmp_path / "nothing"))


COMMAND = "from extractor.main import main; main()"


class Mount(NamedTuple):
    """A real file system that refuses."""

    options: str
    status: int
    text: str
    left: list[str]
    """What is in the home afterwards."""


MOUNTS = {
    "noexec": Mount(
        "noexec",
        NotExecutableError.exit_code,
        "programs cannot be run from there: the file system is mounted noexec",
        [".lock", "staging", "versions"],
    ),
    "read-only": Mount("ro", NotWritableError.exit_code, "the file system is read-only", []),
    "small": Mount(
        "size=64k",
        NoSpaceError.exit_code,
        "not enough space; nothing was written",
        [".lock", "staging", "versions"],
    ),
    "no inodes": Mount(
        "nr_inodes=8",
        NoSpaceError.exit_code,
        "not enough inodes; nothing was written",
        [".lock", "staging", "versions"],
    ),
}


@pytest.mark.parametrize("name", MOUNTS)
def test_a_real_file_system_that_refuses_is_told_and_left_as_it_was(
    tmp_path: Path, old: PayloadReader, name: str
) -> None:
    mount = MOUNTS[name]
    (tmp_path / "disk").mkdir()
    done = in_namespace(
        'mount -t tmpfs -o "$3" none "$1"\n'
        '"$PYTHON" -c "$CODE" install "$2" --home "$1/home" || echo "status $?"\n'
        'if [ -d "$1/home" ]; then find "$1/home" -mindepth 1 -printf "%P\\n" | sort; fi\n',
        tmp_path / "disk",
        old.source.name,
        mount.options,
        python=COMMAND,
    )
    assert done.returncode == 0, done
    status, *left = done.stdout.splitlines()
    assert status == f"status {mount.status}", done
    assert left == mount.left
    assert done.stderr.startswith(f"error: {tmp_path}/disk"), done.stderr
    assert mount.text in done.stderr
    assert "STIGMER_HOME" in done.stderr


def test_every_check_runs_in_the_order_in_which_it_is_told(home: Home, old: PayloadReader) -> None:
    names = ["platform", "home", "writable", "path length", "open files"]
    rows = list(preflight.checks(home, this_platform(), old.index))
    assert [name for name, _ in rows] == names
    for _, run in rows:
        run()
    assert [name for name, _ in preflight.checks(home, None, None)] == [
        "home",
        "writable",
        "open files",
    ]
    assert not os.path.lexists(home.path)
