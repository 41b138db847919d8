"""The complete payload of FORMAT.md section 14: read, written, and every byte explained."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from construct import Struct

from container import layout, magic
from container.model import Index, Metadata
from container.reader import open_payload
from packer import writer
from packer.packing import prepare
from packer.sources import ComponentSource
from packer.writer import Settings, write_payload
from tests.spec import document

LINE_BYTES = 16
LINE = re.compile(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: +\| ?(.*))?")
CONTENT = b"hi\n"
SETTINGS = Settings("1", "linux-amd64", 19, 16 << 20, 1)
ZSTD_VERSION = "1.5.7"


def documented() -> tuple[bytes, list[tuple[int, str]]]:
    """The bytes of the hexdump, and the offset and text of each explained run."""
    data = bytearray()
    explained: list[tuple[int, str]] = []
    for line in document.fenced("hexdump").splitlines():
        match = LINE.fullmatch(line)
        assert match is not None, f"not a line of the hexdump: {line!r}"
        assert int(match.group(1), 16) == len(data), f"wrong offset: {line!r}"
        if match.group(3):
            explained.append((len(data), match.group(3)))
        data += bytes.fromhex(match.group(2))
    return bytes(data), explained


def runs(payload: bytes, frame_bytes: int) -> Iterator[tuple[str, int]]:
    """Name and size of each run of bytes, by the definitions of layout."""
    # RFC 8878 section 3.1.1: the only structure here that layout does not define.
    yield "zstd.magic", 4
    yield "zstd.frame_header_descriptor", 1
    yield "zstd.frame_content_size", 1
    yield "zstd.block_header", 3
    yield "zstd.block_content", frame_bytes - 9
    yield "skippable.magic", 4
    yield "skippable.bytes", 4
    index = payload[frame_bytes + magic.SKIPPABLE_HEADER_BYTES : -magic.FOOTER_BYTES]
    parsed = layout.INDEX.parse(index)
    yield from fields("index", layout.INDEX_HEADER)
    for section in parsed.sections:
        yield from fields(f"section[{section.id.decode()}]", layout.SECTION)
    for section in parsed.sections:
        name = section.id.decode()
        if section.id in layout.ROWS:
            for number in range(section.row_count):
                yield from fields(f"{name}[{number}]", layout.ROWS[section.id])
        else:
            yield name, section.section_bytes
    yield from fields("footer", layout.FOOTER)


def fields(prefix: str, structure: Struct) -> Iterator[tuple[str, int]]:
    for field in structure.subcons:
        yield f"{prefix}.{field.name}", field.sizeof()


def annotate(payload: bytes, frame_bytes: int, meanings: dict[str, str]) -> str:
    """The hexdump as it has to be; meanings are kept where there are some."""
    lines = []
    offset = 0
    for name, size in runs(payload, frame_bytes):
        value = payload[offset : offset + size]
        for start in range(0, size, LINE_BYTES):
            part = value[start : start + LINE_BYTES].hex(" ")
            line = f"{offset + start:04x}  {part}"
            if start == 0:
                text = meanings.get(name) or str(int.from_bytes(value, "little"))
                line = f"{line:<54}| {name}: {text}"
            lines.append(line)
        offset += size
    return "\n".join(lines)


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    path = tmp_path / "documented.payload"
    path.write_bytes(documented()[0])
    return path


def test_the_reader_opens_it(payload: Path) -> None:
    with open_payload(payload) as reader:
        reader.verify()
        assert f"is `{reader.index_sha256.hex()}`" in document.text()
        index: Index = reader.index
        assert index.metadata == Metadata("1", "linux-amd64", ZSTD_VERSION, 19, 16 << 20)
        (component,), (entry,) = index.components, index.entries
        assert (component.name, component.version) == ("hi", "1")
        assert component.entry_point == 0
        assert (entry.path, entry.mode, entry.plain_bytes) == ("hi", 0o755, 3)
        assert b"".join(map(bytes, reader.read_entry(entry))) == CONTENT


def test_the_packer_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "hi"
    program.write_bytes(CONTENT)
    program.chmod(0o755)
    # The only byte of this payload that depends on libzstd is the record of its version: blocks
    # of less than 7 bytes are stored as they are, whatever the version and level.
    monkeypatch.setattr(writer, "zstd_version", lambda: ZSTD_VERSION)
    written = io.BytesIO()
    write_payload(written, prepare([ComponentSource("hi", "1", program)], SETTINGS), SETTINGS)
    assert written.getvalue().hex(" ") == documented()[0].hex(" ")


def test_its_frame_holds_the_bytes_as_they_are() -> None:
    stored = documented()[0][:12]
    # Single segment, content size in 1 byte; one last block, raw.
    assert stored == b"\x28\xb5\x2f\xfd\x20\x03" + (1 | 3 << 3).to_bytes(3, "little") + CONTENT
    assert zstandard.ZstdDecompressor().decompress(stored) == CONTENT


def test_every_byte_is_explained(payload: Path) -> None:
    data, explained = documented()
    with open_payload(payload) as reader:
        frame_bytes = reader.index.frames[0].stored_bytes
    meanings = dict(text.split(": ", 1) for _, text in explained)
    assert document.fenced("hexdump") == annotate(data, frame_bytes, meanings) + "\n"
    offsets = {text.split(":", 1)[0]: offset for offset, text in explained}
    offset = 0
    for name, size in runs(data, frame_bytes):
        assert offsets.pop(name) == offset
        number = re.match(r"(0x[0-9a-f]+|\d+)\b", meanings[name])
        if number is not None:
            assert int(number.group(), 0) == int.from_bytes(data[offset : offset + size], "little")
        offset += size
    assert offset == len(data)
    assert not offsets
