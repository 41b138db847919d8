"""Files of an installed version that a new one can share instead of being extracted again.

A hardlink costs some 30 microseconds whatever the file's size, takes no space, and keeps a running
program's file. Where the file system refuses one, the file is extracted.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat

import xxhash

from container.model import EntryKind
from container.typed import TYPE_CHECKING, NamedTuple
from extractor import warm
from extractor.destinations import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from container.model import Entry, Index
    from extractor.manifest import Manifest

# Read at once while a file is hashed; bounds the memory that counts as this process's.
_PIECE_BYTES = 8 << 20


class Base(NamedTuple):
    """An installed version that files can be taken from."""

    root: str
    record: Manifest
    trusted: bool
    """Size, time and inode suffice to know a file again; otherwise its contents are read."""


def find(index: Index, bases: Iterable[Base]) -> dict[int, str]:
    """Which files of a payload exist already.

    Args:
        index: of the payload.
        bases: installed versions, the best first.
    Returns:
        Path of a file with the same contents and mode, by number of the entry.
    """
    wanted: dict[tuple[str, int], list[int]] = {}
    bases = tuple(bases)
    if not bases:
        return {}  # a first start: all entries would be looked at for nothing
    for number, entry in enumerate(index.entries):
        if entry.kind == EntryKind.FILE and entry.plain_bytes:
            key = (entry.xxh3_128.hex(), stat.S_IFREG | entry.mode)
            wanted.setdefault(key, []).append(number)
    found: dict[int, str] = {}
    taken: set[int] = set()
    for base in bases:
        if not wanted:
            break
        record = base.record
        bad = set(warm.damaged(record, base.root))
        trusted = base.trusted and not warm.is_copy(record, base.root)
        for path, mode, inode, digest in zip(
            record.paths, record.modes, record.inodes, record.digests, strict=True
        ):
            if (digest, mode) not in wanted:
                continue
            place = os.path.join(base.root, path)
            if path in bad or not trusted:
                if not is_intact(place, mode, digest):
                    continue
                inode = os.lstat(place).st_ino
            # Two files of the same contents stay two: whoever writes to one means that one.
            if inode in taken:
                continue
            taken.add(inode)
            numbers = wanted[digest, mode]
            found[numbers.pop(0)] = place
            if not numbers:
                del wanted[digest, mode]
    return found


def digest(entry: Entry) -> str | None:
    """What an installation's record says of an entry's contents; None for a directory."""
    if entry.kind == EntryKind.DIRECTORY:
        return None
    if entry.kind == EntryKind.SYMLINK:
        return xxhash.xxh3_128_hexdigest(os.fsencode(entry.link))
    return entry.xxh3_128.hex()


def is_sound(entry: Entry, path: str) -> bool:
    """The file at ``path`` has the entry's contents, which are read."""
    return is_intact(path, stat.S_IFREG | entry.mode, entry.xxh3_128.hex())


def is_intact(path: str, mode: int, digest: str) -> bool:
    """The file or symlink has that mode and those contents; the contents are read.

    Args:
        path: of the file.
        mode: type and permissions, as ``st_mode``.
        digest: XXH3-128 of its contents or its target, in hex.
    """
    try:
        if os.lstat(path).st_mode != mode:
            return False
        if stat.S_ISLNK(mode):
            return xxhash.xxh3_128_hexdigest(os.fsencode(os.readlink(path))) == digest
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            return _content_digest(descriptor) == digest
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _content_digest(descriptor: int) -> str:
    if not os.fstat(descriptor).st_size:
        return xxhash.xxh3_128_hexdigest(b"")
    hasher = xxhash.xxh3_128()
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
        # In pieces: pages that a piece has brought in need not stay for the next one.
        for offset in range(0, len(view), _PIECE_BYTES):
            with view[offset : offset + _PIECE_BYTES] as piece:
                hasher.update(piece)
            mapped.madvise(mmap.MADV_DONTNEED, offset, min(_PIECE_BYTES, len(view) - offset))
    return hasher.hexdigest()


def link(index: Index, candidates: Mapping[int, str], root: str) -> dict[int, str]:
    """Give files that exist their names in a new version.

    Args:
        index: of the payload.
        candidates: as ``find`` returns them.
        root: of the new version; its directories exist.
    Returns:
        The entries that have their places now, as ``find`` returns them; the others must be
        extracted.
    Raises:
        NoSpaceError, OSError: the disk refuses, and would refuse an extraction, too.
    """
    linked = {}
    for number, path in candidates.items():
        target = os.path.join(root, index.entries[number].path)
        try:
            os.link(path, target, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise explained(error, target) from error
            continue
        linked[number] = target
    return linked
