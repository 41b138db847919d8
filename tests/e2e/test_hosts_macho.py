"""Payloads in real Mach-O programs: of Apple's, Go's and Rust's linkers, thin and universal.

Nothing is run here but on a Mac: the judges are a strict checker of this suite, rcodesign and lief.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import apple_platform
import pytest

from fixtures.frozen_hosts import without_signature
from fixtures.hosts import HOSTS, provide_host
from packer.embed import macho
from tests.support import commands, validators
from tests.support.host_trials import (
    PAYLOADS,
    check_carried,
    check_contents,
    copy_of,
    embed,
    inspect,
    make_payload,
    named,
    payload_platform,
    strip,
    try_embed,
    workshop,
)
from tests.support.macho_check import ADHOC, LINKER_SIGNED, Slice, check_macho

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real

MACHO_HOSTS = named("Mach-O", "go", "rust", "cross", "frozen", "bootloader")
RESIGNED = [
    "gofmt-darwin-arm64",
    "uvx-darwin-amd64",
    "hello-darwin-arm64",
    "hello-darwin-universal",
    "frozen-darwin-arm64",
    "frozen-darwin-universal",
]
# Load commands and fields of them that a payload or a signature may change.
SEGMENT, SYMTAB, CODE_SIGNATURE = 0x19, 0x2, 0x1D


def judge(path: Path, unsigned_slices: int = 0) -> list[Slice]:
    """All judges at once; returns the slices."""
    slices = check_macho(path.read_bytes())
    assert validators.rcodesign_problems(path) == []
    assert validators.rcodesign_unsigned_slices(path) == unsigned_slices
    assert validators.lief_macho_problems(path) == []
    if sys.platform == "darwin":
        words: list[str | Path] = ["codesign", "--verify", "--strict", "--verbose=4", path]
        assert subprocess.run(words, check=False).returncode == 0
    return slices


def image_of(data: bytes, found: Slice) -> bytes:
    """A slice without what a payload and a signature change.

    That is ``strsize``, the size of ``__LINKEDIT``, and all of LC_CODE_SIGNATURE; and whatever
    lies between the string table's original end and the end of the slice.
    """
    image = bytearray(data[found.offset : found.offset + found.size])
    count, size = struct.unpack_from("<2I", image, 16)
    place, commands_kept = 32, b""
    for _ in range(count):
        kind, command_bytes = struct.unpack_from("<2I", image, place)
        if kind == SEGMENT and image[place + 8 : place + 18] == b"__LINKEDIT":
            image[place + 32 : place + 40] = bytes(8)
            image[place + 48 : place + 56] = bytes(8)
        if kind == SYMTAB:
            image[place + 20 : place + 24] = bytes(4)
        if kind != CODE_SIGNATURE:
            commands_kept += image[place : place + command_bytes]
        place += command_bytes
    first_section = 32 + size + found.header_room_bytes
    return commands_kept + bytes(image[first_section : found.strings_offset])


def strings_of(data: bytes, found: Slice) -> bytes:
    start = found.offset + found.strings_offset
    return data[start : start + found.strings_bytes]


def check_same_program(before: bytes, after: bytes, *, grown: bool) -> None:
    """Code, data, symbols and strings are those of the host.

    Args:
        before: the host.
        after: made of it.
        grown: the last slice's strings hold a payload, too.
    """
    old, new = check_macho(before), check_macho(after)
    assert [found.cpu for found in new] == [found.cpu for found in old]
    for number, (one, other) in enumerate(zip(old, new, strict=True)):
        assert image_of(after, other) == image_of(before, one)
        strings = strings_of(before, one)
        if grown and number == len(old) - 1:
            assert strings_of(after, other).startswith(strings[: one.strings_bytes])
        else:
            assert strings_of(after, other) == strings


@pytest.mark.parametrize("payload_name", PAYLOADS)
@pytest.mark.parametrize("name", MACHO_HOSTS)
def test_a_host_carries_a_payload_is_signed_and_comes_back(name: str, payload_name: str) -> None:
    host = HOSTS[name]
    with workshop() as directory:
        original = provide_host(name).read_bytes()
        payload = make_payload(payload_name, host, directory)
        packed = directory / "packed"
        made = embed(provide_host(name), packed, payload, platform=payload_platform(host))
        had_identity = any(
            found.signature and not found.signature.flags & ADHOC for found in check_macho(original)
        )
        # A Developer ID is lost, and that must be said; and in which slice the payload is.
        said = [line for line in made["warnings"] if "slice" not in line]
        assert bool(said) == had_identity, said
        assert len(made["warnings"]) - len(said) == (host.platform == "darwin-universal")
        # Those slices that were not signed and carry nothing stay so.
        unsigned = sum(found.signature is None for found in check_macho(original)[:-1])
        slices = judge(packed, unsigned)
        facts = check_carried(packed, host, payload)
        last = slices[-1].signature
        assert last is not None
        assert last.flags & ADHOC
        assert last.page_bytes == 4096
        assert facts["host"]["signature"].startswith("ad-hoc")
        if host.family != "frozen":
            check_same_program(original, packed.read_bytes(), grown=True)

        stripped = directory / "stripped"
        again = strip(packed, stripped)
        judge(stripped, unsigned)
        check_same_program(original, again, grown=False)
        if name.startswith("hello-darwin-arm64"):
            # Its signature was the linker's, which is the one that is made here.
            start = check_macho(original)[-1].strings_end
            assert again[start:] == original[start:]


@pytest.mark.parametrize("name", ["hello-darwin-arm64", "bootloader-darwin-universal"])
def test_the_signature_made_here_is_the_linker_s_own(name: str) -> None:
    """Of Go's linker, and of Apple's, which signed the loader's slice for arm64."""
    with workshop() as directory:
        data = provide_host(name).read_bytes()
        (signed,) = [found for found in check_macho(data) if found.cpu == "arm64"]
        thin, again = directory / "thin", directory / "again"
        thin.write_bytes(data[signed.offset : signed.offset + signed.size])
        assert signed.signature is not None
        assert signed.signature.flags == ADHOC | LINKER_SIGNED
        macho.resign(thin, again)
        assert again.read_bytes() == thin.read_bytes()


