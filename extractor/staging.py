"""Directories of one attempt: made new, filled, published by rename, or removed without a trace."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress

from container.typed import TYPE_CHECKING
from extractor import events
from extractor.destinations import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extractor.events import Listener


@contextmanager
def staged(parent: str, prefix: str = "") -> Iterator[str]:
    """A new, private directory below ``parent``, removed with all its contents at the end.

    What shall stay has been renamed out of it by then.

    Raises:
        NoSpaceError, NotWritableError, OSError: it cannot be made.
    """
    path = os.path.join(parent, prefix + os.urandom(8).hex())
    try:
        os.mkdir(path, 0o700)
    except OSError as error:
        raise explained(error, path) from error
    try:
        yield path
    finally:
        remove(path)


@contextmanager
def made(path: str) -> Iterator[None]:
    """A directory, made with its parents where it is not there; an error takes that back.

    Raises:
        NoSpaceError, NotWritableError, OSError: it cannot be made.
    """
    missing = []
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)
    try:
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise explained(error, path) from error
        yield
    except BaseException:
        # One that is not empty by now is somebody's.
        with suppress(OSError):
            for place in missing:
                os.rmdir(place)
        raise


def remove(path: str) -> None:
    """Remove a file, or a directory and all below it; no link is followed.

    Raises:
        OSError: something cannot be removed.
    """
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    # A tree may hold directories that not even their owner may write to.
    os.chmod(path, 0o700)
    for name in os.listdir(path):
        remove(os.path.join(path, name))
    os.rmdir(path)


def sweep(directory: str, listener: Listener) -> None:
    """Remove what killed attempts have left; the caller holds the lock.

    What cannot be removed stays and is told: it is in nobody's way.
    """
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        try:
            remove(path)
        except OSError as error:
            listener(events.Kept(path, error.strerror or str(error)))
        else:
            listener(events.Removed(path))


def move(source: str, target: str) -> None:
    """Rename; a directory that its owner may not write to is opened up for the moment.

    The kernel asks for write permission on a directory that gets another parent.

    Raises:
        NoSpaceError, NotWritableError, OSError: it cannot be renamed.
    """
    try:
        status = os.lstat(source)
        closed = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o200
        if closed:
            os.chmod(source, 0o700)
        os.rename(source, target)
        if closed:
            os.chmod(target, stat.S_IMODE(status.st_mode))
    except OSError as error:
        raise explained(error, target) from error
