"""Run what might wait for ever, so that a test that hangs fails and tells where."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SECONDS = 30
"""A bound on a hang, never a delay: what works ends in milliseconds."""


def ends(action: Callable[[], object]) -> BaseException | None:
    """Do something in a thread of its own.

    Returns:
        What it raised; None where it ended well.
    Raises:
        AssertionError: it did not end; where each thread stands is on standard error.
    """
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=guarded, name="watched", daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
        raise AssertionError(f"still running after {SECONDS} s")
    return raised[0] if raised else None


def wait(event: threading.Event | threading.Barrier) -> None:
    """Wait for another thread; fails where it never comes."""
    if isinstance(event, threading.Event):
        assert event.wait(SECONDS), "the other thread never came"
    else:
        event.wait(SECONDS)


def until_blocked(
    threads: Iterable[threading.Thread], inside: str = "wait", seconds: float = 1
) -> None:
    """Let other threads run until each waits in the code under test, or has ended.

    Makes the schedule that a test is about certain, where the code under test waits with the
    means of ``threading``; where it does not, this gives up and the test goes on.
    """
    # Of ``threading``'s functions: ``wait`` for a condition, ``__enter__`` for its lock.
    deadline = time.monotonic() + seconds
    for thread in threads:
        while thread.is_alive() and not _blocked(thread, inside) and time.monotonic() < deadline:
            os.sched_yield()


def _blocked(thread: threading.Thread, inside: str) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    found = False
    while frame is not None and frame.f_code.co_filename == threading.__file__:
        found = found or frame.f_code.co_name == inside
        frame = frame.f_back
    # A thread that waits in the test's own code has not come to the point yet.
    return found and frame is not None and "tests" not in Path(frame.f_code.co_filename).parts
