"""The modules that a Go program was linked from, as the program itself tells them.

Source: package ``debug/buildinfo`` of Go: a magic at a multiple of 16, flags, and at offset 32
two strings, each behind its length as a varint: Go's version, then the modules. The second one
is wrapped in 16 bytes on either side.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MAGIC = b"\xff Go buildinf:"
_ALIGNMENT = 16
_FLAGS_OFFSET = 15
_INLINE_STRINGS = 2
_HEADER_BYTES = 32
_WRAPPED_BYTES = 16
_MAX_VARINT_BYTES = 10
_DEPENDENCY = re.compile(r"^(dep|=>)\t([^\t\n]+)\t([^\t\n]+)", re.MULTILINE)


class GoModule(NamedTuple):
    """One dependency."""

    path: str
    version: str


class GoBuild(NamedTuple):
    """What a program says of its build."""

    go_version: str
    """Such as ``1.26.0``."""
    modules: tuple[GoModule, ...]


def read(program: bytes) -> GoBuild | None:
    """The build of a Go program; None where it is none, or says nothing of it."""
    place = program.find(_MAGIC)
    while place >= 0 and place % _ALIGNMENT:
        place = program.find(_MAGIC, place + 1)
    if place < 0 or len(program) < place + _HEADER_BYTES:
        return None
    if not program[place + _FLAGS_OFFSET] & _INLINE_STRINGS:
        return None
    version, behind = _string(program, place + _HEADER_BYTES)
    wrapped, _ = _string(program, behind)
    text = wrapped[_WRAPPED_BYTES:-_WRAPPED_BYTES].decode("utf-8", "replace")
    modules: list[GoModule] = []
    for kind, path, found in _DEPENDENCY.findall(text):
        if kind == "=>" and modules:
            # The line before was replaced by this one.
            modules.pop()
        modules.append(GoModule(path, found))
    # An experiment of the toolchain stands behind the number.
    number = version.decode("utf-8", "replace").removeprefix("go").split(" ")[0]
    return GoBuild(number, tuple(modules)) if number else None


def _string(data: bytes, place: int) -> tuple[bytes, int]:
    size = 0
    for index in range(_MAX_VARINT_BYTES):
        byte = data[place + index : place + index + 1]
        if not byte:
            break
        size |= (byte[0] & 0x7F) << 7 * index
        if byte[0] < 0x80:
            start = place + index + 1
            return data[start : start + size], start + size
    return b"", len(data)
