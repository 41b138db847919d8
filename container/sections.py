"""The header and section table of an index (FORMAT.md section 6.1)."""

from __future__ import annotations

import struct

from container import limits, magic
from container.errors import FormatError, LimitExceededError, UnsupportedVersionError
from container.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

INDEX_HEADER = struct.Struct("<4sHHII")
SECTION = struct.Struct("<4sIIIII")

_ROW_LIMITS = {
    magic.METADATA_ID: 1,
    magic.COMPONENTS_ID: limits.MAX_COMPONENTS,
    magic.FRAMES_ID: limits.MAX_FRAMES,
    magic.ENTRIES_ID: limits.MAX_ENTRIES,
}


def check_version(major: int, minor: int, required_features: int) -> None:
    """Refuse what this reader cannot know.

    Raises:
        UnsupportedVersionError: another major version, or a required feature of a later minor.
    """
    if major != magic.FORMAT_MAJOR:
        raise UnsupportedVersionError(
            "another major version of the format",
            expected=f"{magic.FORMAT_MAJOR}.x",
            found=f"{major}.{minor}",
            remedy="use a newer release of this program",
        )
    if required_features:
        raise UnsupportedVersionError(
            "the payload needs features that this reader does not know",
            expected="none",
            found=f"{required_features:#x}",
            remedy="use a newer release of this program",
        )


class Section(NamedTuple):
    """Rows of one kind, not yet taken apart."""

    body: memoryview
    row_bytes: int
    row_count: int

    def rows(self, row: struct.Struct) -> list[tuple[Any, ...]]:
        """All rows; what a later minor version appended to each is passed over."""
        extra = self.row_bytes - row.size
        padded = struct.Struct(f"{row.format}{extra}x") if extra else row
        return list(padded.iter_unpack(self.body))


def join_sections(
    bodies: Sequence[bytes | bytearray], row_formats: Mapping[bytes, struct.Struct]
) -> bytes:
    """Header, table and bodies of an index.

    Args:
        bodies: of all sections, in the order of ``magic.SECTION_IDS``.
        row_formats: of those that have rows.
    """
    header = INDEX_HEADER.pack(
        magic.INDEX_MAGIC, magic.FORMAT_MAJOR, magic.FORMAT_MINOR, len(bodies), 0
    )
    offset = len(header) + SECTION.size * len(bodies)
    table = bytearray()
    for section_id, body in zip(magic.SECTION_IDS, bodies, strict=True):
        row_bytes = row_formats[section_id].size if section_id in row_formats else 1
        table += SECTION.pack(
            section_id,
            magic.REQUIRED_SECTION,
            offset,
            len(body),
            row_bytes,
            len(body) // row_bytes,
        )
        offset += len(body)
    return b"".join((header, table, *bodies))


def read_sections(data: bytes, row_formats: Mapping[bytes, struct.Struct]) -> dict[bytes, Section]:
    """Read an index's header and table; every section that this version knows is there.

    Args:
        data: the index.
        row_formats: of the sections that have rows.
    Raises:
        FormatError: sections do not tile the index, or one is missing or has too short rows.
        UnsupportedVersionError: another major version, or an unknown section that is required.
        LimitExceededError: too many sections or rows.
    Source: FORMAT.md section 6.1.
    """
    if len(data) < INDEX_HEADER.size:
        raise FormatError("too short for an index", None, f"{INDEX_HEADER.size}", f"{len(data)}")
    index_magic, major, minor, section_count, features = INDEX_HEADER.unpack_from(data)
    if index_magic != magic.INDEX_MAGIC:
        raise FormatError("not an index", None, repr(magic.INDEX_MAGIC), repr(index_magic))
    check_version(major, minor, features)
    offset = INDEX_HEADER.size + SECTION.size * section_count
    if section_count > limits.MAX_SECTIONS or offset > len(data):
        raise LimitExceededError("number of sections", found=str(section_count))
    view = memoryview(data)
    sections: dict[bytes, Section] = {}
    for row in SECTION.iter_unpack(view[INDEX_HEADER.size : offset]):
        section_id, flags, start, section_bytes, row_bytes, row_count = row
        where = f"section {section_id!r}"
        if start != offset:
            raise FormatError("sections do not follow each other", where, str(offset), str(start))
        if section_bytes > len(data) - offset:
            raise FormatError(
                "a section leaves the index",
                where,
                f"at most {len(data) - offset} bytes",
                str(section_bytes),
            )
        if not 1 <= row_bytes <= limits.MAX_ROW_BYTES or row_bytes * row_count != section_bytes:
            raise FormatError(
                "rows do not fill the section",
                where,
                f"{section_bytes} bytes",
                f"{row_count} x {row_bytes}",
            )
        offset += section_bytes
        if section_id in sections:
            raise FormatError("a section occurs twice", where)
        if section_id in magic.SECTION_IDS:
            sections[section_id] = Section(view[start:offset], row_bytes, row_count)
        elif flags & magic.REQUIRED_SECTION:
            raise UnsupportedVersionError(
                "a required section that this reader does not know",
                where,
                remedy="use a newer release of this program",
            )
    if offset != len(data):
        raise FormatError("sections do not fill the index", None, f"{len(data)}", f"{offset}")
    for section_id in magic.SECTION_IDS:
        if section_id not in sections:
            raise FormatError("a section is missing", f"section {section_id!r}")
    for section_id, row_format in row_formats.items():
        section = sections[section_id]
        if section.row_bytes < row_format.size:
            raise FormatError(
                "rows are too short",
                f"section {section_id!r}",
                f"{row_format.size} bytes",
                str(section.row_bytes),
            )
        if section.row_count > _ROW_LIMITS[section_id]:
            raise LimitExceededError(
                "number of rows",
                f"section {section_id!r}",
                f"at most {_ROW_LIMITS[section_id]}",
                str(section.row_count),
            )
    if sections[magic.STRINGS_ID].row_bytes != 1:
        raise FormatError("rows of the strings section are single bytes")
    return sections
