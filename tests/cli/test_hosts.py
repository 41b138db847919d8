"""What the command line says of hosts: before a payload, with one, and of what is lost."""

import json
from typing import Any

import pytest

from container.hosts import MACHO, PE
from tests.cli.conftest import Workshop
from tests.support import commands
from tests.support.executables import AMD64, LOADER, archive, elf, fat, macho, macho_command, pe

LC_CODE_SIGNATURE = 0x1D


def output_of(outcome: commands.Outcome) -> str:
    assert outcome.status == 0, outcome.err
    return outcome.out


def json_of(outcome: commands.Outcome) -> Any:
    return json.loads(output_of(outcome))


def embed(shop: Workshop, host: bytes, platform: str, *words: str) -> commands.Outcome:
    shop.path("program").write_bytes(host)
    return commands.pack(
        *("embed", "--host", shop.path("program"), "--output", shop.path("packed")),
        *("--version", "1", "--platform", platform, "--level", "1", *words),
        f"server={shop.server}",
    )


@pytest.mark.parametrize(
    ("data", "platform", "facts", "line"),
    [
        (elf(), "linux-amd64", ("ELF", ["amd64"], False, "none"), "ELF amd64"),
        (
            elf(data=LOADER, frozen=archive()),
            "linux-amd64",
            ("ELF", ["amd64"], True, "none"),
            "ELF amd64, frozen by PyInstaller",
        ),
        (
            macho(),
            "darwin-arm64",
            (MACHO, ["arm64"], False, "ad-hoc, linker-signed"),
            "Mach-O arm64, signature: ad-hoc, linker-signed",
        ),
        (
            fat(macho(cpu=AMD64), macho()),
            "darwin-amd64",
            (MACHO, ["amd64", "arm64"], False, "ad-hoc, linker-signed"),
            "Mach-O amd64 arm64, signature: ad-hoc, linker-signed",
        ),
        (pe(), "windows-amd64", (PE, ["amd64"], False, "none"), "PE amd64, signature: none"),
    ],
)
def test_inspect_tells_a_host_before_and_after(
    shop: Workshop,
    data: bytes,
    platform: str,
    facts: tuple[str, list[str], bool, str],
    line: str,
) -> None:
    done = embed(shop, data, platform)
    assert done.status == 0, done.err
    keys = ("format", "architectures", "frozen", "signature")
    bare = commands.pack("inspect", shop.path("program"), "--json")
    assert bare.status == 10
    told = json.loads(bare.out)
    assert told["host"] == dict(zip(keys, facts, strict=True)) | {"host_bytes": len(data)}
    assert told["file"]["bytes"] == len(data)
    packed = json_of(commands.pack("inspect", shop.path("packed"), "--json"))
    kept = packed["host"].pop("host_bytes")
    assert packed["host"] == dict(zip(keys, facts, strict=True))
    assert kept == packed["file"]["host_bytes"] <= len(data)
    place = packed["file"]
    file = shop.path("packed").read_bytes()
    assert file[place["footer_offset"] + 8 :].startswith(b"\x93STGM\r\n\x1a")
    assert file[place["index_offset"] :].startswith(b"STGI")
    assert f"  host      {line}, " in output_of(commands.pack("inspect", shop.path("packed")))
    shown = commands.pack("inspect", shop.path("program"))
    assert (shown.status, f"  host      {line}, " in shown.out) == (10, True)


def test_what_is_lost_is_a_warning_and_a_fact(shop: Workshop) -> None:
    done = embed(shop, pe(certificate=bytes(64)), "windows-amd64")
    assert "warning: the Authenticode signature of the host is dropped" in done.err
    assert "warning:" not in done.out
    facts = json_of(embed(shop, pe(certificate=bytes(64)), "windows-amd64", "--json"))
    assert len(facts["warnings"]) == 1
    assert json_of(embed(shop, pe(), "windows-amd64", "--json"))["warnings"] == []


def test_no_sign_leaves_out_a_signature(shop: Workshop) -> None:
    host = macho(cpu=AMD64, signed=False)
    assert embed(shop, host, "darwin-amd64", "--no-sign").status == 0
    assert macho_command(shop.path("packed").read_bytes(), LC_CODE_SIGNATURE) is None
    output_of(commands.pack("strip", shop.path("packed"), "--output", shop.path("stripped")))
    assert shop.path("stripped").read_bytes() == host
    done = embed(shop, macho(), "darwin-arm64", "--no-sign")
    assert (done.status, "leave out --no-sign" in done.err) == (22, True)


def test_a_fat_host_does_not_choose_a_platform(shop: Workshop) -> None:
    done = embed(shop, fat(macho(cpu=AMD64), macho()), "linux-amd64")
    assert (done.status, "another platform" in done.err) == (20, True)
