"""Payloads in real PE programs: signed by their makers, unsigned, and signed afterwards."""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.hosts import HOSTS, provide_host
from tests.support import commands, validators
from tests.support.host_trials import (
    PAYLOADS,
    REFUSALS,
    check_carried,
    copy_of,
    embed,
    make_payload,
    named,
    strip,
    try_embed,
    workshop,
)
from tests.support.pe_check import check_pe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

PE_HOSTS = named("PE", "go", "rust", "frozen", "bootloader")
# Go asks for bcryptprimitives.dll, which Wine 8 has not; ruff and uv end silently there.
RUN_IN_WINE = ["uvx-windows-amd64", "frozen-windows-amd64", "bootloader-windows-amd64"]
ARCHIVE_FOUND = {
    "frozen-windows-amd64": "Failed to load Python DLL",
    "bootloader-windows-amd64": "Could not load PyInstaller's embedded PKG archive",
}
SIGNED_AFTERWARDS = [
    "gofmt-windows-amd64",
    "uvx-windows-amd64",
    "ruff-windows-amd64",
    "frozen-windows-amd64",
]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> validators.Signer:
    return validators.make_signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def wine() -> Iterator[dict[str, str]]:
    """The environment of a Wine that knows nothing; its server is gone afterwards."""
    with workshop() as directory:
        environment = {"WINEPREFIX": str(directory / "prefix"), "WINEDEBUG": "-all"}
        environment["HOME"] = str(directory)
        yield environment
        server = os.path.join(os.path.dirname(validators.tool("wine64")), "wineserver")
        if os.path.exists(server):
            validators.run(server, "-k", environment=environment)


def unsigned(data: bytes) -> bytes:
    """An image as it was before it was signed, with its checksum left out."""
    found = check_pe(data)
    image = bytearray(data[: found.overlay_end])
    (header,) = struct.unpack_from("<I", image, 0x3C)
    optional = header + 24
    image[optional + 64 : optional + 68] = bytes(4)
    image[optional + 112 + 32 : optional + 112 + 40] = bytes(8)
    return bytes(image)


def same_image(before: bytes, after: bytes) -> bool:
    """Whether headers and sections are the host's."""
    end = check_pe(before).image_end
    return unsigned(after)[:end] == unsigned(before)[:end]


@pytest.mark.parametrize("payload_name", PAYLOADS)
@pytest.mark.parametrize("name", PE_HOSTS)
def test_a_host_carries_a_payload_and_comes_back(name: str, payload_name: str) -> None:
    host = HOSTS[name]
    with workshop() as directory:
        original = provide_host(name).read_bytes()
        payload = make_payload(payload_name, host, directory)
        packed = directory / "packed.exe"
        made = embed(provide_host(name), packed, payload, platform=host.platform)
        was_signed = check_pe(original).certificates > 0
        assert bool(made["warnings"]) == was_signed, made["warnings"]
        data = packed.read_bytes()
        found = check_pe(data)
        assert found.certificates == 0
        # Who wrote no checksum needs none: only drivers and boot files are checked by it.
        assert bool(found.checksum) >= bool(check_pe(original).checksum)
        facts = check_carried(packed, host, payload)
        assert facts["host"]["signature"] == "none"
        assert same_image(original, data)
        assert validators.lief_pe_overlay(packed) == found.image_end

        again = strip(packed, directory / "stripped.exe")
        if was_signed:
            assert check_pe(again).certificates == 0
            assert unsigned(again) == unsigned(original)
        else:
            assert again == original


@pytest.mark.parametrize("name", SIGNED_AFTERWARDS)
def test_it_can_be_signed_afterwards(name: str, signer: validators.Signer) -> None:
    host = HOSTS[name]
    with workshop() as directory:
        payload = make_payload("five-megabytes", host, directory)
        packed, signed = directory / "packed.exe", directory / "signed.exe"
        embed(provide_host(name), packed, payload, platform=host.platform)
        signer.sign_pe(packed, signed)
        verified = signer.verify_pe(signed)
        assert verified.status == 0, verified
        assert "checksum: " not in verified.out.lower().replace("pe checksum   : ", "")
        assert validators.lief_pe_digest_holds(signed)
        assert check_pe(signed.read_bytes()).certificates == 1
        facts = check_carried(signed, host, payload)
        assert facts["host"]["signature"] == "authenticode"

        # A byte of the payload is a byte of what was signed.
        data = bytearray(signed.read_bytes())
        data[facts["file"]["payload_offset"] + 100] ^= 1
        (directory / "changed.exe").write_bytes(data)
        assert signer.verify_pe(directory / "changed.exe").status != 0

        # A second signature, and none.
        words = ("-certs", signer.certificate, "-key", signer.key, "-h", "sha256", "-nest")
        twice, bare = directory / "twice.exe", directory / "bare.exe"
        osslsigncode = validators.tool("osslsigncode")
        validators.done(osslsigncode, "sign", *words, "-in", signed, "-out", twice)
        assert signer.verify_pe(twice).status == 0
        check_carried(twice, host, payload)
        validators.done(osslsigncode, "remove-signature", "-in", signed, "-out", bare)
        check_carried(bare, host, payload)
        assert commands.pack("verify", bare).status == 0
        for path in (signed, twice, bare):
            again = strip(path, directory / "stripped.exe")
            assert unsigned(again) == unsigned(provide_host(name).read_bytes())


@pytest.mark.skipif(sys.platform != "linux", reason="Wine comes with Linux distributions")
@pytest.mark.parametrize("name", RUN_IN_WINE)
def test_it_runs_as_before_in_wine(name: str, wine: dict[str, str]) -> None:
    """Of the frozen one, the loader of PyInstaller itself says that it found its archive."""
    with workshop() as directory:
        host = copy_of(name, directory)
        before = _shown(host, wine)
        assert ARCHIVE_FOUND.get(name, "error: ") in before.err
        payload = make_payload("five-megabytes", HOSTS[name], directory)
        packed = directory / "packed.exe"
        embed(host, packed, payload, platform=HOSTS[name].platform)
        os.replace(packed, host)
        assert _shown(host, wine) == before


def _shown(path: Path, environment: dict[str, str]) -> validators.Ended:
    """What it says, without the numbers of its process and of its temporary directory."""
    ended = validators.run(validators.tool("wine64"), path, environment=environment)
    lines = [line for line in ended.err.splitlines() if not line.startswith("wine: ")]
    text = "\n".join(lines)
    for mark in ("_MEI", "[PYI-"):
        head, found, tail = text.partition(mark)
        text = head + found + tail.lstrip("0123456789")
    return ended._replace(err=text)


def test_a_platform_without_payloads_is_refused_by_name() -> None:
    with workshop() as directory:
        payload = make_payload("one-byte", HOSTS["uvx-windows-arm64"], directory)
        packed = directory / "packed.exe"
        outcome = try_embed(
            provide_host("uvx-windows-arm64"), packed, payload, platform="windows-amd64"
        )
        assert outcome.status in REFUSALS
        assert "windows-arm64" in outcome.err
        assert not packed.exists()
