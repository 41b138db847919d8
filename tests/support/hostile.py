"""Payloads that an attacker would make: sealed with right digests, and wrong in one thing each."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from container import codec, limits, magic
from container.errors import (
    ContainerError,
    FormatError,
    IntegrityError,
    LimitExceededError,
    UnsafePathError,
    UnsupportedVersionError,
)
from container.model import Component, ComponentKind, EntryKind, Index
from tests.support.payloads import (
    METADATA,
    directory_entry,
    file_entry,
    frame_row,
    patch_row,
    patch_section,
    raw_block,
    raw_frame,
    seal,
    section_offset,
    symlink_entry,
    tree_index,
    zstd_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from container.model import Entry, Frame


class Hostile(NamedTuple):
    """One of them, and how it has to be refused."""

    name: str
    payload: bytes
    error: type[ContainerError]
    text: str
    opens: bool = False
    """It can be opened and listed: what is wrong lies in its frames."""


CONTENT = b"content"
STORED = zstd_frame(CONTENT)


def with_files(*entries: Entry, name: str = "tree") -> bytes:
    """A tree of entries, of which those with contents all have ``CONTENT``."""
    rows = (directory_entry(name), *entries)
    frames = [frame_row(STORED, len(CONTENT))] if any(row.plain_bytes for row in rows) else []
    return seal(tree_index(rows, frames, name), STORED if frames else b"")


def with_frame(stored: bytes, plain_bytes: int, content: bytes | None = None) -> bytes:
    """One file in one frame, which says of itself what it likes."""
    entry = file_entry("tree/file", content or b"x")._replace(plain_bytes=plain_bytes)
    index = tree_index([directory_entry("tree"), entry], [frame_row(stored, plain_bytes)])
    return seal(index, stored)


def paths() -> Iterator[Hostile]:
    """Names that must not be written."""
    for name in (
        "../escaped",
        "a/../../escaped",
        "tree/../../escaped",
        "..",
        ".",
        "a//b",
        "a/",
        "a\\..\\..\\escaped",
        "C:\\escaped",
        "nul\0byte",
        "con",
        "LPT1.txt",
        "dot.",
        "blank ",
        "x" * 256,
        "bell\x07",
    ):
        entry = file_entry(f"tree/{name}", CONTENT)
        yield Hostile(f"path {name[:20]!a}", with_files(entry), UnsafePathError, "illegal path")
    for name in ("/etc/escaped", "//escaped", "\\\\host\\share", "..", "../escaped", ""):
        rows = [file_entry(name, CONTENT), directory_entry("tree")]
        index = tree_index(sorted(rows), [frame_row(STORED, len(CONTENT))])
        payload = seal(index, STORED)
        yield Hostile(f"whole path {name!a}", payload, UnsafePathError, "illegal path")
    for one, other in (("File", "fILE"), ("\xe9", "e\u0301"), ("stra\xdfe", "STRASSE")):
        entries = sorted([file_entry(f"tree/{one}"), file_entry(f"tree/{other}")])
        yield Hostile(f"collision {one!a}", with_files(*entries), UnsafePathError, "collides")
    directories = sorted([directory_entry("tree/D"), file_entry("tree/d/x")])
    payload = with_files(*sorted([*directories, directory_entry("tree/d")]))
    yield Hostile("collision of directories", payload, UnsafePathError, "collides")
    twice = with_files(file_entry("tree/a", CONTENT), file_entry("tree/a", CONTENT))
    yield Hostile("the same path twice", twice, UnsafePathError, "collides")
    for label in ("../tree", "a/b", "", ".tree", "a\0"):
        payload = seal(tree_index([directory_entry(label)], name=label), b"")
        yield Hostile(f"component {label!a}", payload, UnsafePathError, "component name")


def links() -> Iterator[Hostile]:
    """Links that lead out, and paths that lead through one."""
    for target in (
        "..",
        "../../etc",
        "/etc",
        "a/../../../etc",
        "d/..",
        "",
        ".",
        "../tree",
        "c:\\",
        "nul",
        "a\0b",
        "x" * 1025,
    ):
        payload = with_files(symlink_entry("tree/link", target))
        error = LimitExceededError if len(target) > limits.MAX_PATH_BYTES else UnsafePathError
        yield Hostile(f"link to {target[:20]!a}", payload, error, "link|path")
    chain = with_files(symlink_entry("tree/a", "d"), symlink_entry("tree/b", "a/../../../etc"))
    yield Hostile("link through a link", chain, UnsafePathError, "link")
    for parent in (symlink_entry("tree/p", "d"), file_entry("tree/p", CONTENT)):
        payload = with_files(directory_entry("tree/d"), parent, file_entry("tree/p/x"))
        name = f"parent of kind {parent.kind}"
        yield Hostile(name, payload, UnsafePathError, "parent is not a directory")
    payload = with_files(file_entry("tree/missing/x"))
    yield Hostile("parent missing", payload, UnsafePathError, "parent is not a directory")
    link = symlink_entry("tree/a", "b")
    for what, row in (("symlink", link), ("directory", directory_entry("tree/a"))):
        hard = row._replace(path="tree/h", kind=int(EntryKind.HARDLINK), link="tree/a")
        payload = with_files(row, hard)
        yield Hostile(f"hardlink to a {what}", payload, FormatError, "a hardlink repeats")
    index = codec.encode_index(
        tree_index(
            [
                directory_entry("tree"),
                file_entry("tree/a"),
                file_entry("tree/b")._replace(kind=int(EntryKind.HARDLINK), link="tree/a"),
            ]
        )
    )
    for number in (2, 3, 0xFFFFFFFF):
        payload = seal(patch_row(index, magic.ENTRIES_ID, 2, link=number), b"")
        yield Hostile(f"hardlink to {number}", payload, FormatError, "names an earlier entry")
    for mode in (0o4755, 0o2755, 0o1755, 0xFFFF):
        payload = seal(patch_row(index, magic.ENTRIES_ID, 1, mode=mode), b"")
        yield Hostile(f"mode {mode:o}", payload, FormatError, "mode has more than")


def extents() -> Iterator[Hostile]:
    """Sizes and places in the content stream that contradict each other."""
    plain = bytes(range(100))
    stored = zstd_frame(plain)
    root = directory_entry("tree")

    def two(first: tuple[int, int], second: tuple[int, int]) -> bytes:
        rows = [
            file_entry(f"tree/{number}", plain, offset)._replace(plain_bytes=size)
            for number, (offset, size) in enumerate((first, second))
        ]
        return seal(tree_index([root, *rows], [frame_row(stored, 100)]), stored)

    yield Hostile("overlap", two((0, 60), (50, 50)), FormatError, "gap or overlap")
    yield Hostile("one inside the other", two((0, 100), (10, 20)), FormatError, "gap or overlap")
    yield Hostile("same start", two((0, 100), (0, 50)), FormatError, "overlaps")
    yield Hostile("gap", two((0, 40), (50, 50)), FormatError, "gap or overlap")
    yield Hostile("gap in front", two((1, 50), (51, 49)), FormatError, "gap or overlap")
    yield Hostile("bytes of nobody", two((0, 50), (50, 49)), FormatError, "do not fill")
    yield Hostile("past the end", two((0, 50), (50, 51)), FormatError, "do not fill")
    far = file_entry("tree/far", plain, 1 << 36)
    payload = seal(tree_index([root, far], [frame_row(stored, 100)]), stored)
    yield Hostile("beyond all frames", payload, FormatError, "gap or overlap")
    huge = codec.encode_index(tree_index([root, far], [frame_row(stored, 100)]))
    for field in ("content_offset", "plain_bytes"):
        payload = seal(patch_row(huge, magic.ENTRIES_ID, 1, **{field: (1 << 64) - 1}), stored)
        yield Hostile(f"{field} of 2**64 - 1", payload, LimitExceededError, "extent of a file")


def frames() -> Iterator[Hostile]:
    """Frames that lie about themselves; these are found when they are decoded."""

    def lie(
        name: str, stored: bytes, plain_bytes: int, error: type[ContainerError], text: str
    ) -> Hostile:
        return Hostile(name, with_frame(stored, plain_bytes), error, text, opens=True)

    whole = raw_frame(raw_block(CONTENT), plain_bytes=7)
    yield lie("index says more than the frame", whole, 8, FormatError, "contradicts the index")
    yield lie("index says less than the frame", whole, 6, FormatError, "contradicts the index")
    short = raw_frame(raw_block(b"con"), plain_bytes=7)
    yield lie("frame holds less than it says", short, 7, IntegrityError, "frame 0")
    long = raw_frame(raw_block(b"x", kind=1, size=1 << 17), plain_bytes=7)
    yield lie("frame holds more than it says", long, 7, IntegrityError, "frame 0")
    bomb = raw_frame(raw_block(b"x", kind=1, size=1 << 17), plain_bytes=1 << 40)
    yield lie("frame says a terabyte", bomb, 7, FormatError, "contradicts the index")
    zeros = raw_frame(raw_block(b"x", kind=1, size=9), plain_bytes=limits.MAX_FRAME_PLAIN_BYTES)
    largest = limits.MAX_FRAME_PLAIN_BYTES
    yield lie("both say 32 MiB and it holds 9 bytes", zeros, largest, IntegrityError, "frame 0")
    for log in (28, 31, 41):
        stored = raw_frame(raw_block(CONTENT), plain_bytes=7, window=(log - 10) << 3)
        yield lie(f"window of 2**{log}", stored, 7, LimitExceededError, "window of a frame")
    named = raw_frame(b"\x2a" + raw_block(CONTENT), plain_bytes=7, descriptor=1)
    yield lie("dictionary by number", named, 7, FormatError, "dictionary by number")
    for junk in (b"\0", b"junk", whole, b"\x50\x2a\x4d\x18\0\0\0\0"):
        yield lie(f"behind the frame {junk[:4]!a}", whole + junk, 7, FormatError, "contradicts")
    yield lie("skippable frame", b"\x50\x2a\x4d\x18\x01\0\0\0x", 7, FormatError, "not a zstd")
    noise = raw_frame(raw_block(random.Random(4).randbytes(60), kind=2), plain_bytes=7)
    yield lie("noise in a block", noise, 7, IntegrityError, "frame 0")
    yield lie("other content", zstd_frame(b"another"), 7, IntegrityError, "tree/file")


def rows_of_frames() -> Iterator[Hostile]:
    """Frame rows that are refused before a frame is read."""
    index = codec.encode_index(
        tree_index(
            [directory_entry("tree"), file_entry("tree/file", CONTENT)],
            [frame_row(STORED, len(CONTENT))],
        )
    )

    def row(**fields: int) -> bytes:
        return seal(patch_row(index, magic.FRAMES_ID, 0, **fields), STORED)

    limit = LimitExceededError
    yield Hostile("frame of no plain bytes", row(plain_bytes=0), limit, "plain size")
    yield Hostile("frame of no stored bytes", row(stored_bytes=0), limit, "stored size")
    yield Hostile("frame of 4 GiB", row(plain_bytes=0xFFFFFFFF), limit, "plain size")
    yield Hostile("stored in 4 GiB", row(stored_bytes=0xFFFFFFFF), limit, "stored size")
    yield Hostile("stored too long", row(stored_bytes=len(STORED) + 1), FormatError, "do not fill")
    yield Hostile("stored too short", row(stored_bytes=len(STORED) - 1), FormatError, "do not fill")
    for number, name in ((1, "x86"), (2, "arm64"), (255, "unknown")):
        yield Hostile(f"{name} filter", row(filter=number), UnsupportedVersionError, "no filters")
    installed = row(reference=1, reference_kind=magic.REFERENCE_INSTALLED)
    yield Hostile("installed reference", installed, UnsupportedVersionError, "kind of reference")


def references() -> Iterator[Hostile]:
    """References that a reader could only follow by decoding something else first."""
    contents = [b"first " * 20, b"second" * 20, b"third " * 20]
    stored = [zstd_frame(content) for content in contents]
    root = directory_entry("tree")

    def chained(*numbers: int | None) -> bytes:
        rows: list[Frame] = []
        for data, content, number in zip(stored, contents, numbers, strict=True):
            rows.append(
                frame_row(
                    data,
                    len(content),
                    sum(row.stored_bytes for row in rows),
                    sum(row.plain_bytes for row in rows),
                    number,
                )
            )
        entries = [
            file_entry(f"tree/{position}", content, 120 * position)
            for position, content in enumerate(contents)
        ]
        extra = [directory_entry("tree/d"), file_entry("tree/e"), symlink_entry("tree/l", "0")]
        hard = entries[0]._replace(path="tree/h", kind=int(EntryKind.HARDLINK), link="tree/0")
        ordered = [root, *entries, *extra[:2], hard, extra[2]]
        return seal(tree_index(ordered, rows), b"".join(stored))

    early = "ends before the frame begins"
    yield Hostile("reference to itself", chained(1, None, None), FormatError, early)
    yield Hostile("reference to a later file", chained(None, 3, None), FormatError, early)
    yield Hostile("a chain", chained(None, 1, 2), FormatError, "itself has none")
    for number, name in (
        (0, "the root"),
        (4, "a directory"),
        (5, "an empty file"),
        (6, "a hardlink"),
        (7, "a symlink"),
    ):
        payload = chained(None, None, number)
        yield Hostile(f"reference to {name}", payload, FormatError, "file with contents")
    yield Hostile("reference to no entry", chained(None, None, 99), FormatError, "is no entry")


def bombs() -> Iterator[Hostile]:
    """A little that asks for a lot."""
    root = directory_entry("tree")
    index = codec.encode_index(tree_index([root]))
    limit = LimitExceededError
    for size in (limits.MAX_INDEX_BYTES + 1, 0xFFFFFFFF):
        footer = {"index_bytes": size, "index_distance": size + 64, "payload_distance": size + 72}
        yield Hostile(f"index of {size} bytes", seal(index, b"", **footer), limit, "size of the in")
    size = limits.MAX_INDEX_BYTES
    footer = {"index_bytes": size, "index_distance": size + 64, "payload_distance": size + 72}
    payload = seal(index, b"", **footer)
    yield Hostile("index larger than the file", payload, FormatError, "in front of the file")
    footer = {"index_distance": (1 << 64) - 1, "payload_distance": (1 << 64) - 1}
    payload = seal(index, b"", **footer)
    yield Hostile("distances of 2**64 - 1", payload, FormatError, "begins behind its index")
    for section_id in magic.SECTION_IDS:
        for fields in (
            {"section_bytes": 0xFFFFFFFF},
            {"row_count": 0xFFFFFFFF},
            {"row_bytes": 0xFFFFFFFF},
            {"row_bytes": 0},
            {"offset": 0xFFFFFFFF},
        ):
            name = f"{section_id.decode()} {next(iter(fields.items()))}"
            payload = seal(patch_section(index, section_id, **fields), b"")
            yield Hostile(name, payload, FormatError, "section")
    for count in (0, 64, 65, 0xFFFFFFFF):
        payload = seal(index[:8] + count.to_bytes(4, "little") + index[12:], b"")
        error = limit if count else FormatError
        yield Hostile(f"{count} sections", payload, error, "sections")
    yield Hostile("many files of one large extent", many_large_files(), limit, "plain size of the")
    yield Hostile("overlapping paths", overlapping_paths(), limit, "length of all paths")


def many_large_files() -> bytes:
    """65 components' worth of one frame of zeros, each said to be written in full."""
    size = limits.MAX_FRAME_PLAIN_BYTES
    stored = raw_frame(
        b"".join(raw_block(b"\0", kind=1, size=1 << 17, last=n == 255) for n in range(256)),
        plain_bytes=size,
    )
    content = file_entry("tree/a", b"\0")._replace(plain_bytes=size)
    count = limits.MAX_PLAIN_BYTES // size + 1
    rows = [content._replace(path=f"tree/{number:05}") for number in range(count)]
    index = tree_index([directory_entry("tree"), *rows], [frame_row(stored, size)])
    return seal(index, stored)


