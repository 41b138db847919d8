"""What a host is: its format, its architectures, its signature; nothing is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from container import hosts
from container.errors import ContainerError
from container.hosts import macho, pe, read_head
from packer.embed.elf import EM_AMD64, EM_ARM64
from packer.embed.frozen import find_archive
from packer.embed.macho import LC_CODE_SIGNATURE, LINKEDIT_DATA, architecture
from packer.embed.signature import UNREADABLE, read_signature

if TYPE_CHECKING:
    from container.locate import Location
    from container.source import ByteSource

_ELF_MACHINES = {3: "386", EM_AMD64: "amd64", 0x28: "arm", EM_ARM64: "arm64"}
_PE_MACHINES = {0x14C: "386", 0x8664: "amd64", 0xAA64: "arm64"}
_SYSTEMS = {hosts.ELF: "linux", hosts.MACHO: "darwin", hosts.PE: "windows"}
_PACKED = ("amd64", "arm64")
_NO_SIGNATURE = "none"


class HostFacts(NamedTuple):
    """A file that may take a payload, or carries one."""

    format: str
    architectures: tuple[str, ...]
    """As in platform names; a number where there is none."""
    frozen: bool
    """A PyInstaller archive ends the host: its loader searches backward for it."""
    signature: str
    """``none``, ``ad-hoc``, ``ad-hoc, linker-signed``, ``identity``, ``authenticode``, or
    ``unreadable``; of a fat Mach-O, of the slice that can carry a payload."""
    host_bytes: int
    """Without a payload, and without the signature behind it."""

    @property
    def platforms(self) -> tuple[str, ...]:
        """As in ``container.model.PLATFORMS``, as far as the file says."""
        if self.format not in _SYSTEMS:
            return ()
        system = _SYSTEMS[self.format]
        return tuple(f"{system}-{name}" for name in self.architectures if name in _PACKED)


def identify(source: ByteSource, location: Location | None = None) -> HostFacts:
    """Read head and tail of a host; never the whole.

    Args:
        source: of any size.
        location: of the payload that it carries.
    Raises:
        OSError: reading failed.
    """
    head = read_head(source)
    format_ = hosts.host_format(head)
    end = source.size if location is None else location.footer_offset
    start = 0 if location is None else location.index_end
    archive_offset: int | None = None
    frozen = False
    if format_ != hosts.OTHER:
        try:
            archive_offset = find_archive(source, start, end)
            frozen = archive_offset is not None
        except ContainerError:
            frozen = True
    host_bytes = end
    if location is not None:
        tail_bytes = 0 if archive_offset is None else end - archive_offset
        host_bytes = location.lead_offset + tail_bytes
    try:
        architectures, signature = _READERS[format_](source, head)
    except ContainerError:
        architectures, signature = (), UNREADABLE.state
    return HostFacts(format_, architectures, frozen, signature, host_bytes)


def _elf(_source: ByteSource, head: bytes) -> tuple[tuple[str, ...], str]:
    order: Literal["big", "little"] = "big" if head[5:6] == b"\2" else "little"
    return (_named(_ELF_MACHINES, int.from_bytes(head[18:20], order)),), _NO_SIGNATURE


def _pe(_source: ByteSource, head: bytes) -> tuple[tuple[str, ...], str]:
    offset, _ = pe.optional_header(head)
    start = offset - pe.COFF_BYTES
    machine = int.from_bytes(head[start + 4 : start + 6], "little")
    signature = "authenticode" if pe.certificates(head)[0] else _NO_SIGNATURE
    return (_named(_PE_MACHINES, machine),), signature


def _macho(source: ByteSource, head: bytes) -> tuple[tuple[str, ...], str]:
    architectures = tuple(
        architecture(int.from_bytes(source.read_at(offset + 4, 4), "little"))
        for offset, _, _ in macho.slices(head, source.size)
    )
    slice_ = macho.payload_slice(head, source.size)
    commands = macho.read_commands(source, slice_, head)
    for kind, place, size in macho.walk(commands):
        if kind == LC_CODE_SIGNATURE and size >= LINKEDIT_DATA.size:
            _, _, start, data_bytes = LINKEDIT_DATA.unpack_from(commands, place)
            if start + data_bytes > slice_[1]:
                return architectures, UNREADABLE.state
            return architectures, read_signature(source, slice_[0] + start, data_bytes).state
    return architectures, _NO_SIGNATURE


def _other(_source: ByteSource, _head: bytes) -> tuple[tuple[str, ...], str]:
    return (), _NO_SIGNATURE


_READERS = {
    hosts.ELF: _elf,
    hosts.MACHO: _macho,
    hosts.PE: _pe,
    hosts.OTHER: _other,
}


def _named(names: dict[int, str], machine: int) -> str:
    return names.get(machine, f"{machine:#x}")
