"""The versions beside the one in use: go back to the one before, remove what nobody needs."""

from __future__ import annotations

import os

from container.errors import InstallError, NotInstalledError
from container.typed import TYPE_CHECKING, NamedTuple
from extractor import durability, events, preflight, warm
from extractor import manifest as records
from extractor.destinations import explained
from extractor.lock import locked
from extractor.publish import publish
from extractor.staging import move, remove, sweep

if TYPE_CHECKING:
    from extractor.events import Listener
    from extractor.home import Home


class RolledBack(NamedTuple):
    """The outcome of ``rollback``."""

    path: str
    """The directory that ``HOME/bin`` leads to."""
    version: str
    from_version: str
    """It stays installed, and is held back until it is installed with ``force``."""


def rollback(home: Home, listener: Listener = events.ignore, *, wait: bool = True) -> RolledBack:
    """Let ``bin`` lead to the version that was in use before the present one.

    The present one is held: a program that carries it runs the older one from now on, instead of
    bringing it back at its next start.

    Raises:
        NotInstalledError: there is nothing to go back from or to.
        UnsuitableHomeError, BusyError, NotWritableError, OSError: the home refuses.
    """
    if not os.path.isdir(home.path):
        raise _nothing(home)
    # What is swept must be ours: not the target of a link that somebody has planted.
    preflight.check_home(home)
    with locked(home, listener, wait=wait):
        current = home.current()
        record = records.read(home.version_path(current)) if current else None
        if record is None:
            raise _nothing(home)
        name = record.previous
        before = records.read(home.version_path(name)) if name else None
        if name is None or before is None:
            raise NotInstalledError(
                "there is no version to go back to",
                home.path,
                remedy="install another version with the program that carries it",
            )
        root = home.version_path(name)
        bad = warm.damaged(before, root)
        if bad:
            raise NotInstalledError(
                f"the version to go back to is damaged: {bad[0]}",
                root,
                remedy="install it again with the program that carries it",
            )
        _sweep(home, listener)
        _hold(home, record.index_sha256)
        publish(home, name)
    return RolledBack(root, before.version, record.version)


def _sweep(home: Home, listener: Listener) -> None:
    """An empty ``staging``, whatever was there."""
    try:
        os.makedirs(home.staging, mode=0o755, exist_ok=True)
    except OSError as error:
        raise explained(error, home.staging) from error
    sweep(home.staging, listener)


def held(home: Home) -> frozenset[str]:
    """The payloads that ``rollback`` went back from: SHA-256 of their indexes, in hex."""
    try:
        with open(home.held, encoding="ascii") as stream:
            return frozenset(stream.read().split())
    except (OSError, ValueError):
        return frozenset()


def release(home: Home) -> None:
    """Hold nothing back any more: another version has been published.

    Raises:
        OSError: the home refuses.
    """
    try:
        os.unlink(home.held)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise explained(error, home.held) from error


def _hold(home: Home, index_sha256: str) -> None:
    beside = os.path.join(home.staging, f"held-{os.urandom(8).hex()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            # Who goes back twice wants neither of the two again.
            data = "\n".join(sorted(held(home) | {index_sha256})).encode()
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], written)
            durability.flush(descriptor)
        finally:
            os.close(descriptor)
        os.replace(beside, home.held)
    except OSError as error:
        raise explained(error, home.held) from error


def remove_old(home: Home, listener: Listener, *, all_but_current: bool = False) -> None:
    """Remove versions that are neither in use, nor the one that ``rollback`` goes back to.

    Whoever calls it holds the lock, and what is published is durable. A version leaves its place
    by one rename, so a crash leaves none that is half there. What cannot be removed is told.

    Args:
        home: whose versions.
        listener: is told what goes and what stays.
        all_but_current: do not keep the one that ``rollback`` goes back to.
    """
    current = home.current()
    if current is None:
        return
    record = records.read(home.version_path(current))
    if record is None:
        # Without its record nobody knows which of the others is the one to go back to.
        return
    keep = {current}
    if record.previous and not all_but_current:
        keep.add(record.previous)
    old = [name for name in home.version_names() if name not in keep]
    if not old:
        return
    used = _used_paths()
    for name in old:
        path = home.version_path(name)
        inside = os.path.join(os.path.realpath(path), "")
        users = sorted({process for process, place in used if place.startswith(inside)})
        if users:
            numbers = ", ".join(map(str, users))
            listener(events.Kept(path, f"in use by process {numbers}"))
            continue
        gone = os.path.join(home.staging, f"old-{os.urandom(8).hex()}")
        try:
            move(path, gone)
            remove(gone)
        except (OSError, InstallError) as error:
            listener(events.Kept(path, str(error)))
        else:
            listener(events.Removed(path))


def clean(
    home: Home,
    listener: Listener = events.ignore,
    *,
    wait: bool = True,
    all_but_current: bool = False,
) -> None:
    """Remove old versions, and what killed attempts have left.

    Raises:
        NotInstalledError: there is no such home.
        UnsuitableHomeError, BusyError, NotWritableError, OSError: the home refuses.
    """
    if not os.path.isdir(home.versions):
        raise _nothing(home)
    preflight.check_home(home)
    with locked(home, listener, wait=wait):
        _sweep(home, listener)
        remove_old(home, listener, all_but_current=all_but_current)


def _used_paths() -> list[tuple[int, str]]:
    """Paths that processes run from or were started with, and the process of each.

    Of processes that this user may not look into nothing is known.
    """
    import psutil  # 30 ms, and only where there is an old version

    used = []
    for process in psutil.process_iter(["exe", "cwd", "cmdline"]):
        facts = process.info
        places = [facts["exe"], facts["cwd"], *(facts["cmdline"] or ())]
        used += [
            (process.pid, os.path.realpath(place)) for place in places if place and "/" in place
        ]
    return used


def _nothing(home: Home) -> NotInstalledError:
    return NotInstalledError(
        "nothing is installed there", home.path, remedy="install it with `install`"
    )
