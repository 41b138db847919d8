"""Payloads: packed from literals, taken apart, changed, and sealed again.

A *sealed* payload has right digests in its footer whatever its index says, so that a reader
gets as far as the rule that is broken.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard

from container import codec, digest, invariants, layout, magic
from container.errors import TruncatedError
from container.invariants import EMPTY_XXH3_128, NO_DIGEST
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
from container.reader import PayloadReader
from container.sections import INDEX_HEADER, SECTION
from extractor import plan as extraction_plan
from extractor.destinations import DirectoryDestination
from extractor.pipeline import Extraction, make_directories
from packer.compress import Compressor
from packer.packing import prepare
from packer.sources import ComponentSource
from packer.writer import Settings, write_payload
from tests.support.trees import File, Node, write_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from packer.plan import Plan

Components = Mapping[str, File | Mapping[str, Node]]
"""What to pack, by name: a ``File`` is a program, a mapping a tree."""

SETTINGS = Settings("1.0.0", "linux-amd64", level=1, frame_bytes=1024, jobs=1)


class MemorySource:
    """A payload in memory, as a ``ByteSource``."""

    def __init__(self, data: bytes, name: str = "payload") -> None:
        self.data = data
        self.name = name
        self.size = len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """See ``ByteSource``."""
        assert offset >= 0
        data = self.data[offset : offset + size]
        if len(data) != size:
            raise TruncatedError("the file ends too early", self.name)
        return data

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """See ``ByteSource``."""
        buffer[:] = self.read_at(offset, len(buffer))


def component(
    path: Path, name: str | None = None, entry_point: str | None = None
) -> ComponentSource:
    """A component as the packer is asked for it."""
    return ComponentSource(name or path.name, "1.0.0", path, entry_point)


def write_components(root: Path, components: Components) -> list[ComponentSource]:
    """Write components to disk, below ``root``."""
    sources = []
    for name, node in components.items():
        place = root / name
        if isinstance(node, File):
            root.mkdir(parents=True, exist_ok=True)
            place.write_bytes(node.content)
            place.chmod(node.mode)
        else:
            write_tree(place, node)
        sources.append(component(place))
    return sources


def pack_plan(plan: Plan, settings: Settings = SETTINGS) -> bytes:
    """The payload of a plan."""
    stream = io.BytesIO()
    write_payload(stream, plan, settings)
    return stream.getvalue()


def pack_forced(plan: Plan, settings: Settings = SETTINGS) -> bytes:
    """The payload of a plan with all of its references, also those that save nothing.

    It does not depend on which of them the writer finds worth keeping.
    """
    compressor = Compressor(settings.level)
    stored = b""
    frames: list[Frame] = []
    for planned in plan.frames:
        plain = b"".join(part.source.read(part.offset, part.size) for part in planned.parts)
        reference = None
        if planned.reference is not None:
            source = plan.sources[planned.reference]
            reference = source.read(0, source.plain_bytes)
        data = compressor.compress(plain, reference)
        frames.append(
            frame_row(data, len(plain), len(stored), planned.content_offset, planned.reference)
        )
        stored += data
    metadata = METADATA._replace(frame_bytes=settings.frame_bytes)
    index = Index(metadata, plan.components, tuple(frames), plan.entries)
    invariants.check(index)
    return seal(index, stored)


def pack(
    root: Path,
    components: Components,
    settings: Settings = SETTINGS,
) -> bytes:
    """A payload of components that are written below ``root`` first."""
    return pack_plan(prepare(write_components(root, components), settings), settings)


def extract(reader: PayloadReader, target: Path, jobs: int = 1, names: Sequence[str] = ()) -> None:
    """Write components into ``target``, which is made."""
    target.mkdir()
    plan = extraction_plan.make_plan(reader.index, extraction_plan.select(reader.index, names))
    destination = DirectoryDestination(str(target))
    make_directories(plan, destination)
    Extraction(reader, plan, destination, jobs).run()


@dataclass(frozen=True)
class Dissected:
    """A payload in its three pieces, and what two of them say."""

    frames: bytes
    index_data: bytes
    index: Index
    footer: Footer

    def stored(self, number: int) -> bytes:
        """Stored bytes of one frame."""
        frame = self.index.frames[number]
        return self.frames[frame.stored_offset : frame.stored_offset + frame.stored_bytes]


def dissect(payload: bytes) -> Dissected:
    """Take a sound payload apart."""
    reader = PayloadReader(MemorySource(payload))
    place = reader.location
    frames_end = place.index_offset - magic.SKIPPABLE_HEADER_BYTES
    return Dissected(
        payload[place.payload_offset : frames_end],
        payload[place.index_offset : place.footer_offset],
        reader.index,
        place.footer,
    )


def seal(index: Index | bytes, frames: bytes, **footer_changes: int) -> bytes:
    """A payload with right digests around an index that may say anything."""
    data = index if isinstance(index, bytes) else codec.encode_index(index)
    footer = Footer(
        magic.FORMAT_MAJOR,
        magic.FORMAT_MINOR,
        len(data),
        len(data) + magic.FOOTER_BYTES,
        len(frames) + magic.SKIPPABLE_HEADER_BYTES + len(data) + magic.FOOTER_BYTES,
        0,
        0,
        digest.xxh3_64(data),
    )._replace(**footer_changes)
    header = codec.SKIPPABLE_HEADER.pack(magic.INDEX_SKIPPABLE_MAGIC, len(data))
    return frames + header + data + codec.encode_footer(footer)


def section_row(index_data: bytes, section_id: bytes) -> int:
    """Offset of a section's own row in the section table."""
    count = INDEX_HEADER.unpack_from(index_data)[3]
    for number in range(count):
        offset = INDEX_HEADER.size + number * SECTION.size
        if index_data[offset : offset + 4] == section_id:
            return offset
    raise KeyError(section_id)


