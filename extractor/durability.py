"""Make what was written survive a loss of power, at the cost of one flush.

What each platform guarantees:

Linux: ``syncfs`` returns when all data and metadata of the file system are on the disk. Since 5.8
    it reports write errors; on older kernels each file is flushed on its own. ``fsync`` of a
    directory settles the renames in it. Sources: syncfs(2), fsync(2).
macOS: ``fsync`` moves data to the drive, which may keep it in a cache and in another order;
    ``F_FULLFSYNC`` empties that cache, so the last one of many settles all. Source: fsync(2).
Elsewhere: ``fsync`` of each file and directory.
"""

from __future__ import annotations

import os
import sys

from container.typed import TYPE_CHECKING
from extractor import libc
from extractor.destinations import explained

if TYPE_CHECKING:
    from collections.abc import Callable

_F_FULLFSYNC = 51
_SYNC_FILE_RANGE_WRITE = 2
_SYNCFS_REPORTS_ERRORS = (5, 8)


def write_back_starter() -> Callable[[int, int, int], object]:
    """What starts moving a written range to the disk, and does not wait for it.

    Called with a descriptor, an offset and a size in bytes. It is a hint, so that the flush at the
    end finds little to do: a durable first start takes about 1.1 x one that is not.
    Nothing is done where the platform has no such call. Source: sync_file_range(2).
    """
    call = libc.function("sync_file_range")
    if call is None:
        return lambda *_: None
    import ctypes

    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return lambda descriptor, offset, size: call(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE)


def flush_tree(root: str) -> None:
    """All files and directories at and below ``root`` are durable when this returns.

    Raises:
        NoSpaceError: the disk is full: some file systems find that out only here.
        OSError: the disk reports another error.
    """
    syncfs = _syncfs()
    if syncfs is None:
        _flush_each(root)
        return
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explained(error, root) from error


def flush_directory(path: str) -> None:
    """The names in a directory are durable when this returns.

    Raises:
        NotWritableError: it cannot be opened.
        NoSpaceError, OSError: the disk reports an error.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flush(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explained(error, path) from error


def flush(descriptor: int) -> None:
    """One file or directory, down to the medium where the platform lets a program ask for that."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, _F_FULLFSYNC)
        except OSError:
            # Network and foreign file systems refuse it: fsync is all they offer.
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)


def _flush_each(root: str) -> None:
    """Every file, then every directory from the inside out; macOS settles all with the last one."""
    for directory, _, names in os.walk(root, topdown=False):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                continue
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise explained(error, path) from error
        flush_directory(directory)


def _syncfs() -> Callable[[int], None] | None:
    """The system call, where it exists and tells of errors."""
    call = libc.function("syncfs") if sys.platform == "linux" else None
    if call is None or _kernel() < _SYNCFS_REPORTS_ERRORS:
        return None
    import ctypes

    def syncfs(descriptor: int) -> None:
        if call(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(character for character in minor if character.isdigit()) or 0)
