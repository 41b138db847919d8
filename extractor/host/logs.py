"""Log files of the services: kept short, shown, and followed.

A service writes to its file itself. Through a pipe it would die of its next line when its host was
killed, in the middle of whatever it does.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 10 << 20
"""Of one log file; then it becomes NAME.log.1, and so on."""
KEPT = 3
_BLOCK_BYTES = 1 << 14
_FOLLOW_PAUSE_SECONDS = 0.1


def opened(path: str) -> int:
    """A descriptor for a service to write to: at the end of the file, wherever that is by then.

    Raises:
        NoSpaceError, NotWritableError, OSError: it cannot be opened.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        from extractor.destinations import explained

        raise explained(error, path) from error


def shorten(path: str) -> None:
    """Where a log file is too long, move what it holds to NAME.log.1, and that to NAME.log.2.

    The file itself stays, as its service goes on writing to it. What is written in the instant
    between the copy and the cut is lost; so is the copy where the disk has no room for it.
    """
    try:
        if os.stat(path).st_size <= MAX_BYTES:
            return
    except FileNotFoundError:
        return
    from shutil import copyfile

    for number in range(KEPT - 1, 0, -1):
        with suppress(FileNotFoundError):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")
    try:
        copyfile(path, f"{path}.1")
    except OSError:
        with suppress(OSError):
            os.unlink(f"{path}.1")
    os.truncate(path, 0)


def tail(path: str, count: int) -> tuple[str, ...]:
    """The last lines of a log file, without their ends; none where there is no file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            position = stream.seek(0, os.SEEK_END)
            data = b""
            # One more end of line than lines: the file ends with one.
            while position > 0 and data.count(b"\n") <= count:
                size = min(_BLOCK_BYTES, position)
                position -= size
                stream.seek(position)
                data = stream.read(size) + data
    except FileNotFoundError:
        return ()
    return tuple(data.decode(errors="backslashreplace").splitlines()[-count:]) if count else ()


class Follower:
    """Lines as they are written, from the moment that this is made.

    Args:
        paths: log files by name; they need not exist yet, and may be cut.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._followed = [_Followed(name, path) for name, path in paths.items()]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Names and lines, without their ends; ends only with the program.

        Raises:
            OSError: a file cannot be read.
        """
        while True:
            seen = False
            for one in self._followed:
                for line in one.lines():
                    seen = True
                    yield one.name, line
            if not seen:
                time.sleep(_FOLLOW_PAUSE_SECONDS)


class _Followed:
    """One log file, from its end on."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self._path = path
        self._partial = b""
        self._position = self._size()

    def lines(self) -> Iterator[str]:
        size = self._size()
        if size < self._position:
            # The file was cut; what it held is in the copy, at the same place.
            yield from self._read(f"{self._path}.1")
            self._position = 0
        if size > self._position:
            yield from self._read(self._path)

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except FileNotFoundError:
            return 0

    def _read(self, path: str) -> Iterator[str]:
        with suppress(FileNotFoundError), open(path, "rb") as stream:
            stream.seek(self._position)
            for line in stream:
                self._position += len(line)
                self._partial += line
                if line.endswith(b"\n"):
                    yield self._partial.decode(errors="backslashreplace").rstrip("\r\n")
                    self._partial = b""
