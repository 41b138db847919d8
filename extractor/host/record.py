"""What a host writes down about itself, and the lock that shows that it lives."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from container.errors import AlreadyRunningError, ServiceError
from extractor.host import processes
from extractor.host.processes import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extractor.host.settings import Settings

_FORMAT = 1
_NAME = "host.json"


class Running(NamedTuple):
    """A service that was started and has not ended, as far as its host knows."""

    name: str
    process: Identity | None
    """None: it was about to be started, and may have been."""
    port: int
    uses_temporal: bool


class Record(NamedTuple):
    """One host: replaced whenever something changes, removed when all has ended in order."""

    host: Identity
    version: str
    """Of the payload."""
    detached: bool
    ready: bool
    grpc_port: int
    temporal_address: str
    stop_seconds: float
    run: str
    """No other run of any host is called so; its services are marked with it."""
    services: tuple[Running, ...] = ()
    """In the order in which they were started."""
    ended: str = ""
    """Why this host ended by itself; it is gone then."""


def write(run_dir: str, record: Record) -> None:
    """Replace the record, by one rename.

    Raises:
        NoSpaceError, NotWritableError, OSError: it cannot be written.
    """
    from extractor.destinations import explained

    path = os.path.join(run_dir, _NAME)
    fields = record._asdict() | {"services": [service._asdict() for service in record.services]}
    text = json.dumps({"format": _FORMAT} | fields)
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise explained(error, path) from error


def remove(run_dir: str) -> None:
    """Nothing runs any more, and nothing is worth telling.

    Raises:
        OSError: the record is there and stays.
    """
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(run_dir, _NAME))


def read(run_dir: str) -> Record | None:
    """The record of the last host; None where there is none.

    Raises:
        ServiceError: there is one that cannot be understood.
        OSError: it cannot be read.
    """
    path = os.path.join(run_dir, _NAME)
    try:
        with open(path, encoding="utf-8") as stream:
            return _decoded(json.load(stream))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ServiceError(
            "the record of the running services cannot be understood",
            path,
            remedy="end services that still run, and remove this file",
        ) from error


def _decoded(fields: dict[str, Any]) -> Record:
    if fields.pop("format") != _FORMAT:
        raise ValueError
    services = tuple(
        Running(**service | {"process": service["process"] and _identity(service["process"])})
        for service in fields["services"]
    )
    return Record(**fields | {"host": _identity(fields["host"]), "services": services})


def _identity(fields: list[Any]) -> Identity:
    pid, started = fields
    return Identity(int(pid), float(started))


@contextmanager
def only_host(settings: Settings) -> Iterator[None]:
    """Be the one host of a data directory, which is made if it is not there.

    The kernel frees the lock when its holder dies, however it dies.

    Raises:
        AlreadyRunningError: another host holds the lock.
        NoSpaceError, NotWritableError, OSError: the directory cannot be made or written to.
    """
    import fcntl

    from extractor.destinations import explained

    path = os.path.join(settings.run_dir, "lock")
    try:
        os.makedirs(settings.run_dir, mode=0o700, exist_ok=True)
        os.makedirs(settings.logs_dir, mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise explained(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise already_running(settings) from None
        except OSError as error:
            raise explained(error, path) from error
        yield
    finally:
        os.close(descriptor)


def already_running(settings: Settings) -> AlreadyRunningError:
    """Tell of the host that holds the lock, as far as it has written about itself."""
    found = read(settings.run_dir)
    what = "the services run already"
    if found is not None and processes.alive(found.host):
        what = f"stigmer {found.version} runs already, as pid {found.host.pid}"
    return AlreadyRunningError(
        what,
        settings.data_dir,
        remedy="see `stigmer server status`; `stigmer server restart` replaces it",
    )
