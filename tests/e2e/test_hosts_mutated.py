"""Headers of real hosts, changed at random: a clear refusal or a correct result, never damage."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from typing import TYPE_CHECKING

import pytest

from fixtures.hosts import HOSTS, provide_host
from tests.support import commands, elf_check, macho_check, pe_check
from tests.support.host_trials import (
    REFUSALS,
    Payload,
    embed,
    make_payload,
    payload_platform,
    try_embed,
    workshop,
)
from tests.support.image_rules import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real

MUTATED = [
    "uvx-linux-amd64",
    "uvx-linux-arm64",
    "uvx-darwin-arm64",
    "uvx-darwin-amd64",
    "bootloader-darwin-universal",
    "frozen-darwin-arm64",
    "frozen-darwin-universal",
    "uvx-windows-amd64",
    "frozen-windows-amd64",
]
TRIALS = 80
CHECKS: dict[str, Callable[[bytes], object]] = {
    "ELF": elf_check.check_elf,
    "Mach-O": macho_check.check_macho,
    "PE": pe_check.check_pe,
}
EXTREMES = [0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFFFFF0]


def header_words(format_: str, data: bytes) -> list[int]:
    """Offsets of the 32-bit words that headers are made of, those of each slice among them."""
    if format_ == "Mach-O":
        words: list[int] = []
        for found in macho_check.check_macho(data):
            (size,) = struct.unpack_from("<I", data, found.offset + 20)
            words += range(found.offset, found.offset + 32 + size, 4)
            words += range(found.offset + found.size - 900, found.offset + found.size, 64)
        return words + (list(range(0, 48, 4)) if data[:4] == b"\xca\xfe\xba\xbe" else [])
    if format_ == "PE":
        (header,) = struct.unpack_from("<I", data, 0x3C)
        ends = list(range(len(data) - 96, len(data) - 4, 4))
        return [0, 0x3C, *range(header, header + 24 + 240 + 40 * 6, 4), *ends]
    (section,) = struct.unpack_from("<Q", data, 40)
    ends = list(range(section, min(section + 64 * 30, len(data) - 4), 4))
    return [*range(0, 64 + 56 * 10, 4), *ends]


def mutate(data: bytes, words: list[int], seeded: random.Random) -> bytes:
    """One to three words replaced: by an extreme, a near value, the size of the file, noise."""
    changed = bytearray(data)
    for _ in range(seeded.randint(1, 3)):
        place = seeded.choice(words)
        (value,) = struct.unpack_from("<I", changed, place)
        other = seeded.choice(
            [
                seeded.choice(EXTREMES),
                value ^ (1 << seeded.randrange(32)),
                value + seeded.choice([-16384, -4096, -16, -1, 1, 16, 4096, 16384]),
                len(data) + seeded.choice([-64, -1, 0, 1, 4096]),
                seeded.getrandbits(32),
            ]
        )
        struct.pack_into("<I", changed, place, other & 0xFFFFFFFF)
    return bytes(changed)


def accepts(format_: str, data: bytes) -> bool:
    try:
        CHECKS[format_](data)
    except MalformedError:
        return False
    return True


@pytest.mark.parametrize("name", MUTATED)
def test_a_host_with_changed_headers_is_refused_or_packed_well(name: str) -> None:
    host, data = HOSTS[name], provide_host(name).read_bytes()
    seeded, words = random.Random(name), header_words(HOSTS[name].format, data)
    outcomes = {"refused": 0, "packed": 0}
    with workshop() as directory:
        payload = make_payload("one-byte", host, directory)
        for number in range(TRIALS):
            mutated = mutate(data, words, seeded)
            path, packed = directory / "host", directory / "packed"
            path.write_bytes(mutated)
            outcome = try_embed(path, packed, payload, platform=payload_platform(host))
            told = f"trial {number}: {outcome}"
            if outcome.status != 0:
                assert outcome.status in REFUSALS, told
                assert str(path) in outcome.err, told
                assert sorted(os.listdir(directory)) == ["data", "host"], told
                outcomes["refused"] += 1
                continue
            outcomes["packed"] += 1
            check_packed_well(host.format, mutated, packed, payload, told)
            packed.unlink()
    # Both happen, or this test says little.
    assert min(outcomes.values()) > TRIALS // 40, outcomes


def check_packed_well(
    format_: str, mutated: bytes, packed: Path, payload: Payload, told: str
) -> None:
    """What was made of a host that was accepted holds the payload, and the host as it was."""
    assert commands.pack("verify", packed).status == 0, told
    target = packed.with_name("unpacked")
    outcome = commands.extract("unpack", packed, "--to", target)
    assert outcome.status == 0, told
    (unpacked,) = target.iterdir()
    assert unpacked.read_bytes() == payload.sources["data"].read_bytes()
    shutil.rmtree(target)
    if accepts(format_, mutated):
        try:
            CHECKS[format_](packed.read_bytes())
        except MalformedError as error:
            pytest.fail(f"{error}: {told}")
    stripped = packed.with_name("stripped")
    outcome = commands.pack("strip", packed, "--output", stripped)
    assert outcome.status == 0, (outcome, told)
    again = stripped.read_bytes()
    stripped.unlink()
    if format_ == "ELF":
        assert again == mutated, told
    if format_ == "PE" and not _certificates(mutated):
        # A header that was changed has a wrong checksum, and gets a right one.
        assert _without_checksum(again) == _without_checksum(mutated), told


def _certificates(data: bytes) -> bool:
    """Whether the header names a certificate table; the image may break other rules."""
    (header,) = struct.unpack_from("<I", data, 0x3C)
    return any(data[header + 24 + 112 + 32 : header + 24 + 112 + 40])


def _without_checksum(data: bytes) -> bytes:
    place = struct.unpack_from("<I", data, 0x3C)[0] + 24 + 64
    return data[:place] + data[place + 4 :]


@pytest.mark.parametrize("name", MUTATED)
def test_a_packed_host_with_changed_headers_is_refused_or_read_well(name: str) -> None:
    host = HOSTS[name]
    seeded = random.Random(name)
    with workshop() as directory:
        payload = make_payload("one-byte", host, directory)
        packed = directory / "packed"
        embed(provide_host(name), packed, payload, platform=payload_platform(host))
        data = packed.read_bytes()
        index = json.loads(commands.pack("verify", packed, "--json").out)["index_sha256"]
        words = header_words(host.format, data)
        for number in range(TRIALS):
            packed.write_bytes(mutate(data, words, seeded))
            outcome = commands.pack("verify", packed, "--json")
            told = f"trial {number}: {outcome}"
            if outcome.status == 0:
                assert json.loads(outcome.out)["index_sha256"] == index, told
            else:
                assert outcome.status in REFUSALS, told
                assert str(packed) in outcome.err, told
            for program in (("inspect",), ("strip", "--output", str(directory / "out"))):
                outcome = commands.pack(program[0], packed, *program[1:])
                assert outcome.status in (0, *REFUSALS), (program, told, outcome)
