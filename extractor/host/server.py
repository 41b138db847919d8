"""One run of the services, from the lock to the last stop; and what another run has left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from container.errors import ContainerError
from extractor.host import events, processes, record
from extractor.host.record import Record, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from extractor.host.events import Listener
    from extractor.host.health import Health
    from extractor.host.installation import Programs
    from extractor.host.processes import Identity
    from extractor.host.services import Service
    from extractor.host.settings import Settings
    from extractor.host.supervisor import Supervisor

# The loader of a frozen host passes a signal on that the terminal has sent to both: what comes
# twice within this time was meant once.
_SAME_SIGNAL_SECONDS = 0.5
# What the host needs beside waiting for its services.
_HOST_SECONDS = 5.0


def serve(
    settings: Settings,
    install: Callable[[], Programs],
    listener: Listener,
    ready: Callable[[], object] = lambda: None,
    *,
    detached: bool = False,
) -> bool:
    """Install and run the services until a signal asks to stop.

    Args:
        settings: of this run.
        install: called when this is known to be the one host of its data directory.
        listener: is told how it goes.
        ready: called when all services are ready.
        detached: written down for ``stigmer server status``.
    Returns:
        Whether all services were ready before they were asked to stop.
    Raises:
        AlreadyRunningError, PortInUseError: nothing was changed.
        ServiceError, ServiceDiedError, NotReadyError: the services that ran have been ended.
        ContainerError, OSError: ``install`` failed, or the data directory cannot be written to.
    """
    from extractor.host import ports, services
    from extractor.host.supervisor import Supervisor

    with record.only_host(settings):
        left = record.read(settings.run_dir)
        if left is not None:
            end_orphans(left, settings.stop_seconds, listener)
        chosen = ports.choose(settings.grpc_port, len(services.KINDS) - 1)
        programs = install()
        about = Record(
            processes.this_process(),
            programs.version,
            detached,
            ready=False,
            grpc_port=chosen[0],
            temporal_address=settings.temporal_address,
            stop_seconds=settings.stop_seconds,
            run=os.urandom(8).hex(),
        )

        def write(*, ready: bool = False, ended: str = "") -> None:
            running = [
                _running(child.service, child.identity)
                for child in supervisor.running
                if child.identity is not None
            ]
            if supervisor.starting is not None:
                running.append(_running(supervisor.starting, None))
            record.write(
                settings.run_dir, about._replace(services=tuple(running), ready=ready, ended=ended)
            )

        def all_ready() -> None:
            write(ready=True)
            ready()

        stages = services.stages(
            settings,
            programs.directory,
            dict(zip(services.NAMES, chosen, strict=True)),
            os.environ,
            about.run,
        )
        supervisor = Supervisor(
            stages, settings.start_seconds, settings.stop_seconds, listener, write
        )
        try:
            with _stopped_by_signals(supervisor):
                done = supervisor.run(all_ready)
        except (ContainerError, OSError) as error:
            # Nobody may be looking: it is what the next `stigmer server status` tells.
            with suppress(ContainerError, OSError):
                write(ended=str(error))
            raise
        record.remove(settings.run_dir)
        return done


def _running(service: Service, process: Identity | None) -> Running:
    return Running(service.name, process, service.port, service.uses_temporal)


@contextmanager
def _stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C, SIGTERM and the end of the terminal ask to stop; a second time, at once."""
    first: list[float] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if first and time.monotonic() - first[0] > _SAME_SIGNAL_SECONDS:
            supervisor.hurry()
        elif not first:
            first.append(time.monotonic())
            supervisor.ask_to_stop()

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def orphans(left: Record) -> list[tuple[str, Identity]]:
    """Names and processes of services whose host has died, in the order they were started in.

    Args:
        left: what that host wrote down; services are known by pid and start time, and one that it
            was about to start by the mark in its environment.
    """
    from extractor.host.services import MARK_VARIABLE, mark

    found = []
    for service in left.services:
        process = service.process
        if process is None:
            process = processes.marked(MARK_VARIABLE, mark(left.run, service.name))
        if process is not None and processes.alive(process):
            found.append((service.name, process))
    return found


def end_orphans(left: Record, stop_seconds: float, listener: Listener) -> int:
    """End, in reverse order, services whose host has died.

    Args:
        left: what that host wrote down.
        stop_seconds: how long each may take.
        listener: is told of each that was found.
    Returns:
        How many there were.
    Raises:
        PermissionError: one belongs to another user.
    """
    found = orphans(left)
    for name, process in reversed(found):
        killed = processes.end(process, stop_seconds)
        processes.kill_group(process.pid)
        listener(events.Orphan(name, process.pid, killed))
    return len(found)


def running_host(settings: Settings) -> Record | None:
    """The record of the host of this data directory, where that host is alive.

    Raises:
        ServiceError, OSError: as ``record.read``.
    """
    found = record.read(settings.run_dir)
    return found if found is not None and processes.alive(found.host) else None


def stop(settings: Settings, listener: Listener) -> Record | None:
    """End the host of a data directory with all its services, or the services of a dead one.

    Returns:
        What ran; None where nothing did.
    Raises:
        PermissionError: it belongs to another user.
        ServiceError, OSError: as ``record.read``.
    """
    found = record.read(settings.run_dir)
    if found is None:
        return None
    had_host = processes.alive(found.host)
    if had_host:
        seconds = found.stop_seconds * (len(found.services) + 1) + _HOST_SECONDS
        processes.end(found.host, seconds)
        # It removed its record when all had ended; one that was killed could not.
        found_again = record.read(settings.run_dir)
        if found_again is None:
            return found
        found = found_again
    count = end_orphans(found, settings.stop_seconds, listener)
    if had_host or count:
        record.remove(settings.run_dir)
        return found
    return None


class Condition(NamedTuple):
    """How one service is."""

    name: str
    pid: int
    port: int
    alive: bool
    health: Health
    temporal: Health | None
    """Of its connection to Temporal; None where it needs none."""

    @property
    def healthy(self) -> bool:
        """It runs and says that it is in order."""
        return self.alive and self.health.name == "SERVING"


def conditions(found: Record) -> list[Condition]:
    """Ask all services of a host how they are."""
    from extractor.host import health
    from extractor.host.services import TEMPORAL

    return [
        Condition(
            service.name,
            service.process.pid,
            service.port,
            processes.alive(service.process),
            health.ask(service.port),
            health.ask(service.port, TEMPORAL) if service.uses_temporal else None,
        )
        for service in found.services
        if service.process is not None
    ]
