"""A strict reader of 64-bit little-endian ELF files, for tests: struct only.

Source: the System V gABI, chapters 4 and 5.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.support.image_rules import Span, fields, require, require_apart

MACHINES = {0x3E: "amd64", 0xB7: "arm64"}

_LOAD = 1
_NULL, _NOBITS = 0, 8
_ALLOC = 2


class Elf(NamedTuple):
    """What the headers of a file say."""

    machine: str
    image_end: int
    """The first byte that no header, segment or section claims."""
    segments: tuple[tuple[int, int], ...]
    """Offset and size of what is loaded."""
    sections: tuple[tuple[str, int, int], ...]
    """Name, offset and size of those with bytes in the file."""


def check_elf(data: bytes) -> Elf:
    """Check all headers of a file against each other and against its size.

    Raises:
        MalformedError: it breaks a rule; the message says which.
    """
    require(data[:4] == b"\x7fELF", "the magic")
    require(data[4:7] == b"\x02\x01\x01", "64-bit, little endian, version 1")
    require(not any(data[9:16]), "padding of e_ident is zero")
    (
        kind,
        machine,
        version,
        _,
        program,
        section,
        _,
        header,
        p_each,
        p_count,
        s_each,
        s_count,
        names,
    ) = fields("<2HI3QI6H", data, 16)
    require(kind in (2, 3) and version == 1, "an executable")
    require(machine in MACHINES, "a machine that is known")
    require(header == 64 and p_each == 56, "sizes of headers")
    spans = [Span(0, 64, "the header"), Span(program, program + 56 * p_count, "program headers")]
    segments = []
    for number in range(p_count):
        p_kind, _, offset, address, _, size, memory, alignment = fields(
            "<2I6Q", data, program + 56 * number
        )
        require(offset + size <= len(data), f"segment {number} lies in the file")
        if p_kind == _LOAD:
            require(size <= memory, f"segment {number}: filesize is at most memsize")
            require(alignment, f"segment {number} has an alignment")
            require(offset % alignment == address % alignment, f"segment {number} is congruent")
            segments.append((offset, size))
    require(segments, "something is loaded")
    require_apart([Span(o, o + size, f"segment at {o}") for o, size in segments], len(data))
    sections = []
    if section:
        require(s_each == 64 and names < s_count, "the table of sections")
        spans.append(Span(section, section + 64 * s_count, "section headers"))
        sections = _sections(data, section, s_count, names)
        spans += [
            Span(o, o + size, name) for name, o, size, flags in sections if not flags & _ALLOC
        ]
    require_apart(spans, len(data))
    ends = [span.end for span in spans] + [o + size for o, size in segments]
    ends += [o + size for _, o, size, _ in sections]
    return Elf(
        MACHINES[machine],
        max(ends),
        tuple(segments),
        tuple((name, o, size) for name, o, size, _ in sections),
    )


def _sections(data: bytes, table: int, count: int, names: int) -> list[tuple[str, int, int, int]]:
    rows = [fields("<2I4Q2I2Q", data, table + 64 * number) for number in range(count)]
    strings, strings_bytes = rows[names][4], rows[names][5]
    require(strings + strings_bytes <= len(data), "names of sections lie in the file")
    found = []
    for name, kind, flags, _, offset, size, _, _, alignment, _ in rows:
        if kind in (_NULL, _NOBITS):
            continue
        require(name < strings_bytes, "a section has a name")
        text = (
            data[strings + name : strings + strings_bytes].split(b"\0")[0].decode(errors="replace")
        )
        require(offset + size <= len(data), f"section {text} lies in the file")
        require(alignment <= 1 or offset % alignment == 0, f"section {text} is aligned")
        found.append((text, offset, size, flags))
    return found
