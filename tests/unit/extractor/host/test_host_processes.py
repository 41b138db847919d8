from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from extractor.host import processes
from tests.support.watchdog import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extractor.host.processes import Identity

WAITS = "print(flush=True); import sys; sys.stdin.read()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


class Started:
    """A process that is up, and ends with its standard input."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.read(1) == b"\n"

    @property
    def identity(self) -> Identity:
        found = processes.identify(self.process.pid)
        assert found is not None
        return found


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Iterator[Started]:
    one = Started(request.param)
    yield one
    one.process.kill()
    one.process.wait()
    for stream in (one.process.stdin, one.process.stdout):
        assert stream is not None
        stream.close()


@pytest.mark.parametrize("started", [WAITS], indirect=True)
def test_a_process_is_known_until_it_has_ended(started: Started) -> None:
    identity = started.identity
    assert processes.alive(identity)
    assert processes.identify(started.process.pid) == identity
    assert started.process.stdin is not None
    started.process.stdin.close()
    assert os.waitid(os.P_PID, started.process.pid, os.WEXITED | os.WNOWAIT)
    # A zombie: it has its number still, and runs no more.
    assert not processes.alive(identity)
    started.process.wait()
    assert processes.identify(identity.pid) is None


@pytest.mark.parametrize("started", [WAITS], indirect=True)
def test_another_process_with_the_same_number_is_left_alone(started: Started) -> None:
    earlier = started.identity._replace(started=started.identity.started - 0.05)
    assert not processes.alive(earlier)
    assert processes.end(earlier, 10) is False
    assert started.process.poll() is None


@pytest.mark.parametrize("started", [WAITS], indirect=True)
def test_a_process_is_asked_to_end_and_nobody_waits_for_its_parent_to_reap_it(
    started: Started,
) -> None:
    assert processes.end(started.identity, SECONDS) is False
    # Still there as a zombie: this process is its parent, and reaps it only now.
    assert started.process.wait() == -15


@pytest.mark.parametrize("started", [DEAF], indirect=True)
def test_a_process_that_does_not_obey_is_killed(started: Started) -> None:
    assert processes.end(started.identity, 0.01) is True
    assert processes.identify(started.process.pid) is None


def test_one_that_has_ended_needs_no_end() -> None:
    one = Started(WAITS)
    identity = one.identity
    one.process.communicate(b"")
    assert processes.end(identity, 10) is False
    processes.kill_group(identity.pid)


def test_this_process_is_alive() -> None:
    assert processes.this_process().pid == os.getpid()
    assert processes.alive(processes.this_process())
