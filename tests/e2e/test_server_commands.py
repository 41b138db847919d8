"""``stigmer server`` as a process of its own, with fakes for services: what a user sees."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from extractor.host.services import NAMES
from tests.support import commands
from tests.support.fake_service import Behaviour
from tests.support.hosts import Host, read_until, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER, WORKFLOW, AGENT = NAMES


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with closing(Host(tmp_path)) as one:
        yield one


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_the_foreground_until_a_signal(host: Host, number: signal.Signals) -> None:
    process = host.start(interrupt=True)
    shown = read_until(process, "stigmer is up").splitlines()
    assert shown[0] == "starting stigmer (development)"
    assert shown[1].startswith("stigmer-server   ready on port ")
    assert {line.split()[0] for line in shown[2:4]} == {WORKFLOW, AGENT}
    assert all(line.endswith(", waiting for Temporal") for line in shown[2:4])
    assert shown[4] == "waiting for Temporal at 127.0.0.1:7233"
    assert shown[5:] == [f"logs: {host.data}/logs", "stigmer is up; Ctrl-C stops it"]
    process.send_signal(number)
    outcome = commands.finish(process)
    assert outcome.status == 0
    assert outcome.out == ""
    assert outcome.err.splitlines() == [
        "agent-runner     stopped",
        "workflow-runner  stopped",
        "stigmer-server   stopped",
    ]
    assert host.run("status") == commands.Outcome(42, "not running\n", "")


def test_detached_with_status_a_second_start_restart_and_stop(host: Host) -> None:
    host.play(AGENT, Behaviour.CONNECTED)
    started = host.run("--detach", "--temporal-address", "temporal.example:1")
    assert started.status == 0
    assert started.err.splitlines()[-2:] == [
        f"logs: {host.data}/logs",
        "stigmer is up; `stigmer server stop` stops it",
    ]
    shown = host.run("status")
    assert (shown.status, shown.err) == (0, "")
    first, *rows, temporal, last = shown.out.splitlines()
    assert first.startswith("stigmer (development) is running, pid ")
    assert rows[0].startswith("stigmer-server   healthy, port ")
    assert rows[1].endswith(", waiting for Temporal")
    assert rows[2].endswith(", connected to Temporal")
    assert temporal == "temporal: temporal.example:1"
    assert last == f"data: {host.data}"
    before = host.status()
    assert before["healthy"] is before["detached"] is True

    second = host.run()
    assert second.status == 41
    assert second.err == (
        f"error: {host.data}: stigmer (development) runs already, as pid {before['pid']}; "
        "see `stigmer server status`; `stigmer server restart` replaces it\n"
    )

    del host.environment["GRPC_PORT"]
    assert host.run("restart").status == 0
    after = host.status()
    # Only the process is another.
    assert after["pid"] != before["pid"]
    assert after["temporal_address"] == "temporal.example:1"
    assert after["detached"] is True
    ports = [
        [service["port"] for service in found["services"] if service["name"] == SERVER]
        for found in (before, after)
    ]
    assert ports[0] == ports[1]

    stopped = host.run("stop")
    assert stopped.status == 0
    assert stopped.err.splitlines() == [
        f"stopping stigmer (development), pid {after['pid']}",
        "stopped",
    ]
    again = host.run("stop")
    assert (again.status, again.err) == (0, "nothing is running\n")
    log = (host.data / "logs" / "stigmer.log").read_text().splitlines()
    assert log == [f"{name:15}  stopped" for name in reversed(NAMES)] * 2


@pytest.mark.parametrize("words", [(), ("--detach",)])
def test_a_service_that_crashes_at_once(host: Host, words: tuple[str, ...]) -> None:
    host.play(WORKFLOW, Behaviour.CRASH)
    outcome = host.run(*words)
    assert outcome.status == 45
    lines = outcome.err.splitlines()
    at = lines.index("workflow-runner  failed; the last lines of its log:")
    assert lines[at + 1 : at + 11] == [f"  line {number}" for number in range(10, 20)]
    assert lines[-1] == (
        "error: workflow-runner: ended with exit code 3; "
        f"its log: {host.data}/logs/workflow-runner.log"
    )
    # Whoever looks later is told too.
    assert host.run("status") == commands.Outcome(
        42,
        "not running\nthe last run ended: workflow-runner: ended with exit code 3; "
        f"its log: {host.data}/logs/workflow-runner.log\n",
        "",
    )


def test_a_service_that_dies_while_nobody_looks(host: Host) -> None:
    assert host.run("--detach").status == 0
    (found,) = [
        one
        for one in host.processes()
        if str(host.environment["STIGMER_SERVER_BIN"]) in one.cmdline()
    ]
    (leader,) = [one for one in host.processes() if "extractor.host" in one.cmdline()]
    found.kill()
    leader.wait(commands.WATCHDOG_SECONDS)
    shown = host.run("status")
    assert shown.status == 42
    assert "the last run ended: stigmer-server: was killed by signal 9; " in shown.out
    assert host.run("--detach").status == 0
    assert host.run("stop").status == 0


def test_a_service_that_hangs_at_stop_is_killed(host: Host) -> None:
    host.play(AGENT, Behaviour.HANG)
    assert host.run("--detach", "--stop-timeout", "0.2").status == 0
    assert host.run("stop").status == 0
    log = (host.data / "logs" / "stigmer.log").read_text()
    assert "agent-runner     killed: it did not end in time\n" in log


def test_a_service_that_is_not_ready_in_time(host: Host) -> None:
    host.play(SERVER, Behaviour.MUTE)
    outcome = host.run("--start-timeout", "0.3")
    assert outcome.status == 44
    assert outcome.err.splitlines()[-1].startswith(
        "error: stigmer-server: is not ready after 0.3 s; "
    )


def test_a_port_in_use(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = host.run("--grpc-port", str(port))
    assert outcome == commands.Outcome(
        43,
        "",
        f"error: port {port}: another program listens on it; stop that program, or choose "
        "another port with --grpc-port (0: any)\n",
    )
    assert host.run("status").out == "not running\n"


def test_a_host_that_was_killed_and_a_new_start(host: Host) -> None:
    assert host.run("--detach").status == 0
    host.kill()
    left = {one.pid for one in host.processes()}
    assert len(left) == 3
    shown = host.run("status")
    assert shown.status == 42
    assert shown.out.splitlines()[0] == "not running"
    assert sum("left by a host that died" in line for line in shown.out.splitlines()) == 3
    outcome = host.run("--detach")
    assert outcome.status == 0
    told = [line for line in outcome.err.splitlines() if "left by a host that died" in line]
    assert [line.split()[0] for line in told] == list(reversed(NAMES))
    assert not left & {one.pid for one in host.processes()}
    assert host.run("stop").status == 0


def test_stop_ends_what_a_killed_host_has_left(host: Host) -> None:
    assert host.run("--detach").status == 0
    host.kill()
    outcome = host.run("stop")
    assert outcome.status == 0
    assert outcome.err.splitlines()[-1] == "stopped"
    assert host.processes() == []
    assert host.run("stop").err == "nothing is running\n"


def test_a_stranger_with_the_number_of_an_orphan_is_left_alone(host: Host) -> None:
    assert host.run("--detach").status == 0
    host.kill()
    path = host.data / "run" / "host.json"
    record = json.loads(path.read_text())
    (first, *_) = record["services"]
    pid = first["process"][0]
    first["process"][1] -= 1
    path.write_text(json.dumps(record))
    assert host.run("stop").status == 0
    assert [one.pid for one in host.processes()] == [pid]
    os.kill(pid, signal.SIGTERM)
    for one in host.processes():
        one.wait(commands.WATCHDOG_SECONDS)


def test_of_two_hosts_started_together_one_runs(host: Host) -> None:
    both = [host.start("--detach") for _ in range(2)]
    ended = sorted((commands.finish(process) for process in both), key=lambda one: one.status)
    assert [outcome.status for outcome in ended] == [0, 41]
    assert len(host.status()["services"]) == 3
    assert host.run("stop").status == 0


def test_an_interrupted_detached_start_leaves_nothing(host: Host) -> None:
    host.play(AGENT, Behaviour.MUTE)
    process = host.start("--detach", interrupt=True)
    read_until(process, WORKFLOW)
    process.send_signal(signal.SIGINT)
    outcome = commands.finish(process)
    assert outcome.status == 130
    assert outcome.err.splitlines()[-1] == "interrupted"
    assert host.processes() == []


def test_logs_are_shown_and_followed(host: Host) -> None:
    assert host.run("logs") == commands.Outcome(0, "", "")
    assert host.run("--detach").status == 0
    assert host.run("logs", SERVER).out == f"stigmer-server starting in {host.data}\n"
    assert host.run("logs", "-n", "1").out.splitlines() == [
        f"{name:15}  {name} starting in {host.data}" for name in NAMES
    ]
    following = host.start("logs", "--follow", "-n", "1", AGENT, interrupt=True)
    assert following.stdout is not None
    assert following.stdout.readline() == f"agent-runner starting in {host.data}\n"
    assert host.run("stop").status == 0
    assert following.stdout.readline() == "agent-runner stopping\n"
    following.send_signal(signal.SIGINT)
    assert commands.finish(following) == commands.Outcome(0, "", "")
    wrong = host.run("logs", "nobody")
    assert wrong.status == 2
    assert "no service 'nobody'; there are stigmer-server, " in wrong.err


def test_on_a_terminal_nothing_that_waits_is_left_on_the_screen(host: Host) -> None:
    terminal = host.start_on_terminal()
    shown = terminal.read_until("Ctrl-C stops it")
    assert "starting stigmer-server ...\r\x1b[K" in shown
    terminal.press(b"\x03")
    code, rest = terminal.finish()
    assert code == 0
    assert "stopping agent-runner ...\r\x1b[Kagent-runner     stopped" in rest
    screen = as_seen(shown + rest)
    assert screen[0] == "starting stigmer (development)"
    assert [line.split()[0] for line in screen[1:]] == [
        SERVER,
        *sorted([WORKFLOW, AGENT], key=shown.rindex),
        *("waiting", "logs:", "stigmer"),
        *(AGENT, WORKFLOW, SERVER),
    ]
    # The last but one names a directory of the test.
    assert all(len(line) < 80 for line in screen if "logs:" not in line)


def test_on_a_dumb_terminal_there_are_lines_only(host: Host) -> None:
    terminal = host.start_on_terminal(term="dumb")
    shown = terminal.read_until("Ctrl-C stops it")
    terminal.press(b"\x03")
    code, rest = terminal.finish()
    assert code == 0
    assert "\x1b" not in shown + rest
    assert "\r" not in (shown + rest).replace("\r\n", "\n")
    assert "..." not in shown + rest


def test_a_terminal_that_is_closed_ends_all_services(host: Host) -> None:
    terminal = host.start_on_terminal()
    terminal.read_until("Ctrl-C stops it")
    terminal.close()
    assert terminal.wait() == 0
    assert host.processes() == []


def test_a_reader_that_goes_away_does_not_end_the_services(host: Host) -> None:
    process = host.start()
    read_until(process, "starting")
    assert process.stderr is not None
    process.stderr.close()
    process.stderr = None
    record = host.data / "run" / "host.json"
    until(lambda: record.exists() and json.loads(record.read_text())["ready"])
    assert host.run("stop").status == 0
    assert process.wait(commands.WATCHDOG_SECONDS) == 0


def as_seen(shown: str) -> list[str]:
    """Lines of a terminal that knows only what is used here, without its echo of Ctrl-C."""
    lines = []
    for line in shown.replace("\r\n", "\n").split("\n"):
        seen = line.rpartition("\r\x1b[K")[2].replace("^C", "")
        if seen:
            lines.append(seen)
    return lines
