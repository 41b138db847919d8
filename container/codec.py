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
    COMPONENT_KINDS,
    ENTRY_KINDS,
    Component,
    Entry,
    EntryKind,
    Footer,
    Frame,
    Index,
    Metadata,
)
from container.sections import check_version, join_sections, read_sections
from container.strings import StringTable, StringWriter
from container.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from container.sections import Section

FOOTER = struct.Struct("<II8sHHIQQIIQQ")
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


def encode_index(index: Index) -> bytes:
    """The index of FORMAT.md section 6, without its skippable header.

    The caller has run ``invariants.check``; encoding itself checks nothing, so that tests can
    write what a reader must refuse.
    """
    strings = StringWriter()
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
    return join_sections(
        (metadata_rows, component_rows, frame_rows, entry_rows, strings.blob), _ROWS
    )


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
    sections = read_sections(data, _ROWS)
    strings = StringTable(sections[magic.STRINGS_ID].body)
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


def _decode_metadata(section: Section, strings: StringTable) -> Metadata:
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


def _decode_components(section: Section, strings: StringTable) -> tuple[Component, ...]:
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
        if kind not in COMPONENT_KINDS:
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
                kind,
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


def _decode_frames(section: Section) -> tuple[Frame, ...]:
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


def _decode_entries(section: Section, strings: StringTable) -> tuple[Entry, ...]:
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
    if not ENTRY_KINDS.keys() >= set(kinds):
        number = _first(kind not in ENTRY_KINDS for kind in kinds)
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
    number: int, kind: int, link: int, link_bytes: int, strings: StringTable, paths: list[str]
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