def test_a_wrong_page_hash_of_the_linker_is_corrected_by_signing_again() -> None:
    """So the comparison above does not merely copy what stands there."""
    with workshop() as directory:
        right = provide_host("hello-darwin-arm64").read_bytes()
        wrong = bytearray(right)
        wrong[-20] ^= 0xFF
        (directory / "wrong").write_bytes(wrong)
        macho.resign(directory / "wrong", directory / "again")
        assert (directory / "again").read_bytes() == right


@pytest.mark.parametrize("name", RESIGNED)
def test_a_second_signer_keeps_the_payload(name: str, signer: apple_platform.Signer) -> None:
    host = HOSTS[name]
    with workshop() as directory:
        payload = make_payload("five-megabytes", host, directory)
        packed, signed = directory / "packed", directory / "signed"
        embed(provide_host(name), packed, payload, platform=payload_platform(host))
        apple_platform.sign(
            packed,
            signed,
            signer=signer,
            binary_identifier="ai.stigmer.test",
            code_signature_flags=["runtime"],
            timestamp_url="none",
        )
        for found in judge(signed):
            assert found.signature is not None
            assert not found.signature.flags & ADHOC
            assert found.signature.identifier == "ai.stigmer.test"
        facts = check_carried(signed, host, payload)
        assert facts["host"]["signature"] == "identity"

        # And back to no identity at all.
        apple_platform.sign(signed, directory / "adhoc")
        judge(directory / "adhoc")
        check_carried(directory / "adhoc", host, payload)
        again = strip(signed, directory / "stripped")
        check_same_program(provide_host(name).read_bytes(), again, grown=False)


@pytest.mark.parametrize("name", ["hello-darwin-arm64", "uvx-darwin-amd64", "frozen-darwin-arm64"])
def test_without_its_signature_the_payload_is_found(name: str) -> None:
    with workshop() as directory:
        payload = make_payload("five-megabytes", HOSTS[name], directory)
        packed = directory / "packed"
        embed(provide_host(name), packed, payload, platform=HOSTS[name].platform)
        packed.write_bytes(without_signature(packed.read_bytes()))
        assert validators.rcodesign_unsigned_slices(packed) == 1
        facts = inspect(packed)
        assert facts["host"]["signature"] == "none"
        assert commands.pack("verify", packed).status == 0
        check_contents(packed, facts, payload)


