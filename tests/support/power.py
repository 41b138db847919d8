"""What a loss of power may leave of a directory tree: recorded calls, replayed up to any of them.

Two models bound what file systems do. ``durable``: only what was flushed is there, each name and
each content for itself, as POSIX promises it; a rename is there on both sides or on neither.
``empty`` and ``zeros``: all names and modes are there, as a journal keeps them, and contents that
were not flushed are missing, or are zeros behind the right size.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from extractor import manifest as records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODELS = ("durable", "empty", "zeros")


@dataclass(eq=False)
class Node:
    """An inode: its number is used again when it is gone, this object is not."""

    kind: int
    """As ``stat.S_IFMT``."""
    inode: int
    link: str = ""
    mtime_ns: int = 0
    modes: list[tuple[int, int]] = field(default_factory=list)
    """Each with the number of the step that set it."""
    writes: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Step, offset, data."""


class Names(NamedTuple):
    """Directory entries that change together; a node of None is taken away."""

    step: int
    entries: tuple[tuple[Node, str, Node | None], ...]


class Entry(NamedTuple):
    """What is at one path after the loss."""

    node: Node
    mode: int
    content: bytes


State = dict[str, Entry]


class Recording:
    """A handler that keeps all steps that change what is below a directory.

    Args:
        root: all below it is durable to begin with.
    """

    def __init__(self, root: Path) -> None:
        self._root_path = str(root)
        self._steps = 0
        self._nodes: dict[int, Node] = {}
        self._open: dict[int, Node] = {}
        self._names: list[Names] = []
        self._flushes: list[tuple[int, Node | None]] = []
        self._root = self._known(self._root_path)
        for directory, directories, files in os.walk(root):
            for name in (*directories, *files):
                path = os.path.join(directory, name)
                node = self._nodes.get(os.lstat(path).st_ino) or self._known(path)
                self._rename((path, node))
        self._flush(None)

    @property
    def steps(self) -> int:
        """How many there are: a loss can come before each, and behind the last."""
        return self._steps

    def __call__(self, name: str, arguments: tuple[Any, ...], do: Callable[[], Any]) -> Any:
        """See ``watched``."""
        if name == "open":
            return self._opened(str(arguments[0]), do)
        gone = None
        if name in ("unlink", "rmdir", "rename", "replace", "link"):
            gone = self._node_at(arguments[0])
        result = do()
        if name == "mkdir":
            self._rename((arguments[0], self._known(arguments[0])))
        elif name == "symlink":
            self._rename((arguments[1], self._known(arguments[1])))
        elif name == "link":
            self._rename((arguments[1], gone))
        elif name in ("rename", "replace"):
            self._rename((arguments[0], None), (arguments[1], gone))
        elif name in ("unlink", "rmdir"):
            self._rename((arguments[0], None))
        elif name == "chmod":
            self._set_mode(self._node_at(arguments[0]), arguments[1])
        elif name == "fchmod":
            self._set_mode(self._open[arguments[0]], arguments[1])
        elif name == "pwrite":
            self._write(arguments[0], bytes(arguments[1][:result]), arguments[2])
        elif name == "fsync":
            self._flush(self._open[arguments[0]])
        elif name == "syncfs":
            self._flush(None)
        elif name == "close":
            self._open.pop(arguments[0], None)
        return result

    def _opened(self, path: str, do: Callable[[], int]) -> int:
        new = not os.path.lexists(path)
        descriptor = do()
        inode = os.fstat(descriptor).st_ino
        if new:
            self._nodes.pop(inode, None)
            self._rename((path, self._known(path)))
        if inode in self._nodes:
            self._open[descriptor] = self._nodes[inode]
        return descriptor

    def _node_at(self, path: str) -> Node:
        return self._nodes[os.lstat(path).st_ino]

    def _known(self, path: str) -> Node:
        status = os.lstat(path)
        node = Node(stat.S_IFMT(status.st_mode), status.st_ino, mtime_ns=status.st_mtime_ns)
        node.modes.append((self._steps, stat.S_IMODE(status.st_mode)))
        if node.kind == stat.S_IFLNK:
            node.link = os.readlink(path)
        elif node.kind == stat.S_IFREG and status.st_size:
            with open(path, "rb") as stream:
                node.writes.append((self._steps, 0, stream.read()))
        self._nodes[status.st_ino] = node
        return node

    def _rename(self, *entries: tuple[str, Node | None]) -> None:
        rows = []
        for path, node in entries:
            directory, name = os.path.split(path)
            rows.append((self._nodes[os.stat(directory).st_ino], name, node))
        self._names.append(Names(self._steps, tuple(rows)))
        self._steps += 1

    def _set_mode(self, node: Node, mode: int) -> None:
        node.modes.append((self._steps, mode))
        self._steps += 1

    def _write(self, descriptor: int, data: bytes, offset: int) -> None:
        node = self._open[descriptor]
        node.writes.append((self._steps, offset, data))
        node.mtime_ns = os.fstat(descriptor).st_mtime_ns
        self._steps += 1

    def _flush(self, node: Node | None) -> None:
        self._flushes.append((self._steps, node))
        self._steps += 1

    def _is_flushed(self, step: int, cut: int, nodes: tuple[Node, ...]) -> bool:
        return any(
            step < flush < cut and (flushed is None or flushed in nodes)
            for flush, flushed in self._flushes
        )

    def state(self, cut: int, model: str) -> State:
        """What is there after a loss of power before a step.

        Args:
            cut: number of the step.
            model: one of ``MODELS``.
        """
        directories: dict[Node, dict[str, Node]] = {}
        for names in self._names:
            touched = tuple(directory for directory, _, _ in names.entries)
            if names.step >= cut or (
                model == "durable" and not self._is_flushed(names.step, cut, touched)
            ):
                continue
            for directory, name, node in names.entries:
                if node is None:
                    directories.setdefault(directory, {}).pop(name, None)
                else:
                    directories.setdefault(directory, {})[name] = node
        found: State = {}
        pending = [("", self._root)]
        while pending:
            prefix, directory = pending.pop()
            for name, node in sorted(directories.get(directory, {}).items()):
                path = prefix + name
                found[path] = Entry(
                    node, self._mode(node, cut, model), self._content(node, cut, model)
                )
                if node.kind == stat.S_IFDIR:
                    pending.append((f"{path}/", node))
        return found

    def _mode(self, node: Node, cut: int, model: str) -> int:
        modes = [
            mode
            for number, (step, mode) in enumerate(node.modes)
            # What a node is made with comes with it.
            if not number
            or (step < cut and (model != "durable" or self._is_flushed(step, cut, (node,))))
        ]
        return modes[-1]

    def _content(self, node: Node, cut: int, model: str) -> bytes:
        content = bytearray()
        for step, offset, data in node.writes:
            if step >= cut:
                break
            flushed = self._is_flushed(step, cut, (node,))
            if not flushed and model != "zeros":
                continue
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            if flushed:
                content[offset : offset + len(data)] = data
        return bytes(content)

    def states(self) -> Iterator[tuple[int, str, State]]:
        """Every state that can be found after a loss, each once; the cut and the model beside it.

        The last cut is behind the last step.
        """
        seen = set()
        for model in MODELS:
            for cut in range(self._flushes[0][0] + 1, self._steps + 1):
                state = self.state(cut, model)
                key = tuple(
                    (path, id(entry.node), entry.mode, entry.content)
                    for path, entry in sorted(state.items())
                )
                # The last one counts for what has returned, even where it is like one before.
                if key not in seen or cut == self._steps:
                    seen.add(key)
                    yield cut, model, state


