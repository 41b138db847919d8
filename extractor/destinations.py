"""Where plain bytes go: the only module that creates, writes and links files."""

from __future__ import annotations

import errno
import mmap
import os
from itertools import count

from container.errors import NoSpaceError, NotWritableError
from container.typed import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.model import Entry


class Destination(Protocol):
    """What the pipeline writes to. Every method may raise OSError or InstallError."""

    def make_directory(self, entry: Entry) -> None:
        """Create it, open to its owner whatever its final mode."""

    def create_file(self, entry: Entry) -> int:
        """A new file with its final mode; the descriptor is writable and readable."""

    def open_file(self, entry: Entry) -> int:
        """A file that is in its place already; the descriptor is readable."""

    def create_scratch(self) -> int:
        """A file without a name, gone when it is closed."""

    def write_file(self, entry: Entry, plain: memoryview) -> None:
        """A new file with its final mode and all its contents, and no descriptor left."""

    def write(self, descriptor: int, plain: memoryview, offset: int) -> None:
        """All of ``plain``, at an offset in bytes; callable from several threads."""

    def map_file(self, descriptor: int) -> mmap.mmap:
        """The whole file, read-only."""

    def close_file(self, descriptor: int) -> None:
        """Nothing more will be written to it."""

    def make_symlink(self, entry: Entry) -> None:
        """Create it; its target need not exist."""

    def make_hardlink(self, entry: Entry) -> None:
        """Create it; its target exists."""

    def finish_directory(self, entry: Entry) -> None:
        """Everything in it is there: give it its final mode."""


class DirectoryDestination:
    """Files below a directory that this process has made and nobody else writes to.

    Nothing that exists is ever opened: all files are created exclusively, so that neither a
    running program nor the target of a planted link can be overwritten.

    Args:
        root: an existing, empty directory.
        written: called with a descriptor, an offset and a size in bytes behind each write, but
            not behind that of a whole small file.
    """

    def __init__(self, root: str, written: Callable[[int, int, int], object] | None = None) -> None:
        self._root = root
        self._written = written
        self._prefix = os.path.join(root, "")
        self._scratch_numbers = count(1)

    def make_directory(self, entry: Entry) -> None:
        """See ``Destination``."""
        path = self._prefix + entry.path
        try:
            os.mkdir(path, 0o700)
        except OSError as error:
            raise explained(error, path) from error

    def create_file(self, entry: Entry) -> int:
        """See ``Destination``."""
        path = self._prefix + entry.path
        try:
            descriptor = os.open(path, _CREATE, 0o600)
            try:
                os.fchmod(descriptor, entry.mode)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise explained(error, path) from error
        return descriptor

    def open_file(self, entry: Entry) -> int:
        """See ``Destination``."""
        path = self._prefix + entry.path
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | _NOFOLLOW)
        except OSError as error:
            raise explained(error, path) from error

    def create_scratch(self) -> int:
        """See ``Destination``."""
        path = f"{self._prefix}.scratch-{next(self._scratch_numbers)}"
        try:
            descriptor = os.open(path, _CREATE, 0o600)
            os.unlink(path)
        except OSError as error:
            raise explained(error, path) from error
        return descriptor

    def write_file(self, entry: Entry, plain: memoryview) -> None:
        """See ``Destination``: ``create_file``, ``write`` and ``close_file`` in one.

        A tree may have thousands of small files, and each call of a function for each is felt.
        """
        path = self._prefix + entry.path
        try:
            descriptor = os.open(path, _CREATE, 0o600)
            try:
                os.fchmod(descriptor, entry.mode)
                _write_all(descriptor, plain, 0)
                if self._written is not None and len(plain) >= _SMALL_BYTES:
                    self._written(descriptor, 0, len(plain))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise explained(error, path) from error

    def write(self, descriptor: int, plain: memoryview, offset: int) -> None:
        """See ``Destination``."""
        try:
            _write_all(descriptor, plain, offset)
            if self._written is not None:
                self._written(descriptor, offset, len(plain))
        except OSError as error:
            raise explained(error, self._root) from error

    def map_file(self, descriptor: int) -> mmap.mmap:
        """See ``Destination``."""
        return mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)

    def close_file(self, descriptor: int) -> None:
        """See ``Destination``; delayed write errors of network file systems appear here."""
        try:
            os.close(descriptor)
        except OSError as error:
            raise explained(error, self._root) from error

    def make_symlink(self, entry: Entry) -> None:
        """See ``Destination``."""
        path = self._prefix + entry.path
        try:
            os.symlink(entry.link, path)
        except OSError as error:
            raise explained(error, path) from error

    def make_hardlink(self, entry: Entry) -> None:
        """See ``Destination``."""
        path = self._prefix + entry.path
        try:
            os.link(self._prefix + entry.link, path, follow_symlinks=False)
        except OSError as error:
            raise explained(error, path) from error

    def finish_directory(self, entry: Entry) -> None:
        """See ``Destination``."""
        path = self._prefix + entry.path
        try:
            os.chmod(path, entry.mode)
        except OSError as error:
            raise explained(error, path) from error


# Starting each of 7,000 smaller files on its way to the disk doubles what the kernel has to do for
# them: the flush at the end takes them all at once.
_SMALL_BYTES = 64 << 10
# Linux makes the pages of a file as large as what one call writes. From 2 MiB on they come out of
# the blocks that a virtual machine gives back to its host while they are free, and that it fetches
# again at 2 ms each: a release takes 0.45 s then, and 0.21 s so. Elsewhere it makes no difference.
_WRITE_BYTES = 512 << 10
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | _NOFOLLOW


def _write_all(descriptor: int, plain: memoryview, offset: int) -> None:
    written = 0
    # A short count is legal, too: a signal, a full disk. Each piece is released whatever happens:
    # an error would keep it, and with it the file that the bytes are mapped from.
    while written < len(plain):
        with plain[written : written + _WRITE_BYTES] as piece:
            written += os.pwrite(descriptor, piece, offset + written)


def explained(error: OSError, path: str) -> Exception:
    """The error that a user understands, where the cause is one that a user can remove.

    Returns:
        NoSpaceError, NotWritableError, or an OSError with the path.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(
            "no space left on the file system or in the quota",
            path,
            remedy="free some space and start again; nothing was changed",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotWritableError(
            f"cannot be written to: {error.strerror}",
            path,
            remedy="choose another directory, or make this one yours",
        )
    if error.filename is None:
        return OSError(error.errno, error.strerror, path)
    return error
