"""Processes that are not this one's children: known by pid and start time, never by name."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

# psutil tells the time of boot and the start of a process to a hundredth of a second.
_SAME_SECONDS = 0.02
_PAUSE_SECONDS = 0.02
# What is killed ends at once, unless the kernel is inside a disk that does not answer.
_KILLED_SECONDS = 5.0


class Identity(NamedTuple):
    """A process that no later one can be taken for."""

    pid: int
    started: float
    """Seconds after boot: a clock that is set does not change it."""


def identify(pid: int) -> Identity | None:
    """The process of that number; None where it has ended, reaped by its parent or not."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Identity(pid, round(process.create_time() - psutil.boot_time(), 3))
    except psutil.NoSuchProcess:
        return None


def this_process() -> Identity:
    """This process.

    Raises:
        ProcessLookupError: the system does not tell.
    """
    found = identify(os.getpid())
    if found is None:
        raise ProcessLookupError(3, "the system does not tell of this process")
    return found


def alive(identity: Identity) -> bool:
    """Whether that very process runs."""
    found = identify(identity.pid)
    return found is not None and abs(found.started - identity.started) <= _SAME_SECONDS


def marked(variable: str, value: str) -> Identity | None:
    """The process that was started in a group of its own with that variable in its environment.

    Programs that it has started itself have the variable too, and lead no group of that kind
    unless they detach: the oldest is meant.
    """
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(variable) == value and os.getpgid(process.pid) == process.pid:
                found.append(identify(process.pid))
    known = [identity for identity in found if identity is not None]
    return min(known, key=lambda identity: identity.started, default=None)


def end(identity: Identity, seconds: float) -> bool:
    """Ask a process to end, and kill it if it has not ended in time.

    Args:
        identity: one that has ended already is left alone.
        seconds: how long it may take.
    Returns:
        Whether it had to be killed.
    Raises:
        PermissionError: it is somebody else's.
    """
    import psutil

    if not alive(identity):
        return False
    try:
        # psutil compares the start time again before it sends a signal.
        process = psutil.Process(identity.pid)
        process.terminate()
        killed = not _ended(identity, seconds)
        if killed:
            process.kill()
            _ended(identity, _KILLED_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied as error:
        raise PermissionError(1, "a process of another user", f"pid {identity.pid}") from error
    return killed


def _ended(identity: Identity, seconds: float) -> bool:
    """Wait for its end; ``psutil.wait`` waits for its parent as well, who may never reap it."""
    deadline = time.monotonic() + seconds
    while alive(identity):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def kill_group(pid: int) -> None:
    """Kill what is left of the group that a service led: the programs that it started itself."""
    # Nothing is left, or on macOS zombies alone.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
