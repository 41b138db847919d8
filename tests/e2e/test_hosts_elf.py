"""Payloads in real ELF programs of Go and Rust: they run as before, and tools of ELF agree."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from fixtures.hosts import HOSTS, provide_host
from tests.support import commands, validators
from tests.support.elf_check import check_elf
from tests.support.host_trials import (
    PAYLOADS,
    check_carried,
    check_contents,
    copy_of,
    embed,
    inspect,
    make_payload,
    named,
    strip,
    workshop,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="runs programs and tools of Linux"),
]

ELF_HOSTS = named("ELF", "go", "rust")
LOST_PAYLOAD = 18
DYNAMIC = ["uvx-linux-amd64", "ruff-linux-arm64"]
SHOWS = {"go": ("version",), "gofmt": ("-h",)}


def show(name: str, path: Path) -> validators.Ended:
    """What a host prints; under an emulator where it is for arm64."""
    host = HOSTS[name]
    runner = validators.arm64_runner() if host.platform == "linux-arm64" else []
    # Go's own program wants a directory of that name, and starts a child to count its runs.
    telemetry = path.parent / ".config" / "go" / "telemetry"
    telemetry.mkdir(parents=True, exist_ok=True)
    (telemetry / "mode").write_text("off")
    home = str(path.parent)
    environment = {"GOROOT": home, "GOTOOLCHAIN": "local", "HOME": home}
    words = SHOWS.get(host.program, ("--version",))
    return validators.run(*runner, path, *words, environment=environment)


def check_tables(before: list[str], after: list[str]) -> None:
    """Nothing differs but one address, which loaders do not read: that of PT_GNU_STACK."""
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        if one.split()[:1] == ["GNU_STACK"]:
            fields = one.split()
            fields[3] = other.split()[3]
            assert other.split() == fields
        else:
            assert other == one


@pytest.mark.parametrize("payload_name", PAYLOADS)
@pytest.mark.parametrize("name", ELF_HOSTS)
def test_a_host_runs_as_before_carries_a_payload_and_comes_back(
    name: str, payload_name: str
) -> None:
    with workshop() as directory:
        host = copy_of(name, directory)
        original, before = host.read_bytes(), show(name, host)
        assert before.out + before.err
        payload = make_payload(payload_name, HOSTS[name], directory)
        packed = directory / "packed"
        made = embed(host, packed, payload, platform=HOSTS[name].platform)
        assert made["warnings"] == []
        facts = check_carried(packed, HOSTS[name], payload)
        assert facts["host"]["signature"] == "none"
        assert facts["host"]["host_bytes"] == len(original)

        # Some say their own path: the packed program is looked at in the host's place.
        remarks = validators.elflint_remarks(host)
        tables = validators.readelf(host)
        os.replace(packed, host)
        assert show(name, host) == before
        assert validators.elflint_remarks(host) == remarks
        check_tables(tables, validators.readelf(host))
        assert check_elf(host.read_bytes()) == check_elf(original)
        assert strip(host, directory / "stripped") == original
        assert os.stat(directory / "stripped").st_mode == os.stat(host).st_mode


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_payload_is_found_and_whole_after_patchelf(name: str) -> None:
    with workshop() as directory:
        host = copy_of(name, directory)
        before = show(name, host)
        payload = make_payload("five-megabytes", HOSTS[name], directory)
        packed = directory / "packed"
        embed(host, packed, payload, platform=HOSTS[name].platform)
        packed_bytes = packed.stat().st_size
        rpath = "$ORIGIN/" + "a-long-way/" * 40
        validators.done(validators.tool("patchelf"), "--set-rpath", rpath, packed)
        facts = inspect(packed)
        # In front of the payload or behind it: patchelf put a segment of its own into the file.
        assert packed.stat().st_size > packed_bytes
        assert commands.pack("verify", packed).status == 0
        check_contents(packed, facts, payload)
        os.replace(packed, host)
        assert show(name, host) == before


@pytest.mark.parametrize(
    "words",
    [("strip",), ("strip", "--strip-debug"), ("objcopy", "--strip-unneeded"), ("eu-strip",)],
    ids=" ".join,
)
def test_what_a_strip_tool_leaves_is_named_and_still_runs(words: tuple[str, ...]) -> None:
    name = "uvx-linux-amd64"
    with workshop() as directory:
        host = copy_of(name, directory)
        before = show(name, host)
        payload = make_payload("one-byte", HOSTS[name], directory)
        packed = directory / "packed"
        embed(host, packed, payload, platform=HOSTS[name].platform)
        program = shutil.which(words[0]) or validators.tool(words[0])
        validators.done(program, *words[1:], packed)
        outcome = commands.pack("verify", packed)
        assert outcome.status == LOST_PAYLOAD
        assert "lost its payload" in outcome.err
        assert "strip before packing" in outcome.err
        os.replace(packed, host)
        assert show(name, host) == before


def test_the_payload_before_is_refused_or_replaced() -> None:
    name = "uvx-linux-amd64"
    with workshop() as directory:
        host = provide_host(name)
        payload = make_payload("one-byte", HOSTS[name], directory)
        embed(host, directory / "one", payload, platform="linux-amd64")
        larger = make_payload("five-megabytes", HOSTS[name], directory)
        words = ("--version", "1", "--level", "1", *larger.words)
        target = ("--host", directory / "one", "--output", directory / "two")
        outcome = commands.pack("embed", *target, *words)
        assert outcome.status == 23
        assert not (directory / "two").exists()
        embed(directory / "one", directory / "two", larger, "--replace", platform="linux-amd64")
        embed(host, directory / "fresh", larger, platform="linux-amd64")
        assert (directory / "two").read_bytes() == (directory / "fresh").read_bytes()
