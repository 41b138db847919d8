"""Put a payload into a host and take it out again; the output appears whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from container import hosts, magic
from container.errors import (
    AlreadyPackedError,
    FormatError,
    IntegrityError,
    NotAContainerError,
    PackError,
    SourceChangedError,
)
from container.locate import Location, locate
from container.reader import PayloadReader
from container.source import FileSource
from packer.embed.codesign import check_can_sign, codesign
from packer.embed.elf import ElfHost
from packer.embed.macho import MachOHost
from packer.embed.parts import PlainHost, unsupported
from packer.embed.pe import PeHost
from packer.embed.publish import copy, published
from packer.writer import write_payload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packer.embed.parts import Host
    from packer.plan import Plan
    from packer.writer import Settings, Written

_UPX_MAGIC = b"UPX!"


class Signing(NamedTuple):
    """How a Mach-O output is signed; by default ad hoc."""

    identity: str | None = None
    """Sign with it on macOS, when the payload is in."""
    unsigned: bool = False
    """Leave a darwin-amd64 output without a signature."""


class Embedded(NamedTuple):
    """What was made."""

    written: Written
    host_bytes: int
    file_bytes: int
    replaced: bool
    warnings: list[str]


class Stripped(NamedTuple):
    """What was given back."""

    host_bytes: int
    warnings: list[str]


def embed(
    host: Path,
    output: Path,
    plan: Plan,
    settings: Settings,
    *,
    replace: bool = False,
    signing: Signing = Signing(),  # noqa: B008 - a constant
    progress: Callable[[str, int], object] = lambda _stage, _bytes: None,
) -> Embedded:
    """Write a copy of the host with a payload inside.

    Args:
        host: an executable, or a file of no executable format.
        output: its directory exists; a file that stands there is replaced in one step.
        plan: what to pack, with its references chosen.
        settings: see ``Settings``.
        replace: swap a payload that the host carries.
        signing: see ``Signing``.
        progress: called with ``pack`` or ``verify`` and the plain bytes just done.
    Raises:
        AlreadyPackedError: the host carries a payload and ``replace`` is not set.
        UnsupportedHostError: a format or layout that cannot take a payload.
        PackError: it cannot be signed as asked.
        ContainerError, OSError: as ``write_payload``; nothing is left at or beside ``output``.
    """
    with FileSource(host) as source:
        shape, location = check_host(source, replace=replace, signing=signing)
        parts = shape.parts
        written: Written

        def sign(beside: Path) -> None:
            if signing.identity is not None and isinstance(shape, MachOHost):
                codesign(beside, signing.identity, os.fsdecode(shape.identifier))
                with FileSource(beside) as signed:
                    _verify(signed, written, progress)

        mode = stat.S_IMODE(os.stat(host).st_mode)
        with published(output, mode, sign if signing.identity is not None else None) as stream:
            copy(source, 0, parts.head_bytes, stream)
            lead_bytes = -parts.head_bytes % shape.alignment_bytes
            stream.write(bytes(lead_bytes))
            pad_bytes = 0

            def write_tail(payload_bytes: int) -> int:
                nonlocal pad_bytes
                pad_bytes = shape.pad_bytes(lead_bytes + payload_bytes)
                stream.write(bytes(pad_bytes))
                copy(source, parts.tail_offset, parts.tail_bytes, stream)
                return pad_bytes + parts.tail_bytes

            written = write_payload(
                stream,
                plan,
                settings,
                lead_bytes,
                lambda plain_bytes: progress("pack", plain_bytes),
                write_tail,
            )
            shape.finish(stream, stream.tell() - parts.host_bytes - magic.FOOTER_BYTES)
            _verify_stream(stream, str(output), written, progress)
        file_bytes = os.stat(output).st_size
    return Embedded(written, parts.host_bytes, file_bytes, location is not None, shape.warnings)


def check_host(
    source: FileSource,
    *,
    replace: bool,
    signing: Signing = Signing(),  # noqa: B008 - a constant
) -> tuple[Host, Location | None]:
    """Refuse a host that cannot take a payload, or carries one already.

    Returns:
        The host, and where the payload that is to be replaced sits; None where there is none.
    Raises:
        AlreadyPackedError, UnsupportedHostError, ContainerError, OSError: as ``embed``.
    """
    if signing.identity is not None:
        if signing.unsigned:
            raise PackError("--sign and --no-sign exclude each other")
        check_can_sign(hosts.host_format(hosts.read_head(source)), source.name)
    location = find_payload(source)
    if location is not None and not replace:
        raise AlreadyPackedError(
            "carries a payload already",
            source.name,
            remedy="give --replace to swap it, or the host that it was made from",
        )
    return open_host(source, location, unsigned=signing.unsigned), location


def open_host(source: FileSource, location: Location | None, *, unsigned: bool = False) -> Host:
    """The host of a file, read and checked by the rules of its format.

    Args:
        source: the file.
        location: of the payload that it carries.
        unsigned: see ``Signing``.
    Raises:
        UnsupportedHostError: it cannot take a payload.
        OSError: reading failed.
    """
    head = hosts.read_head(source)
    kind = hosts.host_format(head)
    if kind != hosts.OTHER and _UPX_MAGIC in head:
        raise unsupported(
            source,
            "a host packed with UPX, which unpacks itself from its own file",
            remedy="give the host before UPX; the payload is compressed in any case",
        )
    # In a copy, zeros stand behind a host that is shorter than what is read at once.
    if hosts.host_format(head.ljust(hosts.HEAD_BYTES, b"\0")) != kind:
        raise unsupported(source, "a host that is cut short in its first bytes")
    try:
        match kind:
            case hosts.ELF:
                return ElfHost(source, location)
            case hosts.MACHO:
                return MachOHost(source, location, unsigned=unsigned)
            case hosts.PE:
                return PeHost(source, location)
    except (FormatError, NotAContainerError) as error:
        raise _unreadable(source, error) from None
    return PlainHost(source, location)


def _unreadable(source: FileSource, error: FormatError | NotAContainerError) -> PackError:
    """What a reader says of a host's headers, as the refusal of a host."""
    kind = hosts.host_format(hosts.read_head(source))
    return unsupported(
        source, f"this {kind} host cannot take a payload: {error.what}", error.expected, error.found
    )


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
        written = write_payload(
            stream, plan, settings, 0, lambda plain_bytes: progress("pack", plain_bytes)
        )
        _verify_stream(stream, str(output), written, progress)
    return written