def overlapping_paths() -> bytes:
    """The most entries, with the longest paths, all out of a few bytes of text."""
    index = codec.encode_index(tree_index([directory_entry("tree")]))
    start = section_offset(index, magic.STRINGS_ID)
    text = index[start:] + b"a" * limits.MAX_PATH_BYTES
    row = codec.ENTRY.pack(
        len(text) - limits.MAX_PATH_BYTES, limits.MAX_PATH_BYTES, 0o644, 1, 0, 0, 0, 0, 0, bytes(16)
    )
    rows = row * limits.MAX_ENTRIES
    index = patch_section(
        index, magic.ENTRIES_ID, section_bytes=len(rows), row_count=limits.MAX_ENTRIES
    )
    entries = section_offset(index, magic.ENTRIES_ID)
    index = patch_section(
        index,
        magic.STRINGS_ID,
        offset=entries + len(rows),
        section_bytes=len(text),
        row_count=len(text),
    )
    index = patch_row(index, magic.COMPONENTS_ID, 0, entry_count=limits.MAX_ENTRIES)
    return seal(index[:entries] + rows + text, b"")


def components() -> Iterator[Hostile]:
    """Components that share what must be one's own."""
    stored = frame_row(STORED, len(CONTENT))

    def index_of(entries: Sequence[Entry], *parts: tuple[int, int]) -> Index:
        found = []
        first_entry = first_frame = 0
        for number, (entry_count, frame_count) in enumerate(parts):
            found.append(
                Component(
                    f"c{number:02}",
                    "1",
                    ComponentKind.TREE,
                    None,
                    first_entry,
                    entry_count,
                    first_frame,
                    frame_count,
                    frozenset(),
                    sum(e.plain_bytes for e in entries[first_entry : first_entry + entry_count]),
                    bytes(32),
                )
            )
            first_entry += entry_count
            first_frame += frame_count
        return Index(METADATA, tuple(found), (stored,), tuple(entries))

    sharing = [
        row
        for number in range(64)
        for row in (directory_entry(f"c{number:02}"), file_entry(f"c{number:02}/f", CONTENT))
    ]
    payload = seal(index_of(sharing, (2, 1), *[(2, 0)] * 63), STORED)
    yield Hostile("64 components of one extent", payload, FormatError, "component c01: extents")
    payload = seal(index_of(sharing[:2], (1, 1)), STORED)
    yield Hostile("entries of no component", payload, FormatError, "do not share out")
    payload = seal(index_of(sharing[:2], (2, 0)), STORED)
    yield Hostile("frames of no component", payload, FormatError, "do not share out")
    whole = codec.encode_index(index_of(sharing[:2], (2, 1)))
    for fields in ({"entry_count": 0xFFFFFFFF}, {"frame_count": 0xFFFFFFFF}):
        payload = seal(patch_row(whole, magic.COMPONENTS_ID, 0, **fields), STORED)
        yield Hostile(str(fields), payload, FormatError, "do not share out")
    payload = seal(patch_row(whole, magic.COMPONENTS_ID, 0, plain_bytes=(1 << 64) - 1), STORED)
    yield Hostile("plain bytes of 2**64 - 1", payload, LimitExceededError, "plain size of the")
    payload = seal(patch_row(whole, magic.COMPONENTS_ID, 0, plain_bytes=6), STORED)
    yield Hostile("plain bytes too few", payload, FormatError, "size differs")


