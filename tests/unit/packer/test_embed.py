"""A payload goes into a host and out again; the output is there whole or not at all."""

import os
import random
import stat
import struct
from pathlib import Path

import pytest

from container.errors import (
    AlreadyPackedError,
    IntegrityError,
    LostPayloadError,
    NotAContainerError,
    PackError,
    UnsupportedHostError,
)
from container.reader import open_payload
from packer.embed import Signing, embed, strip, write_alone
from packer.embed.parts import ALIGNMENT_BYTES
from packer.packing import prepare
from packer.plan import Plan
from tests.support.executables import AMD64, archive, elf, fat, macho, pe
from tests.support.payloads import SETTINGS, Components, write_components
from tests.support.trees import File

SETTINGS_64K = SETTINGS._replace(frame_bytes=65536)
NOISE = random.Random(8).randbytes(9000)
COMPONENTS: Components = {"prog": File(NOISE, 0o755), "tree": {"a": File(b"text " * 100)}}
SCRIPT = b"#!/bin/sh\nexit\n"
HOST_SIZES = [1, 63, 64, 4095, 4096, 4097, (1 << 20) + 1]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return prepare(write_components(tmp_path / "src", COMPONENTS), SETTINGS_64K)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty directory for outputs, so that what is left beside one shows."""
    place = tmp_path / "out"
    place.mkdir()
    return place


def make_host(tmp_path: Path, data: bytes, mode: int = 0o755) -> Path:
    host = tmp_path / "host"
    host.write_bytes(data)
    host.chmod(mode)
    return host


@pytest.mark.parametrize("size", HOST_SIZES)
def test_a_host_comes_back_byte_for_byte(tmp_path: Path, out: Path, plan: Plan, size: int) -> None:
    data = (SCRIPT + bytes(range(256)) * 5000)[:size]
    host = make_host(tmp_path, data)
    done = embed(host, out / "packed", plan, SETTINGS_64K)
    packed = (out / "packed").read_bytes()
    assert packed.startswith(data)
    assert (done.host_bytes, done.file_bytes, done.replaced) == (size, len(packed), False)
    with open_payload(out / "packed", done.written.index_sha256) as reader:
        assert reader.location.payload_offset % ALIGNMENT_BYTES == 0
        reader.verify()
    assert strip(out / "packed", out / "stripped").host_bytes == size
    assert (out / "stripped").read_bytes() == data
    assert sorted(os.listdir(out)) == ["packed", "stripped"]


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o644])
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_mode_of_the_host_is_kept(
    tmp_path: Path, out: Path, plan: Plan, mode: int, umask: int
) -> None:
    host = make_host(tmp_path, b"#!/bin/sh\n", mode)
    before = os.umask(umask)
    try:
        embed(host, out / "packed", plan, SETTINGS_64K)
        strip(out / "packed", out / "stripped")
        write_alone(out / "alone", plan, SETTINGS_64K)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((out / name).stat().st_mode) for name in ("packed", "stripped", "alone")]
    assert modes == [mode, mode, 0o644]


def test_a_packed_host_is_refused_and_replaced_when_asked(
    tmp_path: Path, out: Path, plan: Plan
) -> None:
    host = make_host(tmp_path, elf())
    embed(host, out / "first", plan, SETTINGS_64K)
    first = (out / "first").read_bytes()
    with pytest.raises(AlreadyPackedError, match=r"first: carries a payload already.*--replace"):
        embed(out / "first", out / "second", plan, SETTINGS_64K)
    assert os.listdir(out) == ["first"]
    smaller = prepare(write_components(tmp_path / "b", {"b": File(b"b")}), SETTINGS_64K)
    done = embed(out / "first", out / "second", smaller, SETTINGS_64K, replace=True)
    assert (done.host_bytes, done.replaced) == (len(elf()), True)
    with open_payload(out / "second") as reader:
        assert [component.name for component in reader.index.components] == ["b"]
    # Back again gives the first file: nothing of the payload that was replaced is left.
    embed(out / "second", out / "second", plan, SETTINGS_64K, replace=True)
    assert (out / "second").read_bytes() == first


def test_replacing_where_nothing_is_to_be_replaced_embeds(
    tmp_path: Path, out: Path, plan: Plan
) -> None:
    host = make_host(tmp_path, elf())
    assert not embed(host, out / "packed", plan, SETTINGS_64K, replace=True).replaced


def test_a_replaced_payload_is_not_taken_for_a_part_of_the_host(tmp_path: Path, out: Path) -> None:
    """The end of a payload can hold anything, also what ends a PyInstaller program."""
    host = make_host(tmp_path, elf())
    frozen = prepare(
        write_components(tmp_path / "f", {"f": File(NOISE[:99] + archive())}), SETTINGS
    )
    embed(host, out / "packed", frozen, SETTINGS)
    assert archive()[-88:-80] in (out / "packed").read_bytes()[-8192:]
    assert embed(out / "packed", out / "packed", frozen, SETTINGS, replace=True).replaced


# The archive's size, in the cookie behind the magic, is larger than the file.
LONG_ARCHIVE = archive()[:-80] + struct.pack(">I", 1 << 24) + archive()[-76:]
UNSUPPORTED = {
    "32-bit ELF": (elf()[:4] + b"\1" + elf()[5:], r"ELF host cannot.*32-bit, little-endian"),
    "big-endian ELF": (elf()[:5] + b"\2" + elf()[6:], r"ELF host cannot.*64-bit, big-endian"),
    "ELF cut short": (elf()[:-1], "section headers are not where the file has bytes"),
    "ELF of a few bytes": (elf()[:63], r"ELF host cannot.*found 63 bytes"),
    "UPX": (elf(data=b"UPX!" * 9), "packed with UPX"),
    "UPX, PE": (pe(text=b"UPX!"), "packed with UPX"),
    "UPX, Mach-O": (macho(text=b"UPX!"), "packed with UPX"),
    "32-bit Mach-O": (b"\xce" + macho()[1:], r"Mach-O host cannot.*64-bit little-endian"),
    "big-endian Mach-O": (b"\xfe\xed\xfa\xcf" + macho()[4:], r"Mach-O host cannot.*64-bit little"),
    "fat rows of 64 bits": (fat(macho(), magic=0xCAFEBABF), r"Mach-O host cannot.*64-bit little"),
    "Mach-O cut short": (macho()[:-1], "__LINKEDIT is not the last segment, or does not end"),
    "Mach-O with bytes behind": (macho() + b"more", "__LINKEDIT is not the last segment"),
    "32-bit PE": (pe(magic=0x10B), r"PE host cannot.*PE32\+.*32-bit"),
    "PE cut short": (pe()[:-1], "a section reaches behind the place of a payload"),
    "PE with bytes behind": (pe(certificate=bytes(64)) + b"x", "behind the certificate table"),
    "old loader": (elf(frozen=archive()), "PyInstaller loader is too old"),
    "old cookie": (elf(frozen=archive()[:-88] + archive()[-88:-80]), "archive that cannot be read"),
    "archive before the file": (elf(frozen=LONG_ARCHIVE), "archive that cannot be read"),
    "no room on arm64": (macho(signed=False, room=15), "no room for a load command"),
}


@pytest.mark.parametrize(("data", "text"), UNSUPPORTED.values(), ids=UNSUPPORTED)
@pytest.mark.parametrize("existing", [True, False])
def test_an_unsupported_host_leaves_the_output_as_it_was(
    tmp_path: Path, out: Path, plan: Plan, data: bytes, text: str, existing: bool
) -> None:
    if existing:
        (out / "packed").write_bytes(b"old")
    with pytest.raises(UnsupportedHostError, match=f"host: .*{text}"):
        embed(make_host(tmp_path, data), out / "packed", plan, SETTINGS_64K)
    assert {place.name: place.read_bytes() for place in out.iterdir()} == (
        {"packed": b"old"} if existing else {}
    )


def test_a_host_with_a_damaged_payload_is_refused(tmp_path: Path, out: Path, plan: Plan) -> None:
    host = make_host(tmp_path, elf())
    embed(host, out / "packed", plan, SETTINGS_64K)
    data = bytearray((out / "packed").read_bytes())
    data[-1] ^= 1
    (out / "packed").write_bytes(data)
    for replace in (True, False):
        with pytest.raises(IntegrityError, match="packed: digest of the footer"):
            embed(out / "packed", out / "again", plan, SETTINGS_64K, replace=replace)
    with pytest.raises(IntegrityError):
        strip(out / "packed", out / "again")
    assert os.listdir(out) == ["packed"]


def test_what_cannot_be_stripped(tmp_path: Path, out: Path, plan: Plan) -> None:
    host = make_host(tmp_path, elf())
    with pytest.raises(NotAContainerError):
        strip(host, out / "stripped")
    write_alone(tmp_path / "alone", plan, SETTINGS_64K)
    with pytest.raises(PackError, match="payload alone"):
        strip(tmp_path / "alone", out / "stripped")
    assert os.listdir(out) == []


def test_the_output_is_a_new_inode_and_a_link_is_replaced_and_not_followed(
    tmp_path: Path, out: Path, plan: Plan
) -> None:
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    (out / "packed").symlink_to(tmp_path / "elsewhere")
    write_alone(out / "packed", plan, SETTINGS_64K)
    assert not (out / "packed").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"untouched"


@pytest.mark.parametrize(
    ("output", "error", "text"),
    [
        (".", PackError, "is a directory"),
        ("missing/packed", FileNotFoundError, "missing"),
        ("file/packed", NotADirectoryError, "file"),
    ],
)
def test_an_output_that_cannot_be(
    out: Path, plan: Plan, output: str, error: type[Exception], text: str
) -> None:
    (out / "file").write_bytes(b"")
    with pytest.raises(error, match=text):
        write_alone(out / output, plan, SETTINGS_64K)
    assert os.listdir(out) == ["file"]


def test_the_same_inputs_give_the_same_file(tmp_path: Path, out: Path, plan: Plan) -> None:
    host = make_host(tmp_path, elf())
    for name in ("one", "two"):
        embed(host, out / name, plan, SETTINGS_64K._replace(jobs=len(name)))
    assert (out / "one").read_bytes() == (out / "two").read_bytes()


def test_progress_tells_both_stages_whole(out: Path, plan: Plan) -> None:
    seen = {"pack": 0, "verify": 0}

    def progress(stage: str, plain_bytes: int) -> None:
        seen[stage] += plain_bytes

    write_alone(out / "alone", plan, SETTINGS_64K, progress)
    assert seen == dict.fromkeys(("pack", "verify"), plan.content_bytes)


def test_a_host_that_lost_its_payload_is_named(tmp_path: Path, out: Path, plan: Plan) -> None:
    embed(make_host(tmp_path, elf()), out / "packed", plan, SETTINGS_64K)
    cut = make_host(tmp_path, (out / "packed").read_bytes()[: len(elf())])
    for attempt in (
        lambda: open_payload(cut),
        lambda: strip(cut, out / "stripped"),
        lambda: embed(cut, out / "again", plan, SETTINGS_64K, replace=True),
    ):
        with pytest.raises(LostPayloadError, match=r"was packed, and lost.*strip before packing"):
            attempt()


def test_bytes_behind_a_payload_cannot_be_undone(tmp_path: Path, out: Path, plan: Plan) -> None:
    """As patchelf leaves a position-independent program: it still carries what it did."""
    embed(make_host(tmp_path, elf(kind=3)), out / "packed", plan, SETTINGS_64K)
    data = bytearray((out / "packed").read_bytes())
    # The program header of the stack becomes one of a segment behind the payload.
    struct.pack_into("<IIQQQQQQ", data, 64 + 56, 1, 6, len(data), 0, 0, 500, 500, 4096)
    patched = make_host(tmp_path, bytes(data) + bytes(500))
    with open_payload(patched) as reader:
        reader.verify()
    with pytest.raises(UnsupportedHostError, match="patchelf put bytes behind"):
        strip(patched, out / "stripped")


def test_sign_and_no_sign_exclude_each_other(tmp_path: Path, out: Path, plan: Plan) -> None:
    host = make_host(tmp_path, macho(cpu=AMD64))
    with pytest.raises(PackError, match="exclude each other"):
        embed(host, out / "packed", plan, SETTINGS_64K, signing=Signing("me", unsigned=True))
