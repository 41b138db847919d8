"""Where a payload ends, by the headers of each format and by nothing else."""

import struct

import pytest

from container import hosts
from container.errors import ContainerError, FormatError, NotAContainerError, TruncatedError
from container.hosts import macho
from tests.support import executables
from tests.support.executables import (
    AMD64,
    PE_CERTIFICATES,
    STRINGS,
    SYMBOLS,
    TEXT_BYTES,
    elf,
    fat,
    macho_command,
    pe,
)
from tests.support.payloads import MemorySource

JAVA = struct.pack(">IHH", 0xCAFEBABE, 0, 52) + bytes(40)
SIGNED, UNSIGNED = executables.macho(), executables.macho(cpu=AMD64, signed=False)
STRINGS_END = TEXT_BYTES + len(SYMBOLS) + len(STRINGS) + -(len(SYMBOLS) + len(STRINGS)) % 16


def end(data: bytes) -> int:
    return hosts.payload_end(MemorySource(data))


def changed(data: bytes, offset: int, layout: str, *values: int) -> bytes:
    made = bytearray(data)
    struct.pack_into(layout, made, offset, *values)
    return bytes(made)


def symtab(data: bytes) -> int:
    place = macho_command(data, 0x2)
    assert place is not None
    return place


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (elf(), hosts.ELF),
        (b"\x7fELF", hosts.ELF),
        (SIGNED, hosts.MACHO),
        (fat(UNSIGNED, SIGNED), hosts.MACHO),
        (fat(SIGNED, magic=0xCAFEBABF), hosts.MACHO),
        (b"\xce\xfa\xed\xfe", hosts.MACHO),
        (b"\xfe\xed\xfa\xce", hosts.MACHO),
        (pe(), hosts.PE),
        (JAVA, hosts.OTHER),
        (b"\xca\xfe\xba\xbe", hosts.OTHER),
        (b"MZ" + bytes(100), hosts.OTHER),
        (b"MZ", hosts.OTHER),
        (b"#!/bin/sh\n", hosts.OTHER),
        (b"", hosts.OTHER),
    ],
)
def test_a_format_is_known_by_its_head(data: bytes, kind: str) -> None:
    assert hosts.host_format(hosts.read_head(MemorySource(data))) == kind


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", JAVA, b"\x7fELF", elf(), elf(kind=3), pe()])
def test_of_most_files_it_is_their_end(data: bytes) -> None:
    assert end(data) == len(data)
    assert end(data + bytes(5000)) == len(data) + 5000


@pytest.mark.parametrize("behind", [0, 63, 64])
def test_a_segment_that_patchelf_appended_begins_there(behind: int) -> None:
    packed = elf(kind=3) + bytes(8192)
    (count,) = struct.unpack_from("<H", packed, 56)
    # Two rows more than there were; they overwrite code, which nothing reads here.
    appended = struct.pack("<IIQQQQQQ", 1, 6, len(packed), 0, 0, 1000, 1000, 4096)
    data = changed(packed, 56, "<H", count + 1)
    data = data[: 64 + 56 * count] + appended + data[64 + 56 * (count + 1) :]
    data += bytes(1000 + behind)
    assert end(data) == (len(packed) if behind < 64 else len(data))
    # A program with fixed addresses is not changed in that way.
    assert end(changed(data, 16, "<H", 2)) == len(data)


def test_of_an_elf_whose_program_headers_are_not_in_its_head_it_is_the_end() -> None:
    data = changed(elf(kind=3), 32, "<Q", 1 << 62)
    assert end(data) == len(data)
    data = changed(elf(kind=3), 56, "<H", 0xFFFF)
    assert end(data) == len(data)


@pytest.mark.parametrize("data", [SIGNED, UNSIGNED, executables.macho(cpu=AMD64)])
def test_of_a_mach_o_it_is_the_end_of_the_string_table(data: bytes) -> None:
    assert end(data) == STRINGS_END
    # Whatever a signer puts behind.
    assert end(data + bytes(70_000)) == STRINGS_END


def test_of_a_fat_mach_o_the_last_slice_counts_in_whatever_row_it_is() -> None:
    data = fat(SIGNED, UNSIGNED)
    assert end(data) == 0x8000 + 0x4000 + STRINGS_END
    first, second = data[8:28], data[28:48]
    assert end(data[:8] + second + first + data[48:]) == 0x8000 + 0x4000 + STRINGS_END


