"""The one file that users have: frozen, packed, on a machine that lends it nothing.

No Python, no PATH, no home: its environment names a directory, a free port and its scratch space.
The services are the real ones; a fake takes the place of one where it has to misbehave.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from container.errors import (
    AlreadyRunningError,
    NoSpaceError,
    NotRunningError,
    PortInUseError,
    ServiceDiedError,
)
from extractor.host import health
from extractor.host.health import Health
from extractor.host.services import NAMES
from extractor.preflight import this_platform
from fixtures.host import NATIVE, provide_packed
from tests.support import commands
from tests.support.fake_service import Behaviour
from tests.support.hosts import Host, Terminal, read_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER, WORKFLOW, AGENT = NAMES
READY = r"  ready on port \d+ after \d+\.\d\d s"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(this_platform() != NATIVE, reason="it is frozen and runs on linux-amd64"),
]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with closing(Host(tmp_path, provide_packed("1.0.0"))) as one:
        yield one


def upgrade(host: Host) -> None:
    """The user puts the newer file in the place of the older one."""
    host.program = provide_packed("1.1.0")


def versions(host: Host) -> list[str]:
    return sorted(path.name.split("-")[0] for path in (host.home / "versions").iterdir())


def test_from_an_empty_home_to_three_healthy_services_and_back(host: Host) -> None:
    process = host.start()
    shown = read_until(process, "stigmer is up").splitlines()
    assert re.fullmatch(r"installing \d+\.\d MB", shown[0])
    assert sorted(line.split()[0] for line in shown[1:4]) == sorted(NAMES)
    assert all(line.endswith(": extracted") for line in shown[1:4])
    assert shown[4] == "starting stigmer 1.0.0"
    assert re.fullmatch(SERVER + " " + READY, shown[5])
    for line in shown[6:8]:
        assert re.fullmatch(f"({WORKFLOW}|{AGENT} *){READY}, waiting for Temporal", line)
    assert shown[8:] == [
        "waiting for Temporal at 127.0.0.1:7233",
        f"logs: {host.data}/logs",
        "stigmer is up; Ctrl-C stops it",
    ]
    # Asked here, and not through the host.
    ports = {service["name"]: service["port"] for service in host.status()["services"]}
    assert [health.ask(ports[name], "", 10) for name in NAMES] == [Health.SERVING] * 3
    assert health.ask(ports[AGENT], "temporal", 10) is Health.NOT_SERVING
    told = host.run("status")
    assert told.status == 0
    assert told.out.count("healthy, port") == 3
    process.send_signal(signal.SIGTERM)
    outcome = commands.finish(process)
    assert outcome == commands.Outcome(
        0, "", "".join(f"{name:15}  stopped\n" for name in reversed(NAMES))
    )
    assert host.processes() == []
    assert [health.ask(port) for port in ports.values()] == [Health.UNREACHABLE] * 3


def test_warm_start_upgrade_while_it_runs_and_rollback(host: Host) -> None:
    def traces() -> dict[str, int]:
        places = [host.home / "bin", *(host.home / "versions").rglob("*")]
        return {str(place): place.lstat().st_ctime_ns for place in places}

    assert host.call("install").status == 0
    before = traces()
    # Whoever captures its standard error is not kept waiting by a host that goes on.
    warm = host.run("--detach")
    assert warm.status == 0
    assert warm.err.splitlines()[0] == "starting stigmer 1.0.0"
    assert traces() == before

    upgrade(host)
    refused = host.run("--detach")
    assert refused.status == AlreadyRunningError.exit_code
    assert "stigmer 1.0.0 runs already, as pid " in refused.err
    assert versions(host) == ["v1.0.0"]
    upgraded = host.run("restart")
    assert upgraded.status == 0
    lines = upgraded.err.splitlines()
    assert any(line.startswith(AGENT) and line.endswith(": unchanged") for line in lines)
    stopping = next(n for n, line in enumerate(lines) if line.startswith("stopping stigmer 1.0.0"))
    assert lines[0].startswith("installing ")
    assert lines[stopping + 1 : stopping + 3] == ["stopped", "starting stigmer 1.1.0"]
    assert host.status()["version"] == "1.1.0"
    assert versions(host) == ["v1.0.0", "v1.1.0"]

    back = host.call("rollback")
    assert back.status == 0
    assert back.out.startswith("went back from 1.1.0 to 1.0.0: ")
    # What runs goes on; the next start is the older version's, though the file is the newer one.
    assert host.status()["version"] == "1.1.0"
    again = host.run("restart")
    assert again.status == 0
    assert (
        "1.0.0 stays in use: `stigmer rollback` went back to it; `stigmer install --force` undoes "
        "that\nstarting stigmer 1.0.0\n"
    ) in again.err
    assert host.run("stop").status == 0
    log = (host.data / "logs" / f"{SERVER}.log").read_text()
    assert re.findall(r"version=(\S+)", log) == ["1.0.0", "1.1.0", "1.0.0"]
    # One store served them all.
    assert re.findall(r"starts=(\d+)", log) == ["1", "2", "3"]


def test_what_is_damaged_is_found_and_repaired(host: Host) -> None:
    assert host.call("install", "--json").status == 0
    assert host.call("doctor").status == 0
    assert host.call("verify").out.startswith("intact: ")
    program = host.home / "bin" / WORKFLOW
    data = bytearray(program.read_bytes())
    data[len(data) // 2] ^= 1
    program.write_bytes(data)
    told = host.call("verify")
    assert told.status == 15
    assert told.out.startswith(f"{WORKFLOW}: ")
    # In words of this program: nobody has another one.
    assert told.err.rstrip().endswith("repair it with `verify --repair`")
    assert host.call("verify", "--repair").status == 0
    assert host.call("verify").status == 0
    assert host.call("version").out.splitlines()[0] == "stigmer 1.0.0"


@pytest.mark.parametrize("words", [(), ("--detach",)])
def test_a_service_that_crashes_at_once(host: Host, words: tuple[str, ...]) -> None:
    host.play(WORKFLOW, Behaviour.CRASH)
    outcome = host.run(*words)
    assert outcome.status == ServiceDiedError.exit_code
    lines = outcome.err.splitlines()
    at = lines.index(f"{WORKFLOW}  failed; the last lines of its log:")
    assert lines[at + 1 : at + 11] == [f"  line {number}" for number in range(10, 20)]
    assert lines[-1] == (
        f"error: {WORKFLOW}: ended with exit code 3; its log: {host.data}/logs/{WORKFLOW}.log"
    )
    assert host.processes() == []


def test_a_service_that_hangs_at_stop(host: Host) -> None:
    host.play(AGENT, Behaviour.HANG)
    assert host.run("--detach", "--stop-timeout", "0.2").status == 0
    assert host.run("stop").status == 0
    log = (host.data / "logs" / "stigmer.log").read_text().splitlines()
    assert log == [
        f"{AGENT:15}  killed: it did not end in time",
        *(f"{name:15}  stopped" for name in (WORKFLOW, SERVER)),
    ]


def test_a_port_in_use(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = host.run("--grpc-port", str(port))
    assert outcome.status == PortInUseError.exit_code
    assert outcome.err.startswith(f"error: port {port}: another program listens on it; ")
    # Nothing was installed for it.
    assert not (host.home / "versions").exists()


def test_a_killed_host_and_a_new_start(host: Host) -> None:
    assert host.run("--detach").status == 0
    orphans = {service["pid"] for service in host.status()["services"]}
    host.kill()
    assert {one.pid for one in host.processes()} == orphans
    found = host.run("status")
    assert found.status == NotRunningError.exit_code
    assert found.out.count("left by a host that died") == 3
    outcome = host.run("--detach")
    assert outcome.status == 0
    told = [line for line in outcome.err.splitlines() if "left by a host that died" in line]
    assert [line.split()[0] for line in told] == list(reversed(NAMES))
    assert not orphans & {one.pid for one in host.processes()}
    # They ended in order, as their own logs say, though nobody was there to read along.
    for name in (SERVER, WORKFLOW):
        assert (host.data / "logs" / f"{name}.log").read_text().count("msg=stopped") == 1
    assert host.run("stop").status == 0


def test_of_two_hosts_started_together_one_runs(host: Host) -> None:
    both = [host.start("--detach") for _ in range(2)]
    ended = sorted((commands.finish(process) for process in both), key=lambda one: one.status)
    assert [outcome.status for outcome in ended] == [0, AlreadyRunningError.exit_code]
    assert host.status()["healthy"] is True
    assert host.run("stop").status == 0


_NAMESPACE = ("unshare", "--map-root-user", "--mount")


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_NAMESPACE, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="this system makes no mount namespaces for us")
def test_a_home_on_a_full_disk(host: Host) -> None:
    host.home.mkdir()
    mount = f'{shutil.which("mount")} -t tmpfs -o size=20m,mode=755 tmpfs {host.home}; exec "$@"'
    before = (shutil.which("unshare") or "", *_NAMESPACE[1:], "/bin/sh", "-c", mount, "sh")
    outcome = commands.finish(host.start(before=before))
    assert outcome.status == NoSpaceError.exit_code
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert "space" in outcome.err
    # With room, it is as if nothing had happened.
    assert host.run("--detach").status == 0
    assert host.run("stop").status == 0


def test_on_a_terminal(host: Host) -> None:
    terminal = host.start_on_terminal()
    shown = terminal.read_until("Ctrl-C stops it")
    bar = shown.partition("starting stigmer 1.0.0")[0]
    assert "installing  [" in bar
    # Redrawn in its line, which is whole at the end; no line is wider than the terminal.
    assert re.search(r"installing  \[#{20}\] +100%  \d+\.\d MB ", bar)
    assert max(map(len, re.split(r"[\r\n]|\x1b\[[?0-9]*[A-Za-z]", bar))) <= 80
    terminal.press(b"\x03")
    assert left_behind(terminal) == 0
    assert host.processes() == []


def test_on_a_dumb_terminal_there_are_lines_only(host: Host) -> None:
    terminal = host.start_on_terminal(term="dumb")
    shown = terminal.read_until("Ctrl-C stops it")
    assert "\x1b" not in shown
    assert "\r" not in shown.replace("\r\n", "")
    assert "..." not in shown
    terminal.press(b"\x03")
    assert left_behind(terminal) == 0


def left_behind(terminal: Terminal) -> int:
    """The exit code of a host that says of all services that they stopped."""
    code, rest = terminal.finish()
    # The terminal's own echo of the key.
    rest = rest.replace("^C", "")
    stopped = re.findall(r"^([a-z-]+) +stopped\r?$", re.sub(r".*\x1b\[K", "", rest), re.MULTILINE)
    assert stopped == list(reversed(NAMES))
    return code


def test_it_needs_nothing_of_this_machine(host: Host) -> None:
    assert "PATH" not in host.environment
    assert not os.environ.keys() & host.environment.keys() - {"STIGMER_HOME", "TMPDIR"}
    # What it does need is in it.
    assert host.call("selfcheck").out == "all is there\n"
