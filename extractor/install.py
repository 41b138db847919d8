"""Install a payload's components into a home: stage, verify, publish with one rename.

::

    HOME/bin -> versions/v1.4.0-3f9c2a1b      replaced by one atomic rename
    HOME/versions/v1.4.0-3f9c2a1b/            the components, and .manifest
    HOME/staging/                             one directory for each attempt
    HOME/.lock                                held by the kernel: a dead process frees it

A version appears under its name only when it is complete and verified, and ``bin`` names it only
then. Nothing that exists is written to, so a running program keeps its file.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from container.errors import NoSpaceError, WrongPlatformError
from extractor import events, state
from extractor.destinations import DirectoryDestination, explained
from extractor.pipeline import Extraction
from extractor.plan import make_plan, select
from extractor.staging import move, remove, staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from container.reader import PayloadReader
    from extractor.events import Listener

# Directories, block rounding and the record itself; measured below 1 % of a real installation.
_SPACE_MARGIN_BYTES = 4 << 20
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}


class Installed(NamedTuple):
    """The outcome of ``install``."""

    path: str
    """The version's directory; ``HOME/bin`` leads to it."""
    version: str
    already: bool
    """It was there, complete and undamaged: nothing was written."""
    plain_bytes: int
    """Written now."""


def this_platform() -> str:
    """This machine, as in ``container.model.PLATFORMS``."""
    system = _SYSTEMS.get(sys.platform, sys.platform)
    machine = os.uname().machine.lower()
    return f"{system}-{_MACHINES.get(machine, machine)}"


def install(
    reader: PayloadReader, home: str, jobs: int = 1, listener: Listener = events.ignore
) -> Installed:
    """Make ``HOME/bin`` lead to this payload's components.

    Args:
        reader: of the payload.
        home: made if it is not there.
        jobs: workers, > 0.
        listener: is told how it goes.
    Raises:
        WrongPlatformError: the payload is for another kind of machine.
        NoSpaceError: before anything is written, where the file system tells it.
        NotWritableError, ContainerError, OSError: as ``Extraction.run``; what was installed
            before is still installed.
    Memory: as ``Extraction``.
    """
    home = os.path.abspath(home)
    name = f"v{reader.index.metadata.version}-{reader.index_sha256.hex()[:8]}"
    found = _installed(reader, home)
    if found is not None:
        return found
    expected = this_platform()
    if reader.index.metadata.platform != expected:
        raise WrongPlatformError(
            "the payload is for another platform",
            reader.source.name,
            expected,
            reader.index.metadata.platform,
            "fetch the release for this machine",
        )
    versions, staging = os.path.join(home, "versions"), os.path.join(home, "staging")
    for directory in (home, versions, staging):
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise explained(error, directory) from error
    with _locked(home, listener):
        # Somebody else may have installed it while this process waited.
        found = _installed(reader, home)
        if found is not None:
            return found
        for leftover in os.listdir(staging):
            remove(os.path.join(staging, leftover))
        for candidate in sorted(os.listdir(versions)):
            path = os.path.join(versions, candidate)
            if candidate.startswith(name) and _sound(reader, path):
                _publish(home, candidate)
                return Installed(path, reader.index.metadata.version, already=True, plain_bytes=0)
        path = os.path.join(versions, name)
        # A damaged version of that name may still be running: it stays, this one goes beside it.
        while os.path.lexists(path):
            path = os.path.join(versions, f"{name}.r{os.urandom(2).hex()}")
        plain_bytes = _write_version(reader, staging, path, jobs, listener)
        _publish(home, os.path.basename(path))
    return Installed(path, reader.index.metadata.version, already=False, plain_bytes=plain_bytes)


def _write_version(
    reader: PayloadReader, staging: str, path: str, jobs: int, listener: Listener
) -> int:
    """Extract, verify and record, then rename to ``path``; returns the plain bytes written."""
    components = select(reader.index, ())
    plan = make_plan(reader.index, components)
    _check_space(staging, plan.plain_bytes)
    listener(events.Started(tuple(row.name for row in components), plan.plain_bytes))
    with staged(staging) as stage:
        root = os.path.join(stage, "version")
        try:
            os.mkdir(root)
        except OSError as error:
            raise explained(error, root) from error
        Extraction(
            reader,
            plan,
            DirectoryDestination(root),
            jobs,
            lambda plain_bytes: listener(events.Advanced(plain_bytes)),
        ).run()
        try:
            state.write(state.record(reader, root), root)
        except OSError as error:
            raise explained(error, root) from error
        move(root, path)
    return plan.plain_bytes


def _installed(reader: PayloadReader, home: str) -> Installed | None:
    """What ``HOME/bin`` leads to, where that is this payload, complete and undamaged."""
    path = os.path.realpath(os.path.join(home, "bin"))
    if not _sound(reader, path):
        return None
    return Installed(path, reader.index.metadata.version, already=True, plain_bytes=0)


def _sound(reader: PayloadReader, path: str) -> bool:
    manifest = state.read(path)
    return (
        manifest is not None
        and manifest.index_sha256 == reader.index_sha256.hex()
        and not state.damaged(manifest, path)
    )


def _publish(home: str, name: str) -> None:
    """Let ``HOME/bin`` lead to a version, by one rename."""
    link, beside = os.path.join(home, "bin"), os.path.join(home, "staging", "bin")
    try:
        os.symlink(os.path.join("versions", name), beside)
        try:
            if os.path.isdir(link) and not os.path.islink(link):
                # An older program wrote into it directly; its files are somebody's: they are kept.
                move(link, f"{link}.old-{os.urandom(4).hex()}")
            os.replace(beside, link)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise explained(error, link) from error


def _check_space(directory: str, plain_bytes: int) -> None:
    status = os.statvfs(directory)
    free_bytes = status.f_bavail * status.f_frsize
    needed_bytes = plain_bytes + _SPACE_MARGIN_BYTES
    if free_bytes < needed_bytes:
        raise NoSpaceError(
            "not enough space; nothing was written",
            directory,
            f"{needed_bytes} bytes free",
            str(free_bytes),
            "free some space and start again",
        )


@contextmanager
def _locked(home: str, listener: Listener) -> Iterator[None]:
    """Only one process at a time; the kernel frees the lock when its holder dies."""
    import fcntl

    path = os.path.join(home, ".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise explained(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            listener(events.Waiting(home))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise explained(error, path) from error
        yield
    finally:
        os.close(descriptor)
