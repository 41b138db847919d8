"""Small directory trees: written from literals, and read back as values that compare."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class File(NamedTuple):
    """A regular file."""

    content: bytes
    mode: int = 0o644


class Directory(NamedTuple):
    """A directory, for an empty one or one with a mode; others come with what is in them."""

    mode: int = 0o755


class Symlink(NamedTuple):
    """A symlink, with its target as it stands in it."""

    target: str


class Hardlink(NamedTuple):
    """Another name of a file; the path is relative to the tree."""

    path: str


Node = File | Directory | Symlink | Hardlink
Tree = dict[str, Node]


class Found(NamedTuple):
    """One thing on disk: equal to another when a payload carries both in the same way."""

    kind: str
    mode: int
    content: bytes
    link: str
    shared_with: str
    """First path of the same inode; itself where there is one name only."""


def write_tree(root: Path, tree: Mapping[str, Node]) -> Path:
    """Create ``root`` and what is in it; modes do not depend on the umask."""
    root.mkdir(parents=True)
    modes = {root: 0o755}
    for path, node in tree.items():
        place = root / path
        missing = [place.parent]
        while not missing[-1].exists():
            missing.append(missing[-1].parent)
        for parent in reversed(missing[:-1]):
            parent.mkdir()
            modes.setdefault(parent, 0o755)
        if isinstance(node, File):
            place.write_bytes(node.content)
            place.chmod(node.mode)
        elif isinstance(node, Directory):
            place.mkdir(exist_ok=True)
            modes[place] = node.mode
        elif isinstance(node, Symlink):
            place.symlink_to(node.target)
        else:
            os.link(root / node.path, place)
    for place, mode in sorted(modes.items(), reverse=True):
        place.chmod(mode)
    return root


def read_tree(root: Path) -> dict[str, Found]:
    """Everything below ``root``, by its path; ``root`` itself is not part of it.

    Directories that their owner may not change are opened up, so that they can be removed.
    """
    found: dict[str, Found] = {}
    inodes: dict[str, int] = {}
    pending = list(root.iterdir())
    while pending:
        place = pending.pop()
        path = place.relative_to(root).as_posix()
        status = place.lstat()
        mode = stat.S_IMODE(status.st_mode)
        inodes[path] = status.st_ino
        if stat.S_ISLNK(status.st_mode):
            found[path] = Found("symlink", 0, b"", os.readlink(place), path)
        elif stat.S_ISDIR(status.st_mode):
            found[path] = Found("directory", mode, b"", "", path)
            place.chmod(mode | 0o700)
            pending.extend(place.iterdir())
        elif stat.S_ISREG(status.st_mode):
            # Restored at once: the same inode may have another name here.
            place.chmod(mode | 0o400)
            found[path] = Found("file", mode, place.read_bytes(), "", path)
            place.chmod(mode)
        else:
            found[path] = Found("other", mode, b"", "", path)
    first: dict[int, str] = {}
    for path, node in sorted(found.items()):
        shared = first.setdefault(inodes[path], path)
        found[path] = node._replace(shared_with=shared)
    return dict(sorted(found.items()))
