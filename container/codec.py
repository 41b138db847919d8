"""Index and footer: bytes <-> model; the only place where bytes become objects.

Every length, offset and count is checked before it is used; nothing from ``struct`` or the
UTF-8 decoder leaves this module.
"""

from __future__ import annotations

import gc
import struct
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

from container import invariants, limits, magic
from container.digest import xxh3_64
from container.errors import (
    FormatError,
    IntegrityError,
    LimitExceededError,
    NotAContainerError,
    UnsupportedVersionError,
)
from container.model import (
    Component,
    ComponentKind,
    Entry,
    EntryKind,
    Footer,
    Frame,
    Index,
    Metadata,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOOTER = struct.Struct("<II8sHHIQQIIQQ")
INDEX_HEADER = struct.Struct("<4sHHII")
SECTION = struct.Struct("<4sIIIII")
METADATA = struct.Struct("<IIIHHHhI")
COMPONENT = struct.Struct("<IIHHIIIIIQQ32s")
FRAME = struct.Struct("<IIIBBHQ32s")
ENTRY = struct.Struct("<IHHBBHIQQ16s")
SKIPPABLE_HEADER = struct.Struct("<II")

_ROWS = {
    magic.METADATA_ID: METADATA,
    magic.COMPONENTS_ID: COMPONENT,
    magic.FRAMES_ID: FRAME,
    magic.ENTRIES_ID: ENTRY,
}
_ROW_LIMITS = {
    magic.METADATA_ID: 1,
    magic.COMPONENTS_ID: limits.MAX_COMPONENTS,
    magic.FRAMES_ID: limits.MAX_FRAMES,
    magic.ENTRIES_ID: limits.MAX_ENTRIES,
}


def encode_footer(footer: Footer) -> bytes:
    """The 64 bytes of FORMAT.md section 5, skippable header and own digest included."""
    body = FOOTER.pack(
        magic.FOOTER_SKIPPABLE_MAGIC,
        magic.FOOTER_BYTES - magic.SKIPPABLE_HEADER_BYTES,
        magic.FOOTER_MAGIC,
        *footer,
        0,
    )[:-8]
    return body + xxh3_64(body).to_bytes(8, "little")


def decode_footer(data: bytes) -> Footer:
    """Read a footer and check it as far as its own 64 bytes allow.

    Args:
        data: 64 bytes.
    Raises:
        NotAContainerError: these bytes are no footer.
        UnsupportedVersionError: a newer major version, or an unknown required feature.
        IntegrityError: the footer's digest differs.
        FormatError: distances that contradict each other.
        LimitExceededError: an index larger than FORMAT.md section 9 allows.
    """
    if len(data) != magic.FOOTER_BYTES:
        raise NotAContainerError("too short for a footer", None, "64 bytes", str(len(data)))
    skippable_magic, skippable_bytes, footer_magic, *fields, footer_xxh3 = FOOTER.unpack(data)
    if footer_magic != magic.FOOTER_MAGIC:
        raise NotAContainerError(
            "no payload ends here",
            expected=f"magic {magic.FOOTER_MAGIC.hex(' ')}",
            found=footer_magic.hex(" "),
        )
    footer = Footer(*fields)
    # Before the digest: a newer major version may have another one.
    check_version(footer.major, footer.minor, footer.required_features)
    if xxh3_64(data[:-8]) != footer_xxh3:
        raise IntegrityError(
            "digest of the footer differs",
            expected=f"{footer_xxh3:016x}",
            found=f"{xxh3_64(data[:-8]):016x}",
            remedy="the file is damaged: fetch it again",
        )
    if (skippable_magic, skippable_bytes) != (
        magic.FOOTER_SKIPPABLE_MAGIC,
        magic.FOOTER_BYTES - magic.SKIPPABLE_HEADER_BYTES,
    ):
        raise FormatError("the footer is not a skippable frame")
    if footer.index_bytes > limits.MAX_INDEX_BYTES:
        raise LimitExceededError(
            "size of the index",
            expected=f"at most {limits.MAX_INDEX_BYTES} bytes",
            found=str(footer.index_bytes),
        )
    if footer.lead_bytes > limits.MAX_LEAD_BYTES:
        raise LimitExceededError(
            "padding in front of the payload",
            expected=f"at most {limits.MAX_LEAD_BYTES} bytes",
            found=str(footer.lead_bytes),
        )
    if footer.index_distance < footer.index_bytes + magic.FOOTER_BYTES:
        raise FormatError("the index overlaps the footer")
    if footer.payload_distance < footer.index_distance + magic.SKIPPABLE_HEADER_BYTES:
        raise FormatError("the payload begins behind its index")
    return footer


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


class _Strings:
    """Texts of an index on their way out, each stored once."""

    def __init__(self) -> None:
        self.blob = bytearray()
        self._offsets: dict[str, int] = {}

    def add(self, text: str) -> tuple[int, int]:
        """Offset and length of the text, in bytes."""
        data = text.encode()
        if text not in self._offsets:
            self._offsets[text] = len(self.blob)
            self.blob += data
        return self._offsets[text], len(data)


def encode_index(index: Index) -> bytes:
    """The index of FORMAT.md section 6, without its skippable header.

    The caller has run ``invariants.check``; encoding itself checks nothing, so that tests can
    write what a reader must refuse.
    """
    strings = _Strings()
    numbers = {entry.path: number for number, entry in enumerate(index.entries)}
    metadata = index.metadata
    version_offset, version_bytes = strings.add(metadata.version)
    platform_offset, platform_bytes = strings.add(metadata.platform)
    zstd_offset, zstd_bytes = strings.add(metadata.zstd_version)
    metadata_rows = METADATA.pack(
        version_offset,
        platform_offset,
        zstd_offset,
        version_bytes,
        platform_bytes,
        zstd_bytes,
        metadata.level,
        metadata.frame_bytes,
    )
    component_rows = bytearray()
    for component in index.components:
        name_offset, name_bytes = strings.add(component.name)
        version_offset, version_bytes = strings.add(component.version)
        component_rows += COMPONENT.pack(
            name_offset,
            version_offset,
            name_bytes,
            version_bytes,
            component.kind,
            magic.NO_ENTRY if component.entry_point is None else component.entry_point,
            component.entry_count,
            component.frame_count,
            0,
            sum(1 << number for number in component.needs),
            component.plain_bytes,
            component.content_sha256,
        )
    frame_rows = bytearray()
    for frame in index.frames:
        none = frame.reference is None
        frame_rows += FRAME.pack(
            frame.stored_bytes,
            frame.plain_bytes,
            magic.NO_ENTRY if frame.reference is None else frame.reference,
            magic.REFERENCE_NONE if none else magic.REFERENCE_ENTRY,
            frame.filter,
            0,
            frame.stored_xxh3,
            frame.sha256,
        )
    entry_rows = bytearray()
    for entry in index.entries:
        path_offset, path_bytes = strings.add(entry.path)
        link, link_bytes = 0, 0
        if entry.kind == EntryKind.SYMLINK:
            link, link_bytes = strings.add(entry.link)
        elif entry.kind == EntryKind.HARDLINK:
            link = numbers[entry.link]
        entry_rows += ENTRY.pack(
            path_offset,
            path_bytes,
            entry.mode,
            entry.kind,
            0,
            link_bytes,
            link,
            entry.content_offset,
            entry.plain_bytes,
            entry.xxh3_128,
        )
    bodies = (metadata_rows, component_rows, frame_rows, entry_rows, strings.blob)
    header = INDEX_HEADER.pack(
        magic.INDEX_MAGIC, magic.FORMAT_MAJOR, magic.FORMAT_MINOR, len(bodies), 0
    )
    offset = len(header) + SECTION.size * len(bodies)
    table = bytearray()
    for section_id, body in zip(magic.SECTION_IDS, bodies, strict=True):
        row_bytes = _ROWS[section_id].size if section_id in _ROWS else 1
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


class _Section(NamedTuple):
    body: memoryview
    row_bytes: int
    row_count: int

    def rows(self, row: struct.Struct) -> list[tuple[Any, ...]]:
        """All rows; what a later minor version appended to each is passed over."""
        extra = self.row_bytes - row.size
        padded = struct.Struct(f"{row.format}{extra}x") if extra else row
        return list(padded.iter_unpack(self.body))


def decode_index(data: bytes) -> Index:
    """Read an index and check everything that can be known without its frames.

    Args:
        data: the index, without its skippable header; at most 64 MiB.
    Raises:
        FormatError: it breaks a rule of FORMAT.md (TruncatedError, UnsupportedVersionError,
            LimitExceededError among them).
        UnsafePathError: a path or link that must not be written.
    Memory: a few hundred bytes an entry; at most 262,144 entries.
    Source: FORMAT.md section 6.
    """
    if len(data) > limits.MAX_INDEX_BYTES:
        raise LimitExceededError("size of the index", found=f"{len(data)} bytes")
    with _collector_paused():
        return _decode_index(data)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows are many and none is garbage: looking for it takes a quarter of the whole."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _decode_index(data: bytes) -> Index:
    sections = _decode_sections(data)
    strings = _StringTable(sections[magic.STRINGS_ID].body)
    frames = _decode_frames(sections[magic.FRAMES_ID])
    components = _decode_components(sections[magic.COMPONENTS_ID], strings)
    entries = _decode_entries(sections[magic.ENTRIES_ID], strings)
    for frame in frames:
        if frame.reference is not None and frame.reference >= len(entries):
            raise FormatError("a frame's reference is no entry", found=str(frame.reference))
    metadata = _decode_metadata(sections[magic.METADATA_ID], strings)
    index = Index(metadata, components, frames, entries)
    invariants.check(index)
    return index


def _decode_sections(data: bytes) -> dict[bytes, _Section]:
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
    sections: dict[bytes, _Section] = {}
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
            sections[section_id] = _Section(view[start:offset], row_bytes, row_count)
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
    for section_id, row_format in _ROWS.items():
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


class _StringTable:
    """Texts of an index on their way in."""

    def __init__(self, blob: memoryview) -> None:
        self._blob = bytes(blob)
        # One decoding and plain slices, where a byte is a character: 3 times as fast.
        self._ascii = self._blob.decode("ascii") if self._blob.isascii() else None

    def get(self, offset: int, size: int) -> str:
        """The text at that place; offsets and sizes in bytes."""
        return self.get_all((offset,), (size,))[0]

    def get_all(self, offsets: tuple[int, ...], sizes: tuple[int, ...]) -> list[str]:
        """The texts at those places.

        Raises:
            FormatError: one leaves the section, or is not UTF-8.
        """
        ends = list(map(add, offsets, sizes))
        if max(ends, default=0) > len(self._blob):
            raise FormatError(
                "a text ends outside the strings section",
                expected=f"at most {len(self._blob)}",
                found=str(max(ends)),
            )
        spans = map(slice, offsets, ends)
        if self._ascii is not None:
            return list(map(self._ascii.__getitem__, spans))
        try:
            return [self._blob[span].decode() for span in spans]
        except UnicodeDecodeError as error:
            raise FormatError("a text is not UTF-8", found=error.object[:64].hex(" ")) from None


def _decode_metadata(section: _Section, strings: _StringTable) -> Metadata:
    if section.row_count != 1:
        raise FormatError("metadata has one row", None, "1", str(section.row_count))
    row = METADATA.unpack_from(section.body)
    version_offset, platform_offset, zstd_offset, version_bytes, platform_bytes, zstd_bytes = row[
        :6
    ]
    return Metadata(
        strings.get(version_offset, version_bytes),
        strings.get(platform_offset, platform_bytes),
        strings.get(zstd_offset, zstd_bytes),
        *row[6:],
    )


def _decode_components(section: _Section, strings: _StringTable) -> tuple[Component, ...]:
    components: list[Component] = []
    first_entry = first_frame = 0
    for number, row in enumerate(section.rows(COMPONENT)):
        (
            name_offset,
            version_offset,
            name_bytes,
            version_bytes,
            kind,
            entry_point,
            entry_count,
            frame_count,
            reserved,
            needs,
            plain_bytes,
            content_sha256,
        ) = row
        where = f"component {number}"
        if kind not in (ComponentKind.FILE, ComponentKind.TREE):
            raise FormatError("unknown kind", where, "1 or 2", str(kind))
        if reserved:
            raise FormatError("a reserved field is not zero", where)
        if needs >> number:
            raise FormatError("needs a component that is not before it", where, found=hex(needs))
        if entry_point != magic.NO_ENTRY and not 0 <= entry_point - first_entry < entry_count:
            raise FormatError("entry point is not its own", where, found=str(entry_point))
        components.append(
            Component(
                strings.get(name_offset, name_bytes),
                strings.get(version_offset, version_bytes),
                ComponentKind(kind),
                None if entry_point == magic.NO_ENTRY else entry_point,
                first_entry,
                entry_count,
                first_frame,
                frame_count,
                frozenset(bit for bit in range(number) if needs >> bit & 1),
                plain_bytes,
                content_sha256,
            )
        )
        first_entry += entry_count
        first_frame += frame_count
    return tuple(components)


def _decode_frames(section: _Section) -> tuple[Frame, ...]:
    rows = section.rows(FRAME)
    if not rows:
        return ()
    stored, plain, references, reference_kinds, filters, reserved, xxh3, sha256 = zip(
        *rows, strict=True
    )
    if any(reserved):
        raise FormatError("a reserved field is not zero", f"frame {_first(reserved)}")
    for number, (reference, kind) in enumerate(zip(references, reference_kinds, strict=True)):
        where = f"frame {number}"
        if kind not in (magic.REFERENCE_NONE, magic.REFERENCE_ENTRY):
            raise UnsupportedVersionError("unknown kind of reference", where, "0 or 1", str(kind))
        if (reference == magic.NO_ENTRY) != (kind == magic.REFERENCE_NONE):
            raise FormatError("reference and its kind contradict each other", where)
    return tuple(
        map(
            Frame,
            accumulate(stored[:-1], initial=0),
            stored,
            accumulate(plain[:-1], initial=0),
            plain,
            (None if reference == magic.NO_ENTRY else reference for reference in references),
            filters,
            xxh3,
            sha256,
        )
    )


def _decode_entries(section: _Section, strings: _StringTable) -> tuple[Entry, ...]:
    rows = section.rows(ENTRY)
    if not rows:
        return ()
    (
        path_offsets,
        path_sizes,
        modes,
        kinds,
        reserved,
        link_sizes,
        links,
        content_offsets,
        plain_sizes,
        xxh3_128,
    ) = zip(*rows, strict=True)
    if max(path_sizes) > limits.MAX_PATH_BYTES or max(link_sizes) > limits.MAX_PATH_BYTES:
        raise LimitExceededError("length of a path", found=str(max(*path_sizes, *link_sizes)))
    texts_bytes = sum(path_sizes) + sum(link_sizes)
    if texts_bytes > limits.MAX_PATHS_BYTES:
        raise LimitExceededError(
            "length of all paths and links",
            expected=f"at most {limits.MAX_PATHS_BYTES} bytes",
            found=str(texts_bytes),
        )
    if max(modes) > 0o777:
        number = _first(mode > 0o777 for mode in modes)
        raise FormatError(
            "mode has more than permission bits",
            f"entry {number}",
            "at most 0o777",
            oct(max(modes)),
        )
    if not set(kinds) <= set(EntryKind):
        number = _first(kind not in set(EntryKind) for kind in kinds)
        raise FormatError("unknown kind", f"entry {number}", "1 to 4", str(kinds[number]))
    if any(reserved):
        raise FormatError("a reserved field is not zero", f"entry {_first(reserved)}")
    if max(content_offsets) > limits.MAX_PLAIN_BYTES or max(plain_sizes) > limits.MAX_PLAIN_BYTES:
        raise LimitExceededError("extent of a file", expected=f"below {limits.MAX_PLAIN_BYTES}")
    paths = strings.get_all(path_offsets, path_sizes)
    targets = [""] * len(rows)
    if any(links) or any(link_sizes) or not set(kinds) <= {EntryKind.FILE, EntryKind.DIRECTORY}:
        for number, row in enumerate(zip(kinds, links, link_sizes, strict=True)):
            targets[number] = _decode_link(number, *row, strings, paths)
    columns = zip(paths, kinds, modes, targets, content_offsets, plain_sizes, xxh3_128, strict=True)
    # ``Entry(...)`` is a function of Python; making its tuple takes a third of the time.
    return tuple(map(partial(tuple.__new__, Entry), columns))


def _decode_link(
    number: int, kind: int, link: int, link_bytes: int, strings: _StringTable, paths: list[str]
) -> str:
    """What a symlink or hardlink leads to; empty for other entries, which must not say."""
    if kind == EntryKind.SYMLINK:
        return strings.get(link, link_bytes)
    if link_bytes or (link and kind != EntryKind.HARDLINK):
        raise FormatError("only a symlink has a target text", f"entry {number}")
    if kind != EntryKind.HARDLINK:
        return ""
    if link >= number:
        raise FormatError("a hardlink names an earlier entry", f"entry {number}")
    return paths[link]


def _first(flags: Iterable[object]) -> int:
    """Number of the first true one."""
    return next(number for number, flag in enumerate(flags) if flag)
