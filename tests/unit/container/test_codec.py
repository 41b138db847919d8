"""Index and footer: what is written is read back, and every rule of the bytes has its error."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from container import codec, digest, layout, limits, magic
from container.errors import (
    ContainerError,
    FormatError,
    IntegrityError,
    LimitExceededError,
    NotAContainerError,
    UnsupportedVersionError,
)
from container.model import EntryKind, Footer, Index
from container.sections import INDEX_HEADER, SECTION
from tests.support.payloads import (
    directory_entry,
    file_entry,
    frame_row,
    patch,
    patch_row,
    patch_section,
    section_offset,
    section_row,
    symlink_entry,
    tree_index,
)

FOOTER = Footer(1, 0, 100, 164, 300, 7, 0, 0x0123456789ABCDEF)


def make_index() -> Index:
    entries = [
        directory_entry("tree"),
        file_entry("tree/a", b"aaaa", 0, 0o755),
        file_entry("tree/a", b"aaaa", 0, 0o755)._replace(
            path="tree/b", kind=int(EntryKind.HARDLINK), link="tree/a"
        ),
        symlink_entry("tree/c", "a"),
        file_entry("tree/é", b"bb", 4),
    ]
    frames = [frame_row(b"stored", 4), frame_row(b"other", 2, 6, 4, reference=1)]
    index = tree_index(entries, frames)
    return index._replace(components=(index.components[0]._replace(entry_point=1),))


INDEX = make_index()
DATA = codec.encode_index(INDEX)


def test_an_index_is_read_back_as_it_was_meant() -> None:
    assert codec.decode_index(DATA) == INDEX


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        (codec.FOOTER, layout.FOOTER),
        (INDEX_HEADER, layout.INDEX_HEADER),
        (SECTION, layout.SECTION),
        (codec.METADATA, layout.METADATA),
        (codec.COMPONENT, layout.COMPONENT),
        (codec.FRAME, layout.FRAME),
        (codec.ENTRY, layout.ENTRY),
    ],
)
def test_struct_reads_the_fields_that_layout_defines(read: struct.Struct, meant: Any) -> None:
    fields: list[Any] = []
    for number, field in enumerate(struct_fields(read)):
        constant = getattr(meant.subcons[number].subcon, "value", None)
        size = struct.calcsize(f"<{field}")
        fields.append(
            constant
            if constant is not None
            else (bytes([number]) * size if "s" in field else number + 1)
        )
    found = meant.parse(read.pack(*fields))
    assert [found[subcon.name] for subcon in meant.subcons] == fields
    assert read.size == meant.sizeof()


def struct_fields(read: struct.Struct) -> list[str]:
    """Formats of the single fields: repeated letters and sized texts taken apart."""
    fields, count = [], ""
    for letter in read.format.lstrip("<"):
        if letter.isdigit():
            count += letter
            continue
        fields.extend([f"{count}s"] if letter == "s" else [letter] * int(count or 1))
        count = ""
    return fields


def test_a_footer_is_read_back_as_it_was_meant() -> None:
    data = codec.encode_footer(FOOTER)
    assert (len(data), codec.decode_footer(data)) == (magic.FOOTER_BYTES, FOOTER)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"major": 2}, UnsupportedVersionError, r"expected 1.x, found 2.0"),
        ({"major": 0}, UnsupportedVersionError, "major version"),
        ({"required_features": 4}, UnsupportedVersionError, r"features .*found 0x4"),
        ({"index_bytes": limits.MAX_INDEX_BYTES + 1}, LimitExceededError, "size of the index"),
        ({"lead_bytes": limits.MAX_LEAD_BYTES + 1}, LimitExceededError, "padding"),
        ({"index_distance": 163}, FormatError, "overlaps the footer"),
        ({"payload_distance": 171}, FormatError, "begins behind its index"),
    ],
)
def test_a_sound_footer_that_breaks_a_rule(
    changes: dict[str, int], error: type[ContainerError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        codec.decode_footer(codec.encode_footer(FOOTER._replace(**changes)))
    assert type(caught.value) is error


def test_a_later_minor_version_is_read() -> None:
    assert codec.decode_footer(codec.encode_footer(FOOTER._replace(minor=9))).minor == 9
    assert codec.decode_index(patch(DATA, 0, layout.INDEX_HEADER, minor=9)) == INDEX


@pytest.mark.parametrize("position", range(magic.FOOTER_BYTES))
def test_a_changed_byte_anywhere_in_the_footer_is_noticed(position: int) -> None:
    data = bytearray(codec.encode_footer(FOOTER))
    data[position] ^= 0x20
    kinds = (IntegrityError, NotAContainerError, UnsupportedVersionError)
    with pytest.raises(kinds) as caught:
        codec.decode_footer(bytes(data))
    assert (type(caught.value) is NotAContainerError) == (8 <= position < 16)


def test_a_footer_that_is_no_skippable_frame_is_refused() -> None:
    data = patch(codec.encode_footer(FOOTER), 0, layout.FOOTER, skippable_bytes=57)
    data = data[:-8] + digest.xxh3_64(data[:-8]).to_bytes(8, "little")
    with pytest.raises(FormatError, match="not a skippable frame"):
        codec.decode_footer(data)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_footer_of_another_size_is_none(size: int) -> None:
    with pytest.raises(NotAContainerError):
        codec.decode_footer(bytes(size))


META, COMP, FRAM = magic.METADATA_ID, magic.COMPONENTS_ID, magic.FRAMES_ID
ENTR, STRS = magic.ENTRIES_ID, magic.STRINGS_ID
STRINGS_BYTES = len(DATA) - section_offset(DATA, STRS)

Change = Callable[[bytes], bytes]


def row(section_id: bytes, number: int, **fields: int | bytes) -> Change:
    return lambda data: patch_row(data, section_id, number, **fields)


def section(section_id: bytes, **fields: int | bytes) -> Change:
    return lambda data: patch_section(data, section_id, **fields)


def header(**fields: int | bytes) -> Change:
    return lambda data: patch(data, 0, layout.INDEX_HEADER, **fields)


def cut_section(section_id: bytes) -> Change:
    """The last section shrunk by one row, and the index with it."""
    return lambda data: patch_section(
        data, section_id, section_bytes=STRINGS_BYTES - 1, row_count=STRINGS_BYTES - 1
    )


def replace_text(old: bytes, new: bytes) -> Change:
    assert len(old) == len(new)
    return lambda data: data.replace(old, new)


def wide_strings(data: bytes) -> bytes:
    """The strings as one row of all their bytes."""
    return patch_section(data, STRS, row_bytes=STRINGS_BYTES, row_count=1)


def drop_rows(data: bytes, section_id: bytes) -> bytes:
    """The index without the rows of its first section."""
    start = section_offset(data, section_id)
    size = codec.METADATA.size
    for following in magic.SECTION_IDS[1:]:
        data = patch_section(data, following, offset=section_offset(data, following) - size)
    data = patch_section(data, section_id, section_bytes=0, row_count=0)
    return data[:start] + data[start + size :]


BROKEN: list[tuple[str, Change, type[ContainerError], str]] = [
    ("empty", lambda _: b"", FormatError, "too short for an index"),
    ("magic", header(magic=b"STGX"), FormatError, "not an index"),
    ("major", header(major=2), UnsupportedVersionError, "major version"),
    ("features", header(required_features=1), UnsupportedVersionError, "features"),
    ("no sections", header(section_count=0), FormatError, "sections do not fill"),
    ("too many sections", header(section_count=65), LimitExceededError, "number of sections"),
    ("sections past the end", header(section_count=64), LimitExceededError, "number of sections"),
    ("2**32 sections", header(section_count=2**32 - 1), LimitExceededError, "number of sections"),
    ("section gap", section(COMP, offset=1), FormatError, "COMP.*do not follow"),
    ("strings of wide rows", wide_strings, FormatError, "single bytes"),
    ("section past the end", section(STRS, section_bytes=2**31), FormatError, "leaves the index"),
    ("trailing bytes", lambda data: data + b"\0", FormatError, "do not fill the index"),
    ("cut section", cut_section(STRS), FormatError, "do not fill the index"),
    ("row of no bytes", section(FRAM, row_bytes=0), FormatError, "FRAM.*rows do not fill"),
    ("row too large", section(FRAM, row_bytes=1025), FormatError, "rows do not fill"),
    ("too many rows", section(FRAM, row_count=3), FormatError, "rows do not fill"),
    ("rows too short", section(ENTR, row_bytes=24, row_count=10), FormatError, "too short"),
    ("section twice", section(COMP, id=META), FormatError, "META.*occurs twice"),
    ("unknown section", section(COMP, id=b"WHAT"), UnsupportedVersionError, "WHAT"),
    ("section missing", section(COMP, id=b"WHAT", flags=0), FormatError, "COMP.*missing"),
    ("metadata rows", lambda data: drop_rows(data, META), FormatError, "one row"),
    ("text outside", row(META, 0, version_offset=2**32 - 1), FormatError, "outside the strings"),
    ("text too long", row(COMP, 0, name_bytes=2**16 - 1), FormatError, "outside the strings"),
    ("text not UTF-8", replace_text("é".encode(), b"\xc3("), FormatError, "not UTF-8"),
    ("text a surrogate", replace_text(b"1.5.7", b"\xed\xa0\x807."), FormatError, "not UTF-8"),
    ("component kind", row(COMP, 0, kind=3), FormatError, "component 0: unknown kind"),
    ("component reserved", row(COMP, 0, reserved=1), FormatError, "reserved field"),
    ("needs itself", row(COMP, 0, needs=1), FormatError, "not before it"),
    ("needs a later one", row(COMP, 0, needs=1 << 63), FormatError, "not before it"),
    ("entry point", row(COMP, 0, entry_point=5), FormatError, "entry point is not its own"),
    ("frame reserved", row(FRAM, 1, reserved=1), FormatError, "frame 1: a reserved field"),
    ("reference kind", row(FRAM, 1, reference_kind=2), UnsupportedVersionError, "kind of ref"),
    ("kind without reference", row(FRAM, 0, reference_kind=1), FormatError, "contradict"),
    ("reference without kind", row(FRAM, 1, reference_kind=0), FormatError, "contradict"),
    ("reference to no entry", row(FRAM, 1, reference=5), FormatError, "is no entry"),
    ("filter", row(FRAM, 0, filter=1), UnsupportedVersionError, "frame 0.*filters"),
    ("setuid", row(ENTR, 1, mode=0o4755), FormatError, "entry 1: mode has more.*0o4755"),
    ("entry kind 0", row(ENTR, 2, kind=0), FormatError, "entry 2: unknown kind"),
    ("entry kind 5", row(ENTR, 2, kind=5), FormatError, "entry 2: unknown kind.*found 5"),
    ("entry reserved", row(ENTR, 4, reserved=1), FormatError, "entry 4: a reserved field"),
    ("long path", row(ENTR, 4, path_bytes=1025), LimitExceededError, "length of a path"),
    ("long link", row(ENTR, 3, link_bytes=1025), LimitExceededError, "length of a path"),
    ("far offset", row(ENTR, 1, content_offset=2**36 + 1), LimitExceededError, "extent"),
    ("far size", row(ENTR, 1, plain_bytes=2**64 - 1), LimitExceededError, "extent"),
    ("link of a file", row(ENTR, 1, link=1), FormatError, "entry 1: only a symlink"),
    ("link text of a file", row(ENTR, 1, link_bytes=1), FormatError, "entry 1: only a symlink"),
    ("link text of a hardlink", row(ENTR, 2, link_bytes=1), FormatError, "only a symlink"),
    ("hardlink to itself", row(ENTR, 2, link=2), FormatError, "entry 2: a hardlink names"),
    ("hardlink to a later one", row(ENTR, 2, link=4), FormatError, "entry 2: a hardlink names"),
    ("symlink text outside", row(ENTR, 3, link=2**32 - 1), FormatError, "outside the strings"),
]


@pytest.mark.parametrize(
    ("change", "error", "text"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_a_broken_index_has_its_error(
    change: Change, error: type[ContainerError], text: str
) -> None:
    changed = change(DATA)
    assert changed != DATA
    with pytest.raises(error, match=text) as caught:
        codec.decode_index(changed)
    assert type(caught.value) is error


def test_an_index_over_the_limit_is_refused_by_its_size() -> None:
    with pytest.raises(LimitExceededError, match="size of the index"):
        codec.decode_index(bytes(limits.MAX_INDEX_BYTES + 1))


@pytest.mark.parametrize(
    ("section_id", "limit"),
    [
        (META, 1),
        (COMP, limits.MAX_COMPONENTS),
        (FRAM, limits.MAX_FRAMES),
        (ENTR, limits.MAX_ENTRIES),
    ],
)
def test_too_many_rows_are_refused_before_one_is_read(section_id: bytes, limit: int) -> None:
    data = rows_of(section_id, limit + 1)
    with pytest.raises(LimitExceededError, match=f"number of rows.*at most {limit}"):
        codec.decode_index(data)


def rows_of(section_id: bytes, count: int) -> bytes:
    """An index of empty sections, but for one of zeroed rows."""
    offset = INDEX_HEADER.size + 5 * SECTION.size
    rows = bytes(layout.ROWS[section_id].sizeof() * count)
    table = b""
    for found in magic.SECTION_IDS:
        row_bytes = layout.ROWS[found].sizeof() if found in layout.ROWS else 1
        size = len(rows) if found == section_id else 0
        table += SECTION.pack(found, 1, offset, size, row_bytes, size // row_bytes)
        offset += size
    return INDEX_HEADER.pack(magic.INDEX_MAGIC, 1, 0, 5, 0) + table + rows


def test_rows_that_a_later_minor_version_made_longer_are_read() -> None:
    start = section_offset(DATA, ENTR)
    rows = [DATA[start + 48 * number :][:48] for number in range(5)]
    longer = b"".join(part + b"later!!!" for part in rows)
    data = patch_section(DATA, ENTR, section_bytes=5 * 56, row_bytes=56)
    data = patch_section(data, STRS, offset=section_offset(DATA, STRS) + 5 * 8)
    assert codec.decode_index(data[:start] + longer + data[start + 5 * 48 :]) == INDEX


def test_an_unknown_section_that_is_not_required_is_passed_over() -> None:
    end = section_row(DATA, STRS) + SECTION.size
    data = patch(DATA, 0, layout.INDEX_HEADER, section_count=6)
    for section_id in magic.SECTION_IDS:
        moved = section_offset(DATA, section_id) + SECTION.size
        data = patch_section(data, section_id, offset=moved)
    table_row = SECTION.pack(b"NEWS", 0, len(DATA) + SECTION.size, 3, 1, 3)
    assert codec.decode_index(data[:end] + table_row + data[end:] + b"new") == INDEX


def test_texts_that_share_bytes_are_bounded_by_their_sum() -> None:
    """A small strings section must not stand for gigabytes of paths."""
    count = limits.MAX_INDEX_BYTES // limits.MAX_PATH_BYTES + 1
    data = rows_of(ENTR, count)
    start = section_offset(data, ENTR)
    one = codec.ENTRY.pack(0, limits.MAX_PATH_BYTES, 0o644, 1, 0, 0, 0, 0, 0, bytes(16))
    data = data[:start] + one * count + b"a" * limits.MAX_PATH_BYTES
    data = patch_section(data, STRS, section_bytes=1024, row_count=1024)
    with pytest.raises(LimitExceededError, match="length of all paths"):
        codec.decode_index(data)
