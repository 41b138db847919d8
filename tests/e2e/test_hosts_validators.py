"""Negative controls: each validator accepts real hosts and refuses what is broken on purpose."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.frozen_hosts import without_signature
from fixtures.hosts import HOSTS, provide_host
from tests.support import validators
from tests.support.elf_check import check_elf
from tests.support.frozen_check import COOKIE_MAGIC, find_archive
from tests.support.host_trials import copy_of
from tests.support.image_rules import MalformedError
from tests.support.macho_check import check_macho
from tests.support.pe_check import check_pe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="its tools come with Linux distributions"
)
CHECKS = {"ELF": check_elf, "Mach-O": check_macho, "PE": check_pe}
LINKEDIT = b"__LINKEDIT".ljust(16, b"\0")


@pytest.mark.parametrize("name", HOSTS)
def test_the_checkers_accept_each_host_as_its_linker_made_it(name: str) -> None:
    CHECKS[HOSTS[name].format](provide_host(name).read_bytes())


def command(data: bytearray, kind: int) -> int:
    """Where a load command of a thin Mach-O image stands."""
    place = 32
    while True:
        found, size = struct.unpack_from("<2I", data, place)
        if found == kind:
            return place
        place += size


def linkedit(data: bytearray) -> int:
    """Where the command of __LINKEDIT stands; its name is unique in the commands."""
    return data.index(LINKEDIT) - 8


def add(layout: str, place: int, amount: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        (value,) = struct.unpack_from(layout, data, place)
        struct.pack_into(layout, data, place, value + amount)

    return change


def add_in_command(kind: int, offset: int, amount: int) -> Callable[[bytearray], None]:
    return lambda data: add("<I", command(data, kind) + offset, amount)(data)


def add_in_linkedit(offset: int, amount: int) -> Callable[[bytearray], None]:
    return lambda data: add("<Q", linkedit(data) + offset, amount)(data)


def flip(place: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[place] ^= 1

    return change


def flip_in_signature(offset: int) -> Callable[[bytearray], None]:
    """Counted from the start of the signature, or back from the end of its SuperBlob."""

    def change(data: bytearray) -> None:
        (start,) = struct.unpack_from("<I", data, command(data, 0x1D) + 8)
        (length,) = struct.unpack_from(">I", data, start + 4)
        data[start + offset if offset >= 0 else start + length + offset] ^= 1

    return change


MACHO_DEFECTS: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "a byte of the code": (flip(0x2000), "the hash of page 2"),
    "a byte of the last page's hash": (flip_in_signature(-1), "the hash of page"),
    "trailing bytes": (lambda data: data.extend(bytes(16)), "__LINKEDIT ends the slice"),
    "cut": (lambda data: data.__delitem__(slice(-16, None)), "__LINKEDIT"),
    "string table not grown": (add_in_command(0x2, 20, -64), "no hole between the string table"),
    "string table too long": (
        add_in_command(0x2, 20, 64),
        "the signature overlaps the string table",
    ),
    "filesize above vmsize": (add_in_linkedit(32, -0x10000), "filesize of __LINKEDIT"),
    "filesize too small": (add_in_linkedit(48, -16), "__LINKEDIT ends the slice"),
    "__LINKEDIT not last in memory": (add_in_linkedit(24, -0x4000), "overlaps"),
    "writable __LINKEDIT": (
        lambda data: add("<I", linkedit(data) + 60, 2)(data),
        "__LINKEDIT is for reading only",
    ),
    "signature out of place": (add_in_command(0x1D, 8, 4), "the signature is aligned"),
    "one command too many": (add("<I", 16, 1), "load commands lie in sizeofcmds"),
    "sizeofcmds": (add("<I", 20, 8), "load commands fill sizeofcmds"),
    "big endian": (lambda data: data.__setitem__(slice(4), data[3::-1]), "little endian"),
    "codeLimit": (flip_in_signature(20 + 32 + 3), "codeLimit is where the signature begins"),
    "count of pages": (flip_in_signature(20 + 28 + 3), "a slot for each page"),
    "execSegLimit": (flip_in_signature(20 + 72 + 7), "execSegBase and -Limit"),
    "page size": (flip_in_signature(20 + 39), "pages of 4096 or 16384 bytes"),
    "length of the SuperBlob": (flip_in_signature(4), "the SuperBlob lies in the signature"),
}


@pytest.mark.parametrize("defect", MACHO_DEFECTS)
def test_the_mach_o_checker_names_the_broken_rule(defect: str) -> None:
    data = bytearray(provide_host("hello-darwin-arm64").read_bytes())
    change, rule = MACHO_DEFECTS[defect]
    change(data)
    with pytest.raises(MalformedError, match=re.escape(rule)):
        check_macho(bytes(data))


def test_the_mach_o_checker_looks_at_every_slice_and_behind_the_last() -> None:
    whole = provide_host("hello-darwin-universal").read_bytes()
    first, last = check_macho(whole)
    for place, rule in (
        (first.offset + first.size - 1, None),
        (last.offset + 0x2000, "the hash of page 2"),
        (8 + 12 + 3, "__LINKEDIT ends at"),
    ):
        data = bytearray(whole)
        data[place] ^= 0x40
        if rule is None:
            # The first slice is amd64's, which is not signed: nothing tells a changed byte.
            check_macho(bytes(data))
            continue
        with pytest.raises(MalformedError, match=rule):
            check_macho(bytes(data))
    with pytest.raises(MalformedError, match="nothing lies behind the last slice"):
        check_macho(whole + bytes(16))


PE_DEFECTS: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "a byte of the code": (flip(0x1000), "the checksum"),
    "bytes behind the certificates": (
        lambda data: data.extend(bytes(8)),
        "certificates end the file",
    ),
    "cut": (lambda data: data.__delitem__(slice(-8, None)), "certificates end the file"),
    "the length of the certificate": (
        lambda data: add("<I", check_pe(bytes(data)).overlay_end, 16)(data),
        "certificates fill their table",
    ),
    "a section in the headers": (
        lambda data: add("<I", _first_section(data) + 20, -0x400)(data),
        "overlaps the headers",
    ),
    "a section behind the file": (
        lambda data: add("<I", _first_section(data) + 16, 1 << 30)(data),
        "ends at .*, behind",
    ),
}


def _first_section(data: bytearray) -> int:
    (header,) = struct.unpack_from("<I", data, 0x3C)
    (optional_bytes,) = struct.unpack_from("<H", data, header + 20)
    return int(header + 24 + optional_bytes)


@pytest.mark.parametrize("defect", PE_DEFECTS)
def test_the_pe_checker_names_the_broken_rule(defect: str) -> None:
    data = bytearray(provide_host("uvx-windows-amd64").read_bytes())
    change, rule = PE_DEFECTS[defect]
    change(data)
    with pytest.raises(MalformedError, match=rule):
        check_pe(bytes(data))


ELF_DEFECTS: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "section headers behind the end": (
        lambda data: add("<Q", 40, len(data))(data),
        "is cut off",
    ),
    "cut": (lambda data: data.__delitem__(slice(-64, None)), "is cut off|lies in the file"),
    "an offset of a segment": (
        lambda data: add("<Q", 64 + 56 * _first_load(data) + 8, 8)(data),
        "is congruent",
    ),
    "a size of a segment": (
        lambda data: add("<Q", 64 + 56 * _first_load(data) + 32, 1 << 32)(data),
        "lies in the file",
    ),
}


def _first_load(data: bytearray) -> int:
    """Its number, where program headers follow the header."""
    return next(n for n in range(99) if struct.unpack_from("<I", data, 64 + 56 * n) == (1,))


@pytest.mark.parametrize("defect", ELF_DEFECTS)
def test_the_elf_checker_names_the_broken_rule(defect: str) -> None:
    data = bytearray(provide_host("uvx-linux-amd64").read_bytes())
    change, rule = ELF_DEFECTS[defect]
    change(data)
    with pytest.raises(MalformedError, match=rule):
        check_elf(bytes(data))


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if host.family == "frozen"])
def test_the_loader_s_search_finds_the_archive_and_is_led_astray_by_another_cookie(
    name: str,
) -> None:
    data = provide_host(name).read_bytes()
    found = find_archive(data)
    assert "data.bin" in found.entries
    with pytest.raises(MalformedError, match="a cookie is found"):
        find_archive(data.replace(COOKIE_MAGIC, bytes(8)))
    try:
        assert find_archive(data + data[found.offset : found.end]).offset == len(data)
    except MalformedError:
        pytest.fail("an archive behind the file is found first")


def test_rcodesign_finds_a_wrong_page_and_a_missing_signature(tmp_path: Path) -> None:
    path = copy_of("hello-darwin-arm64", tmp_path)
    data = bytearray(path.read_bytes())
    assert validators.rcodesign_problems(path) == []
    assert validators.rcodesign_unsigned_slices(path) == 0
    data[0x2000] ^= 1
    path.write_bytes(data)
    assert "digest mismatch for entry 2" in validators.rcodesign_problems(path)[0]
    path.write_bytes(without_signature(provide_host("hello-darwin-arm64").read_bytes()))
    assert validators.rcodesign_unsigned_slices(path) == 1


@pytest.mark.parametrize("defect", ["trailing bytes", "string table not grown"])
def test_lief_finds_a_wrong_layout_of_mach_o(defect: str, tmp_path: Path) -> None:
    path = copy_of("hello-darwin-arm64", tmp_path)
    assert validators.lief_macho_problems(path) == []
    data = bytearray(path.read_bytes())
    MACHO_DEFECTS[defect][0](data)
    path.write_bytes(data)
    assert validators.lief_macho_problems(path) != []


def test_osslsigncode_and_lief_find_a_changed_byte_in_a_signed_pe(tmp_path: Path) -> None:
    signer = validators.make_signer(tmp_path)
    signed = tmp_path / "signed.exe"
    signer.sign_pe(provide_host("gofmt-windows-amd64"), signed)
    assert signer.verify_pe(signed).status == 0
    assert validators.lief_pe_digest_holds(signed)
    data = bytearray(signed.read_bytes())
    data[0x1000] ^= 1
    signed.write_bytes(data)
    assert "MISMATCH" in signer.verify_pe(signed).out
    assert signer.verify_pe(signed).status != 0
    assert not validators.lief_pe_digest_holds(signed)


def test_another_s_certificate_does_not_verify(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = validators.make_signer(tmp_path / "one")
    other = validators.make_signer(tmp_path / "other")
    signed = tmp_path / "signed.exe"
    one.sign_pe(provide_host("gofmt-windows-amd64"), signed)
    assert other.verify_pe(signed).status != 0


@linux_only
def test_readelf_and_elflint_find_wrong_headers(tmp_path: Path) -> None:
    path = copy_of("uvx-linux-amd64", tmp_path)
    remarks = validators.elflint_remarks(path)
    assert validators.readelf(path)[0] == "ELF Header:"
    data = bytearray(path.read_bytes())
    ELF_DEFECTS["section headers behind the end"][0](data)
    path.write_bytes(data)
    assert validators.readelf(path)[0].startswith("readelf: Error")
    assert validators.elflint_remarks(path) - remarks


def test_a_missing_tool_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(validators, "_WINE_PLACES", ())
    monkeypatch.setattr(validators, "_ARM64_ROOT", tmp_path)
    for name, package in (("patchelf", "patchelf"), ("wine64", "wine64")):
        with pytest.raises(validators.MissingToolError, match=f"apt-get install {package}"):
            validators.tool(name)
    with pytest.raises(validators.MissingToolError, match="libgcc-s1-arm64-cross"):
        validators.arm64_runner()


@pytest.mark.skipif(sys.platform != "darwin", reason="codesign is a part of macOS")
def test_codesign_accepts_what_a_linker_signed_and_refuses_a_changed_page(tmp_path: Path) -> None:
    path = copy_of("hello-darwin-arm64", tmp_path)
    words: list[str | Path] = ["codesign", "--verify", "--strict", "--verbose=4", path]
    assert subprocess.run(words, check=False).returncode == 0
    data = bytearray(path.read_bytes())
    data[0x2000] ^= 1
    path.write_bytes(data)
    assert subprocess.run(words, check=False).returncode != 0
