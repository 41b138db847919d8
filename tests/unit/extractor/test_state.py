"""What an installed version is made of, and whether it still is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from extractor import state
from tests.support.payloads import extract
from tests.support.samples import open_product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from container.reader import PayloadReader


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[PayloadReader]:
    with open_product(tmp_path / "payload") as opened:
        yield opened


@pytest.fixture
def root(tmp_path: Path, reader: PayloadReader) -> Path:
    """Extracted, and with a record."""
    place = tmp_path / "root"
    extract(reader, place)
    state.write(state.record(reader, str(place)), str(place))
    return place


def test_a_record_reads_back_as_it_was_written(root: Path, reader: PayloadReader) -> None:
    manifest = state.read(str(root))
    assert manifest == state.record(reader, str(root))
    assert manifest is not None
    assert manifest.version == "1.0.0"
    assert manifest.index_sha256 == reader.index_sha256.hex()
    assert manifest.components == {"server": "1.0.0", "runner": "1.0.0"}
    assert {path for path, *_ in manifest.files} == {
        place.relative_to(root).as_posix()
        for place in root.rglob("*")
        if place.is_symlink() or not place.is_dir()
    } - {state.MANIFEST_NAME}
    assert state.damaged(manifest, str(root)) == []


def test_a_record_is_never_written_over_another(root: Path, reader: PayloadReader) -> None:
    before = (root / state.MANIFEST_NAME).read_bytes()
    with pytest.raises(FileExistsError):
        state.write(state.record(reader, str(root)), str(root))
    assert (root / state.MANIFEST_NAME).read_bytes() == before


def test_a_record_of_files_that_are_not_there_cannot_be_made(
    root: Path, reader: PayloadReader
) -> None:
    (root / "server").unlink()
    with pytest.raises(FileNotFoundError):
        state.record(reader, str(root))


def replace_with_the_same(path: Path) -> None:
    status = path.stat()
    path.rename(path.with_name("aside"))
    path.write_bytes(path.with_name("aside").read_bytes())
    path.chmod(status.st_mode & 0o777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def overwrite_in_place(path: Path) -> None:
    """Same size and inode; only the time tells."""
    status = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"\0")
    # At least one tick of any file system's clock.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def replace_with_link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


def replace_with_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_with_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "truncated": lambda path: os.truncate(path, 10),
    "longer": lambda path: os.truncate(path, 10_000),
    "touched": lambda path: os.utime(path, ns=(1, 1)),
    "written to": overwrite_in_place,
    "replaced by a copy": replace_with_the_same,
    "replaced by a link to itself": replace_with_link,
    "another mode": lambda path: path.chmod(0o700),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("path", ["server", "runner/lib/first.so"])
def test_damage_to_a_file_is_found_without_reading_it(root: Path, path: str, damage: str) -> None:
    manifest = state.read(str(root))
    assert manifest is not None
    DAMAGES[damage](root / path)
    assert state.damaged(manifest, str(root)) == [path]


def test_another_target_of_a_symlink_is_found(root: Path) -> None:
    manifest = state.read(str(root))
    assert manifest is not None
    link = root / "runner/lib/link.so"
    link.unlink()
    link.symlink_to("same.so")
    assert state.damaged(manifest, str(root)) == ["runner/lib/link.so"]


def test_a_missing_directory_is_found_by_what_was_in_it(root: Path) -> None:
    manifest = state.read(str(root))
    assert manifest is not None
    (root / "runner/data").rename(root / "elsewhere")
    assert state.damaged(manifest, str(root)) == ["runner/data/empty", "runner/data/small"]


def test_every_damaged_file_is_listed(root: Path) -> None:
    manifest = state.read(str(root))
    assert manifest is not None
    (root / "server").unlink()
    os.truncate(root / "runner/lib/same.so", 0)
    assert state.damaged(manifest, str(root)) == ["server", "runner/lib/same.so"]


def changed(**fields: Any) -> Callable[[Path], object]:
    """Fields of the record replaced, or removed where the value is None."""

    def change(path: Path) -> None:
        table = json.loads(path.read_bytes()) | fields
        path.write_text(json.dumps({k: v for k, v in table.items() if v is not None}))

    return change


BAD_RECORDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 5),
    "not text": lambda path: path.write_bytes(b"\xff\xfe{}"),
    "not JSON": lambda path: path.write_bytes(b"version = 1"),
    "nested without end": lambda path: path.write_bytes(b"[" * 100_000),
    "another shape": lambda path: path.write_bytes(b"[]"),
    "null": lambda path: path.write_bytes(b"null"),
    "a newer format": changed(format=2),
    "no format": changed(format=None),
    "an unknown field": changed(color="blue"),
    "a missing field": changed(files=None),
    "files are no list": changed(files=5),
    "files are an object": changed(files={"server": 1}),
    "a file is no list": changed(files=[7]),
    "a file is empty": changed(files=[[]]),
    "a path is no text": changed(files=[[1, 2, 3, 4, 5]]),
    "a path has a zero byte": changed(files=[["a\0b", 2, 3, 4, 5]]),
    "a directory": replace_with_directory,
    "a loop": replace_with_loop,
}


@pytest.mark.parametrize("how", BAD_RECORDS)
def test_a_record_that_cannot_be_trusted_is_none_at_all(root: Path, how: str) -> None:
    BAD_RECORDS[how](root / state.MANIFEST_NAME)
    manifest = state.read(str(root))
    assert manifest is None or state.damaged(manifest, str(root))


def test_a_version_that_is_not_there_has_no_record(tmp_path: Path) -> None:
    assert state.read(str(tmp_path / "nothing")) is None
