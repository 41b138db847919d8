"""Put payloads into real hosts, and say whether they are carried well."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from container.magic import FOOTER_BYTES, FOOTER_MAGIC
from fixtures import provide
from fixtures.hosts import HOSTS, Host, provide_host
from tests.support import commands, elf_check, macho_check, pe_check

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYLOADS = ("one-byte", "five-megabytes", "components")
SMALL_PAYLOADS = {"one-byte": 1, "five-megabytes": 5_000_000}
NOT_A_CONTAINER = 10
REFUSALS = range(10, 24)
"""Exit codes of a payload or a host that is refused with a reason."""


class Payload(NamedTuple):
    """What is embedded."""

    name: str
    sources: dict[str, Path]
    """Files and trees by component."""

    @property
    def words(self) -> list[str]:
        """As arguments of ``stigmer-pack embed``."""
        return [f"{name}={path}" for name, path in self.sources.items()]


def named(format_: str, *families: str) -> list[str]:
    """The hosts of a format and of some families that a payload can be for, by name."""
    return [
        host.name
        for host in HOSTS.values()
        if host.format == format_ and host.family in families and host.platform != "windows-arm64"
    ]


@contextmanager
def workshop() -> Iterator[Path]:
    """A directory that is gone afterwards: pytest would keep gigabytes of three runs."""
    with tempfile.TemporaryDirectory(prefix="stigmer-hosts-") as name:
        yield Path(name)


def make_payload(name: str, host: Host, directory: Path) -> Payload:
    """One of ``PAYLOADS``, for a host's platform.

    The three components are those of a release where there is one for the platform, else
    Linux's: to a host they are bytes.
    """
    if name in SMALL_PAYLOADS:
        path = directory / "data"
        path.write_bytes(random.Random(name).randbytes(SMALL_PAYLOADS[name]))
        return Payload(name, {"data": path})
    inputs = provide(f"darwin-{_machine(host)}" if host.format == "Mach-O" else "linux-amd64")
    return Payload(
        name,
        {
            "stigmer-server": inputs.stigmer_server,
            "workflow-runner": inputs.workflow_runner,
            "agent-runner": inputs.agent_runner,
        },
    )


def embed(host: Path, output: Path, payload: Payload, *words: str, platform: str) -> Any:
    """Embed; return what ``--json`` prints."""
    outcome = try_embed(host, output, payload, *words, platform=platform)
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def try_embed(
    host: Path, output: Path, payload: Payload, *words: str, platform: str
) -> commands.Outcome:
    """Embed, quickly: level 1, no references."""
    options = ("--version", "1.0.0", "--level", "1", "--no-references", "--json")
    target = ("--host", host, "--output", output, "--platform", platform)
    return commands.pack("embed", *target, *options, *words, *payload.words)


def payload_platform(host: Host) -> str:
    """The platform of a payload for a host; a universal one carries arm64's here."""
    return f"darwin-{_machine(host)}" if host.format == "Mach-O" else host.platform


def inspect(path: Path) -> Any:
    """What ``stigmer-pack inspect --json`` says of a packed file."""
    outcome = commands.pack("inspect", path, "--json")
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def expected_end(format_: str, data: bytes) -> int:
    """Where the platform's headers say that a payload may end, read by this suite's own checkers.

    Behind a PE's footer stand up to 7 zeros, which a signer puts there to align its table.
    """
    if format_ == "Mach-O":
        return macho_check.payload_end(data)
    if format_ == "PE":
        end = pe_check.check_pe(data).overlay_end
        padding = next((n for n in range(8) if _footer_at(data, end - n)), 0)
        assert not any(data[end - padding : end])
        return end - padding
    elf_check.check_elf(data)
    return len(data)


def check_carried(path: Path, host: Host, payload: Payload) -> Any:
    """The payload is found where it must be, is intact, and holds what was embedded.

    Returns:
        What ``inspect`` says.
    """
    outcome = commands.pack("verify", path)
    assert outcome.status == 0, outcome
    facts = inspect(path)
    assert facts["host"]["format"] == host.format
    assert set(facts["host"]["architectures"]) == host.architectures
    assert facts["host"]["frozen"] == (host.family == "frozen")
    end = expected_end(host.format, path.read_bytes())
    assert facts["file"]["footer_offset"] + FOOTER_BYTES == end
    if host.family != "frozen":
        assert facts["file"]["payload_offset"] >= facts["host"]["host_bytes"]
    check_contents(path, facts, payload)
    return facts


def check_contents(path: Path, facts: Any, payload: Payload) -> None:
    """Every file has the digest of its source; small payloads are unpacked, too."""
    found = {
        entry["path"]: entry["xxh3_128"]
        for component in facts["components"]
        for entry in component["entries"]
        if entry["kind"] == "file"
    }
    expected: dict[str, str] = {}
    for name, source in payload.sources.items():
        below = installed_name(name, source, facts["platform"])
        expected |= {f"{below}{rest}": digest for rest, digest in _digests(source).items()}
    # Hardlinks of a tree count once; every file that is one has a source.
    assert found == {place: expected[place] for place in found}
    assert set(payload.sources) == {component["name"] for component in facts["components"]}
    if payload.name in SMALL_PAYLOADS:
        with workshop() as directory:
            outcome = commands.extract("unpack", path, "--to", directory / "out")
            assert outcome.status == 0, outcome
            for name, source in payload.sources.items():
                below = installed_name(name, source, facts["platform"])
                assert (directory / "out" / below).read_bytes() == source.read_bytes()


def installed_name(name: str, source: Path, platform: str) -> str:
    """Where a component stands after extraction: programs of Windows get their suffix."""
    return f"{name}.exe" if platform == "windows-amd64" and source.is_file() else name


def strip(path: Path, output: Path) -> bytes:
    """The host of a packed file, which carries nothing any more."""
    outcome = commands.pack("strip", path, "--output", output)
    assert outcome.status == 0, outcome
    assert commands.pack("verify", output).status == NOT_A_CONTAINER
    return output.read_bytes()


def copy_of(name: str, directory: Path) -> Path:
    """A private copy of a host; the cache is not written to."""
    suffix = ".exe" if HOSTS[name].format == "PE" else ""
    path = directory / f"{name}{suffix}"
    shutil.copy(provide_host(name), path)
    return path


def _machine(host: Host) -> str:
    return "arm64" if "arm64" in host.architectures else "amd64"


def _footer_at(data: bytes, end: int) -> bool:
    start = end - FOOTER_BYTES + 8
    return data[start : start + len(FOOTER_MAGIC)] == FOOTER_MAGIC


@functools.cache
def _digests(source: Path) -> dict[str, str]:
    """Digests of a file, under the name ``""``, or of all files of a tree."""
    if source.is_file():
        return {"": xxhash.xxh3_128_hexdigest(source.read_bytes())}
    found = {}
    for directory, _, names in os.walk(source):
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink():
                digest = xxhash.xxh3_128_hexdigest(path.read_bytes())
                found[f"/{path.relative_to(source)}"] = digest
    return found
