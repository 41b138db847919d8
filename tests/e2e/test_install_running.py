"""Upgrade and roll back while programs run: they keep their files, and their versions stay."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from container.reader import open_payload
from extractor import events, upkeep
from extractor.home import Home
from extractor.install import Installed, install
from fixtures.services import provide_services
from tests.support.samples import noise, settings, write_payload
from tests.support.trees import File

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
_ECHO = 'while read line; do echo "$line"; done'


class Releases:
    """Three versions of one program, each with a file beside it that is the same in all.

    Args:
        root: for the payloads.
        programs: of each version.
    """

    def __init__(self, root: Path, programs: dict[str, Path], home: Home) -> None:
        self.home = home
        self._payloads = {}
        for version, program in programs.items():
            (root / version).mkdir()
            self._payloads[version] = write_payload(
                root / version,
                {
                    "stigmer-server": File(program.read_bytes(), 0o755),
                    "data": {"common": File(noise(1, 5000), 0o644)},
                },
                settings(version, frame_bytes=1 << 20),
            )

    def install(self, version: str, *, force: bool = False) -> tuple[Installed, list[events.Event]]:
        heard: list[events.Event] = []
        with open_payload(self._payloads[version]) as reader:
            return install(reader, self.home, 2, heard.append, force=force), heard

    def kept(self, heard: list[events.Event]) -> dict[str, str]:
        """Why a version stays, by its name."""
        found = {os.path.basename(e.path): e.reason for e in heard if isinstance(e, events.Kept)}
        return {name.partition("-")[0]: reason for name, reason in found.items()}

    def versions(self) -> list[str]:
        return [name.partition("-")[0] for name in self.home.version_names()]

    def clean(self) -> list[events.Event]:
        heard: list[events.Event] = []
        upkeep.clean(self.home, heard.append)
        return heard


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


@pytest.fixture
def shells(tmp_path: Path, home: Home) -> Releases:
    """A shell: a real executable that needs nothing of the place it runs from."""
    shell = Path(os.path.realpath(shutil.which("sh") or "sh"))
    programs = {}
    for version in _VERSIONS:
        # What follows the sections of an executable is not read by the system.
        programs[version] = tmp_path / f"shell-{version}"
        programs[version].write_bytes(shell.read_bytes() + version.encode())
    return Releases(tmp_path, programs, home)


@contextmanager
def running(home: Home) -> Iterator[subprocess.Popen[str]]:
    """The shell that ``bin`` leads to; it says again what it is told."""
    process = subprocess.Popen(
        [os.path.join(home.bin, "stigmer-server"), "-c", _ECHO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def check_alive(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("alive\n")
    process.stdin.flush()
    assert process.stdout.readline() == "alive\n"


def test_upgrades_under_a_running_program(shells: Releases) -> None:
    shells.install("1.0.0")
    with running(shells.home) as process:
        check_alive(process)
        image = os.path.realpath(os.path.join(shells.home.bin, "stigmer-server"))
        _, heard = shells.install("2.0.0")
        assert shells.kept(heard) == {}
        check_alive(process)
        _, heard = shells.install("3.0.0")
        in_use = {"v1.0.0": f"in use by process {process.pid}"}
        assert shells.kept(heard) == in_use
        assert shells.kept(shells.clean()) == in_use
        assert shells.versions() == ["v1.0.0", "v2.0.0", "v3.0.0"]
        check_alive(process)
        assert os.path.samefile(f"/proc/{process.pid}/exe", image)
    assert [type(event) for event in shells.clean()] == [events.Removed]
    assert shells.versions() == ["v2.0.0", "v3.0.0"]


def test_a_rollback_under_a_running_program(shells: Releases) -> None:
    shells.install("1.0.0")
    shells.install("2.0.0")
    with running(shells.home) as process:
        done = upkeep.rollback(shells.home)
        assert (done.from_version, done.version) == ("2.0.0", "1.0.0")
        check_alive(process)
        assert shells.kept(shells.clean()) == {"v2.0.0": f"in use by process {process.pid}"}
        with running(shells.home) as older:
            check_alive(older)
            returned, _ = shells.install("2.0.0", force=True)
            assert (returned.plain_bytes, returned.already) == (0, True)
            check_alive(older)
        check_alive(process)
    shells.clean()
    assert shells.versions() == ["v1.0.0", "v2.0.0"]


def test_a_repair_under_a_running_program(shells: Releases) -> None:
    """The damaged version stays while it runs, and what is sound of it is shared."""
    shells.install("1.0.0")
    with running(shells.home) as process:
        os.unlink(os.path.join(os.path.realpath(shells.home.bin), "data/common"))
        done, heard = shells.install("1.0.0")
        assert done.plain_bytes == 5000
        assert shells.kept(heard) == {"v1.0.0": f"in use by process {process.pid}"}
        check_alive(process)
    shells.clean()
    assert len(shells.versions()) == 1


@pytest.mark.real
def test_upgrade_and_rollback_under_a_real_service(tmp_path: Path, home: Home) -> None:
    programs = {
        version: provide_services("linux-amd64", version).stigmer_server
        for version in _VERSIONS[:2]
    }
    releases = Releases(tmp_path, programs, home)
    releases.install("1.0.0")
    data = tmp_path / "data"
    data.mkdir()
    process = subprocess.Popen(
        [os.path.join(home.bin, "stigmer-server")],
        env={"STIGMER_DATA_DIR": str(data), "GRPC_PORT": "0"},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stderr is not None
        while "msg=ready" not in (line := process.stderr.readline()):
            assert line, "the service ended"
        releases.install("2.0.0")
        upkeep.rollback(home)
        releases.install("2.0.0", force=True)
        upkeep.clean(home, all_but_current=True)
        assert releases.versions() == ["v1.0.0", "v2.0.0"]
        assert psutil.Process(process.pid).exe().startswith(home.versions)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    upkeep.clean(home, all_but_current=True)
    assert releases.versions() == ["v2.0.0"]
