"""What embedding does to an ELF, a Mach-O and a PE, and that taking the payload out undoes it."""

import random
import struct
from pathlib import Path

import pytest

from container.errors import UnsupportedHostError
from container.hosts import lost_its_payload
from container.reader import open_payload
from packer.embed import Embedded, Signing, embed, parts, strip
from packer.embed.macho import resign
from packer.packing import prepare
from packer.plan import Plan
from packer.writer import Settings
from tests.support.executables import (
    AMD64,
    CMS_SLOT,
    ELF_ARM64,
    ENTITLEMENTS_SLOT,
    LOADER,
    PE_CERTIFICATES,
    PE_CHECKSUM,
    STRINGS,
    TEXT_BYTES,
    archive,
    directory,
    elf,
    elf_sections,
    fat,
    macho,
    macho_command,
    pe,
    pe_checksum,
    super_blob,
)
from tests.support.payloads import SETTINGS as SMALL
from tests.support.payloads import MemorySource, write_components
from tests.support.trees import File

SETTINGS: Settings = SMALL._replace(frame_bytes=65536)
SIZES = [1, 15, 16, 4000, 70_001]
LC_SIGNATURE = 0x1D
FROZEN_ELF = elf(data=LOADER * 9, frozen=archive())
FROZEN_PE = pe(text=LOADER, overlay=archive(b"modules" * 9))
UNSIGNED = macho(cpu=AMD64, signed=False)
IDENTITY = {CMS_SLOT: struct.pack(">II", 0xFADE0B01, 400) + bytes(392)}


