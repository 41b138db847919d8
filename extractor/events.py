"""What an extraction tells while it runs; the library never prints."""

from __future__ import annotations

from container.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from extractor.plan import Plan


class Waiting(NamedTuple):
    """Another process is installing into the same home; this one waits for it."""

    home: str


class Share(NamedTuple):
    """What of one component is about to be extracted."""

    name: str
    version: str
    plain_bytes: int
    """0 where all of it is there already."""


class Started(NamedTuple):
    """Files are about to be written."""

    components: tuple[Share, ...]
    plain_bytes: int


class Advanced(NamedTuple):
    """So many more plain bytes of a component's files are written; those of small ones add up.

    They come from frames that are verified. A file that several frames fill is verified itself
    when the last of them is written.
    """

    component: str
    plain_bytes: int


class Durable(NamedTuple):
    """All files are written, and would survive a loss of power."""


class Removed(NamedTuple):
    """An old version is removed, or the remains of an attempt that was killed."""

    path: str


class Kept(NamedTuple):
    """Something that should be removed stays."""

    path: str
    reason: str


Event = Waiting | Started | Advanced | Durable | Removed | Kept

if TYPE_CHECKING:
    Listener = Callable[[Event], object]


def started(plan: Plan) -> Started:
    """What a plan will write."""
    shares = tuple(
        Share(component.name, component.version, plain_bytes)
        for component, plain_bytes in zip(plan.components, plan.component_bytes, strict=True)
    )
    return Started(shares, plan.plain_bytes)


def ignore(event: Event) -> None:
    """Listen to nothing."""
    del event
