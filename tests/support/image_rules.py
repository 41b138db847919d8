"""What the strict checkers of ELF, Mach-O and PE images share: a rule that holds, or its name."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple


class MalformedError(AssertionError):
    """An image breaks a rule of its format; the message is the rule."""


class Span(NamedTuple):
    """A named run of a file, in bytes."""

    begin: int
    end: int
    name: str


def require(holds: object, rule: str) -> None:
    """Insist on a rule.

    Raises:
        MalformedError: it does not hold.
    """
    if not holds:
        raise MalformedError(rule)


def fields(layout: str, data: bytes | memoryview, offset: int) -> tuple[Any, ...]:
    """Numbers at an offset, as ``struct`` reads them.

    Raises:
        MalformedError: they do not lie in the data as a whole.
    """
    require(0 <= offset <= len(data) - struct.calcsize(layout), f"{layout} at {offset} is cut off")
    return struct.unpack_from(layout, data, offset)


def require_apart(spans: list[Span], end: int) -> None:
    """Insist that spans lie before an end, and that none overlaps another.

    Raises:
        MalformedError: with the names of those that do.
    """
    before = Span(0, 0, "the start")
    for span in sorted(span for span in spans if span.begin < span.end):
        require(span.begin >= before.end, f"{span.name} overlaps {before.name}")
        require(span.end <= end, f"{span.name} ends at {span.end}, behind {end}")
        before = span
