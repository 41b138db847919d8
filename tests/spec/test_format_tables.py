"""Tables of FORMAT.md, the definitions of layout, and the formats of codec say the same."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from construct import Bytes, Const, FormatField, Renamed, Struct

from container import codec, layout, limits, magic, model
from container.invariants import EMPTY_XXH3_128
from container.sections import INDEX_HEADER, SECTION
from tests.spec import document

STRUCTURE_HEADER = ("offset", "size", "type", "field", "meaning")
REPOSITORY = Path(__file__).resolve().parents[2]

# The skippable header belongs to zstd: codec writes it, layout does not define it.
STRUCTURES: dict[str, tuple[Struct | None, struct.Struct]] = {
    "Footer": (layout.FOOTER, codec.FOOTER),
    "Skippable header": (None, codec.SKIPPABLE_HEADER),
    "Index header": (layout.INDEX_HEADER, INDEX_HEADER),
    "Section row": (layout.SECTION, SECTION),
    "Metadata row": (layout.METADATA, codec.METADATA),
    "Component row": (layout.COMPONENT, codec.COMPONENT),
    "Frame row": (layout.FRAME, codec.FRAME),
    "Entry row": (layout.ENTRY, codec.ENTRY),
}
# construct writes "L" where struct writes "I": both are 4 bytes in little endian.
INTEGERS = {"B": "u8", "H": "u16", "h": "i16", "I": "u32", "L": "u32", "Q": "u64"}
SIZES = {"u8": 1, "u16": 2, "i16": 2, "u32": 4, "u64": 8}


def structures() -> dict[str, tuple[int, list[tuple[str, ...]]]]:
    """Size and rows of each structure of the document, by name."""
    found = {}
    for table in document.tables_with(*STRUCTURE_HEADER):
        caption = re.fullmatch(r"\*\*(.+)\*\*, (\d+) bytes:", table.caption)
        assert caption is not None, f"a structure without a caption in section {table.section}"
        found[caption.group(1)] = int(caption.group(2)), list(table.rows)
    return found


def size_of(type_name: str) -> int:
    array = re.fullmatch(r"bytes\[(\d+)\]", type_name)
    return int(array.group(1)) if array else SIZES[type_name]


def construct_field(field: Renamed) -> tuple[str, str]:
    """Name and type of a field, as the document writes them."""
    kind: Any = field.subcon
    if isinstance(kind, Const):
        kind = kind.subcon
    if isinstance(kind, Bytes):
        return field.name, f"bytes[{kind.length}]"
    assert isinstance(kind, FormatField)
    order, letter = kind.fmtstr
    assert order == "<", f"{field.name} is not little endian"
    return field.name, INTEGERS[letter]


def struct_types(format_: str) -> list[str]:
    assert format_[0] == "<"
    return [
        f"bytes[{count}]" if letter == "s" else INTEGERS[letter]
        for count, letter in re.findall(r"(\d*)([a-zA-Z])", format_)
    ]


def test_every_structure_of_the_code_is_in_the_document() -> None:
    assert set(structures()) == set(STRUCTURES)
    defined = {name for name, value in vars(layout).items() if isinstance(value, Struct)}
    covered = {
        name
        for name, value in vars(layout).items()
        if any(value is definition for definition, _ in STRUCTURES.values())
    }
    # INDEX is header and section table together, no structure of its own.
    assert defined - covered == {"INDEX"}


@pytest.mark.parametrize("name", STRUCTURES)
def test_offsets_add_up(name: str) -> None:
    size, rows = structures()[name]
    offset = 0
    for row_offset, row_size, type_name, field, _ in rows:
        assert int(row_offset) == offset, field
        assert int(row_size) == size_of(type_name), field
        offset += int(row_size)
    assert offset == size


@pytest.mark.parametrize("name", [name for name in STRUCTURES if STRUCTURES[name][0] is not None])
def test_layout_has_the_fields_of_the_table(name: str) -> None:
    definition, _ = STRUCTURES[name]
    assert definition is not None
    _, rows = structures()[name]
    assert [construct_field(field) for field in definition.subcons] == [
        (field.strip("`"), type_name) for _, _, type_name, field, _ in rows
    ]
    assert definition.sizeof() == structures()[name][0]


@pytest.mark.parametrize("name", STRUCTURES)
def test_codec_has_the_types_of_the_table(name: str) -> None:
    _, format_ = STRUCTURES[name]
    size, rows = structures()[name]
    assert struct_types(format_.format) == [type_name for _, _, type_name, _, _ in rows]
    assert format_.size == size


def test_reserved_fields_are_zero_constants() -> None:
    for definition, _ in STRUCTURES.values():
        for field in definition.subcons if definition is not None else ():
            if field.name == "reserved":
                assert isinstance(field.subcon, Const)
                assert field.subcon.value == 0


def test_limits_are_those_of_the_code() -> None:
    (table,) = document.tables_with("limit", "value", "meaning")
    documented = {row[0].strip("`"): int(row[1].replace(",", "")) for row in table.rows}
    assert documented == {
        name: value for name, value in vars(limits).items() if name.startswith("MAX_")
    }


def test_constants_are_those_of_the_code() -> None:
    (table,) = document.tables_with("constant", "value", "meaning")
    documented: dict[str, int | bytes] = {}
    for name, value, _ in table.rows:
        quoted = value.startswith("`")
        documented[name.strip("`")] = (
            bytes.fromhex(value.strip("`")) if quoted else int(value, base=0)
        )
    assert documented == {
        name: value
        for name, value in vars(magic).items()
        if name.isupper() and isinstance(value, int | bytes)
    }


def test_sections_are_those_of_the_code() -> None:
    (table,) = document.tables_with("id", "section", "row")
    assert tuple(row[0].strip("`").encode() for row in table.rows) == magic.SECTION_IDS


def test_enumerations_are_those_of_the_code() -> None:
    documented = {
        table.header[1]: {row[1].strip("`"): int(row[0]) for row in table.rows}
        for table in document.tables()
        if table.header[0] == "value"
    }
    assert documented == {
        name: {member: number for member, number in vars(value).items() if member.isupper()}
        for name, value in vars(model).items()
        if isinstance(value, type) and any(map(str.isupper, vars(value)))
    }


def test_every_kind_has_the_name_of_its_constant() -> None:
    for kinds, names in (
        (model.ComponentKind, model.COMPONENT_KINDS),
        (model.EntryKind, model.ENTRY_KINDS),
    ):
        constants = {name: number for name, number in vars(kinds).items() if name.isupper()}
        assert {name.upper(): number for number, name in names.items()} == constants


def test_platforms_are_those_of_the_code() -> None:
    (line,) = re.findall(r"^Platforms: (.*)\.$", document.text(), re.MULTILINE)
    assert tuple(re.findall(r"`([^`]+)`", line)) == model.PLATFORMS


def test_the_digest_of_no_bytes_is_that_of_the_code() -> None:
    assert f"`{EMPTY_XXH3_128.hex()}`" in document.text()


def test_history_ends_with_the_version_of_the_code() -> None:
    (table,) = document.tables_with("version", "what changed")
    assert table.rows[-1][0] == f"{magic.FORMAT_MAJOR}.{magic.FORMAT_MINOR}"


def test_sections_that_the_code_refers_to_exist() -> None:
    headings = set(re.findall(r"^#+ (\d+(?:\.\d+)?) ", document.text(), re.MULTILINE))
    # Docstrings of the code, and the document's own cross references but those to the RFC.
    sources = {
        path.name: path.read_text(encoding="utf-8")
        for package in ("container", "packer", "extractor")
        for path in sorted((REPOSITORY / package).glob("*.py"))
    }
    referred = {
        (name, number)
        for name, source in sources.items()
        for numbers in re.findall(r"FORMAT\.md,? sections? ([\d.]+\d|\d)(?: to (\d+))?", source)
        for number in filter(None, numbers)
    }
    referred |= {
        ("FORMAT.md", number)
        for number in re.findall(r"(?<!8878 )section (\d+(?:\.\d+)?)", document.text())
    }
    assert len(referred) > 20, "the references were not found"
    assert {(name, number) for name, number in referred if number not in headings} == set()
    assert [f"{number}" for number in range(1, 16)] == sorted(
        (number for number in headings if "." not in number), key=int
    )
