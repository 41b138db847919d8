"""What is to be packed: files and trees on disk, read twice and found the same both times."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import xxhash

from container import names
from container.errors import PackError, SourceChangedError, UnsafePathError
from container.model import ComponentKind, EntryKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO

_CHUNK_BYTES = 1 << 20


class Fingerprint(NamedTuple):
    """What changes when somebody writes to a file."""

    device: int
    inode: int
    plain_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        """Take it from a stat."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )


class SourceFile(NamedTuple):
    """A regular file to be packed."""

    file: Path
    fingerprint: Fingerprint

    @property
    def plain_bytes(self) -> int:
        """Its size."""
        return self.fingerprint.plain_bytes

    def read(self, offset: int, size: int) -> bytes:
        """Exactly these bytes, of the file that was scanned.

        Raises:
            SourceChangedError: the file differs from what was scanned.
            OSError: reading failed.
        """
        with self.opened() as stream:
            stream.seek(offset)
            parts = []
            while size and (part := stream.read(size)):
                parts.append(part)
                size -= len(part)
        if size:
            raise self._changed()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @contextmanager
    def opened(self) -> Iterator[FileIO]:
        """Open it for reading; it must be the file that was scanned, before and after.

        Raises:
            SourceChangedError: it is not.
            OSError: opening or reading failed; with the path.
        """
        try:
            with open(self.file, "rb", buffering=0, opener=_open_at_once) as stream:
                self.check(os.fstat(stream.fileno()))
                yield stream
                self.check(os.fstat(stream.fileno()))
        except OSError as error:
            # A stream does not know its path.
            raise OSError(error.errno, error.strerror, str(self.file)) from error

    def check(self, status: os.stat_result) -> None:
        """Refuse the file when it is no longer the one that was scanned.

        Raises:
            SourceChangedError: size, times or inode differ.
        """
        if Fingerprint.of(status) != self.fingerprint:
            raise self._changed()

    def _changed(self) -> SourceChangedError:
        return SourceChangedError(
            "changed while it was being packed",
            str(self.file),
            remedy="wait until the build that writes it has ended, and pack again",
        )


def _open_at_once(path: str, flags: int) -> int:
    """Without waiting for a writer, where a FIFO stands by now in place of the file."""
    return os.open(path, flags | os.O_NONBLOCK)


class SourceEntry(NamedTuple):
    """One thing below a component: what an ``Entry`` will say, before it has an extent."""

    path: str
    kind: int
    mode: int
    link: str
    source: SourceFile | None
    """For entries of kind FILE."""


@dataclass(frozen=True)
class ComponentSource:
    """What was asked to be packed under one name."""

    name: str
    version: str
    path: Path
    entry_point: str | None = None
    """Below the tree; None: the file named like the component, where it is executable."""


@dataclass(frozen=True)
class ScannedComponent:
    """A component's entries in index order, nothing read yet but metadata."""

    source: ComponentSource
    kind: int
    entries: tuple[SourceEntry, ...]
    entry_point: str | None


class Digests(NamedTuple):
    """Of one file's plain bytes."""

    xxh3_128: bytes
    sha256: bytes


def scan(source: ComponentSource, *, windows: bool = False) -> ScannedComponent:
    """List what a component holds, in the order of FORMAT.md section 6.5.

    Args:
        source: its ``path`` is a regular file or a directory; a symlink there is followed,
            below it none is.
        windows: a file component is installed as ``NAME.exe``.
    Raises:
        PackError: something that a payload cannot hold: a device, a socket, setuid bits.
        UnsafePathError: a name or link that FORMAT.md section 7 forbids.
        OSError: the path does not exist or cannot be read.
    """
    names.check_label(source.name, "component name")
    names.check_label(source.version, "component version")
    status = os.stat(source.path)
    if stat.S_ISDIR(status.st_mode):
        kind = ComponentKind.TREE
        found = _scan_tree(source.path, source.name)
    else:
        kind = ComponentKind.FILE
        file_name = f"{source.name}.exe" if windows else source.name
        found = [_entry(file_name, source.path, status)]
    entries = tuple(_hardlinks(sorted(found)))
    try:
        names.check_paths([entry.path for entry in entries])
        names.check_collisions([entry.path for entry in entries])
        for entry in entries:
            if entry.kind == EntryKind.SYMLINK:
                names.check_link(entry.path, entry.link)
    except UnsafePathError as error:
        raise error.at(str(source.path)) from None
    return ScannedComponent(source, kind, entries, _entry_point(source, kind, entries))


