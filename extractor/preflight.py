"""What would make an installation fail, found before anything is written, each with its remedy."""

from __future__ import annotations

import os
import stat
import sys

from container.errors import (
    NoSpaceError,
    NotExecutableError,
    NotWritableError,
    UnsuitableHomeError,
    WrongPlatformError,
)
from container.typed import TYPE_CHECKING
from extractor.destinations import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from container.model import Index
    from extractor.home import Home

# Directories, block rounding and the record itself; measured below 1 % of a real installation.
_SPACE_MARGIN_BYTES = 4 << 20
# Each worker holds a file or two; the interpreter, the payload and the lock a dozen.
_DESCRIPTORS = 128
# Names of directories below the home, as one attempt, and then the version, get them.
_STAGE_PREFIX = "staging/0123456789abcdef/version/"
_VERSION_PREFIX = "versions/v{}-01234567.r0123/"

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}


def this_platform() -> str:
    """This machine, as in ``container.model.PLATFORMS``."""
    system = _SYSTEMS.get(sys.platform, sys.platform)
    machine = os.uname().machine.lower()
    return f"{system}-{_MACHINES.get(machine, machine)}"


def check(home: Home, platform: str | None, index: Index | None) -> None:
    """Refuse what cannot go well.

    Args:
        home: where it shall be installed; need not exist.
        platform: of the payload, None where there is none.
        index: of the payload, None where there is none.
    Raises:
        WrongPlatformError, UnsuitableHomeError, NotWritableError: the first problem.
    """
    for _, run in checks(home, platform, index):
        run()