class Bench:
    """A directory with a host, a payload, and what comes of both."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def plan(self, size: int) -> Plan:
        content = File(random.Random(size).randbytes(size), 0o755)
        return prepare(
            write_components(self.root / f"src{size}", {"prog": content, "other": File(archive())}),
            SETTINGS,
        )

    def embed(self, host: bytes, size: int = 4000, **options: object) -> tuple[bytes, Embedded]:
        """The packed file, found and verified."""
        (self.root / "host").write_bytes(host)
        packed = self.root / "packed"
        done = embed(self.root / "host", packed, self.plan(size), SETTINGS, **options)  # type: ignore[arg-type]
        with open_payload(packed, done.written.index_sha256) as reader:
            reader.verify()
            assert reader.location.payload_offset % 4096 == 0
        data = packed.read_bytes()
        assert done.file_bytes == len(data)
        return data, done

    def strip(self, packed: bytes) -> bytes:
        (self.root / "packed").write_bytes(packed)
        strip(self.root / "packed", self.root / "stripped")
        return (self.root / "stripped").read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


UNCHANGED = {
    "ELF": elf(),
    "ELF without a stack": elf(stack=None),
    "ELF with an address of the stack": elf(stack=0x7000),
    "position-independent ELF": elf(kind=3),
    "arm64 ELF": elf(kind=3, machine=ELF_ARM64),
    "frozen ELF": FROZEN_ELF,
    "frozen ELF, odd size": elf(data=LOADER * 9, frozen=archive(b"x" * 77)),
    "Go's arm64 Mach-O": macho(),
    "Mach-O with a gap": macho(gap=7),
    "frozen Mach-O": macho(text=LOADER, tail=archive(behind=bytes(3))),
    "fat Mach-O": fat(macho(cpu=AMD64), macho()),
    "PE": pe(),
    "PE with a checksum": pe(checksum=True),
    "PE with an overlay": pe(overlay=bytes(range(77))),
    "frozen PE": FROZEN_PE,
    "frozen PE with a checksum": pe(text=LOADER, overlay=archive(b"m" * 31), checksum=True),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("host", UNCHANGED.values(), ids=UNCHANGED)
def test_a_host_comes_back_byte_for_byte(bench: Bench, host: bytes, size: int) -> None:
    packed, done = bench.embed(host, size)
    assert done.host_bytes <= len(host)
    assert bench.strip(packed) == host


@pytest.mark.parametrize("host", UNCHANGED.values(), ids=UNCHANGED)
def test_replacing_leaves_nothing_of_the_payload_before(bench: Bench, host: bytes) -> None:
    first, _ = bench.embed(host, 4000)
    second, done = bench.embed(first, 70_001, replace=True)
    assert done.replaced
    assert bench.embed(host, 70_001)[0] == second
    assert bench.embed(second, 4000, replace=True)[0] == first


@pytest.mark.parametrize(("stack", "lost"), [(0, True), (0x7000, False), (None, False)])
def test_a_packed_elf_tells_when_its_payload_is_cut_off(
    bench: Bench, stack: int | None, lost: bool
) -> None:
    host = elf(stack=stack)
    packed, _ = bench.embed(host)
    assert lost_its_payload(MemorySource(packed[: len(host)])) is lost


@pytest.mark.parametrize(("machine", "page"), [(0x3E, 4096), (ELF_ARM64, 65536)])
def test_a_segment_can_begin_where_a_position_independent_elf_ends(
    bench: Bench, machine: int, page: int
) -> None:
    assert len(bench.embed(elf(kind=3, machine=machine))[0]) % page == 0
    assert len(bench.embed(elf(kind=2, machine=machine))[0]) % 4096


@pytest.mark.parametrize("size", SIZES)
def test_the_sections_of_a_frozen_elf_move_with_its_archive(bench: Bench, size: int) -> None:
    packed, _ = bench.embed(FROZEN_ELF, size)
    before, after = elf_sections(FROZEN_ELF), elf_sections(packed)
    moved = after[3][1] - before[3][1]
    assert moved > size
    assert moved % 16 == 0
    for (kind, offset, length), (new_kind, new_offset, new_length) in zip(
        before, after, strict=True
    ):
        assert (new_kind, new_length) == (kind, length)
        assert new_offset == offset + moved * (offset >= before[3][1] and kind != 8)
        if kind != 8:
            assert packed[new_offset:][:length] == FROZEN_ELF[offset:][:length]


@pytest.mark.parametrize(
    "host",
    [
        FROZEN_ELF,
        FROZEN_PE,
        macho(text=LOADER, tail=archive()),
        macho(text=LOADER, tail=archive(), cpu=AMD64, signed=False),
    ],
    ids=["ELF", "PE", "Mach-O", "unsigned Mach-O"],
)
def test_a_loader_that_searches_backward_meets_its_own_archive_first(
    bench: Bench, host: bytes
) -> None:
    """The payload holds another one, and most of the file."""
    packed, _ = bench.embed(host, 70_001)
    cookie = packed.rindex(b"MEI\x0c\x0b\x0a\x0b\x0e")
    assert len(packed) - cookie < 1500
    (size,) = struct.unpack_from(">I", packed, cookie + 8)
    found = packed[cookie + 88 - size : cookie + 88]
    assert found in host
    assert packed.count(b"MEI\x0c\x0b\x0a\x0b\x0e") == 2


@pytest.mark.parametrize(
    ("place", "layout", "values"),
    [
        (2 * 64 + 8, "<Q", (2,)),  # the archive's section is in memory
        (1 * 64 + 32, "<Q", (4096,)),  # .text reaches into the archive
    ],
)
def test_sections_across_the_archive_are_refused(
    bench: Bench, place: int, layout: str, values: tuple[int, ...]
) -> None:
    (offset,) = struct.unpack_from("<Q", FROZEN_ELF, 40)
    host = bytearray(FROZEN_ELF)
    row = offset + place + (64 if place > 100 else 0)
    struct.pack_into(layout, host, row, *values)
    with pytest.raises(UnsupportedHostError, match="across its archive"):
        bench.embed(bytes(host))


@pytest.mark.parametrize(
    ("field", "layout", "value", "text"),
    [
        (32, "<Q", 1 << 62, "program headers are not where"),
        (40, "<Q", 1 << 62, "section headers are not where"),
        (58, "<H", 63, "section headers are not where"),
        (64 + 32, "<Q", 1 << 40, "a segment reaches behind"),
    ],
)
def test_an_elf_whose_headers_leave_it_is_refused(
    bench: Bench, field: int, layout: str, value: int, text: str
) -> None:
    host = bytearray(elf())
    struct.pack_into(layout, host, field, value)
    with pytest.raises(UnsupportedHostError, match=text):
        bench.embed(bytes(host))


def signature_of(data: bytes | bytearray, start: int = 0) -> tuple[int, bytes]:
    """Where the signature is that the load command names, and its bytes."""
    command = macho_command(data, LC_SIGNATURE, start=start)
    assert command is not None
    offset, size = struct.unpack_from("<II", data, command + 8)
    return offset, bytes(data[start + offset : start + offset + size])


def check_macho(data: bytes, start: int = 0, identifier: bytes = b"a.out") -> None:
    """A signed slice as the system requires it, computed anew from the file."""
    offset, signature = signature_of(data, start)
    assert signature == super_blob({0: directory(data[start : start + offset], identifier)})
    assert start + offset + len(signature) == len(data)
    linkedit = macho_command(data, 0x19, b"__LINKEDIT", start)
    symtab = macho_command(data, 0x2, start=start)
    assert linkedit is not None
    assert symtab is not None
    _, memory_bytes, file_offset, file_bytes = struct.unpack_from("<QQQQ", data, linkedit + 24)
    assert file_offset + file_bytes == len(data) - start
    assert memory_bytes >= file_bytes
    strings_offset, strings_bytes = struct.unpack_from("<II", data, symtab + 16)
    assert strings_offset + strings_bytes == offset
    assert data[start + strings_offset :].startswith(STRINGS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("host", [macho(), macho(cpu=AMD64), macho(gap=7), macho(flags=2)])
def test_a_mach_o_grows_its_string_table_and_is_signed(
    bench: Bench, host: bytes, size: int
) -> None:
    packed, done = bench.embed(host, size)
    check_macho(packed)
    assert packed[TEXT_BYTES - 100 : TEXT_BYTES + 50] == host[TEXT_BYTES - 100 : TEXT_BYTES + 50]
    assert done.warnings == []


def test_a_rounded_size_in_memory_stays_rounded(bench: Bench) -> None:
    host = bytearray(macho())
    linkedit = macho_command(host, 0x19, b"__LINKEDIT")
    assert linkedit is not None
    struct.pack_into("<Q", host, linkedit + 32, 0x4000)
    offset, _ = signature_of(host)
    signed = bytes(host[:offset]) + super_blob({0: directory(bytes(host[:offset]))})
    packed, _ = bench.embed(signed, 70_001)
    (memory_bytes,) = struct.unpack_from("<Q", packed, linkedit + 32)
    assert memory_bytes % 0x4000 == 0
    assert bench.strip(packed) == signed


def test_the_last_slice_of_a_fat_mach_o_grows_and_no_other_moves(bench: Bench) -> None:
    host = fat(macho(cpu=AMD64), macho())
    packed, done = bench.embed(host)
    start = 0xC000
    assert packed[0x4000:start] == host[0x4000:start]
    assert packed[:40] == host[:40]
    assert struct.unpack_from(">I", packed, 40) == (len(packed) - start,)
    check_macho(packed, start)
    assert any("arm64 slice" in warning for warning in done.warnings)


def test_an_unsigned_intel_mach_o_is_signed(bench: Bench) -> None:
    packed, done = bench.embed(UNSIGNED)
    check_macho(packed, identifier=b"host")
    assert done.warnings == []
    # A signature that was added is kept: macOS wants one more and more.
    check_macho(bench.strip(packed), identifier=b"host")


@pytest.mark.parametrize("host", [UNSIGNED, macho(cpu=AMD64)], ids=["unsigned", "signed"])
def test_no_sign_leaves_an_intel_mach_o_unsigned(bench: Bench, host: bytes) -> None:
    packed, _ = bench.embed(host, signing=Signing(unsigned=True))
    assert macho_command(packed, LC_SIGNATURE) is None
    (count, size) = struct.unpack_from("<II", packed, 16)
    assert (count, size) == struct.unpack_from("<II", UNSIGNED, 16)
    assert not any(packed[32 + size : 32 + size + 16])
    stripped = bench.strip(packed)
    assert macho_command(stripped, LC_SIGNATURE) is None
    assert stripped == UNSIGNED or host != UNSIGNED


def test_no_sign_is_refused_on_arm64(bench: Bench) -> None:
    with pytest.raises(UnsupportedHostError, match="starts no program without a signature"):
        bench.embed(macho(), signing=Signing(unsigned=True))


def test_an_intel_mach_o_without_room_stays_unsigned_and_says_so(bench: Bench) -> None:
    host = macho(cpu=AMD64, signed=False, room=15)
    packed, done = bench.embed(host)
    assert macho_command(packed, LC_SIGNATURE) is None
    assert any("no room" in warning for warning in done.warnings)
    assert bench.strip(packed) == host
    check_macho(bench.embed(macho(cpu=AMD64, signed=False, room=16))[0], identifier=b"host")


def test_room_in_which_something_lies_is_no_room(bench: Bench) -> None:
    host = bytearray(macho(signed=False))
    (size,) = struct.unpack_from("<I", host, 20)
    host[32 + size + 15] = 1
    with pytest.raises(UnsupportedHostError, match="no room for a load command"):
        bench.embed(bytes(host))


@pytest.mark.parametrize(
    ("host", "warnings"),
    [
        (macho(flags=0x10000, slots=IDENTITY), ["sign the output again"]),
        (macho(slots={ENTITLEMENTS_SLOT: b"<plist/>"}), ["entitlements are dropped"]),
        (pe(certificate=bytes(64)), ["Authenticode signature of the host is dropped"]),
        (macho(), []),
    ],
)
def test_what_is_lost_is_said(bench: Bench, host: bytes, warnings: list[str]) -> None:
    _, done = bench.embed(host)
    assert len(done.warnings) == len(warnings)
    assert all(text in said for text, said in zip(warnings, done.warnings, strict=True))


def changed(data: bytes, offset: int | None, layout: str, *values: int) -> bytes:
    assert offset is not None
    made = bytearray(data)
    struct.pack_into(layout, made, offset, *values)
    return bytes(made)


SIGNED = macho()
LINKEDIT = macho_command(SIGNED, 0x19, b"__LINKEDIT") or 0
SIGNATURE = macho_command(SIGNED, LC_SIGNATURE) or 0
COMMANDS_BYTES = int.from_bytes(UNSIGNED[20:24], "little")


@pytest.mark.parametrize(
    "host",
    [
        changed(SIGNED, LINKEDIT + 24, "<Q", 1 << 32),  # in memory before __TEXT ends
        changed(SIGNED, LINKEDIT + 40, "<Q", TEXT_BYTES - 16),  # in the file, too
        changed(SIGNED, LINKEDIT + 48, "<Q", 16),  # ends before the file
        changed(SIGNED, SIGNATURE + 8, "<I", TEXT_BYTES),  # in front of the strings
        changed(SIGNED, SIGNATURE + 12, "<I", 16),  # ends before the file
        changed(SIGNED, SIGNATURE, "<I", 0x7F),  # other data where it was
        changed(SIGNED, LINKEDIT + 8, "<I", 0),  # no __LINKEDIT
        fat(SIGNED) + b"more",
        changed(UNSIGNED, 20, "<I", COMMANDS_BYTES + 16),  # more commands than are counted
        changed(fat(UNSIGNED, SIGNED), 20, ">I", 0x8001),  # a slice reaches into the last one
    ],
)
def test_mach_o_layouts_outside_the_rules_are_refused(bench: Bench, host: bytes) -> None:
    with pytest.raises(UnsupportedHostError, match="Mach-O host"):
        bench.embed(host)


@pytest.mark.parametrize("host", [SIGNED, macho(gap=7), fat(macho(cpu=AMD64), macho())])
def test_signing_what_a_linker_signed_changes_no_byte(tmp_path: Path, host: bytes) -> None:
    (tmp_path / "in").write_bytes(host)
    resign(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == host


@pytest.mark.parametrize("data", [b"#!/bin/sh\n", b"\xce\xfa\xed\xfe" + bytes(99), b""])
def test_only_a_mach_o_can_be_signed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "in").write_bytes(data)
    with pytest.raises(UnsupportedHostError, match="64-bit little-endian"):
        resign(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("host", [SIGNED, UNSIGNED, pe()], ids=["signed", "unsigned", "PE"])
def test_what_becomes_too_large_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, host: bytes
) -> None:
    packed, _ = bench.embed(host)
    for module in ("macho", "pe"):
        monkeypatch.setattr(f"packer.embed.{module}.MAX_HOST_BYTES", len(packed))
    bench.embed(host)
    for module in ("macho", "pe"):
        monkeypatch.setattr(f"packer.embed.{module}.MAX_HOST_BYTES", len(packed) - 1)
    with pytest.raises(UnsupportedHostError, match=f"too large.*{len(packed) - 1}"):
        bench.embed(host)
    assert parts.MAX_HOST_BYTES == 0xFFFFFFFF


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("overlay", [b"", bytes(77)])
def test_a_pe_keeps_a_right_checksum_and_loses_its_certificates(
    bench: Bench, overlay: bytes, size: int
) -> None:
    host = pe(checksum=True, overlay=overlay, certificate=bytes(range(64)))
    packed, _ = bench.embed(host, size)
    assert struct.unpack_from("<II", packed, PE_CERTIFICATES) == (0, 0)
    assert struct.unpack_from("<I", packed, PE_CHECKSUM) == (pe_checksum(packed),)
    assert len(packed) % 16 == 0
    assert bench.strip(packed) == pe(checksum=True, overlay=overlay)


def test_a_pe_that_was_signed_afterwards_gives_its_host_back(bench: Bench) -> None:
    host = pe(checksum=True)
    packed, _ = bench.embed(host)
    certificate = bytes(range(200))
    signed = changed(packed, PE_CERTIFICATES, "<II", len(packed), len(certificate)) + certificate
    (bench.root / "signed").write_bytes(signed)
    with open_payload(bench.root / "signed") as reader:
        reader.verify()
    assert bench.strip(signed) == host


def test_a_mach_o_that_was_signed_again_gives_its_host_back(bench: Bench) -> None:
    """A signer of its own mind: other flags, a larger signature, other sizes in the commands."""
    packed, _ = bench.embed(macho())
    offset, _ = signature_of(packed)
    blob = super_blob({0: directory(packed[:offset], flags=0x10000)} | IDENTITY) + bytes(3000)
    signed = changed(packed, SIGNATURE + 12, "<I", len(blob))
    for field in (32, 48):
        signed = changed(signed, LINKEDIT + field, "<Q", offset + len(blob) - TEXT_BYTES)
    signed = signed[:offset] + blob
    (bench.root / "signed").write_bytes(signed)
    with open_payload(bench.root / "signed") as reader:
        reader.verify()
    assert bench.strip(signed) == macho()
