"""The supervisor in this process, with real child processes that play the services."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from container.errors import NotReadyError, ServiceDiedError, ServiceError
from extractor.host import events, logs, ports, processes, services, supervisor
from extractor.host.settings import Settings
from extractor.host.supervisor import Supervisor
from tests.support.fake_service import Behaviour, write_fake
from tests.support.watchdog import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVER, WORKFLOW, AGENT = services.NAMES


class Stage:
    """A supervisor of three fakes, and what it told."""

    def __init__(self, root: Path, start_seconds: float = 60, stop_seconds: float = 60) -> None:
        self.root = root
        self.settings = Settings(str(root), str(root / "data"))
        os.makedirs(self.settings.logs_dir)
        self.told: list[events.Event] = []
        self.react: Callable[[events.Event], object] = lambda _event: None
        for kind in services.KINDS:
            write_fake(root / kind.program, kind.name)
        numbers = dict(zip(services.NAMES, ports.choose(0, 2), strict=True))
        self.stages = services.stages(self.settings, str(root), numbers, dict(os.environ), "r")
        self.starting: list[str | None] = []
        self.supervisor = Supervisor(self.stages, start_seconds, stop_seconds, self.hear, self.note)

    def hear(self, event: events.Event) -> None:
        self.told.append(event)
        self.react(event)

    def note(self) -> None:
        one = self.supervisor.starting
        self.starting.append(one and one.name)

    def play(self, name: str, behaviour: Behaviour) -> None:
        (kind,) = (kind for kind in services.KINDS if kind.name == name)
        write_fake(self.root / kind.program, name, behaviour)

    def run(self) -> bool:
        """Run until all are ready, then stop."""
        return self.supervisor.run(self.supervisor.ask_to_stop)

    def names(self, kind: type) -> list[str]:
        return [event.name for event in self.told if isinstance(event, kind)]  # type: ignore[union-attr]

    def pids(self) -> dict[str, int]:
        return {child.service.name: child.process.pid for child in self.supervisor._children}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def check_all_ended(stage: Stage) -> None:
    assert stage.supervisor.running == ()
    for pid in stage.pids().values():
        assert processes.identify(pid) is None
    # The whole group: programs that a service started have ended with it, or are about to.
    groups = set(stage.pids().values())
    members = [one for one in psutil.process_iter() if group_of(one.pid) in groups]
    assert psutil.wait_procs(members, timeout=SECONDS)[1] == []


def group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_services_start_in_order_and_stop_in_reverse_order(stage: Stage) -> None:
    assert stage.run() is True
    order = [(type(event).__name__, *event[:1]) for event in stage.told]
    assert order[:3] == [("Starting", SERVER), ("Ready", SERVER), ("Starting", WORKFLOW)]
    assert order[3] == ("Starting", AGENT)
    assert {name for _, name in order[4:6]} == {WORKFLOW, AGENT}
    assert order[6][0] == "Up"
    assert order[7:] == [
        (did, name) for name in (AGENT, WORKFLOW, SERVER) for did in ("Stopping", "Stopped")
    ]
    assert not any(event.killed for event in stage.told if isinstance(event, events.Stopped))
    check_all_ended(stage)
    # Each is known before it runs.
    assert stage.starting == [SERVER, None, WORKFLOW, AGENT, None]
    log = (stage.root / "data" / "logs" / "agent-runner.log").read_text()
    assert log == f"agent-runner starting in {stage.root}/data\nagent-runner stopping\n"


def test_ready_tells_how_a_service_stands_to_temporal(stage: Stage) -> None:
    stage.play(AGENT, Behaviour.CONNECTED)
    assert stage.run()
    ready = {event.name: event for event in stage.told if isinstance(event, events.Ready)}
    assert {name: event.temporal for name, event in ready.items()} == {
        SERVER: None,
        WORKFLOW: False,
        AGENT: True,
    }
    made = {one.name: one.port for group in stage.stages for one in group}
    assert {name: event.port for name, event in ready.items()} == made


@pytest.mark.parametrize(("name", "stopped"), [(SERVER, []), (AGENT, [WORKFLOW, SERVER])])
def test_a_service_that_crashes_at_once(stage: Stage, name: str, stopped: list[str]) -> None:
    stage.play(name, Behaviour.CRASH)
    with pytest.raises(ServiceDiedError, match=rf"^{name}: ended with exit code 3; its log: "):
        stage.run()
    (died,) = (event for event in stage.told if isinstance(event, events.Died))
    assert died == events.Died(name, tuple(f"line {number}" for number in range(10, 20)))
    assert stage.names(events.Stopped) == stopped
    check_all_ended(stage)


def test_a_service_that_dies_later_ends_the_others(stage: Stage) -> None:
    def kill() -> None:
        os.kill(stage.pids()[WORKFLOW], signal.SIGKILL)

    with pytest.raises(ServiceDiedError, match=r"^workflow-runner: was killed by signal 9; "):
        stage.supervisor.run(kill)
    assert stage.names(events.Died) == [WORKFLOW]
    assert stage.names(events.Stopped) == [AGENT, SERVER]
    check_all_ended(stage)


@pytest.mark.parametrize("behaviour", [Behaviour.MUTE, Behaviour.SICK])
def test_a_service_that_never_gets_ready(tmp_path: Path, behaviour: Behaviour) -> None:
    stage = Stage(tmp_path, start_seconds=0.3)
    stage.play(SERVER, behaviour)
    with pytest.raises(NotReadyError, match=r"^stigmer-server: is not ready after 0\.3 s; its log"):
        stage.run()
    assert stage.names(events.Starting) == [SERVER] == stage.names(events.Died)
    check_all_ended(stage)


def test_a_service_that_hangs_is_killed_and_the_others_are_not(tmp_path: Path) -> None:
    stage = Stage(tmp_path, stop_seconds=0.2)
    stage.play(WORKFLOW, Behaviour.HANG)
    assert stage.run() is True
    killed = {event.name: event.killed for event in stage.told if isinstance(event, events.Stopped)}
    assert killed[WORKFLOW] is True
    check_all_ended(stage)


def test_whoever_hurries_does_not_wait_for_one_that_hangs(stage: Stage) -> None:
    stage.play(AGENT, Behaviour.HANG)

    def hurry(event: events.Event) -> None:
        if isinstance(event, events.Stopping):
            stage.supervisor.hurry()

    stage.react = hurry
    assert stage.run() is True
    assert events.Stopped(AGENT, killed=True) in stage.told
    check_all_ended(stage)


def test_programs_that_a_service_has_left_are_ended(stage: Stage) -> None:
    stage.play(AGENT, Behaviour.PARENT)
    assert stage.run() is True
    assert events.Stopped(AGENT, killed=False) in stage.told
    check_all_ended(stage)


@pytest.mark.parametrize("after", [SERVER, AGENT])
def test_asked_to_stop_while_it_starts(stage: Stage, after: str) -> None:
    def stop(event: events.Event) -> None:
        if isinstance(event, events.Starting) and event.name == after:
            stage.supervisor.ask_to_stop()

    stage.react = stop
    stage.play(after, Behaviour.MUTE)
    assert stage.run() is False
    assert stage.names(events.Stopped) == list(reversed(stage.names(events.Starting)))
    check_all_ended(stage)


@pytest.mark.parametrize("damage", ["absent", "not executable", "no program"])
def test_a_program_that_cannot_be_started(stage: Stage, damage: str) -> None:
    program = stage.root / WORKFLOW
    if damage == "absent":
        program.unlink()
    elif damage == "not executable":
        program.chmod(0o644)
    else:
        program.write_bytes(b"\x7fELF")
    with pytest.raises(ServiceError, match=rf"^workflow-runner: {program}: cannot be started: "):
        stage.run()
    assert stage.names(events.Stopped) == [SERVER]
    check_all_ended(stage)


def test_an_error_of_the_caller_ends_all_services(stage: Stage) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device", "host.json")

    with pytest.raises(OSError, match=r"host\.json"):
        stage.supervisor.run(fail)
    assert stage.names(events.Stopped) == [AGENT, WORKFLOW, SERVER]
    check_all_ended(stage)


def test_services_do_not_get_the_terminal_or_open_files(stage: Stage) -> None:
    program = stage.root / SERVER
    program.write_text(
        f"#!{sys.executable}\n"
        "import os\n"
        "print(os.getsid(0) == os.getpid(), os.readlink('/proc/self/fd/0'),\n"
        "      sorted(os.listdir('/proc/self/fd'))[:3], os.getcwd())\n"
        "print(len([fd for fd in os.listdir('/proc/self/fd') if int(fd) > 2]))\n"
    )
    reading, writing = os.pipe()
    try:
        with pytest.raises(ServiceDiedError):
            stage.run()
    finally:
        os.close(reading)
        os.close(writing)
    (died,) = (event for event in stage.told if isinstance(event, events.Died))
    # One more is the directory that is being listed.
    assert died.last_lines == (
        f"True /dev/null ['0', '1', '2'] {stage.root}/data",
        "1",
    )


def test_a_log_that_gets_too_long_is_cut_while_its_service_runs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10)
    monkeypatch.setattr(supervisor, "_LOG_SECONDS", 0.01)
    log = stage.root / "data" / "logs" / f"{SERVER}.log"
    cut = logs.shorten

    def watch(path: str) -> None:
        cut(path)
        if os.path.exists(f"{log}.1"):
            stage.supervisor.ask_to_stop()

    monkeypatch.setattr(logs, "shorten", watch)
    assert stage.supervisor.run() is True
    assert log.with_suffix(".log.1").read_text() == f"{SERVER} starting in {stage.root}/data\n"
    # The same process goes on at the beginning of the file.
    assert log.read_text() == f"{SERVER} stopping\n"


def test_a_log_that_cannot_be_written_is_told(stage: Stage) -> None:
    os.mkdir(stage.root / "data" / "logs" / f"{SERVER}.log")
    with pytest.raises(IsADirectoryError, match=f"{SERVER}.log"):
        stage.run()
    check_all_ended(stage)
