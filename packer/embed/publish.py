"""A new file takes the place of an old one in one step, or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from container.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from container.source import ByteSource

COPY_BYTES = 1 << 20


@contextmanager
def published(
    output: Path, mode: int, finish: Callable[[Path], object] | None = None
) -> Iterator[BinaryIO]:
    """A new file beside ``output`` that takes its place when the block ends well.

    It is made durable before it is renamed. Whatever the block raises, it is removed.

    Args:
        output: its directory exists.
        mode: permission bits of the new file.
        finish: called with the closed file's path before it is renamed; may replace the file.
    Raises:
        PackError: ``output`` is a directory.
        OSError: the directory does not exist or cannot be written to.
    """
    if output.is_dir():
        raise PackError("the output is a directory", str(output), remedy="name a file")
    beside = output.with_name(f".{output.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if finish is not None:
            finish(beside)
            _make_durable(beside, mode)
        os.replace(beside, output)
        _sync_directory(output.parent)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A stream does not know its path; what is read while it is open names its own.
            raise OSError(error.errno, error.strerror, str(output)) from error
        raise


def _make_durable(path: Path, mode: int) -> None:
    """Another program may have written the file anew."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    """Make a rename in it durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: ByteSource, offset: int, size: int, stream: BinaryIO) -> None:
    """Append a run of the source's bytes to the stream."""
    end = offset + size
    for position in range(offset, end, COPY_BYTES):
        stream.write(source.read_at(position, min(COPY_BYTES, end - position)))


def patch(stream: BinaryIO, offset: int, data: bytes) -> None:
    """Overwrite bytes in the middle; the stream then stands at its end again."""
    stream.seek(offset)
    stream.write(data)
    stream.seek(0, os.SEEK_END)