def versions() -> Iterator[Hostile]:
    """What a later version will write."""
    index = codec.encode_index(tree_index([directory_entry("tree")]))
    text = r"major version.*expected 1\.x, found {}.*newer release"
    for major in (0, 2, 0xFFFF):
        expected = text.format(f"{major}\\.0")
        payload = seal(index, b"", major=major)
        yield Hostile(f"footer of version {major}", payload, UnsupportedVersionError, expected)
        inner = index[:4] + major.to_bytes(2, "little") + index[6:]
        payload = seal(inner, b"")
        yield Hostile(f"index of version {major}", payload, UnsupportedVersionError, expected)
    needed = "needs features.*found 0x80000000.*newer release"
    payload = seal(index, b"", required_features=1 << 31)
    yield Hostile("feature in the footer", payload, UnsupportedVersionError, needed)
    payload = seal(index[:12] + (1 << 31).to_bytes(4, "little") + index[16:], b"")
    yield Hostile("feature in the index", payload, UnsupportedVersionError, needed)
    payload = seal(patch_section(index, magic.FRAMES_ID, id=b"NEWS"), b"")
    yield Hostile("required section", payload, UnsupportedVersionError, "b'NEWS'.*does not know")


def all_of_them() -> list[Hostile]:
    """Every hostile payload; a list for parametrising."""
    sources = (
        paths,
        links,
        extents,
        frames,
        rows_of_frames,
        references,
        bombs,
        components,
        versions,
    )
    return [hostile for source in sources for hostile in source()]
