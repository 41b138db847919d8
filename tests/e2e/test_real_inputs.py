"""The whole way on real inputs: the real host and its real components; and those for macOS."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from extractor.host.services import KINDS, NAMES
from extractor.preflight import this_platform
from fixtures import Inputs, provide
from tests.support import commands
from tests.support.samples import look

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        this_platform() != "linux-amd64", reason="its programs are frozen and run on linux-amd64"
    ),
]

# Levels differ in size and time, not in what is read back.
LEVEL = "3"
LINUX, MACOS = "linux-amd64", "darwin-arm64"


class Made(NamedTuple):
    """What the tests look at; made once, whichever worker comes first."""

    directory: Path

    @property
    def packed(self) -> Path:
        """The Linux host with its components."""
        return self.directory / "stigmer"

    @property
    def macos(self) -> Path:
        """A payload of Mach-O files."""
        return self.directory / "macos.payload"

    @property
    def home(self) -> Path:
        """A home in which the Linux components are installed."""
        return self.directory / "home"


def component_words(inputs: Inputs) -> list[str]:
    versions = inputs.versions
    return [
        f"stigmer-server@{versions['stigmer-server']}={inputs.stigmer_server}",
        f"workflow-runner@{versions['workflow-runner']}={inputs.workflow_runner}",
        f"agent-runner@{versions['agent-runner']}={inputs.agent_runner}",
    ]


def done(outcome: commands.Outcome) -> str:
    assert outcome.status == 0, outcome
    return outcome.out


def facts_of(outcome: commands.Outcome) -> Any:
    return json.loads(done(outcome))


def make(directory: Path) -> None:
    linux, macos = provide(LINUX), provide(MACOS)
    common = ("--version", "1.4.0", "--level", LEVEL)
    packed = ("--output", directory / "stigmer", *common)
    done(commands.pack("embed", "--host", linux.host, *packed, *component_words(linux)))
    alone = ("--output", directory / "macos.payload", "--platform", MACOS, *common)
    done(commands.pack("pack", *alone, *component_words(macos)))
    # From another directory and with an environment of its own, as a service manager has it.
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir()
    words = ("install", directory / "stigmer", "--home", directory / "home")
    done(commands.run_process("stigmer-extract", *words, cwd=elsewhere))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # Workers have directories of their own below one that they share.
        root = root.parent
    directory = root / "real"
    with (root / "real.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            directory.mkdir()
            make(directory)
            (directory / "complete").touch()
    return Made(directory)


@pytest.fixture(scope="session")
def linux() -> Inputs:
    return provide(LINUX)


@pytest.fixture(scope="session")
def macos() -> Inputs:
    return provide(MACOS)


def output_of(program: Path, *words: str, environment: dict[str, str] | None = None) -> str:
    """What a program prints, from the root directory and with next to no environment."""
    ended = subprocess.run(
        [program, *words],
        cwd="/",
        env=environment or {},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=commands.WATCHDOG_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def check_unpacked(target: Path, inputs: Inputs) -> None:
    """Contents, modes and links are those of the sources."""
    assert sorted(os.listdir(target)) == ["agent-runner", "stigmer-server", "workflow-runner"]
    assert look(target / "agent-runner") == look(inputs.agent_runner)
    for name, source in (
        ("stigmer-server", inputs.stigmer_server),
        ("workflow-runner", inputs.workflow_runner),
    ):
        assert (target / name).read_bytes() == source.read_bytes()
        assert (target / name).stat().st_mode == source.stat().st_mode


def test_a_packed_host_runs_as_the_bare_one(made: Made, linux: Inputs) -> None:
    bare = output_of(linux.host, "--help")
    assert "Run Stigmer on this machine" in bare
    assert output_of(made.packed, "--help") == bare
    # And it tells what it carries, which the bare one does not.
    assert output_of(made.packed, "version").splitlines() == [
        "stigmer 1.4.0",
        *(f"  {name} {linux.versions[name]}" for name in NAMES),
    ]


def test_it_is_intact_and_describes_itself(made: Made, linux: Inputs) -> None:
    facts = facts_of(commands.pack("verify", made.packed, "--json"))
    shown = facts_of(commands.pack("inspect", made.packed, "--json"))
    assert facts["index_sha256"] == shown["index_sha256"]
    assert (shown["version"], shown["platform"]) == ("1.4.0", LINUX)
    assert shown["file"]["host_format"] == "ELF"
    assert shown["file"]["host_bytes"] == linux.host.stat().st_size
    versions = {part["name"]: part["version"] for part in shown["components"]}
    assert versions == {name: linux.versions[name] for name in versions}
    assert len(versions) == 3
    entry_points = {part["name"]: part["entry_point"] for part in shown["components"]}
    assert entry_points["agent-runner"] == "agent-runner/agent-runner"
    # The two Go services share code, and at least one of them is packed against the other.
    assert any(part["needs"] for part in shown["components"])
    assert shown["stored_bytes"] < shown["plain_bytes"] / 2


def test_installed_programs_run(made: Made, linux: Inputs) -> None:
    assert linux.stand_ins == {}
    for kind in KINDS:
        said = output_of(made.home / "bin" / kind.program, "--version")
        assert said == f"{kind.name} {linux.versions[kind.name]}\n"


def test_a_second_installation_writes_nothing_and_says_so(made: Made) -> None:
    def traces() -> dict[str, tuple[int, int]]:
        places = [made.home, *made.home.rglob("*")]
        return {
            str(place): (place.lstat().st_mtime_ns, place.lstat().st_ctime_ns) for place in places
        }

    before = traces()
    outcome = commands.extract("install", made.packed, "--home", made.home)
    assert done(outcome).startswith("1.4.0 is installed: ")
    assert outcome.err == ""
    assert traces() == before


def test_stripping_gives_the_host_byte_for_byte(made: Made, linux: Inputs, tmp_path: Path) -> None:
    done(commands.pack("strip", made.packed, "--output", tmp_path / "host"))
    assert (tmp_path / "host").read_bytes() == linux.host.read_bytes()
    assert (tmp_path / "host").stat().st_mode == linux.host.stat().st_mode


def test_what_is_unpacked_equals_the_sources(made: Made, linux: Inputs, tmp_path: Path) -> None:
    done(commands.extract("unpack", made.packed, "--to", tmp_path / "target"))
    check_unpacked(tmp_path / "target", linux)


def test_one_component_is_unpacked_without_those_it_was_packed_against(
    made: Made, linux: Inputs, tmp_path: Path
) -> None:
    shown = facts_of(commands.pack("inspect", made.packed, "--json"))
    name = next(part["name"] for part in shown["components"] if part["needs"])
    done(commands.extract("unpack", made.packed, name, "--to", tmp_path / "target"))
    assert os.listdir(tmp_path / "target") == [name]
    sources = {
        "stigmer-server": linux.stigmer_server,
        "workflow-runner": linux.workflow_runner,
    }
    if name in sources:
        assert (tmp_path / "target" / name).read_bytes() == sources[name].read_bytes()
    else:
        assert look(tmp_path / "target" / name) == look(linux.agent_runner)


def test_the_number_of_jobs_does_not_change_a_byte(
    made: Made, linux: Inputs, tmp_path: Path
) -> None:
    words = ("--output", tmp_path / "again", "--version", "1.4.0", "--level", LEVEL, "--jobs", "1")
    done(commands.pack("embed", "--host", linux.host, *words, *component_words(linux)))
    assert (tmp_path / "again").read_bytes() == made.packed.read_bytes()


def test_a_payload_for_macos_is_listed_and_unpacked_here(
    made: Made, macos: Inputs, tmp_path: Path
) -> None:
    shown = facts_of(commands.extract("list", made.macos, "--json"))
    assert shown["platform"] == MACOS
    names = [component["name"] for component in shown["components"]]
    assert sorted(names) == ["agent-runner", "stigmer-server", "workflow-runner"]
    done(commands.extract("unpack", made.macos, "--to", tmp_path / "target"))
    check_unpacked(tmp_path / "target", macos)
    assert (tmp_path / "target/stigmer-server").read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


def test_a_payload_for_macos_is_not_installed_here(made: Made, tmp_path: Path) -> None:
    outcome = commands.extract("install", made.macos, "--home", tmp_path / "home")
    assert outcome.status == 35
    assert f"expected {LINUX}, found {MACOS}" in outcome.err
    assert not (tmp_path / "home").exists()


def test_any_file_can_be_a_host(made: Made, linux: Inputs, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Only text.\n")
    words = ("--output", tmp_path / "out", "--version", "1", "--level", LEVEL)
    component = f"gofmt={linux.programs['gofmt']}"
    host = ("--host", tmp_path / "notes.txt", "--platform", LINUX)
    done(commands.pack("embed", *host, *words, component))
    assert (tmp_path / "out").read_bytes().startswith(b"Only text.\n")
    done(commands.extract("install", tmp_path / "out", "--home", tmp_path / "home"))
    assert (tmp_path / "home/bin/gofmt").read_bytes() == linux.programs["gofmt"].read_bytes()
    done(commands.pack("strip", tmp_path / "out", "--output", tmp_path / "again.txt"))
    assert (tmp_path / "again.txt").read_text() == "Only text.\n"
