"""Payloads in PyInstaller programs: the loader finds its own archive, and finds it at once."""

from __future__ import annotations

import os
import random
import sys

import pytest

from fixtures.hosts import HOSTS, provide_host
from tests.support import commands, validators
from tests.support.frozen_check import COOKIE_MAGIC, find_archive
from tests.support.host_trials import (
    PAYLOADS,
    Payload,
    check_carried,
    copy_of,
    embed,
    expected_end,
    inspect,
    make_payload,
    named,
    payload_platform,
    strip,
    workshop,
)

pytestmark = pytest.mark.real

FROZEN = [name for form in ("ELF", "Mach-O", "PE") for name in named(form, "frozen")]
if sys.platform != "linux":
    FROZEN.remove("frozen-linux-amd64")
# The loader reads so much at once; it must not need to look further back than before.
SEARCH_CHUNK_BYTES = 8192


@pytest.mark.parametrize("payload_name", PAYLOADS)
@pytest.mark.parametrize("name", FROZEN)
def test_the_loader_finds_its_archive_behind_the_payload(name: str, payload_name: str) -> None:
    host = HOSTS[name]
    with workshop() as directory:
        bare = provide_host(name).read_bytes()
        payload = make_payload(payload_name, host, directory)
        packed = directory / "packed"
        embed(provide_host(name), packed, payload, platform=payload_platform(host))
        facts = check_carried(packed, host, payload)
        data = packed.read_bytes()
        before, after = find_archive(bare), find_archive(data)
        assert after.entries == before.entries
        assert data[after.offset : after.end] == bare[before.offset : before.end]
        # Payload before it, footer behind it: nothing to search but a signature and little more.
        file = facts["file"]
        assert file["payload_offset"] < after.offset < after.end <= file["footer_offset"]
        end = expected_end(host.format, data)
        assert end - after.end < SEARCH_CHUNK_BYTES
        assert file["index_offset"] + file["index_bytes"] <= after.offset


@pytest.mark.skipif(sys.platform != "linux", reason="a program of Linux")
@pytest.mark.parametrize("payload_name", PAYLOADS)
def test_the_frozen_program_of_linux_runs_as_before(payload_name: str) -> None:
    name = "frozen-linux-amd64"
    with workshop() as directory:
        host = copy_of(name, directory)
        original = host.read_bytes()
        before = validators.done(host, "some", "words")
        assert before.startswith("frozen ['some', 'words'] ")
        remarks, tables = validators.elflint_remarks(host), validators.readelf(host)
        payload = make_payload(payload_name, HOSTS[name], directory)
        packed = directory / "packed"
        embed(host, packed, payload, platform="linux-amd64")
        assert validators.done(packed, "some", "words") == before
        assert not validators.elflint_remarks(packed) - remarks
        assert validators.readelf(packed)[0] == tables[0] == "ELF Header:"
        assert strip(packed, directory / "stripped") == original


@pytest.mark.skipif(sys.platform != "linux", reason="a program of Linux")
def test_another_frozen_program_in_the_payload_does_no_harm() -> None:
    """Stored as it is: the loader would take its cookie for its own if it met it first."""
    name = "frozen-linux-amd64"
    with workshop() as directory:
        seeded = random.Random(name)
        other = provide_host("frozen-windows-amd64").read_bytes()
        archive = find_archive(other)
        path = directory / "other"
        noise = seeded.randbytes(3_000_000)
        cookie = other[archive.end - 88 : archive.end]
        path.write_bytes(noise + other[archive.offset : archive.end] + noise[:1000] + cookie)
        payload = Payload("other", {"other": path})
        packed = directory / "packed"
        embed(provide_host(name), packed, payload, platform="linux-amd64")
        data = packed.read_bytes()
        file = inspect(packed)["file"]
        stored = data[file["payload_offset"] : file["index_offset"]]
        assert COOKIE_MAGIC in stored, "nothing is tried: the cookie was compressed away"
        before = validators.done(provide_host(name), "x")
        assert validators.done(packed, "x") == before
        assert find_archive(data).entries == find_archive(provide_host(name).read_bytes()).entries


@pytest.mark.skipif(sys.platform != "linux", reason="a program of Linux, and a tool")
def test_a_frozen_program_that_was_packed_is_replaced_and_never_twice() -> None:
    name = "frozen-linux-amd64"
    with workshop() as directory:
        payload = make_payload("one-byte", HOSTS[name], directory)
        one, two, fresh = directory / "one", directory / "two", directory / "fresh"
        embed(provide_host(name), one, payload, platform="linux-amd64")
        larger = make_payload("five-megabytes", HOSTS[name], directory)
        embed(one, two, larger, "--replace", platform="linux-amd64")
        embed(provide_host(name), fresh, larger, platform="linux-amd64")
        assert two.read_bytes() == fresh.read_bytes()
        assert os.stat(two).st_mode & 0o111
        # Linux's loader is dynamic: patchelf works on it, and moves all that is behind.
        at = inspect(two)["file"]["payload_offset"]
        rpath = "$ORIGIN/" + "far/" * 100
        validators.done(validators.tool("patchelf"), "--set-rpath", rpath, two)
        assert commands.pack("verify", two).status == 0
        assert inspect(two)["file"]["payload_offset"] != at
