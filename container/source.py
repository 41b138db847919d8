"""Where stored bytes come from: anything that can be read at an offset."""

from __future__ import annotations

import errno
import os
import stat

from container.errors import TruncatedError
from container.typed import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

Path = str | os.PathLike[str]


class ReadableAt(Protocol):
    """Bytes at offsets, as far as finding a payload needs them."""

    @property
    def name(self) -> str:
        """For error texts."""

    @property
    def size(self) -> int:
        """In bytes."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``; callable from several threads.

        Raises:
            TruncatedError: there are fewer.
            OSError: reading failed.
        """


class ByteSource(ReadableAt, Protocol):
    """Bytes at offsets; the reader needs nothing else, so a download by ranges can be one."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the whole buffer from ``offset``; callable from several threads.

        Raises:
            TruncatedError, OSError: as ``read_at``.
        """


class FileSource:
    """A local file, held open by descriptor: a rename or unlink does not disturb reading.

    Args:
        path: of the file; names it in errors.
        descriptor: of the file, open for reading, to take over; by default the path is opened.
    Raises:
        OSError: the file cannot be opened, or is not a regular one.
    """

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        self.name = os.fspath(path)
        if descriptor is None:
            # Opening a FIFO would otherwise wait for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", self.name)
        self.size = status.st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """See ``ByteSource``."""
        data = bytearray(size)
        self.read_into(offset, memoryview(data))
        return bytes(data)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """See ``ByteSource``."""
        done = 0
        while done < len(buffer):
            try:
                count = os.preadv(self._descriptor, [buffer[done:]], offset + done)
            except OSError as error:
                # A descriptor has no path of its own to put into the error.
                raise OSError(error.errno, error.strerror, self.name) from error
            if not count:
                raise TruncatedError(
                    f"the file ends {len(buffer) - done} bytes too early",
                    self.name,
                    remedy="it is incomplete or changed while being read: fetch it again",
                )
            done += count

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
