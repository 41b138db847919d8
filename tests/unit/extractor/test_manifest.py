"""The record of an installation: read back as it was written, or not read at all."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor import manifest as records
from extractor.manifest import Manifest
from tests.support import watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLUMNS = ("paths", "modes", "inodes", "plain_bytes", "mtimes_ns", "digests")


def status(mode: int, inode: int, size: int, mtime_ns: int) -> os.stat_result:
    """As ``lstat`` gives it; the time in nanoseconds is the 16th of its fields."""
    seconds = mtime_ns // 10**9
    fields = (mode, inode, 1, 1, 0, 0, size, seconds, seconds, seconds)
    return os.stat_result(fields, {"st_mtime_ns": mtime_ns})


def record(previous: str | None = "v0.9.0-00112233", components: int = 2) -> Manifest:
    """One of everything."""
    made = Manifest()
    made.version = "1.0.0+build"
    made.platform = "linux-amd64"
    made.index_sha256 = "ab" * 32
    made.index_xxh3 = 0x0123
    made.previous = previous
    made.inode = 77
    made.components = {f"component-{number}": f"1.{number}" for number in range(components)}
    made.add("server", status(0o100755, 2**63, 5000, 1_700_000_000_123_456_789), "1f" * 16)
    made.add("runner/with two  spaces", status(0o100444, 12, 0, -1), "2f" * 16)
    made.add("runner/größe/日本", status(0o100600, 13, 2**40, 0), "3f" * 16)
    made.add("runner/link", status(0o120777, 14, 8, 5), "4f" * 16)
    made.add("runner/hollow", status(0o040750, 15, 4096, 6), None)
    return made


def values(manifest: Manifest) -> dict[str, Any]:
    # The digests first: being asked for changes how they are kept.
    return {"digests": manifest.digests} | vars(manifest)


RECORDS = {
    "usual": record(),
    "first of its home": record(previous=None),
    "no components": record(components=0),
    "nothing in it": Manifest(),
}


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_encoded_is_decoded(name: str) -> None:
    assert values(records.decode(RECORDS[name].encode())) == values(RECORDS[name])


def test_numbers_are_64_bits_in_hex_as_memory_has_them() -> None:
    lines = record().encode().decode().split("\n")
    made = record()
    assert bytes.fromhex(lines[13]) == struct.pack("=5Q", *made.modes)
    assert bytes.fromhex(lines[14]) == struct.pack("=5Q", *made.inodes)
    assert bytes.fromhex(lines[15]) == struct.pack("=5Q", *made.plain_bytes)
    assert bytes.fromhex(lines[16]) == struct.pack("=5q", *made.mtimes_ns)


@pytest.mark.parametrize("mtime_ns", [2**63, -(2**63) - 1, 2**70 + 5])
def test_a_time_that_has_no_room_becomes_another_one(mtime_ns: int) -> None:
    made = Manifest()
    made.add("server", status(0o100755, 7, 9, 0), "1f" * 16)
    made.mtimes_ns = [mtime_ns]
    found = records.decode(made.encode())
    assert len(found.mtimes_ns) == 1
    assert found.mtimes_ns != [mtime_ns]


def test_digests_can_be_added_to_a_record_that_was_read() -> None:
    found = records.decode(record().encode())
    found.add("more", status(0o100644, 16, 1, 7), "5f" * 16)
    assert found.digests == [*record().digests, "5f" * 16]
    assert values(records.decode(found.encode())) == values(found)


def test_of_a_directory_only_the_mode_counts() -> None:
    made = record()
    assert made.paths[-1] == "runner/hollow"
    assert [getattr(made, name)[-1] for name in COLUMNS[1:]] == [0o040750, 0, 0, 0, "-"]


@pytest.mark.parametrize("name", ["usual", "first of its home", "no components"])
def test_a_record_that_was_cut_anywhere_is_refused(name: str) -> None:
    data = RECORDS[name].encode()
    for size in range(len(data)):
        with pytest.raises(ValueError, match=r"\S"):
            records.decode(data[:size])


@pytest.mark.parametrize("extra", [b"\n", b"x", b"x\n", b"\0"])
def test_a_record_with_something_behind_it_is_refused(extra: bytes) -> None:
    with pytest.raises(ValueError, match="not whole"):
        records.decode(record().encode() + extra)


def replaced(line: int, text: str) -> bytes:
    lines = record().encode().decode().split("\n")
    lines[line] = text
    return "\n".join(lines).encode()


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "not text": b"\xff\xfe\x00",
    "JSON": b'{"format": 1, "files": []}',
    "line ends alone": b"\n" * 1000,
    "an older title": replaced(0, "stigmer-manifest 1"),
    "an old title": replaced(0, "stigmer-manifest 2"),
    "a newer title": replaced(0, "stigmer-manifest 4"),
    "a digest that is no number": replaced(4, "xyz"),
    "an inode that is no number": replaced(6, "one"),
    "an inode with more digits than Python reads": replaced(6, "9" * 5000),
    "components without a count": replaced(7, ""),
    "fewer components than there are": replaced(7, "1"),
    "more components than there are": replaced(7, "3"),
    "components beyond all bounds": replaced(7, "9" * 30),
    "a negative count of components": replaced(7, "-2"),
    "fewer rows than there are": replaced(12, "4"),
    "more rows than there are": replaced(12, "6"),
    "a negative count of rows": replaced(12, "-5"),
    "a mode missing": replaced(13, "ed81000000000000" * 4),
    "a mode too many": replaced(13, "ed81000000000000" * 6),
    "a part of a mode missing": replaced(13, "ed81000000000000" * 4 + "ed81"),
    "half a digit missing": replaced(13, "ed81000000000000" * 4 + "ed8100000000000"),
    "decimal modes": replaced(13, "33261 33060 33152 41471 16872"),
    "a mode that is no number": replaced(13, "ed81000000000000" * 4 + "0xed810000000000"),
    "digits of another script": replaced(13, "ed81000000000000" * 4 + "\u0661" * 16),
    "no modes": replaced(13, ""),
    "a digest missing": replaced(17, "1f 2f 3f 4f"),
    "a digest too many": replaced(17, "1f 2f 3f 4f - -"),
    "no digests": replaced(17, ""),
    "two paths on one line": replaced(18, "server\nrunner/more"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_record_that_contradicts_itself_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        records.decode(HOSTILE[name])


@given(st.data())
def test_whatever_is_changed_the_columns_stay_even_or_the_record_is_refused(
    data: st.DataObject,
) -> None:
    sound = record().encode()
    start = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(start, len(sound)))
    changed = sound[:start] + data.draw(st.binary(max_size=40)) + sound[end:]
    try:
        found = records.decode(changed)
    except ValueError:
        return
    assert len({len(getattr(found, name)) for name in COLUMNS}) == 1


def test_a_record_on_disk_knows_its_own_inode(tmp_path: Path) -> None:
    made = record()
    records.write(made, str(tmp_path))
    path = tmp_path / records.NAME
    assert made.inode == path.stat().st_ino
    found = records.read(str(tmp_path))
    assert found is not None
    assert values(found) == values(made)


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:7], at))
    records.write(record(), str(tmp_path))
    assert (tmp_path / records.NAME).read_bytes().startswith(b"stigmer-manifest 3\n1.0.0+build\n")
    assert records.read(str(tmp_path)) is not None


def test_a_short_read_is_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.write(record(), str(tmp_path))
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, size // 2, at))
    assert records.read(str(tmp_path)) is None


@pytest.mark.parametrize("stands", ["file", "link"])
def test_a_record_is_never_written_over_anything(tmp_path: Path, stands: str) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    path = tmp_path / records.NAME
    if stands == "file":
        path.write_bytes(b"mine")
    else:
        path.symlink_to("mine")
    with pytest.raises(FileExistsError):
        records.write(record(), str(tmp_path))
    assert path.read_bytes() == (tmp_path / "mine").read_bytes() == b"mine"


def replace_with_link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


def replace_with_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_with_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_with_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: os.truncate(path, 0),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "a link to a sound one": replace_with_link,
    "a directory": replace_with_directory,
    "a FIFO that nobody writes to": replace_with_fifo,
    "a loop": replace_with_loop,
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_record_that_cannot_be_read_whole_is_none_at_all(tmp_path: Path, how: str) -> None:
    records.write(record(), str(tmp_path))
    UNREADABLE[how](tmp_path / records.NAME)
    found: list[object] = []
    assert watchdog.ends(lambda: found.append(records.read(str(tmp_path)))) is None
    assert found == [None]


def test_a_version_that_is_not_there_has_no_record(tmp_path: Path) -> None:
    assert records.read(str(tmp_path / "nothing")) is None