def test_entitlements_are_kept_or_their_loss_is_said(signer: apple_platform.Signer) -> None:
    with workshop() as directory:
        entitlements = directory / "entitlements.xml"
        entitlements.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict>'
            "<key>com.apple.security.cs.allow-jit</key><true/></dict></plist>\n"
        )
        host, packed = directory / "host", directory / "packed"
        apple_platform.sign(
            provide_host("hello-darwin-arm64"),
            host,
            signer=signer,
            entitlements_xml_file=entitlements,
            timestamp_url="none",
        )
        assert b"allow-jit" in host.read_bytes()
        payload = make_payload("one-byte", HOSTS["hello-darwin-arm64"], directory)
        made = embed(host, packed, payload, platform="darwin-arm64")
        judge(packed)
        said = any("entitlements" in line.lower() for line in made["warnings"])
        assert said or b"allow-jit" in packed.read_bytes()


def test_no_sign_leaves_amd64_unsigned_and_is_refused_for_arm64() -> None:
    with workshop() as directory:
        for name, machine in (
            ("hello-darwin-amd64", "amd64"),
            ("gofmt-darwin-amd64", "amd64"),
            ("hello-darwin-arm64", "arm64"),
        ):
            payload = make_payload("one-byte", HOSTS[name], directory)
            packed = directory / f"packed-{name}"
            outcome = try_embed(
                provide_host(name), packed, payload, "--no-sign", platform=f"darwin-{machine}"
            )
            if machine == "arm64":
                assert outcome.status == 22
                assert "arm64" in outcome.err
                assert not packed.exists()
                continue
            assert outcome.status == 0, outcome
            (found,) = check_macho(packed.read_bytes())
            assert found.signature is None
            assert validators.rcodesign_unsigned_slices(packed) == 1
            assert validators.lief_macho_problems(packed) == []
            check_carried(packed, HOSTS[name], payload)


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has codesign")
def test_sign_with_an_identity_is_refused_where_there_is_no_codesign() -> None:
    with workshop() as directory:
        payload = make_payload("one-byte", HOSTS["hello-darwin-arm64"], directory)
        outcome = try_embed(
            provide_host("hello-darwin-arm64"),
            directory / "packed",
            payload,
            *("--sign", "Developer ID Application: Nobody"),
            platform="darwin-arm64",
        )
        assert outcome.status != 0
        assert "codesign" in outcome.err
        assert os.listdir(directory) == ["data"]


def test_a_universal_file_keeps_its_other_slices_byte_for_byte() -> None:
    for name in ("hello-darwin-universal", "frozen-darwin-universal"):
        with workshop() as directory:
            original = provide_host(name).read_bytes()
            payload = make_payload("five-megabytes", HOSTS[name], directory)
            packed = directory / "packed"
            embed(provide_host(name), packed, payload, platform="darwin-arm64")
            data = packed.read_bytes()
            first, _ = check_macho(original)
            signed, _ = check_macho(data)
            if first.signature is not None:
                before = original[first.offset : first.offset + first.size]
                assert data[signed.offset : signed.offset + signed.size] == before


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> apple_platform.Signer:
    """A certificate of nobody."""
    made = apple_platform.certificates.generate_self_signed("Nobody")
    path = made.write_pem_bundle(tmp_path_factory.mktemp("signer") / "nobody.pem")
    return apple_platform.Signer(pem=apple_platform.PemKey(files=[path]))


def test_copies_of_a_host_are_what_is_embedded_into(tmp_path: Path) -> None:
    """An output over its own host is a new file: a Mac kills what is signed and then changed."""
    host = copy_of("hello-darwin-arm64", tmp_path)
    inode = os.stat(host).st_ino
    payload = make_payload("one-byte", HOSTS["hello-darwin-arm64"], tmp_path)
    with open(host, "rb"):
        embed(host, host, payload, platform="darwin-arm64")
        assert os.stat(host).st_ino != inode
    judge(host)
