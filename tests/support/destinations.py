"""A destination in memory that checks how it is used, with places to put faults in."""

from __future__ import annotations

import mmap
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.model import Entry

SCRATCH = "scratch "
"""Begins the name under which a scratch file's contents are kept."""


class MemoryDestination:
    """Everything that an extraction does, as values; implements ``Destination``.

    Attributes:
        before: called with the name of an operation and a path before it is done; may raise or
            wait. A write's path ends with ``@`` and the offset.
        calls: operations and paths, in the order in which they were begun.
        contents: finished and unfinished files, by path.
        open_paths: of descriptors that are not closed yet.
    """

    def __init__(self, before: Callable[[str, str], object] = lambda _call, _path: None) -> None:
        self.before = before
        self.calls: list[tuple[str, str]] = []
        self.contents: dict[str, bytearray] = {}
        self.modes: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.open_paths: dict[int, str] = {}
        self.mapped: list[str] = []
        self._lock = threading.Lock()
        self._next = 100
        self._scratch_count = 0

    def _begin(self, call: str, path: str) -> None:
        with self._lock:
            self.calls.append((call, path))
        self.before(call, path)

    def _open(self, path: str) -> int:
        with self._lock:
            if path in self.contents:
                raise FileExistsError(17, "File exists", path)
            self.contents[path] = bytearray()
            self._next += 1
            self.open_paths[self._next] = path
            return self._next

    def make_directory(self, entry: Entry) -> None:
        """See ``Destination``."""
        self._begin("make_directory", entry.path)
        assert entry.path not in self.modes
        self.modes[entry.path] = 0o700

    def create_file(self, entry: Entry) -> int:
        """See ``Destination``."""
        self._begin("create_file", entry.path)
        self.modes[entry.path] = entry.mode
        return self._open(entry.path)

    def open_file(self, entry: Entry) -> int:
        """See ``Destination``; the file is one of ``contents`` that a test has put there."""
        self._begin("open_file", entry.path)
        assert entry.path in self.contents
        with self._lock:
            self._next += 1
            self.open_paths[self._next] = entry.path
            return self._next

    def create_scratch(self) -> int:
        """See ``Destination``."""
        with self._lock:
            self._scratch_count += 1
            path = f"{SCRATCH}{self._scratch_count}"
        self._begin("create_scratch", path)
        return self._open(path)

    def write_file(self, entry: Entry, plain: memoryview) -> None:
        """See ``Destination``: as the three operations that it stands for."""
        descriptor = self.create_file(entry)
        try:
            self.write(descriptor, plain, 0)
        finally:
            self.close_file(descriptor)

    def write(self, descriptor: int, plain: memoryview, offset: int) -> None:
        """See ``Destination``."""
        path = self.open_paths[descriptor]
        self._begin("write", f"{path}@{offset}")
        with self._lock:
            content = self.contents[path]
            content.extend(bytes(max(0, offset + len(plain) - len(content))))
            content[offset : offset + len(plain)] = plain

    def map_file(self, descriptor: int) -> mmap.mmap:
        """See ``Destination``."""
        path = self.open_paths[descriptor]
        self._begin("map_file", path)
        self.mapped.append(path)
        mapped = mmap.mmap(-1, len(self.contents[path]))
        mapped.write(self.contents[path])
        return mapped

    def close_file(self, descriptor: int) -> None:
        """See ``Destination``."""
        with self._lock:
            path = self.open_paths.pop(descriptor)
        self._begin("close_file", path)

    def make_symlink(self, entry: Entry) -> None:
        """See ``Destination``."""
        self._begin("make_symlink", entry.path)
        self.links[entry.path] = entry.link

    def make_hardlink(self, entry: Entry) -> None:
        """See ``Destination``."""
        self._begin("make_hardlink", entry.path)
        assert entry.link in self.contents
        self.links[entry.path] = entry.link

    def finish_directory(self, entry: Entry) -> None:
        """See ``Destination``."""
        self._begin("finish_directory", entry.path)
        self.modes[entry.path] = entry.mode