def test_load_commands_longer_than_the_head_are_read_too() -> None:
    # A command of a kind that no reader knows, in front of the others.
    size = 8192
    (count,) = struct.unpack_from("<I", UNSIGNED, 16)
    (commands,) = struct.unpack_from("<I", UNSIGNED, 20)
    filler = struct.pack("<II", 0x7F, size) + bytes(size - 8)
    data = UNSIGNED[:32] + filler + UNSIGNED[32 : 32 + commands] + UNSIGNED[32 + size + commands :]
    data = changed(data, 16, "<II", count + 1, commands + size)
    assert end(data) == STRINGS_END
    assert end(fat(data)) == 0x4000 + STRINGS_END


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (SIGNED[: STRINGS_END - 1], TruncatedError, "inside its string table"),
        (fat(SIGNED)[:-1], TruncatedError, "inside a slice"),
        (SIGNED[:100], FormatError, "load commands leave the program"),
        (b"\xcf\xfa\xed\xfe", NotAContainerError, "no 64-bit little-endian"),
        (b"\xce\xfa\xed\xfe" + bytes(100), NotAContainerError, "no 64-bit little-endian"),
        (b"\xfe\xed\xfa\xcf" + bytes(100), NotAContainerError, "no 64-bit little-endian"),
        (fat(SIGNED, magic=0xCAFEBABF), NotAContainerError, "no 64-bit little-endian"),
        (fat(elf()), NotAContainerError, "no 64-bit little-endian"),
        (fat(), FormatError, "without its slices"),
        (fat(SIGNED)[:20], FormatError, "without its slices"),
        (changed(SIGNED, 20, "<I", 0xFFFFFFFF), FormatError, "load commands leave"),
        (
            changed(changed(SIGNED, symtab(SIGNED), "<I", 0x7F), 16, "<I", 0xFFFFFFFF),
            FormatError,
            "ends outside of the load commands",
        ),
        (changed(SIGNED, 36, "<I", 0), FormatError, "ends outside of the load commands"),
        (changed(SIGNED, 36, "<I", 0xFFFFFFF8), FormatError, "ends outside of the load commands"),
        (changed(SIGNED, symtab(SIGNED), "<I", 0x7F), NotAContainerError, "without a string table"),
        (changed(SIGNED, symtab(SIGNED) + 16, "<I", 0xFFFFFFFF), TruncatedError, "string table"),
        (pe(certificate=bytes(64))[:-1], TruncatedError, "before its certificate table does"),
        (pe(certificate=bytes(64)) + b"x", FormatError, "bytes stand behind the certificate"),
        (changed(pe(), PE_CERTIFICATES, "<II", 1, 0xFFFFFFFF), TruncatedError, "certificate"),
        (changed(pe(), 64 + 20, "<H", 0xFFFF), FormatError, "outside of the first bytes"),
    ],
)
def test_headers_that_contradict_the_file(
    data: bytes, error: type[ContainerError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        end(data)
    assert type(caught.value) is error


def test_load_commands_are_bounded() -> None:
    data = changed(SIGNED + bytes(1 << 20), 20, "<I", macho.MAX_COMMANDS_BYTES)
    with pytest.raises(FormatError, match=f"at most {macho.MAX_COMMANDS_BYTES} bytes"):
        end(data)


def test_of_a_signed_pe_it_is_the_certificate_table() -> None:
    data = pe(overlay=bytes(96), certificate=bytes(64))
    assert end(data) == len(data) - 64


def test_a_directory_that_a_pe_does_not_have_is_not_read() -> None:
    signed = pe(certificate=bytes(64))
    # Four directories only; a header that ends before; a 32-bit image, where others stand there.
    assert end(changed(signed, 64 + 24 + 108, "<I", 4)) == len(signed)
    assert end(changed(signed, 64 + 20, "<H", 150)) == len(signed)
    assert end(changed(signed, 64 + 24, "<H", 0x10B)) == len(signed)


@pytest.mark.parametrize("data", [elf(), SIGNED, fat(UNSIGNED, SIGNED), pe(), b"#!/bin/sh\n"])
def test_few_bytes_are_read_whatever_the_size(data: bytes) -> None:
    source = MemorySource(data + bytes(1 << 20))
    reads = []
    read = source.read_at

    def read_at(offset: int, size: int) -> bytes:
        reads.append(size)
        return read(offset, size)

    source.read_at = read_at  # type: ignore[method-assign]
    hosts.payload_end(source)
    assert len(reads) <= 2
    assert max(reads) <= hosts.HEAD_BYTES


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_only_a_marked_elf_says_that_it_lost_a_payload(pages: int) -> None:
    mark = int.from_bytes(b"STGM", "little") << 32
    # patchelf adds the pages by which it moves a program.
    assert hosts.lost_its_payload(MemorySource(elf(stack=mark + 4096 * pages)))
    for data in (elf(), elf(stack=0x400000), elf(stack=None), SIGNED, pe(), b"", b"\x7fELF"):
        assert not hosts.lost_its_payload(MemorySource(data))
