"""Which executable format a file has, and whether it can take a payload."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from container.errors import UnsupportedHostError

if TYPE_CHECKING:
    from container.source import ByteSource

_HEAD_BYTES = 4096
# Its cookie ends the file, or stands shortly before the end where padding or a signature follows.
_PYINSTALLER_TAIL_BYTES = 8192
_PYINSTALLER_COOKIE = b"MEI\014\013\012\013\016"

_ELF_MACHINES = {0x3E: "amd64", 0xB7: "arm64"}
_MACHO_CPUS = {0x01000007: "amd64", 0x0100000C: "arm64"}
_PE_MACHINES = {0x8664: "amd64", 0xAA64: "arm64"}


class HostFormat(Enum):
    """What the first bytes of a file say."""

    ELF = "ELF"
    MACHO = "Mach-O"
    PE = "PE"
    OTHER = "other"


class Host(NamedTuple):
    """A file that may take a payload."""

    format: HostFormat
    platform: str | None
    """As in ``container.model.PLATFORMS``; None where the file does not say, or says several."""
    frozen: bool
    """A PyInstaller archive ends the file: its loader searches backward for it."""


def identify(source: ByteSource, host_bytes: int | None = None) -> Host:
    """Read the head and the tail of a host; never the whole.

    Args:
        source: of any size.
        host_bytes: where the host ends and a payload begins, which may contain anything; None
            where the host is the whole file.
    Raises:
        OSError: reading failed.
    Source: the ELF gABI, chapter 4; ``mach-o/loader.h`` and ``mach-o/fat.h``; the PE format's
        "MS-DOS stub" and "COFF file header"; PyInstaller's ``CArchive`` cookie.
    """
    end = source.size if host_bytes is None else host_bytes
    head = source.read_at(0, min(_HEAD_BYTES, end))
    tail_bytes = min(_PYINSTALLER_TAIL_BYTES, end)
    tail = source.read_at(end - tail_bytes, tail_bytes)
    format_, platform = _identify_head(head)
    frozen = format_ != HostFormat.OTHER and _PYINSTALLER_COOKIE in tail
    return Host(format_, platform, frozen)


def _identify_head(head: bytes) -> tuple[HostFormat, str | None]:
    def number(offset: int, size: int) -> int:
        return int.from_bytes(head[offset : offset + size], "little")

    def platform(system: str, machines: dict[int, str], machine: int) -> str | None:
        return f"{system}-{machines[machine]}" if machine in machines else None

    if head[:4] == b"\x7fELF":
        return HostFormat.ELF, platform("linux", _ELF_MACHINES, number(18, 2))
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
        return HostFormat.MACHO, platform("darwin", _MACHO_CPUS, number(4, 4))
    # A Java class file begins like a fat Mach-O; a version above 44 stands where a count is.
    if (
        head[:4] in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
        and int.from_bytes(head[4:8], "big") < 45
    ):
        return HostFormat.MACHO, None
    if head[:2] == b"MZ":
        pe = number(0x3C, 4)
        if head[pe : pe + 4] == b"PE\0\0":
            return HostFormat.PE, platform("windows", _PE_MACHINES, number(pe + 4, 2))
    return HostFormat.OTHER, None


def check_supported(host: Host, name: str) -> None:
    """Refuse a host for which appending is not safe.

    Raises:
        UnsupportedHostError: Mach-O, PE, or a PyInstaller program; with the reason.
    """
    reason = None
    if host.format == HostFormat.MACHO:
        reason = "bytes behind a Mach-O image break its code signature"
    elif host.format == HostFormat.PE:
        reason = "bytes behind a PE image break its certificate table"
    elif host.frozen:
        reason = "its loader would search the payload for its own archive at every start"
    if reason is not None:
        kind = "PyInstaller" if host.frozen else host.format.value
        raise UnsupportedHostError(
            f"{kind} hosts cannot take a payload yet: {reason}",
            name,
            "an ELF executable, or a file of no executable format",
            kind,
            "write the payload as a file of its own with `stigmer-pack pack`",
        )
