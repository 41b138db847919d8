"""Start services in order, watch them, and end them in reverse order."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from container.errors import NotReadyError, ServiceDiedError, ServiceError
from extractor.host import events, health, logs, processes
from extractor.host.health import Health
from extractor.host.services import TEMPORAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from extractor.host.events import Listener
    from extractor.host.services import Service

_SHOWN_LINES = 10
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
# How long a log file may grow beyond its bound.
_LOG_SECONDS = 2.0


class _Ended(NamedTuple):
    """A service's process is gone, and reaped."""

    name: str


class _StopAsked(NamedTuple):
    """Somebody wants everything to end."""


class Child:
    """A service that this process has started."""

    def __init__(self, service: Service, notices: SimpleQueue[_Ended | _StopAsked]) -> None:
        """Start it.

        Raises:
            ServiceError: its program cannot be run.
            NoSpaceError, NotWritableError, OSError: its log cannot be written.
        """
        self.service = service
        self.started_ns = time.monotonic_ns()
        self.ended = False
        self._notices = notices
        logs.shorten(service.log)
        output = logs.opened(service.log)
        try:
            self.process = subprocess.Popen(
                [service.program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(service.environment),
                cwd=service.environment["STIGMER_DATA_DIR"],
                # Ctrl-C on the terminal is for the host, which ends services in their order.
                start_new_session=True,
            )
        except OSError as error:
            raise ServiceError(
                f"cannot be started: {error.strerror}",
                f"{service.name}: {service.program}",
                remedy="install again, or mend the variable that names another program",
            ) from error
        finally:
            os.close(output)
        # It is not reaped before the thread below waits for it, so the number is its own. None
        # where it has ended already.
        self.identity = processes.identify(self.process.pid)
        Thread(target=self._wait, daemon=True).start()

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return (time.monotonic_ns() - self.started_ns) / 1e9

    def _wait(self) -> None:
        self.process.wait()
        processes.kill_group(self.process.pid)
        self._notices.put(_Ended(self.service.name))

    def last_lines(self) -> tuple[str, ...]:
        """Of its log."""
        return logs.tail(self.service.log, _SHOWN_LINES)

    def outcome(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code < 0:
            return f"was killed by signal {-code}"
        return f"ended with exit code {code}"


class Supervisor:
    """A run of services, from the first start to the last stop.

    Args:
        stages: groups of services; those of one start together, when all before are ready.
        start_seconds: how long each may take until it is ready.
        stop_seconds: how long each may take to end; then it is killed.
        listener: is told how it goes.
        changed: called before a service is started, which is then ``starting``, and when all of a
            group have been.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Service]],
        start_seconds: float,
        stop_seconds: float,
        listener: Listener,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        self._stages = stages
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self.starting: Service | None = None
        """About to be started: it may be running already when this process is killed."""
        self._listener = listener
        self._changed = changed
        self._notices: SimpleQueue[_Ended | _StopAsked] = SimpleQueue()
        self._children: list[Child] = []
        self._stopping = False
        self._hurried = False

    @property
    def running(self) -> tuple[Child, ...]:
        """In the order in which they were started."""
        return tuple(child for child in self._children if not child.ended)

    def ask_to_stop(self) -> None:
        """End everything. May be called by a signal handler."""
        self._stopping = True
        self._notices.put(_StopAsked())

    def hurry(self) -> None:
        """End everything, and kill what has not ended yet. May be called by a signal handler."""
        self._hurried = True
        self.ask_to_stop()

    def run(self, ready: Callable[[], object] = lambda: None) -> bool:
        """Start all, wait until somebody asks to stop, end all.

        Args:
            ready: called when all services are ready.
        Returns:
            Whether all were ready before they were asked to stop.
        Raises:
            ServiceError, ServiceDiedError, NotReadyError: all others have been ended.
            OSError: from ``changed`` or ``ready`` too; all services have been ended.
        """
        begun_ns = time.monotonic_ns()
        try:
            for stage in self._stages:
                if not self._bring_up(stage):
                    return False
            self._listener(events.Up((time.monotonic_ns() - begun_ns) / 1e9))
            ready()
            while not self._stopping:
                self._heed(_LOG_SECONDS)
                for child in self.running:
                    # Whatever is wrong with a log, its service goes on.
                    with suppress(OSError):
                        logs.shorten(child.service.log)
            return True
        finally:
            self.starting = None
            self._end_all()

    def _bring_up(self, stage: Sequence[Service]) -> bool:
        """Start a group and wait for it; False where somebody asked to stop meanwhile."""
        waiting = []
        for service in stage:
            self.starting = service
            self._changed()
            child = Child(service, self._notices)
            self.starting = None
            self._children.append(child)
            waiting.append(child)
            self._listener(events.Starting(service.name))
        self._changed()
        pause_seconds = _FIRST_PAUSE_SECONDS
        while waiting and not self._stopping:
            self._heed(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            for child in tuple(waiting):
                if self._stopping:
                    break
                if health.ask(child.service.port) is Health.SERVING:
                    waiting.remove(child)
                    self._listener(self._ready(child))
                elif child.seconds > self._start_seconds:
                    self._listener(events.Died(child.service.name, child.last_lines()))
                    raise NotReadyError(
                        f"is not ready after {self._start_seconds:g} s",
                        child.service.name,
                        remedy=f"its log: {child.service.log}; --start-timeout gives it longer",
                    )
        return not self._stopping

    def _ready(self, child: Child) -> events.Ready:
        service = child.service
        connected = None
        if service.uses_temporal:
            connected = health.ask(service.port, TEMPORAL) is Health.SERVING
        return events.Ready(service.name, service.port, child.seconds, connected)

    def _heed(self, seconds: float) -> None:
        """Wait for a notice, at most so long.

        Raises:
            ServiceDiedError: a service has ended that nobody asked to.
        """
        try:
            notice = self._notices.get(timeout=seconds)
        except Empty:
            return
        if isinstance(notice, _Ended) and not self._stopping:
            child = self._note_end(notice)
            self._listener(events.Died(child.service.name, child.last_lines()))
            raise ServiceDiedError(
                child.outcome(), child.service.name, remedy=f"its log: {child.service.log}"
            )
        if isinstance(notice, _Ended):
            self._note_end(notice)

    def _note_end(self, notice: _Ended) -> Child:
        child = next(child for child in self._children if child.service.name == notice.name)
        child.ended = True
        return child

    def _end_all(self) -> None:
        for child in reversed(self._children):
            if child.ended:
                continue
            self._listener(events.Stopping(child.service.name))
            child.process.terminate()
            deadline = time.monotonic() + self._stop_seconds
            killed = False
            while not child.ended:
                if not killed and (self._hurried or time.monotonic() >= deadline):
                    killed = True
                    child.process.kill()
                self._await_end(None if killed else deadline - time.monotonic())
            self._listener(events.Stopped(child.service.name, killed))

    def _await_end(self, seconds: float | None) -> None:
        try:
            notice = self._notices.get(timeout=seconds if seconds is None else max(seconds, 0))
        except Empty:
            return
        if isinstance(notice, _Ended):
            self._note_end(notice)
