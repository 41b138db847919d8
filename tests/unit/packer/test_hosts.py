"""What a host is, told from its head, its tail and its signature."""

import struct

import pytest

from container import hosts
from container.locate import locate
from packer.hosts import HostFacts, identify
from tests.support.executables import (
    AMD64,
    CMS_SLOT,
    ELF_ARM64,
    archive,
    elf,
    fat,
    macho,
    pe,
)
from tests.support.payloads import MemorySource, directory_entry, seal, tree_index

IDENTITY = {CMS_SLOT: struct.pack(">II", 0xFADE0B01, 400) + bytes(392)}
NO_IDENTITY = {CMS_SLOT: struct.pack(">II", 0xFADE0B01, 8)}
PAYLOAD = seal(tree_index([directory_entry("tree")]), b"")


def told(data: bytes) -> tuple[str, tuple[str, ...], bool, str]:
    facts = identify(MemorySource(data))
    assert facts.host_bytes == len(data)
    return facts[:4]


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (elf(), (hosts.ELF, ("amd64",), False, "none")),
        (elf(machine=ELF_ARM64), (hosts.ELF, ("arm64",), False, "none")),
        (elf(machine=3), (hosts.ELF, ("386",), False, "none")),
        (elf(machine=0xF3), (hosts.ELF, ("0xf3",), False, "none")),
        (elf(frozen=archive()), (hosts.ELF, ("amd64",), True, "none")),
        (elf(frozen=archive()[-88:-80]), (hosts.ELF, ("amd64",), True, "none")),
        (macho(), (hosts.MACHO, ("arm64",), False, "ad-hoc, linker-signed")),
        (macho(flags=2), (hosts.MACHO, ("arm64",), False, "ad-hoc")),
        (macho(flags=0, slots=NO_IDENTITY), (hosts.MACHO, ("arm64",), False, "ad-hoc")),
        (macho(flags=0x10000, slots=IDENTITY), (hosts.MACHO, ("arm64",), False, "identity")),
        (macho(cpu=AMD64, signed=False), (hosts.MACHO, ("amd64",), False, "none")),
        (fat(macho(cpu=AMD64), macho(flags=2)), (hosts.MACHO, ("amd64", "arm64"), False, "ad-hoc")),
        (macho()[:-1], (hosts.MACHO, ("arm64",), False, "unreadable")),
        (fat(macho())[:-1], (hosts.MACHO, (), False, "unreadable")),
        (pe(), (hosts.PE, ("amd64",), False, "none")),
        (pe(machine=0xAA64, certificate=bytes(8)), (hosts.PE, ("arm64",), False, "authenticode")),
        (pe(overlay=archive()), (hosts.PE, ("amd64",), True, "none")),
        (b"#!/bin/sh\n" + archive(), (hosts.OTHER, (), False, "none")),
        (b"", (hosts.OTHER, (), False, "none")),
    ],
)  # fmt: skip
def test_facts(data: bytes, facts: tuple[str, tuple[str, ...], bool, str]) -> None:
    assert told(data) == facts


@pytest.mark.parametrize(
    ("data", "platforms"),
    [
        (elf(machine=ELF_ARM64), ("linux-arm64",)),
        (elf(machine=3), ()),
        (fat(macho(cpu=AMD64), macho()), ("darwin-amd64", "darwin-arm64")),
        (pe(), ("windows-amd64",)),
        (b"#!/bin/sh\n", ()),
    ],
)
def test_platforms(data: bytes, platforms: tuple[str, ...]) -> None:
    assert identify(MemorySource(data)).platforms == platforms


def test_of_a_packed_file_only_the_host_itself_is_looked_at() -> None:
    """A payload can hold a frozen program, and its last bytes can be that one's."""
    frames = archive()
    index = tree_index([directory_entry("tree")])
    data = elf() + seal(index, frames, lead_bytes=0)
    source = MemorySource(data)
    facts = identify(source, locate(source))
    assert facts == HostFacts(hosts.ELF, ("amd64",), False, "none", len(elf()))


@pytest.mark.parametrize("cut", range(12, 60, 3))
def test_a_signature_that_is_not_whole_is_unreadable(cut: int) -> None:
    sound = macho()
    start = sound.index(struct.pack(">I", 0xFADE0CC0))
    damaged = bytearray(sound)
    # Numbers so large that whatever they count leaves the signature.
    damaged[start + cut - 8 : start + cut - 4] = b"\xff\xff\xff\xff"
    assert identify(MemorySource(bytes(damaged))).signature in (
        "unreadable",
        "ad-hoc, linker-signed",
        "ad-hoc",
        "identity",
    )
