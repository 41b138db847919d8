from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from container.errors import NoSpaceError
from extractor.host import detached, events, processes, record, server, services
from extractor.host.record import Record, Running
from extractor.host.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Asked:
    """Stands for a supervisor, and writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def ask_to_stop(self) -> None:
        self.calls.append("stop")

    def hurry(self) -> None:
        self.calls.append("hurry")


@pytest.mark.parametrize(
    ("times", "calls"),
    [
        ((10.0,), ["stop"]),
        # The terminal and the loader of a frozen host both send it.
        ((10.0, 10.1), ["stop"]),
        ((10.0, 12.0, 14.0), ["stop", "hurry", "hurry"]),
    ],
)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_to_stop_and_a_later_one_hurries(
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    times: tuple[float, ...],
    calls: list[str],
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)
    before = [signal.signal(one, signal.SIG_DFL) for one in SIGNALS]
    asked = Asked()
    try:
        with server._stopped_by_signals(asked):  # type: ignore[arg-type]
            for moment in times:
                monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
                signal.raise_signal(number)
    finally:
        for one, handler in zip(SIGNALS, before, strict=True):
            signal.signal(one, handler)
    assert asked.calls == calls


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked = Asked()
    try:
        with server._stopped_by_signals(asked):  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert asked.calls == []


def test_nothing_runs_where_nothing_ever_ran(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), str(tmp_path / "data"))
    assert server.running_host(settings) is None
    assert server.stop(settings, lambda _: None) is None
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*paths: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(NoSpaceError, match=rf"^{tmp_path}/host\.json: no space left"):
        record.write(str(tmp_path), record_of())


@pytest.fixture
def standard_error() -> Iterator[None]:
    """Put it back when the test has exchanged it."""
    kept = os.dup(2)
    yield
    os.dup2(kept, 2)
    os.close(kept)


@pytest.mark.usefixtures("standard_error")
def test_a_host_lets_go_though_nobody_waits(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    detached.let_go(writing, str(tmp_path / "stigmer.log"))
    os.write(2, b"into the log\n")
    assert (tmp_path / "stigmer.log").read_bytes() == b"into the log\n"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


@pytest.mark.usefixtures("standard_error")
def test_a_detached_host_shows_where_the_command_shows(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(tmp_path / "shown", "wb") as shown:
        socket.send_fds(ours, [b"S"], [shown.fileno()])
        detached.show_there(theirs.fileno())
        os.write(2, b"progress\n")
        detached.let_go(os.dup(theirs.fileno()), str(tmp_path / "stigmer.log"))
        assert ours.recv(10) == b"R"
    assert (tmp_path / "shown").read_bytes() == b"progress\n"


class Words(NamedTuple):
    """What a program prints before it ends."""

    code: str
    status: int
    shown: str


@pytest.mark.parametrize(
    "words",
    [
        # The loader fails, and no host comes to be.
        Words("sys.exit('no room to unpack')", 1, "no room to unpack\n"),
        # The host fails, and tells it itself.
        Words("detached.show_there(fd); sys.exit('no port')", 1, "no port\n"),
        Words("detached.show_there(fd); detached.let_go(fd, sys.argv[2])", 0, ""),
    ],
)
def test_the_command_that_detaches_tells_how_it_went(
    words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import sys; from extractor.host import detached; fd = int(sys.argv[-1]); " + words.code
    started = []

    class Kept(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Kept)
    monkeypatch.setattr(detached, "_this_program", lambda: [sys.executable, "-c", code])
    assert detached.spawn(["--log", str(tmp_path / "stigmer.log")]) == words.status
    assert capfd.readouterr().err == words.shown
    (process,) = started
    process.wait()


def record_of(*services: Running) -> Record:
    return Record(
        processes.this_process(),
        "1",
        detached=False,
        ready=False,
        grpc_port=1,
        temporal_address="t:1",
        stop_seconds=1,
        run=os.urandom(8).hex(),
        services=services,
    )


def test_a_service_that_was_started_but_not_written_down_is_found() -> None:
    left = record_of(Running("stigmer-server", None, 1, uses_temporal=False))
    assert server.orphans(left) == []
    # It has a child, which has the same environment.
    code = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()']); "
        "print(flush=True); child.wait()"
    )
    marked = {services.MARK_VARIABLE: services.mark(left.run, "stigmer-server")}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | marked,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        assert [(name, found.pid) for name, found in server.orphans(left)] == [
            ("stigmer-server", process.pid)
        ]
        told: list[events.Event] = []
        assert server.end_orphans(left, 10, told.append) == 1
        assert told == [events.Orphan("stigmer-server", process.pid, killed=False)]
        assert process.wait() == -signal.SIGTERM
    assert server.orphans(left) == []
