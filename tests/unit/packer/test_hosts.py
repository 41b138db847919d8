"""Formats by their first bytes, written out as their specifications have them."""

import struct

import pytest

from container.errors import UnsupportedHostError
from packer.hosts import Host, HostFormat, check_supported, identify
from tests.support.payloads import MemorySource

# ELF gABI chapter 4: e_ident, e_type, e_machine.
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 0x3E) + bytes(44)
# mach-o/loader.h: magic, cputype.
MACHO = struct.pack("<II", 0xFEEDFACF, 0x0100000C) + bytes(24)
# mach-o/fat.h: magic and nfat_arch, big-endian.
FAT = struct.pack(">II", 0xCAFEBABE, 2) + bytes(40)
JAVA = struct.pack(">IHH", 0xCAFEBABE, 0, 52) + bytes(40)
# The MS-DOS stub with e_lfanew at 0x3c, then the signature and the machine.
PE = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", 0x8664) + bytes(40)
COOKIE = b"MEI\x0c\x0b\x0a\x0b\x0e" + bytes(80)


@pytest.mark.parametrize(
    ("data", "host"),
    [
        (ELF, Host(HostFormat.ELF, "linux-amd64", frozen=False)),
        (ELF[:18] + b"\xb7\0" + ELF[20:], Host(HostFormat.ELF, "linux-arm64", frozen=False)),
        (ELF[:18] + b"\x03\0" + ELF[20:], Host(HostFormat.ELF, None, frozen=False)),
        (b"\x7fELF", Host(HostFormat.ELF, None, frozen=False)),
        (ELF + COOKIE, Host(HostFormat.ELF, "linux-amd64", frozen=True)),
        (ELF + COOKIE + bytes(8000), Host(HostFormat.ELF, "linux-amd64", frozen=True)),
        (ELF + COOKIE + bytes(9000), Host(HostFormat.ELF, "linux-amd64", frozen=False)),
        (MACHO, Host(HostFormat.MACHO, "darwin-arm64", frozen=False)),
        (b"\xce" + MACHO[1:4] + bytes(28), Host(HostFormat.MACHO, None, frozen=False)),
        (FAT, Host(HostFormat.MACHO, None, frozen=False)),
        (b"\xca\xfe\xba\xbf" + FAT[4:], Host(HostFormat.MACHO, None, frozen=False)),
        (PE, Host(HostFormat.PE, "windows-amd64", frozen=False)),
        (PE + COOKIE, Host(HostFormat.PE, "windows-amd64", frozen=True)),
        (JAVA, Host(HostFormat.OTHER, None, frozen=False)),
        (b"MZ" + bytes(100), Host(HostFormat.OTHER, None, frozen=False)),
        (b"MZ", Host(HostFormat.OTHER, None, frozen=False)),
        (b"#!/bin/sh\n", Host(HostFormat.OTHER, None, frozen=False)),
        (b"#!/bin/sh\n" + COOKIE, Host(HostFormat.OTHER, None, frozen=False)),
        (b"", Host(HostFormat.OTHER, None, frozen=False)),
    ],
)
def test_a_format_is_known_by_its_head(data: bytes, host: Host) -> None:
    assert identify(MemorySource(data)) == host


@pytest.mark.parametrize(
    ("data", "kind"),
    [(MACHO, "Mach-O"), (FAT, "Mach-O"), (PE, "PE"), (ELF + COOKIE, "PyInstaller")],
)
def test_hosts_for_which_appending_is_not_safe_are_refused_by_name(data: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedHostError, match=f"host: {kind} hosts cannot .* pack") as caught:
        check_supported(identify(MemorySource(data)), "host")
    assert caught.value.found == kind


@pytest.mark.parametrize("data", [ELF, JAVA, b"#!/bin/sh\n", b""])
def test_other_hosts_are_taken(data: bytes) -> None:
    check_supported(identify(MemorySource(data)), "host")


def test_only_the_host_itself_is_looked_at() -> None:
    source = MemorySource(ELF + bytes(50) + COOKIE)
    assert identify(source).frozen
    assert not identify(source, len(ELF)).frozen
