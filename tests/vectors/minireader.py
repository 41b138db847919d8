"""A second reader of format 1, written from FORMAT.md alone: it shows that the text is enough.

It imports nothing of this project. It checks trust (SHA-256) and leaves XXH3 out, which finds
damage only and is not in the standard library. It reads payloads whole and refuses little: the
reader of ``container`` is the one that meets hostile bytes.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, NamedTuple

import zstandard

FOOTER_BYTES = 64
NO_ENTRY = 0xFFFFFFFF
FILE, DIRECTORY, SYMLINK, HARDLINK = 1, 2, 3, 4
KINDS = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink", HARDLINK: "hardlink"}


class Unreadable(Exception):  # noqa: N818
    """Not a payload of version 1, or one that contradicts itself."""


class Item(NamedTuple):
    """An entry as it would be written."""

    path: str
    kind: str
    mode: int
    link: str
    contents: bytes


class Section(NamedTuple):
    body: bytes
    row_bytes: int
    row_count: int

    def rows(self, row_format: str) -> list[tuple[Any, ...]]:
        """Section 6.1: a row can be longer than this version knows."""
        return [
            struct.unpack_from(row_format, self.body, number * self.row_bytes)
            for number in range(self.row_count)
        ]

    def text(self, offset: int, size: int) -> str:
        """Section 6.6."""
        return self.body[offset : offset + size].decode()


def require(condition: object, what: str) -> None:
    if not condition:
        raise Unreadable(what)


def read(data: bytes, index_sha256: bytes | None = None) -> list[Item]:
    """Everything in a payload, or in a file that carries one; contents are checked."""
    index, frames_start, index_start = locate(data)
    if index_sha256 is not None:
        require(hashlib.sha256(index).digest() == index_sha256, "not the pinned index")
    sections = read_sections(index)
    strings = sections[b"STRS"]
    components = sections[b"COMP"].rows("<IIHHIIIIIQQ32s")
    frames = sections[b"FRAM"].rows("<IIIBBHQ32s")
    entries = sections[b"ENTR"].rows("<IHHBBHIQQ16s")
    content = bytearray()
    position = frames_start
    for stored_bytes, plain_bytes, reference, kind, filter_, _, _, sha256 in frames:
        require(filter_ == 0 and kind in (0, 1), "reserved for a later version")
        stored = data[position : position + stored_bytes]
        position += stored_bytes
        require(hashlib.sha256(stored).digest() == sha256, "SHA-256 of a frame")
        dictionary = None
        if kind == 1:
            offset, size = entries[reference][7:9]
            require(offset + size <= len(content), "reference behind its frame")
            dictionary = bytes(content[offset : offset + size])
        plain = decode(stored, dictionary)
        require(len(plain) == plain_bytes, "size of a frame")
        content += plain
    require(position == index_start - 8, "frames do not fill the payload")
    items: list[Item] = []
    for path, path_bytes, mode, kind, _, link_bytes, link, offset, size, _ in entries:
        target = ""
        if kind == SYMLINK:
            target = strings.text(link, link_bytes)
        elif kind == HARDLINK:
            target = items[link].path
        contents = bytes(content[offset : offset + size])
        require(len(contents) == size, "extent outside the content stream")
        items.append(Item(strings.text(path, path_bytes), KINDS[kind], mode, target, contents))
    first = 0
    for component in components:
        owned = items[first : first + component[6]]
        first += component[6]
        require(content_sha256(owned) == component[11], "SHA-256 of a component")
    require(first == len(items), "entries without a component")
    return items


def locate(data: bytes) -> tuple[bytes, int, int]:
    """Sections 3 and 5: the index, where the frames begin, and where the index begins."""
    require(len(data) >= FOOTER_BYTES, "too short")
    footer = struct.unpack("<II8sHHIQQIIQQ", data[-FOOTER_BYTES:])
    require(footer[2] == bytes.fromhex("93 53 54 47 4d 0d 0a 1a"), "no footer")
    _, _, _, major, _, index_bytes, index_distance, payload_distance, lead, features, _, _ = footer
    require(major == 1 and features == 0, "another version")
    index_start, frames_start = len(data) - index_distance, len(data) - payload_distance
    require(index_distance >= index_bytes + FOOTER_BYTES, "index overlaps the footer")
    require(payload_distance >= index_distance + 8 and frames_start >= lead, "distances")
    header = struct.pack("<II", 0x184D2A5B, index_bytes)
    require(data[index_start - 8 : index_start] == header, "skippable header")
    return data[index_start : index_start + index_bytes], frames_start, index_start


def read_sections(index: bytes) -> dict[bytes, Section]:
    """Section 6.1."""
    magic, major, _, section_count, features = struct.unpack_from("<4sHHII", index)
    require(magic == b"STGI" and major == 1 and features == 0, "another version of the index")
    sections: dict[bytes, Section] = {}
    end = 16 + 24 * section_count
    for number in range(section_count):
        name, flags, offset, section_bytes, row_bytes, row_count = struct.unpack_from(
            "<4sIIIII", index, 16 + 24 * number
        )
        require(offset == end and row_bytes * row_count == section_bytes, "section table")
        known = name in (b"META", b"COMP", b"FRAM", b"ENTR", b"STRS")
        require(known or not flags & 1, "a required section of a later version")
        end += section_bytes
        sections[name] = Section(index[offset:end], row_bytes, row_count)
    require(end == len(index), "sections do not fill the index")
    return sections


def decode(stored: bytes, dictionary: bytes | None) -> bytes:
    """Section 4: the dictionary is raw, whatever it begins with."""
    raw = None
    if dictionary is not None:
        raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=raw, max_window_size=1 << 27).decompress(stored)


def content_sha256(items: list[Item]) -> bytes:
    """Section 8.2."""
    total = hashlib.sha256()
    numbers = {name: number for number, name in KINDS.items()}
    for item in items:
        path, link = item.path.encode(), item.link.encode()
        total.update(struct.pack("<BHH", numbers[item.kind], item.mode, len(path)) + path)
        total.update(struct.pack("<H", len(link)) + link)
        if item.kind == "file":
            total.update(hashlib.sha256(item.contents).digest())
    return total.digest()