def checks(
    home: Home, platform: str | None, index: Index | None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Each check by its name; it raises an ``InstallError`` where something is wrong."""
    if platform is not None:
        yield "platform", lambda: check_platform(platform)
    yield "home", lambda: check_home(home)
    yield "writable", lambda: check_writable(home)
    if index is not None:
        yield "path length", lambda: check_path_length(home, index)
    yield "open files", check_descriptors


def check_platform(platform: str) -> None:
    """The payload is for this machine.

    Raises:
        WrongPlatformError: it is not.
    """
    expected = this_platform()
    if platform != expected:
        raise WrongPlatformError(
            "the payload is for another platform",
            None,
            expected,
            platform,
            "fetch the release for this machine",
        )


def check_home(home: Home) -> None:
    """Nobody else can put programs into the home that this user will run.

    Raises:
        UnsuitableHomeError: the home or a directory of ours in it is somebody else's, can be
            written to by everybody, or is no directory.
    """
    for path in (home.path, home.versions, home.staging):
        try:
            # The home itself may be a link to another disk.
            status = os.stat(path) if path == home.path else os.lstat(path)
        except FileNotFoundError:
            if os.path.islink(path):
                raise UnsuitableHomeError(
                    "a link that leads nowhere", path, remedy=f"remove it: rm {path}"
                ) from None
            continue
        except OSError as error:
            raise explained(error, path) from error
        if not stat.S_ISDIR(status.st_mode):
            raise UnsuitableHomeError(
                "not a directory", path, remedy="move it away, and start again"
            )
        if status.st_uid != os.geteuid():
            raise UnsuitableHomeError(
                "belongs to another user",
                path,
                f"user {os.geteuid()}",
                f"user {status.st_uid}",
                "start as that user (without sudo), give it back with "
                f"`sudo chown -R $(id -u) {path}`, or choose another home with STIGMER_HOME",
            )
        if status.st_mode & stat.S_IWOTH:
            raise UnsuitableHomeError(
                "everybody can write to it, and so replace the programs in it",
                path,
                remedy=f"close it: chmod o-w {path}",
            )


def check_writable(home: Home) -> None:
    """The home can be written to, or made.

    Raises:
        NotWritableError: it cannot.
    """
    place = home.path
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    remedy = "choose another home with STIGMER_HOME"
    if place == home.path:
        # Of a directory that only holds the home nobody shall be told to take it over.
        remedy = f"make it yours with `sudo chown -R $(id -u) {place}`, or {remedy}"
    for path in (place, home.versions, home.staging, home.lock):
        if not os.path.lexists(path):
            continue
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            raise NotWritableError(
                "the file system is read-only",
                path,
                remedy="choose another home with STIGMER_HOME",
            )
        wanted = os.W_OK | os.X_OK if os.path.isdir(path) else os.W_OK
        if not os.access(path, wanted):
            raise NotWritableError(
                "cannot be written to: Permission denied",
                path,
                remedy=remedy,
            )


def check_path_length(home: Home, index: Index) -> None:
    """The longest path of the payload fits into this system's limits.

    Raises:
        UnsuitableHomeError: it does not.
    """
    place = home.path
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    name_limit = os.pathconf(place, "PC_NAME_MAX")
    path_limit = os.pathconf(place, "PC_PATH_MAX")
    version_prefix = _VERSION_PREFIX.format(index.metadata.version)
    prefix = os.path.join(home.path, max(_STAGE_PREFIX, version_prefix, key=len))
    paths = [entry.path for entry in index.entries]
    longest = max(paths, key=lambda path: len(os.fsencode(path)), default="")
    path_bytes = len(os.fsencode(prefix + longest)) + 1  # and the closing zero
    if path_bytes > path_limit:
        raise UnsuitableHomeError(
            "a path would be longer than this system allows",
            prefix + longest,
            f"at most {path_limit} bytes",
            str(path_bytes),
            "choose a home with a shorter path, with STIGMER_HOME",
        )
    names = [name for path in (version_prefix, *paths) for name in path.split("/")]
    name = max(names, key=lambda name: len(os.fsencode(name)), default="")
    if len(os.fsencode(name)) > name_limit:
        raise UnsuitableHomeError(
            "a name is longer than this file system allows",
            name,
            f"at most {name_limit} bytes",
            str(len(os.fsencode(name))),
            "choose a home on another file system, with STIGMER_HOME",
        )


def check_descriptors() -> None:
    """Enough files can be open at once; the soft limit is raised where it is the only obstacle.

    Raises:
        UnsuitableHomeError: the hard limit is too low.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _DESCRIPTORS:
        return
    if hard != resource.RLIM_INFINITY and hard < _DESCRIPTORS:
        raise UnsuitableHomeError(
            "too few files may be open at once",
            None,
            f"at least {_DESCRIPTORS}",
            str(hard),
            f"raise the limit: ulimit -n {_DESCRIPTORS}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, hard))


def check_space(directory: str, plain_bytes: int, file_count: int) -> None:
    """The file system has room for what will be written.

    Raises:
        NoSpaceError: too few bytes, or too few inodes where the file system counts them.
    """
    status = os.statvfs(directory)
    free_bytes = status.f_bavail * status.f_frsize
    # A file takes whole blocks: half of one is lost on average.
    needed_bytes = plain_bytes + file_count * status.f_frsize // 2 + _SPACE_MARGIN_BYTES
    if free_bytes < needed_bytes:
        raise NoSpaceError(
            "not enough space; nothing was written",
            directory,
            f"{needed_bytes} bytes free",
            str(free_bytes),
            "free some space and start again, or choose another home with STIGMER_HOME",
        )
    if status.f_files and status.f_favail < file_count:
        raise NoSpaceError(
            "not enough inodes; nothing was written",
            directory,
            f"{file_count} free",
            str(status.f_favail),
            "remove some files and start again, or choose another home with STIGMER_HOME",
        )


def check_executable(directory: str) -> None:
    """Programs in a directory can be run: a probe file says so, since mounts can forbid it.

    Source: access(2): X_OK is refused for a file on a file system that is mounted noexec.

    Raises:
        NotExecutableError: they cannot.
        InstallError, OSError: the probe cannot be written.
    """
    probe = os.path.join(directory, f"probe-{os.urandom(8).hex()}")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700))
    except OSError as error:
        raise explained(error, probe) from error
    try:
        runs = os.access(probe, os.X_OK)
    finally:
        os.unlink(probe)
    if not runs:
        raise NotExecutableError(
            "programs cannot be run from there: the file system is mounted noexec",
            directory,
            remedy="choose a home on another file system, with STIGMER_HOME",
        )
