"""Make the golden vectors of format 1: ``python -m tests.vectors.make_vectors [DIRECTORY]``.

Vectors are kept for ever: what a release has read, every later one reads. This program is how
they were made; new ones are added, and those that stand are not made again.

Good vectors come from the packer. Expectations come from the literals below, not from a reader.
Defects are put in by hand, with every digest that is in the way mended, so that each vector is
refused for the reason that it is named after.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from container import codec, digest, layout, magic
from container.model import EntryKind, Footer, Index
from container.sections import INDEX_HEADER, SECTION
from packer.compress import Compressor, zstd_version
from packer.packing import prepare
from packer.sources import ComponentSource
from packer.writer import Settings, write_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from construct import Struct

HERE = Path(__file__).parent
UNSUPPORTED = "UnsupportedVersionError"
SETTINGS = Settings("v1.0.0", "linux-amd64", 19, 1 << 20, 1)


class Item(NamedTuple):
    """Something to be packed."""

    path: str
    kind: str
    mode: int
    contents: bytes = b""
    link: str = ""


class Vector(NamedTuple):
    """A payload and what a reader makes of it."""

    name: str
    provenance: str
    data: bytes
    items: list[Item] | None = None
    error: str = ""
    noticed_by: str = ""
    """``open``, ``extract`` or ``verify``: the first of them that fails."""


_SHARED = random.Random(1).randbytes(1500)
GREETER = [Item("greeter", "file", 0o755, b"#!/bin/sh\necho hello\n")]
TREE = [
    Item("tree", "directory", 0o755),
    Item("tree/current", "symlink", 0o777, link="library.so"),
    Item("tree/empty directory", "directory", 0o711),
    Item("tree/empty file", "file", 0o600),
    Item("tree/library.so", "file", 0o444, b"text that compresses well\n" * 40),
    Item("tree/sub", "directory", 0o750),
    Item("tree/sub-file", "file", 0o640, b"sorts before tree/sub/..., as '-' does before '/'\n"),
    Item("tree/sub/gr\u00fc\u00dfe", "file", 0o604, "gr\u00fc\u00dfe\n".encode()),
    Item("tree/sub/up", "symlink", 0o777, link="../library.so"),
]
TWINS = [
    Item("twins", "directory", 0o755),
    Item("twins/a", "file", 0o644, b"stored once, written three times\n"),
    Item("twins/b", "file", 0o755, b"stored once, written three times\n"),
    Item("twins/c", "hardlink", 0o755, link="twins/b"),
    Item("twins/d", "file", 0o644, b"other contents\n"),
    Item("twins/e", "hardlink", 0o644, link="twins/d"),
    Item("twins/f", "file", 0o600, b"stored once, written three times\n"),
]
FIRST = [Item("first", "file", 0o755, _SHARED)]
SECOND = [Item("second", "file", 0o755, _SHARED[700:] + b"changed" + _SHARED)]
THIRD = [Item("third", "file", 0o755, _SHARED[300:] + b"changed again" + _SHARED * 2)]


def pack(
    *components: list[Item], frame_bytes: int = 1 << 20, references: tuple[int | None, ...] = ()
) -> bytes:
    """What the packer makes of these items; references are given, since these are too small."""
    settings = SETTINGS._replace(frame_bytes=frame_bytes)
    with tempfile.TemporaryDirectory() as name:
        for items in components:
            write_items(Path(name), items)
        sources = [
            ComponentSource(items[0].path, f"{number}.0", Path(name, items[0].path))
            for number, items in enumerate(components, 1)
        ]
        plan = prepare(sources, settings, references=False)
        if references:
            plan = plan.with_references(references)
        stream = io.BytesIO()
        write_payload(stream, plan, settings)
    return stream.getvalue()


def write_items(root: Path, items: list[Item]) -> None:
    for item in items:
        path = root / item.path
        if item.kind == "directory":
            path.mkdir()
        elif item.kind == "symlink":
            path.symlink_to(item.link)
        elif item.kind == "hardlink":
            os.link(root / item.link, path)
        else:
            path.write_bytes(item.contents)
    for item in reversed(items):
        if item.kind != "symlink":
            (root / item.path).chmod(item.mode)


class Parts(NamedTuple):
    """A payload taken apart."""

    frames: bytes
    index_data: bytes
    footer: Footer

    @classmethod
    def of(cls, payload: bytes) -> Parts:
        footer = codec.decode_footer(payload[-magic.FOOTER_BYTES :])
        start = len(payload) - footer.index_distance
        frames = payload[len(payload) - footer.payload_distance : start - 8]
        return cls(frames, payload[start : start + footer.index_bytes], footer)

    def sealed(self, behind_index: bytes = b"", **changes: int) -> bytes:
        """Put together again, with a footer that fits and then is changed."""
        index_distance = len(self.index_data) + len(behind_index) + magic.FOOTER_BYTES
        footer = self.footer._replace(
            index_bytes=len(self.index_data),
            index_distance=index_distance,
            payload_distance=len(self.frames) + magic.SKIPPABLE_HEADER_BYTES + index_distance,
            index_xxh3=digest.xxh3_64(self.index_data),
        )._replace(**changes)
        header = codec.SKIPPABLE_HEADER.pack(magic.INDEX_SKIPPABLE_MAGIC, len(self.index_data))
        return b"".join(
            (self.frames, header, self.index_data, behind_index, codec.encode_footer(footer))
        )


def with_index(payload: bytes, change: Callable[[Index], Index]) -> bytes:
    """The payload with another index, which nobody checks."""
    parts = Parts.of(payload)
    return parts._replace(
        index_data=codec.encode_index(change(codec.decode_index(parts.index_data)))
    ).sealed()


def with_row(payload: bytes, rows: str, number: int, /, **changes: Any) -> bytes:
    """The payload with one changed row of ``components``, ``frames`` or ``entries``."""

    def change(index: Index) -> Index:
        changed = list(getattr(index, rows))
        changed[number] = changed[number]._replace(**changes)
        replaced: dict[str, Any] = {rows: tuple(changed)}
        return index._replace(**replaced)

    return with_index(payload, change)


def with_entry(payload: bytes, at: str, /, **changes: Any) -> bytes:
    """The payload with one changed entry."""
    index = codec.decode_index(Parts.of(payload).index_data)
    (number,) = (n for n, entry in enumerate(index.entries) if entry.path == at)
    return with_row(payload, "entries", number, **changes)


def with_field(
    payload: bytes, structure: Struct, field: str, value: bytes, section: bytes = b"", row: int = 0
) -> bytes:
    """The payload with raw bytes in one field of its index; no section: header and table."""
    index = bytearray(Parts.of(payload).index_data)
    start = 0
    if section:
        table = {found.id: found for found in layout.INDEX.parse(index).sections}
        start = table[section].offset + row * table[section].row_bytes
    elif structure is layout.SECTION:
        start = layout.INDEX_HEADER.sizeof() + row * layout.SECTION.sizeof()
    for member in structure.subcons:
        if member.name == field:
            index[start : start + member.sizeof()] = value.ljust(member.sizeof(), b"\0")
            return Parts.of(payload)._replace(index_data=bytes(index)).sealed()
        start += member.sizeof()
    raise KeyError(field)


class Section(NamedTuple):
    id: bytes
    flags: int
    row_bytes: int
    body: bytes


def with_sections(
    payload: bytes, change: Callable[[list[Section]], list[Section]], minor: int = 0
) -> bytes:
    """The payload with another set of sections."""
    parts = Parts.of(payload)
    sections = change(
        [
            Section(
                row.id,
                row.flags,
                row.row_bytes,
                parts.index_data[row.offset :][: row.section_bytes],
            )
            for row in layout.INDEX.parse(parts.index_data).sections
        ]
    )
    offset = INDEX_HEADER.size + SECTION.size * len(sections)
    table = bytearray(INDEX_HEADER.pack(magic.INDEX_MAGIC, 1, minor, len(sections), 0))
    for section in sections:
        size = len(section.body)
        table += SECTION.pack(
            section.id, section.flags, offset, size, section.row_bytes, size // section.row_bytes
        )
        offset += size
    index = bytes(table) + b"".join(section.body for section in sections)
    return parts._replace(index_data=index).sealed(minor=minor)


def with_frame(payload: bytes, number: int, stored: bytes, **changes: Any) -> bytes:
    """The payload with another stored frame, whose digests are mended."""
    parts = Parts.of(payload)
    frame = codec.decode_index(parts.index_data).frames[number]
    frames = (
        parts.frames[: frame.stored_offset]
        + stored
        + parts.frames[frame.stored_offset + frame.stored_bytes :]
    )
    mended = {
        "stored_bytes": len(stored),
        "stored_xxh3": digest.xxh3_64(stored),
        "sha256": digest.sha256(stored),
    }
    return with_row(
        parts._replace(frames=frames).sealed(), "frames", number, **{**mended, **changes}
    )


def raw_frame(plain: bytes, header: str) -> bytes:
    """A zstd frame of one raw block, behind a header that is written out."""
    block = (1 | len(plain) << 3).to_bytes(3, "little")
    return bytes.fromhex("28b52ffd" + header) + block + plain


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def longer(section: Section) -> Section:
    """The same rows, each with 4 bytes more of a later minor version."""
    if section.row_bytes == 1:
        return section
    size = section.row_bytes
    rows = [section.body[start : start + size] for start in range(0, len(section.body), size)]
    return section._replace(row_bytes=size + 4, body=b"".join(row + b"next" for row in rows))


def good_vectors() -> Iterator[Vector]:
    greeter, tree = pack(GREETER), pack(TREE)
    parts = Parts.of(greeter)
    yield Vector("single-file", "the packer, one file component", greeter, GREETER)
    yield Vector("tree", "the packer, a tree with one of everything", tree, TREE)
    yield Vector("dedupe-and-hardlinks", "the packer, same content five times", pack(TWINS), TWINS)
    yield Vector(
        "several-frames",
        "the packer, two components in frames of at most 300 bytes",
        pack(TREE, FIRST, frame_bytes=300),
        FIRST + TREE,
    )
    yield Vector(
        "reference",
        "the packer, the second program's frames with the first as reference",
        pack(FIRST, SECOND, references=(None, 0)),
        FIRST + SECOND,
    )
    empty = [
        Item("bare", "directory", 0o700),
        Item("bare/a", "directory", 0o755),
        Item("bare/b", "file", 0o644),
    ]
    yield Vector("no-frames", "the packer, a component without contents", pack(empty), empty)
    nothing = with_index(greeter, lambda index: Index(index.metadata, (), (), ()))
    yield Vector(
        "no-components",
        "the packer, then all rows and frames taken out",
        Parts.of(nothing)._replace(frames=b"").sealed(),
        [],
    )
    host = b"#!/bin/sh\nexit 0\n"
    lead = bytes(4096 - len(host))
    yield Vector(
        "behind-a-host",
        "a script, zeros up to 4096 bytes, and single-file with its lead_bytes",
        host + lead + parts.sealed(lead_bytes=len(lead)),
        GREETER,
    )
    outer = [Item("outer", "file", 0o644, greeter)]
    yield Vector("payload-in-payload", "the packer, single-file as a file", pack(outer), outer)
    yield Vector(
        "detached-footer",
        "single-file with 333 foreign bytes in front of its footer, a false footer among them",
        parts.sealed(behind_index=(b"signature " + greeter[-64:]).ljust(333, b"!")),
        GREETER,
    )
    yield Vector(
        "longer-rows",
        "tree as minor version 1, with 4 bytes more in each row",
        with_sections(tree, lambda sections: list(map(longer, sections)), minor=1),
        TREE,
    )
    yield Vector(
        "unknown-optional-section",
        "tree as minor version 1, with a section XTRA in the middle that is not required",
        with_sections(
            tree, lambda old: [*old[:2], Section(b"XTRA", 0, 3, b"abcdef"), *old[2:]], minor=1
        ),
        TREE,
    )
    yield Vector(
        "sections-in-another-order",
        "tree with its sections from the last to the first",
        with_sections(tree, lambda sections: sections[::-1]),
        TREE,
    )


def footer_defects() -> Iterator[Vector]:
    greeter = pack(GREETER)
    parts = Parts.of(greeter)

    def refused(name: str, how: str, data: bytes, error: str) -> Vector:
        return Vector(name, f"single-file, {how}", data, None, error, "open")

    yield refused("too-short", "its last 63 bytes", greeter[-63:], "NotAContainerError")
    yield refused("trailing-byte", "one byte behind it", greeter + b"\n", "NotAContainerError")
    yield refused(
        "line-ends-rewritten",
        "CR LF replaced by LF",
        greeter.replace(b"\r\n", b"\n"),
        "NotAContainerError",
    )
    yield refused("end-lost", "without its last byte", greeter[:-1], "NotAContainerError")
    yield refused("beginning-lost", "without its first byte", greeter[1:], "FormatError")
    yield refused(
        "footer-digest-flipped",
        "a bit of footer_xxh3 flipped",
        flipped(greeter, -1),
        "IntegrityError",
    )
    yield refused(
        "footer-distance-flipped",
        "a bit of payload_distance flipped",
        flipped(greeter, -32),
        "IntegrityError",
    )
    plain_footer = greeter[:-64] + struct.pack("<I", 0x184D2A50) + greeter[-60:-8]
    yield refused(
        "footer-not-skippable",
        "another skippable magic in the footer",
        plain_footer + digest.xxh3_64(plain_footer[-56:]).to_bytes(8, "little"),
        "FormatError",
    )
    yield refused(
        "newer-major", "major version 2 in the footer", parts.sealed(major=2), UNSUPPORTED
    )
    yield refused(
        "newer-major-other-digest",
        "major version 2 and another footer_xxh3",
        flipped(parts.sealed(major=2), -1),
        UNSUPPORTED,
    )
    yield refused(
        "newer-major-in-index",
        "major version 2 in the index",
        with_field(greeter, layout.INDEX_HEADER, "major", b"\2"),
        UNSUPPORTED,
    )
    yield refused(
        "unknown-required-feature",
        "bit 31 of required_features",
        parts.sealed(required_features=1 << 31),
        UNSUPPORTED,
    )
    yield refused(
        "index-too-large",
        "index_bytes beyond 64 MiB",
        parts.sealed(index_bytes=(64 << 20) + 1),
        "LimitExceededError",
    )
    yield refused(
        "lead-too-large",
        "lead_bytes beyond 64 KiB",
        parts.sealed(lead_bytes=(64 << 10) + 1),
        "LimitExceededError",
    )
    yield refused("lead-missing", "lead_bytes 1", parts.sealed(lead_bytes=1), "FormatError")
    yield refused(
        "index-overlaps-footer",
        "index_distance one too small",
        parts.sealed(index_distance=len(parts.index_data) + 63),
        "FormatError",
    )
    yield refused(
        "frames-do-not-fill",
        "one byte between frames and index",
        parts._replace(frames=parts.frames + b"\0").sealed(),
        "FormatError",
    )


def index_defects() -> Iterator[Vector]:
    greeter = pack(GREETER)
    parts = Parts.of(greeter)

    def refused(name: str, how: str, data: bytes, error: str = "FormatError") -> Vector:
        return Vector(name, f"single-file, {how}", data, None, error, "open")

    def sections(name: str, how: str, change: Callable[[list[Section]], list[Section]]) -> Vector:
        return refused(name, how, with_sections(greeter, change))

    yield refused(
        "index-bit-flipped",
        "a bit of the index flipped",
        flipped(greeter, len(parts.frames) + 100),
        "IntegrityError",
    )
    yield refused(
        "index-truncated",
        "the last byte of the index cut off",
        parts._replace(index_data=parts.index_data[:-1]).sealed(),
    )
    yield refused(
        "index-magic",
        "another magic of the index",
        with_field(greeter, layout.INDEX_HEADER, "magic", b"STGJ"),
    )
    yield refused(
        "too-many-sections",
        "65 sections",
        with_sections(greeter, lambda old: old + [Section(b"XTRA", 0, 1, b"")] * 60),
        "LimitExceededError",
    )
    yield sections("section-missing", "without META", lambda old: old[1:])
    yield sections("section-twice", "META twice", lambda old: [old[0], *old])
    yield sections(
        "strings-too-short", "STRS empty", lambda old: [*old[:4], old[4]._replace(body=b"")]
    )
    yield sections(
        "strings-of-long-rows",
        "STRS with one row as long as itself",
        lambda old: [*old[:4], old[4]._replace(row_bytes=len(old[4].body))],
    )
    yield sections(
        "metadata-missing",
        "no row of META",
        lambda old: [old[0]._replace(body=b""), *old[1:]],
    )
    yield refused(
        "metadata-twice",
        "two rows of META",
        with_sections(greeter, lambda old: [old[0]._replace(body=old[0].body * 2), *old[1:]]),
        "LimitExceededError",
    )
    yield refused(
        "section-gap",
        "a wrong offset in the section table",
        with_field(greeter, layout.SECTION, "offset", b"\0\1", row=1),
    )
    yield refused(
        "rows-too-short",
        "component rows of 40 bytes",
        with_sections(greeter, lambda old: [old[0], old[1]._replace(row_bytes=40), *old[2:]]),
    )
    yield refused(
        "unknown-required-section",
        "a section XTRA that is required",
        with_sections(greeter, lambda old: [*old, Section(b"XTRA", 1, 1, b"x")]),
        UNSUPPORTED,
    )
    for section, structure in (
        (magic.COMPONENTS_ID, layout.COMPONENT),
        (magic.FRAMES_ID, layout.FRAME),
        (magic.ENTRIES_ID, layout.ENTRY),
    ):
        yield refused(
            f"reserved-set-in-{section.decode().lower()}",
            f"a bit of the reserved field of {section.decode()} set",
            with_field(greeter, structure, "reserved", b"\1", section),
        )
    yield refused(
        "unknown-platform",
        "platform linux-riscv",
        with_index(
            greeter,
            lambda index: index._replace(metadata=index.metadata._replace(platform="linux-riscv")),
        ),
    )
    yield refused(
        "unknown-component-kind",
        "component of kind 3",
        with_field(greeter, layout.COMPONENT, "kind", b"\3", magic.COMPONENTS_ID),
    )
    yield refused(
        "unknown-entry-kind",
        "entry of kind 5",
        with_field(greeter, layout.ENTRY, "kind", b"\5", magic.ENTRIES_ID),
    )
    yield refused(
        "setuid-mode",
        "mode 0o4755",
        with_field(greeter, layout.ENTRY, "mode", struct.pack("<H", 0o4755), magic.ENTRIES_ID),
    )
    yield refused(
        "path-not-utf8",
        "a byte of its path replaced by FF",
        parts._replace(index_data=parts.index_data.replace(b"greeter", b"gr\xffeter")).sealed(),
    )
    yield refused(
        "entry-point-not-executable",
        "mode 0o644 of the entry point",
        with_row(greeter, "entries", 0, mode=0o644),
    )
    yield refused(
        "component-size-differs",
        "plain_bytes of the component one too large",
        with_row(greeter, "components", 0, plain_bytes=len(GREETER[0].contents) + 1),
    )
    yield refused(
        "frame-too-large",
        "plain_bytes of its frame beyond 32 MiB",
        with_row(greeter, "frames", 0, plain_bytes=(32 << 20) + 1),
        "LimitExceededError",
    )
    yield refused(
        "frame-empty",
        "plain_bytes 0 of its frame",
        with_row(greeter, "frames", 0, plain_bytes=0),
        "LimitExceededError",
    )
    yield refused(
        "filter-reserved",
        "filter 1, which is reserved",
        with_row(greeter, "frames", 0, filter=1),
        UNSUPPORTED,
    )
    two = pack([GREETER[0]], [GREETER[0]._replace(path="greeter.exe")])

    def same_name(index: Index) -> Index:
        first, second = index.components
        return index._replace(components=(first, second._replace(name="greeter")))

    yield refused(
        "component-name-twice",
        "with greeter.exe as another component of the same name",
        with_index(two, same_name),
    )


def entry_defects() -> Iterator[Vector]:
    tree, twins = pack(TREE), pack(TWINS)

    def entry(name: str, how: str, at: str, error: str, /, **changes: Any) -> Vector:
        data = with_entry(twins if at.startswith("twins") else tree, at, **changes)
        base = "dedupe-and-hardlinks" if at.startswith("twins") else "tree"
        return Vector(name, f"{base}, {how}", data, None, error, "open")

    unsafe = "UnsafePathError"
    for name, path in (
        ("path-escapes", "tree/sub/../../../up"),
        ("path-absolute", "/tree"),
        ("path-has-empty-name", "tree//up"),
        ("path-has-backslash", "tree\\up"),
        ("path-has-control-character", "tree/sub/up\n"),
        ("path-ends-with-dot", "tree/sub/up."),
        ("path-is-device", "tree/sub/nul.txt"),
        ("path-name-too-long", "tree/sub/" + "u" * 256),
        ("path-collides-in-case", "tree/SUB-file"),
        ("path-collides-in-accents", "tree/sub/gru\u0308ße"),
        ("path-outside-its-tree", "tree2/up"),
        ("path-without-parent", "tree/tub/up"),
    ):
        yield entry(name, f"a path replaced by {path!a}", "tree/sub/up", unsafe, path=path)
    yield entry(
        "path-too-long",
        "a path of 1032 bytes",
        "tree/sub/up",
        "LimitExceededError",
        path="tree/sub/" + "/".join(["u" * 127] * 8),
    )
    yield entry(
        "path-out-of-order",
        "a path replaced by one that sorts before the one before",
        "tree/sub/up",
        "FormatError",
        path="tree/sub/a",
    )
    for name, target in (
        ("link-escapes", "../../library.so"),
        ("link-absolute", "/etc/passwd"),
        ("link-turns-back", "../current/../../x"),
        ("link-empty", ""),
    ):
        yield entry(name, f"a target replaced by {target!a}", "tree/sub/up", unsafe, link=target)
    yield entry(
        "parent-is-symlink",
        "the directory of two entries made a symlink",
        "tree/sub",
        unsafe,
        kind=int(EntryKind.SYMLINK),
        mode=0o777,
        link="empty directory",
    )
    for name, how, path, changes in (
        ("extent-overlaps", "an extent one byte too early", "tree/sub-file", -1),
        ("extent-leaves-gap", "an extent one byte too late", "tree/sub-file", 1),
    ):
        offset = next(
            found.content_offset
            for found in codec.decode_index(Parts.of(tree).index_data).entries
            if found.path == path
        )
        yield entry(name, how, path, "FormatError", content_offset=offset + changes)
    yield entry(
        "directory-has-contents",
        "an extent of a directory",
        "tree/sub",
        "FormatError",
        plain_bytes=1,
    )
    yield entry(
        "hardlink-forward",
        "a hardlink to a later entry",
        "twins/c",
        "FormatError",
        link="twins/d",
    )
    yield entry(
        "hardlink-differs",
        "another mode of a hardlink",
        "twins/c",
        "FormatError",
        mode=0o700,
    )
    yield entry(
        "hardlink-to-directory",
        "a hardlink to a directory",
        "twins/c",
        "FormatError",
        link="twins",
    )


def reference_defects() -> Iterator[Vector]:
    payload = pack(FIRST, SECOND, references=(None, 0))

    def itself(index: Index) -> Index:
        (first, second), (a, b) = index.frames, index.components
        return index._replace(
            frames=(first, second._replace(reference=1)),
            components=(a, b._replace(needs=frozenset())),
        )

    def refused(name: str, how: str, data: bytes, error: str = "FormatError") -> Vector:
        return Vector(name, how, data, None, error, "open")

    yield refused(
        "reference-to-itself",
        "reference, its second frame with the file in it as reference",
        with_index(payload, itself),
    )
    yield refused(
        "reference-kind-reserved",
        "reference, its second frame with a reference of kind 2",
        with_field(payload, layout.FRAME, "reference_kind", b"\2", magic.FRAMES_ID, row=1),
        UNSUPPORTED,
    )
    yield refused(
        "reference-without-kind",
        "reference, its second frame with a reference of kind 0",
        with_field(payload, layout.FRAME, "reference_kind", b"\0", magic.FRAMES_ID, row=1),
    )
    yield refused(
        "reference-is-no-entry",
        "reference, its second frame with entry 2 as reference",
        with_field(payload, layout.FRAME, "reference", b"\2", magic.FRAMES_ID, row=1),
    )
    yield refused(
        "needs-missing",
        "reference, without the bit of the first component",
        with_row(payload, "components", 1, needs=frozenset()),
    )
    yield refused(
        "needs-itself",
        "reference, with the component's own bit",
        with_row(payload, "components", 1, needs=frozenset((0, 1))),
    )
    three = pack(FIRST, SECOND, THIRD, references=(None, 0, 0))

    def chain(index: Index) -> Index:
        first, second, third = index.frames
        a, b, c = index.components
        return index._replace(
            frames=(first, second, third._replace(reference=1)),
            components=(a, b, c._replace(needs=frozenset((1,)))),
        )

    yield refused(
        "reference-chain",
        "three programs, the third with the second as reference, which has one itself",
        with_index(three, chain),
    )


def content_defects() -> Iterator[Vector]:
    greeter = pack(GREETER)
    plain = GREETER[0].contents
    size = len(plain)

    def refused(name: str, how: str, data: bytes, error: str, noticed_by: str) -> Vector:
        return Vector(name, f"single-file, {how}", data, None, error, noticed_by)

    def frame(name: str, how: str, stored: bytes, error: str = "FormatError") -> Vector:
        return refused(name, how, with_frame(greeter, 0, stored), error, "extract")

    yield refused(
        "frame-bit-flipped",
        "a bit of its frame flipped",
        flipped(greeter, 12),
        "IntegrityError",
        "extract",
    )
    yield refused(
        "file-digest-differs",
        "another xxh3_128 of its file",
        with_row(greeter, "entries", 0, xxh3_128=b"\1" * 16),
        "IntegrityError",
        "extract",
    )
    yield frame(
        "frame-is-skippable",
        "its frame made a skippable one",
        struct.pack("<II", 0x184D2A50, size) + plain,
    )
    yield frame(
        "frame-names-dictionary",
        "its frame with a dictionary number",
        raw_frame(plain, f"21 01 {size:02x}"),
    )
    yield frame(
        "frame-without-size", "its frame without Frame_Content_Size", raw_frame(plain, "00 58")
    )
    yield frame(
        "frame-of-another-size",
        "its frame with a Frame_Content_Size one too large",
        raw_frame(plain, f"20 {size + 1:02x}"),
    )
    yield frame(
        "frame-with-trailing-byte",
        "one byte behind its frame",
        Compressor(19).compress(plain) + b"\0",
    )
    yield frame(
        "frame-block-reserved",
        "a block of the reserved type",
        bytes.fromhex(f"28b52ffd 20 {size:02x} 07 00 00"),
    )
    yield frame(
        "frame-window-too-large",
        "its frame with a window of 256 MiB",
        raw_frame(plain, "80 90" + struct.pack("<I", size).hex()),
        "LimitExceededError",
    )
    yield frame(
        "frame-is-bomb",
        "its frame replaced by one that says its size and holds 100,000 bytes",
        bytes.fromhex(f"28b52ffd 20 {size:02x}")
        + (1 | 1 << 1 | 100_000 << 3).to_bytes(3, "little")
        + b"!",
        "IntegrityError",
    )
    yield refused(
        "frame-sha256-differs",
        "another SHA-256 of its frame",
        with_row(greeter, "frames", 0, sha256=bytes(32)),
        "IntegrityError",
        "verify",
    )
    yield refused(
        "content-sha256-differs",
        "another SHA-256 of its component",
        with_row(greeter, "components", 0, content_sha256=bytes(32)),
        "IntegrityError",
        "verify",
    )
    yield refused(
        "mode-changed",
        "another mode of its file",
        with_row(greeter, "entries", 0, mode=0o777),
        "IntegrityError",
        "verify",
    )


def all_vectors() -> list[Vector]:
    makers = (
        good_vectors,
        footer_defects,
        index_defects,
        entry_defects,
        reference_defects,
        content_defects,
    )
    return [vector for make in makers for vector in make()]


def outcome(vector: Vector) -> dict[str, Any]:
    """One entry of the manifest."""
    entry: dict[str, Any] = {
        "file": f"{vector.name}.payload",
        "sha256": hashlib.sha256(vector.data).hexdigest(),
        "provenance": vector.provenance,
    }
    if vector.items is None:
        return entry | {"error": vector.error, "noticed_by": vector.noticed_by}
    entry["index_sha256"] = hashlib.sha256(Parts.of(vector.data).index_data).hexdigest()
    contents = {item.path: item.contents for item in vector.items}
    entry["entries"] = [
        described(item._replace(contents=contents.get(item.link, item.contents)))
        if item.kind == "hardlink"
        else described(item)
        for item in vector.items
    ]
    return entry


def described(item: Item) -> dict[str, Any]:
    found: dict[str, Any] = {"path": item.path, "kind": item.kind, "mode": f"{item.mode:03o}"}
    if item.link:
        found["link"] = item.link
    if item.kind in ("file", "hardlink"):
        found["size"] = len(item.contents)
        found["sha256"] = hashlib.sha256(item.contents).hexdigest()
    return found


def write_vectors(directory: Path) -> None:
    """Write all payloads and their manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    vectors = all_vectors()
    for vector in vectors:
        (directory / f"{vector.name}.payload").write_bytes(vector.data)
    manifest = {
        "format": f"{magic.FORMAT_MAJOR}.{magic.FORMAT_MINOR}",
        "zstd_version": zstd_version(),
        "vectors": [outcome(vector) for vector in vectors],
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=True)
    (directory / "manifest.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    write_vectors(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
