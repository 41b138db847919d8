"""The real agent-runner: frozen, packed, installed; it checks itself, waits, tells, and stops."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from fixtures import freeze, provide
from tests.support import commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real
"""Its fixture says clearly that it cannot be frozen on another platform."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed into a fresh home from a host that carries it."""
    inputs, place = provide("linux-amd64"), tmp_path_factory.mktemp("chain")
    words = ("--version", "1", "--level", "1", f"agent-runner={inputs.agent_runner}")
    packed = place / "stigmer"
    for outcome in (
        commands.pack("embed", "--host", inputs.host, "--output", packed, *words),
        commands.extract("install", packed, "--home", place / "home"),
    ):
        assert outcome.status == 0, outcome
    return place / "home" / "bin" / "agent-runner" / "agent-runner"


def run(program: Path, *words: str, environment: dict[str, str] | None = None) -> commands.Outcome:
    """Run it from the root directory, with nothing in its environment but what is given."""
    done = subprocess.run(
        [program, *words],
        cwd="/",
        env=environment or {},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=commands.WATCHDOG_SECONDS,
        check=False,
    )
    return commands.Outcome(done.returncode, done.stdout, done.stderr)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Service:
    """A service that runs; its lines are read as they come."""

    def __init__(self, program: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [program], cwd="/", env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.lines: list[str] = []

    def wait_for(self, text: str) -> str:
        """The next line that holds a text."""
        assert self.process.stderr is not None
        while select.select([self.process.stderr], [], [], commands.WATCHDOG_SECONDS)[0]:
            line = self.process.stderr.readline().decode()
            if not line:
                break
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r} among {self.lines}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=commands.WATCHDOG_SECONDS)
        self.lines += rest.decode().splitlines(keepends=True)
        return self.process.returncode


@pytest.fixture
def waiting(installed: Path) -> Iterator[tuple[Service, int]]:
    """The service, and the port that it answers on, while there is no Temporal."""
    port = free_port()
    environment = {
        "AGENT_RUNNER_GRPC_PORT": str(port),
        # Nothing listens on the port of TCP's multiplexer.
        "TEMPORAL_SERVICE_ADDRESS": "127.0.0.1:1",
    }
    service = Service(installed, environment)
    try:
        service.wait_for("waiting for Temporal at 127.0.0.1:1, again in 0.5 s: ")
        yield service, port
    finally:
        service.process.kill()
        service.process.communicate()


def test_the_installed_program_checks_itself(installed: Path) -> None:
    outcome = run(installed, "--selfcheck")
    assert outcome.status == 0, outcome
    seen = json.loads(outcome.out)
    assert (seen["ok"], seen["version"]) == (True, freeze.program_version())
    assert seen["checks"]["multipart"] == "multipart.MultipartSegment"
    assert seen["checks"]["graph"] == "model, tool, model: echo: 3"
    assert len(seen["checks"]) == 11


def test_the_tree_has_few_files(installed: Path) -> None:
    # Thousands of small files cost more at a first start than anything else.
    assert 50 < sum(len(files) for _, _, files in os.walk(installed.parent)) < 400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_for_temporal_tells_so_and_stops(
    number: signal.Signals, waiting: tuple[Service, int], installed: Path
) -> None:
    service, port = waiting
    assert service.lines[0].endswith(f"started, health on 127.0.0.1:{port}\n")
    service.wait_for("again in 1.0 s: ")
    environment = {"AGENT_RUNNER_GRPC_PORT": str(port)}
    assert run(installed, "--health", environment=environment) == (0, "SERVING\n", "")
    asked = run(installed, "--health", "temporal", environment=environment)
    assert asked == (1, "NOT_SERVING\n", "")
    unknown = run(installed, "--health", "nobody", environment=environment)
    assert unknown == (1, "", f"agent-runner: port {port} says NOT_FOUND\n")
    assert service.end(number) == 0
    assert service.lines[-1].endswith(" INFO stopped\n")
    assert not any("Traceback" in line for line in service.lines)


def test_a_port_that_is_taken_is_told(installed: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run(installed, environment={"AGENT_RUNNER_GRPC_PORT": str(port)})
    assert outcome.status == 1
    assert f"port {port} cannot be used: AGENT_RUNNER_GRPC_PORT" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_setting_without_a_meaning_is_told(installed: Path) -> None:
    outcome = run(installed, environment={"AGENT_RUNNER_GRPC_PORT": "many"})
    expected = "agent-runner: AGENT_RUNNER_GRPC_PORT: 'many' is no port (expected 0 to 65535)\n"
    assert outcome == (2, "", expected)