def strip(packed: Path, output: Path) -> Stripped:
    """Write the host of a packed file, as it was before embedding.

    ELF, PE and other hosts come back byte for byte, a Mach-O up to its signature, which is made
    anew and ad hoc. A signature of a PE is dropped.

    Raises:
        NotAContainerError: there is no payload to strip.
        PackError: the file is a payload alone.
        UnsupportedHostError: the host was changed in a way that cannot be undone.
        ContainerError, OSError: the file cannot be read or the output not be written.
    """
    with FileSource(packed) as source:
        location = locate(source)
        if not location.lead_offset:
            raise PackError("is a payload alone: there is no host to give back", str(packed))
        host = _packed_host(source, location)
        parts = host.parts
        with published(output, stat.S_IMODE(os.stat(packed).st_mode)) as stream:
            copy(source, 0, parts.head_bytes, stream)
            copy(source, parts.tail_offset, parts.tail_bytes, stream)
            host.finish(stream, 0)
    return Stripped(parts.host_bytes, host.warnings)


def _packed_host(source: FileSource, location: Location) -> Host:
    """The host to give back: one that was packed without a signature keeps none."""
    host = open_host(source, location)
    if isinstance(host, MachOHost) and host.is_unsigned:
        return open_host(source, location, unsigned=True)
    return host


def find_payload(source: FileSource) -> Location | None:
    """Where the payload of a file sits; None where it has none.

    Raises:
        UnsupportedHostError: the host's own headers are broken.
        ContainerError: it has a payload, and that is damaged or was cut off.
        OSError: reading failed.
    """
    try:
        hosts.payload_end(source)
    except (FormatError, NotAContainerError) as error:
        raise _unreadable(source, error) from None
    try:
        return locate(source)
    except NotAContainerError:
        return None


def _verify_stream(
    stream: BinaryIO, name: str, written: Written, progress: Callable[[str, int], object]
) -> None:
    """Read what was written back from its own descriptor."""
    stream.flush()
    with FileSource(name, os.dup(stream.fileno())) as source:
        _verify(source, written, progress)


def _verify(source: FileSource, written: Written, progress: Callable[[str, int], object]) -> None:
    """Find the payload as every reader will, and check every digest."""
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