def _scan_tree(root: Path, name: str) -> list[SourceEntry]:
    found = [_entry(name, root, os.stat(root))]
    pending = [(os.fspath(root), name)]
    while pending:
        directory, prefix = pending.pop()
        with os.scandir(directory) as listing:
            for item in listing:
                path = f"{prefix}/{item.name}"
                entry = _entry(path, item.path, item.stat(follow_symlinks=False))
                found.append(entry)
                if entry.kind == EntryKind.DIRECTORY:
                    pending.append((item.path, path))
    return found


def _entry(path: str, file: str | Path, status: os.stat_result) -> SourceEntry:
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return SourceEntry(path, EntryKind.SYMLINK, 0o777, os.readlink(file), None)
    if mode > 0o777:
        raise PackError(
            "has setuid, setgid or sticky bits, which a payload does not carry",
            str(file),
            "at most 0o777",
            oct(mode),
            f"chmod u-s,g-s,-t {file}",
        )
    if stat.S_ISDIR(status.st_mode):
        return SourceEntry(path, EntryKind.DIRECTORY, mode, "", None)
    if not stat.S_ISREG(status.st_mode):
        raise PackError(
            "is neither a regular file, nor a directory, nor a symlink",
            str(file),
            remedy="remove it from the component",
        )
    source = SourceFile(Path(file), Fingerprint.of(status))
    return SourceEntry(path, EntryKind.FILE, mode, "", source)


def _hardlinks(entries: Sequence[SourceEntry]) -> Iterator[SourceEntry]:
    """The second and later names of one inode become hardlinks to the first."""
    first: dict[tuple[int, int], str] = {}
    for entry in entries:
        if entry.source is None:
            yield entry
            continue
        inode = entry.source.fingerprint[:2]
        if inode in first:
            yield entry._replace(kind=EntryKind.HARDLINK, link=first[inode], source=None)
        else:
            first[inode] = entry.path
            yield entry


def _entry_point(source: ComponentSource, kind: int, entries: Sequence[SourceEntry]) -> str | None:
    if kind == ComponentKind.FILE:
        entry = entries[0]
        return entry.path if entry.mode & 0o100 else None
    runnable = {
        entry.path
        for entry in entries
        if entry.kind in (EntryKind.FILE, EntryKind.HARDLINK) and entry.mode & 0o100
    }
    if source.entry_point is None:
        candidates = (f"{source.name}/{source.name}", f"{source.name}/{source.name}.exe")
        return next((path for path in candidates if path in runnable), None)
    path = f"{source.name}/{source.entry_point}"
    if path not in runnable:
        raise PackError(
            "the entry point is not an executable file of the component",
            str(source.path),
            found=source.entry_point,
        )
    return path


def read_digests(
    components: Sequence[ScannedComponent],
    jobs: int,
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, Digests]:
    """Read every file once, for its digests.

    Args:
        components: as scanned.
        jobs: files read at once, > 0.
        progress: called with the size of each file when it has been read.
    Returns:
        Digests of each entry of kind FILE, by path.
    Raises:
        SourceChangedError: a file differs from what was scanned.
        OSError: reading failed.
    Memory: ``jobs`` chunks of 1 MiB.
    """
    files = [
        (entry.path, entry.source)
        for component in components
        for entry in component.entries
        if entry.source is not None
    ]

    def read(source: SourceFile) -> Digests:
        digests = _digests(source)
        progress(source.plain_bytes)
        return digests

    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(read, [source for _, source in files]))
    return {path: digests for (path, _), digests in zip(files, found, strict=True)}


def _digests(source: SourceFile) -> Digests:
    xxh3_128, sha256 = xxhash.xxh3_128(), hashlib.sha256()
    plain_bytes = 0
    with source.opened() as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            xxh3_128.update(chunk)
            sha256.update(chunk)
            plain_bytes += len(chunk)
    if plain_bytes != source.plain_bytes:
        raise SourceChangedError("changed while it was being read", str(source.file))
    return Digests(xxh3_128.digest(), sha256.digest())