def section_offset(index_data: bytes, section_id: bytes) -> int:
    """Offset of a section's first row."""
    return int(SECTION.unpack_from(index_data, section_row(index_data, section_id))[2])


def field_span(struct: Any, field: str) -> tuple[int, int]:
    """Offset and size of one field in a structure of ``container.layout``."""
    offset = 0
    for subcon in struct.subcons:
        if subcon.name == field:
            return offset, subcon.sizeof()
        offset += subcon.sizeof()
    raise KeyError(field)


def patch(data: bytes, offset: int, struct: Any, /, **fields: int | bytes) -> bytes:
    """The same bytes with fields of one structure changed, whatever they then mean."""
    patched = bytearray(data)
    for field, value in fields.items():
        start, size = field_span(struct, field)
        encoded = value if isinstance(value, bytes) else value.to_bytes(size, "little")
        assert len(encoded) == size
        patched[offset + start : offset + start + size] = encoded
    return bytes(patched)


def patch_row(index_data: bytes, section_id: bytes, number: int, **fields: int | bytes) -> bytes:
    """An index with fields of one row changed."""
    struct = layout.ROWS[section_id]
    offset = section_offset(index_data, section_id) + number * struct.sizeof()
    return patch(index_data, offset, struct, **fields)


def patch_section(index_data: bytes, section_id: bytes, **fields: int | bytes) -> bytes:
    """An index with fields of the section table changed."""
    return patch(index_data, section_row(index_data, section_id), layout.SECTION, **fields)


def zstd_frame(plain: bytes, reference: bytes | None = None, level: int = 1) -> bytes:
    """A frame as the packer writes them, made without it."""
    dictionary = None
    if reference is not None:
        dictionary = zstandard.ZstdCompressionDict(
            reference, dict_type=zstandard.DICT_TYPE_RAWCONTENT
        )
    return zstandard.ZstdCompressor(
        level=level, dict_data=dictionary, write_checksum=False, write_dict_id=False
    ).compress(plain)


def raw_frame(
    blocks: bytes, *, plain_bytes: int | None = None, descriptor: int = 0, window: int | None = None
) -> bytes:
    """A frame written by hand: header fields as given, then the blocks.

    Without a window the frame is a single segment; a content size takes 8 bytes.
    """
    header = bytes([0xC0 * (plain_bytes is not None) | 0x20 * (window is None) | descriptor])
    if window is not None:
        header += bytes([window])
    if plain_bytes is not None:
        header += plain_bytes.to_bytes(8, "little")
    return b"\x28\xb5\x2f\xfd" + header + blocks


def raw_block(data: bytes, *, last: bool = True, kind: int = 0, size: int | None = None) -> bytes:
    """A block: kind 0 is stored, 1 repeats one byte, 3 is reserved."""
    block_bytes = len(data) if size is None else size
    return (int(last) | kind << 1 | block_bytes << 3).to_bytes(3, "little") + data


def frame_row(
    stored: bytes,
    plain_bytes: int,
    stored_offset: int = 0,
    content_offset: int = 0,
    reference: int | None = None,
) -> Frame:
    """The index row of a stored frame, with its right digests."""
    return Frame(
        stored_offset,
        len(stored),
        content_offset,
        plain_bytes,
        reference,
        0,
        digest.xxh3_64(stored),
        digest.sha256(stored),
    )


METADATA = Metadata("1.0.0", "linux-amd64", "1.5.7", 1, 1024)


def file_entry(path: str, content: bytes = b"", offset: int = 0, mode: int = 0o644) -> Entry:
    """A row of a file, with its right digest."""
    if not content:
        return Entry(path, int(EntryKind.FILE), mode, "", 0, 0, EMPTY_XXH3_128)
    return Entry(
        path, int(EntryKind.FILE), mode, "", offset, len(content), digest.xxh3_128(content)
    )


def directory_entry(path: str, mode: int = 0o755) -> Entry:
    """A row of a directory."""
    return Entry(path, int(EntryKind.DIRECTORY), mode, "", 0, 0, NO_DIGEST)


def symlink_entry(path: str, target: str) -> Entry:
    """A row of a symlink."""
    return Entry(path, int(EntryKind.SYMLINK), 0o777, target, 0, 0, NO_DIGEST)


def tree_index(
    entries: Sequence[Entry],
    frames: Sequence[Frame] = (),
    name: str = "tree",
    kind: int = ComponentKind.TREE,
) -> Index:
    """An index of one component with exactly these rows; its size is counted from them."""
    plain_bytes = sum(entry.plain_bytes for entry in entries if entry.kind == EntryKind.FILE)
    only = Component(
        name,
        "1.0.0",
        kind,
        None,
        0,
        len(entries),
        0,
        len(frames),
        frozenset(),
        plain_bytes,
        bytes(32),
    )
    return Index(METADATA, (only,), tuple(frames), tuple(entries))


def with_row(index: Index, part: str, number: int, **changes: Any) -> Index:
    """An index with fields of one of its ``components``, ``frames`` or ``entries`` changed."""
    rows = list(getattr(index, part))
    rows[number] = rows[number]._replace(**changes)
    replaced: dict[str, Any] = {part: tuple(rows)}
    return index._replace(**replaced)
