"""Put a payload into a host and take it out again; the output appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from container.errors import (
    AlreadyPackedError,
    IntegrityError,
    NotAContainerError,
    PackError,
    SourceChangedError,
)
from container.locate import Location, locate
from container.reader import PayloadReader
from container.source import FileSource
from packer import hosts
from packer.writer import write_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from packer.plan import Plan
    from packer.writer import Settings, Written

ALIGNMENT_BYTES = 4096
"""Of the payload's start in a host: a page, so that it can be mapped."""

_COPY_BYTES = 1 << 20


class Embedded(NamedTuple):
    """What was made."""

    written: Written
    host_bytes: int
    file_bytes: int
    replaced: bool


def embed(
    host: Path,
    output: Path,
    plan: Plan,
    settings: Settings,
    *,
    replace: bool = False,
    progress: Callable[[str, int], object] = lambda _stage, _bytes: None,
) -> Embedded:
    """Write a copy of the host with a payload behind it.

    Args:
        host: an ELF executable, or a file of no executable format.
        output: its directory exists; a file that stands there is replaced in one step.
        plan: what to pack, with its references chosen.
        settings: see ``Settings``.
        replace: swap a payload that the host carries.
        progress: called with ``pack`` or ``verify`` and the plain bytes just done.
    Raises:
        AlreadyPackedError: the host carries a payload and ``replace`` is not set.
        UnsupportedHostError: Mach-O, PE or PyInstaller hosts.
        ContainerError, OSError: as ``write_payload``; nothing is left at or beside ``output``.
    """
    with FileSource(host) as source:
        location = check_host(source, replace=replace)
        host_bytes = source.size if location is None else location.lead_offset
        mode = stat.S_IMODE(os.stat(host).st_mode)
        with published(output, mode) as stream:
            _copy(source, host_bytes, stream)
            lead_bytes = -host_bytes % ALIGNMENT_BYTES
            stream.write(bytes(lead_bytes))
            written = _write_verified(stream, plan, settings, lead_bytes, str(output), progress)
            file_bytes = stream.tell()
    return Embedded(written, host_bytes, file_bytes, location is not None)


def check_host(source: FileSource, *, replace: bool) -> Location | None:
    """Refuse a host that cannot take a payload, or carries one already.

    Returns:
        Where the payload that is to be replaced sits; None where there is none.
    Raises:
        AlreadyPackedError, UnsupportedHostError, ContainerError, OSError: as ``embed``.
    """
    location = find_payload(source)
    if location is not None and not replace:
        raise AlreadyPackedError(
            "carries a payload already",
            source.name,
            remedy="give --replace to swap it, or the host that it was made from",
        )
    host_bytes = None if location is None else location.lead_offset
    hosts.check_supported(hosts.identify(source, host_bytes), source.name)
    return location


def write_alone(
    output: Path,
    plan: Plan,
    settings: Settings,
    progress: Callable[[str, int], object] = lambda _stage, _bytes: None,
) -> Written:
    """Write a payload as a file of its own.

    Raises:
        ContainerError, OSError: as ``embed``.
    """
    with published(output, 0o644) as stream:
        return _write_verified(stream, plan, settings, 0, str(output), progress)


def strip(packed: Path, output: Path) -> int:
    """Write the host of a packed file, byte for byte as it was before embedding.

    Returns:
        Its size, in bytes.
    Raises:
        NotAContainerError: there is no payload to strip.
        PackError: the file is a payload alone.
        ContainerError, OSError: the file cannot be read or the output not be written.
    """
    with FileSource(packed) as source:
        location = locate(source)
        if not location.lead_offset:
            raise PackError("is a payload alone: there is no host to give back", str(packed))
        with published(output, stat.S_IMODE(os.stat(packed).st_mode)) as stream:
            _copy(source, location.lead_offset, stream)
        return location.lead_offset


def find_payload(source: FileSource) -> Location | None:
    """Where the payload of a file sits; None where it has none.

    Raises:
        ContainerError: it has one, and it is damaged.
        OSError: reading failed.
    """
    try:
        return locate(source)
    except NotAContainerError:
        return None


@contextmanager
def published(output: Path, mode: int) -> Iterator[BinaryIO]:
    """A new file beside ``output`` that takes its place when the block ends well.

    It is made durable before it is renamed. Whatever the block raises, it is removed.

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
        os.replace(beside, output)
        _sync_directory(output.parent)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A stream does not know its path; what is read while it is open names its own.
            raise OSError(error.errno, error.strerror, str(output)) from error
        raise


def _sync_directory(directory: Path) -> None:
    """Make a rename in it durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: FileSource, size: int, stream: BinaryIO) -> None:
    for offset in range(0, size, _COPY_BYTES):
        stream.write(source.read_at(offset, min(_COPY_BYTES, size - offset)))


def _write_verified(
    stream: BinaryIO,
    plan: Plan,
    settings: Settings,
    lead_bytes: int,
    name: str,
    progress: Callable[[str, int], object],
) -> Written:
    written = write_payload(
        stream, plan, settings, lead_bytes, lambda plain_bytes: progress("pack", plain_bytes)
    )
    _verify(stream, name, written, progress)
    return written


def _verify(
    stream: BinaryIO, name: str, written: Written, progress: Callable[[str, int], object]
) -> None:
    """Read what was written back from its own descriptor, and check every digest."""
    stream.flush()
    with FileSource(name, os.dup(stream.fileno())) as source:
        reader = PayloadReader(source, written.index_sha256)
        try:
            reader.verify(lambda plain_bytes: progress("verify", plain_bytes))
        except IntegrityError as error:
            raise SourceChangedError(
                "what was packed differs from what was read before",
                error.where,
                error.expected,
                error.found,
                "wait until the build that writes the components has ended, and pack again",
            ) from error
