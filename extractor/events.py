"""What an extraction tells while it runs; the library never prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiting(NamedTuple):
    """Another process is installing into the same home; this one waits for it."""

    home: str


class Started(NamedTuple):
    """Files are about to be written."""

    component_names: tuple[str, ...]
    plain_bytes: int


class Advanced(NamedTuple):
    """So many more plain bytes of files are written and verified."""

    plain_bytes: int


Event = Waiting | Started | Advanced

if TYPE_CHECKING:
    Listener = Callable[[Event], object]


def ignore(event: Event) -> None:
    """Listen to nothing."""
    del event
