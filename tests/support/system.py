"""A layer between the extractor and the system: every call that changes a disk passes a handler.

Nothing is flushed below it: what a killed process leaves does not depend on that, and a disk that
others use, too, takes its time.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from extractor import libc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Handler = Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]

CALLS = (
    "chmod",
    "close",
    "fchmod",
    "fsync",
    "link",
    "mkdir",
    "open",
    "pwrite",
    "rename",
    "replace",
    "rmdir",
    "symlink",
    "unlink",
)
"""Of ``os``: everything through which the extractor changes a disk, and opens and closes files."""

LIBC_CALLS = ("sync_file_range", "syncfs") if sys.platform == "linux" else ()
"""What Python does not offer."""

ALL_CALLS = (*CALLS, *LIBC_CALLS, "flock")

_TAKING_SPACE = ("link", "mkdir", "pwrite", "rename", "replace", "symlink", "fsync", "syncfs")

_FLUSHES = ("fsync", "sync_file_range", "syncfs")


@contextmanager
def watched(handler: Handler) -> Iterator[None]:
    """Lead all of this thread's calls through a handler.

    Args:
        handler: called with the name, the positional arguments, and a function that does it.
    """
    owner = threading.get_ident()

    def layer(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if threading.get_ident() != owner:
                return real(*arguments, **keywords)
            if name in _FLUSHES:
                return handler(name, arguments, lambda: 0)
            return handler(name, arguments, lambda: real(*arguments, **keywords))

        return call

    def libc_call(name: str) -> Any:
        if name not in LIBC_CALLS:
            return None

        def call(*arguments: Any) -> int:
            try:
                handler(name, arguments, lambda: 0)
            except OSError as error:
                ctypes.set_errno(error.errno or 0)
                return -1
            return 0

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, layer(name, getattr(os, name)))
        patch.setattr(fcntl, "flock", layer("flock", fcntl.flock))
        patch.setattr(libc, "function", libc_call)
        yield


def unflushed() -> Any:
    """A scope in which nothing waits for the disk, and all else is as ever."""
    return watched(lambda _name, _arguments, do: do())


class Call(NamedTuple):
    """One call that went through the layer."""

    name: str
    creates: bool
    """Of ``open``: a new file."""
    writes: bool
    """Of ``open``, and of the ``close`` of what it opened: not only for reading."""

    def takes_space(self) -> bool:
        """A full disk refuses it."""
        return self.name in _TAKING_SPACE or self.creates


class Faults:
    """A handler that counts the calls and lets one of them go wrong.

    Args:
        fail_at: number of the call, from 0; None: only count.
        how: one of ``WAYS``.

    Attributes:
        calls: in their order.
    """

    def __init__(self, fail_at: int | None = None, how: str = "") -> None:
        self.calls: list[Call] = []
        self._fail_at = fail_at
        self._how = how
        self._read_only: set[int] = set()

    def __call__(self, name: str, arguments: tuple[Any, ...], do: Callable[[], Any]) -> Any:
        """See ``watched``."""
        creates = writes = False
        if name == "open":
            creates = bool(arguments[1] & os.O_CREAT)
            writes = bool(arguments[1] & (os.O_WRONLY | os.O_RDWR))
        elif name == "close":
            writes = arguments[0] not in self._read_only
        self.calls.append(Call(name, creates, writes))
        if len(self.calls) - 1 == self._fail_at:
            result = WAYS[self._how](name, arguments, do)
        else:
            result = do()
        if name == "open":
            (self._read_only.discard if writes else self._read_only.add)(result)
        return result


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_before(_name: str, _arguments: tuple[Any, ...], _do: Callable[[], Any]) -> None:
    _die()


def _kill_after(_name: str, _arguments: tuple[Any, ...], do: Callable[[], Any]) -> None:
    try:
        do()
    finally:
        # A call that fails on a sound disk, too, such as making what is there, is a point as well.
        _die()


def _kill_within(_name: str, arguments: tuple[Any, ...], do: Callable[[], Any]) -> None:
    """Half of what shall be written is written."""
    _write_half(arguments, do)
    _die()


def _fail_with(number: int) -> Handler:
    def fail(name: str, arguments: tuple[Any, ...], do: Callable[[], Any]) -> Any:
        if name == "close":
            # Linux closes a descriptor even where it reports an error.
            do()
        # As from the call itself: it knows a path, and of a descriptor nothing.
        paths = [one for one in arguments[:2] if isinstance(one, str | os.PathLike)]
        raise OSError(number, os.strerror(number), *paths[:1], *[None, *paths[1:]][: len(paths)])

    return fail


def _fill_up(_name: str, arguments: tuple[Any, ...], do: Callable[[], Any]) -> Any:
    """What a disk does that gets full: it takes a part; the next write tells."""
    return _write_half(arguments, do)


def _write_half(arguments: tuple[Any, ...], do: Callable[[], Any]) -> int:
    """Writes all, and takes half of it back: ``do`` is bound to the whole."""
    descriptor, data, offset = arguments
    half = len(data) // 2
    do()
    os.ftruncate(descriptor, offset + half)
    return half


KILLS = {"kill before": _kill_before, "kill after": _kill_after, "kill within": _kill_within}
ERRORS = {
    "ENOSPC": _fail_with(errno.ENOSPC),
    "EIO": _fail_with(errno.EIO),
    "short write": _fill_up,
}
WAYS: dict[str, Any] = KILLS | ERRORS


def possible(how: str, call: Call) -> bool:
    """A call can go wrong in that way."""
    if how in ("kill within", "short write"):
        return call.name == "pwrite"
    # The end of reading has nothing to report.
    return how in KILLS or call.name != "close" or call.writes


def killed(action: Callable[[], object], handler: Handler) -> int:
    """Do something below the layer in a process of its own, forked from this one.

    Returns:
        The number of the signal that ended it; 0 where it came to its end, 1 where it raised.
    """
    with warnings.catch_warnings():
        # Of a parent with threads: the child only runs what is single-threaded, and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return -os.waitstatus_to_exitcode(status)
    code = 1
    try:
        with watched(handler):
            action()
        code = 0
    finally:
        os._exit(code)