def materialise(state: State, root: Path) -> None:
    """Write a state to disk.

    Files get new inodes here; the records of installed versions are changed accordingly, so that
    they see no copy, but what the system would show them after the loss.

    Args:
        state: to be written.
        root: made.
    """
    root.mkdir()
    first: dict[Node, Path] = {}
    for path, (node, _, content) in sorted(state.items()):
        place = root / path
        if node.kind == stat.S_IFDIR:
            place.mkdir()
        elif node in first:
            os.link(first[node], place, follow_symlinks=False)
        elif node.kind == stat.S_IFLNK:
            place.symlink_to(node.link)
            first[node] = place
        else:
            place.write_bytes(content)
            first[node] = place
    for path in state:
        if os.path.basename(path) == records.NAME:
            _renumber(root / path, os.path.dirname(path), state, first)
    for node, place in first.items():
        os.utime(place, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)
    for path, (node, mode, _) in sorted(state.items(), reverse=True):
        if node.kind != stat.S_IFLNK:
            (root / path).chmod(mode)


def _renumber(place: Path, version: str, state: State, first: dict[Node, Path]) -> None:
    try:
        record = records.decode(place.read_bytes())
    except ValueError:
        return
    for number, path in enumerate(record.paths):
        entry = state.get(f"{version}/{path}")
        if entry is not None and record.inodes[number] == entry.node.inode:
            record.inodes[number] = first[entry.node].lstat().st_ino
    record.inode = place.lstat().st_ino
    place.write_bytes(record.encode())
