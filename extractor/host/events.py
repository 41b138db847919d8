"""What a host tells while it starts, runs and stops services; nothing here prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Starting(NamedTuple):
    """A service's process has been started."""

    name: str


class Ready(NamedTuple):
    """A service answers that it is in order."""

    name: str
    port: int
    seconds: float
    """Since its process was started."""
    temporal: bool | None
    """Whether it is connected to Temporal; None where it needs none."""


class Up(NamedTuple):
    """All services are ready."""

    seconds: float


class Died(NamedTuple):
    """A service ended by itself, or did not get ready in time."""

    name: str
    last_lines: tuple[str, ...]
    """Of its log."""


class Stopping(NamedTuple):
    """A service has been asked to end."""

    name: str


class Stopped(NamedTuple):
    """A service has ended after it was asked to."""

    name: str
    killed: bool
    """It did not obey in time."""


class Orphan(NamedTuple):
    """A service of a host that died was found running, and ended."""

    name: str
    pid: int
    killed: bool


Event = Starting | Ready | Up | Died | Stopping | Stopped | Orphan

if TYPE_CHECKING:
    Listener = Callable[[Event], object]
