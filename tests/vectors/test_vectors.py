"""Golden vectors: what format 1 has been is what every reader makes of it, for ever."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from container import errors
from container.errors import ContainerError
from container.model import ENTRY_KINDS, EntryKind
from container.reader import PayloadReader, open_payload
from tests.vectors import make_vectors, minireader

HERE = Path(__file__).parent
MANIFEST = json.loads((HERE / "manifest.json").read_text("ascii"))
VECTORS: dict[str, dict[str, Any]] = {entry["file"]: entry for entry in MANIFEST["vectors"]}
GOOD = [name for name, vector in VECTORS.items() if "entries" in vector]
DEFECTIVE = [name for name in VECTORS if name not in GOOD]


def described(path: str, kind: str, mode: int, link: str, contents: bytes | None) -> dict[str, Any]:
    """As the manifest describes an entry."""
    found: dict[str, Any] = {"path": path, "kind": kind, "mode": f"{mode:03o}"}
    if link:
        found["link"] = link
    if contents is not None:
        found["size"] = len(contents)
        found["sha256"] = hashlib.sha256(contents).hexdigest()
    return found


def read_all(reader: PayloadReader) -> list[dict[str, Any]]:
    found = []
    for entry in reader.index.entries:
        contents = None
        if entry.kind in (EntryKind.FILE, EntryKind.HARDLINK):
            contents = b"".join(map(bytes, reader.read_entry(entry)))
            assert len(contents) == entry.plain_bytes
        kind = ENTRY_KINDS[entry.kind]
        found.append(described(entry.path, kind, entry.mode, entry.link, contents))
    return found


def error_class(name: str) -> type[ContainerError]:
    found = getattr(errors, name)
    assert isinstance(found, type)
    assert issubclass(found, ContainerError)
    return found


def test_manifest_and_files_are_the_same() -> None:
    assert sorted(VECTORS) == sorted(path.name for path in HERE.glob("*.payload"))
    assert len(VECTORS) == len(MANIFEST["vectors"])
    for name, vector in VECTORS.items():
        data = (HERE / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == vector["sha256"], f"{name} was changed"
        assert vector["provenance"]


@pytest.mark.parametrize("name", GOOD)
def test_the_reader_reads(name: str) -> None:
    vector = VECTORS[name]
    with open_payload(HERE / name, bytes.fromhex(vector["index_sha256"])) as reader:
        assert read_all(reader) == vector["entries"]
        reader.verify()


@pytest.mark.parametrize("name", GOOD)
def test_an_independent_reader_reads_the_same(name: str) -> None:
    vector = VECTORS[name]
    items = minireader.read((HERE / name).read_bytes(), bytes.fromhex(vector["index_sha256"]))
    found = [
        described(
            item.path,
            item.kind,
            item.mode,
            item.link,
            item.contents if item.kind in ("file", "hardlink") else None,
        )
        for item in items
    ]
    assert found == vector["entries"]


@pytest.mark.parametrize("name", DEFECTIVE)
def test_a_defect_is_refused(name: str) -> None:
    vector = VECTORS[name]
    error = error_class(vector["error"])
    if vector["noticed_by"] == "open":
        with pytest.raises(error) as caught:
            open_payload(HERE / name)
    else:
        with open_payload(HERE / name) as reader:
            if vector["noticed_by"] == "extract":
                with pytest.raises(error):
                    read_all(reader)
            else:
                read_all(reader)
            with pytest.raises(error) as caught:
                reader.verify()
    # Not a subclass: each defect has the class that its section of FORMAT.md says.
    assert type(caught.value) is error
    assert name in str(caught.value)


def test_an_independent_reader_notices_what_sha256_notices() -> None:
    for name in DEFECTIVE:
        if VECTORS[name]["noticed_by"] == "verify":
            with pytest.raises(minireader.Unreadable, match="SHA-256"):
                minireader.read((HERE / name).read_bytes())


def test_the_independent_reader_is_independent() -> None:
    source = (HERE / "minireader.py").read_text("utf-8")
    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
    assert imported == {"__future__", "hashlib", "struct", "typing", "zstandard"}


def test_every_error_of_reading_has_a_vector() -> None:
    reading = {
        error.__name__
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, ContainerError)
        and 10 <= error.exit_code <= 16
    }
    # A file that is cut has no footer at its end, or begins too late: a payload cannot be
    # truncated at rest. TruncatedError tells of a file that shrinks while it is read.
    assert {VECTORS[name]["error"] for name in DEFECTIVE} == reading - {"TruncatedError"}


def test_they_are_small() -> None:
    sizes = [path.stat().st_size for path in HERE.glob("*.payload")]
    assert max(sizes) < 20_000
    assert sum(sizes) < 100_000


def test_the_packer_still_makes_them(tmp_path: Path) -> None:
    make_vectors.write_vectors(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text("ascii"))
    if manifest["zstd_version"] == MANIFEST["zstd_version"]:
        assert manifest == MANIFEST
        for name in VECTORS:
            assert (tmp_path / name).read_bytes() == (HERE / name).read_bytes()
    # Another libzstd writes other frames. What they mean is the same all the same.
    for new in manifest["vectors"]:
        old = VECTORS[new["file"]]
        for key in ("provenance", "entries", "error", "noticed_by"):
            assert new.get(key) == old.get(key)
