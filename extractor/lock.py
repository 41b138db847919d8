"""One process at a time changes a home; the kernel frees the lock when its holder dies."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from container.errors import BusyError
from container.typed import TYPE_CHECKING
from extractor import events
from extractor.destinations import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extractor.events import Listener
    from extractor.home import Home


@contextmanager
def locked(home: Home, listener: Listener = events.ignore, *, wait: bool = True) -> Iterator[None]:
    """Hold the home's lock; it must exist and be writable.

    Args:
        home: whose lock.
        listener: is told when another process holds it.
        wait: until the other one is done, however long that takes.
    Raises:
        BusyError: another process holds it, and ``wait`` is not set.
        NotWritableError, NoSpaceError, OSError: the lock's file cannot be made.
    """
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(home.lock, flags, 0o600)
    except OSError as error:
        raise explained(error, home.lock) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise BusyError(
                    "another process is changing this installation",
                    home.path,
                    remedy="wait until it is done, and try again",
                ) from None
            listener(events.Waiting(home.path))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise explained(error, home.lock) from error
        yield
    finally:
        # Nothing was written to it: an error here says nothing of the installation.
        with suppress(OSError):
            os.close(descriptor)
