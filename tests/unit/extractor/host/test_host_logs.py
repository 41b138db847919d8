from __future__ import annotations

import os
import shutil
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from extractor.host import logs

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str) -> None:
    descriptor = logs.opened(str(path))
    os.write(descriptor, text.encode())
    os.close(descriptor)


def test_a_log_that_is_short_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    logs.shorten(str(path))
    write(path, "one\n")
    write(path, "two\n")
    logs.shorten(str(path))
    assert path.read_text() == "one\ntwo\n"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_is_too_long_is_moved_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 9)
    path = tmp_path / "a.log"
    descriptor = logs.opened(str(path))
    for number in range(6):
        os.write(descriptor, f"a line, {number}\n".encode())
        logs.shorten(str(path))
    os.write(descriptor, b"last\n")
    os.close(descriptor)
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {
        "a.log": "last\n",
        "a.log.1": "a line, 5\n",
        "a.log.2": "a line, 4\n",
        "a.log.3": "a line, 3\n",
    }


def test_a_full_disk_gets_room_and_not_a_part_of_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: str, target: str) -> None:
        del source
        with open(target, "w") as stream:
            stream.write("a par")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logs, "MAX_BYTES", 10)
    monkeypatch.setattr(shutil, "copyfile", fail)
    path = tmp_path / "a.log"
    path.write_text("more than ten bytes\n")
    logs.shorten(str(path))
    assert path.read_text() == ""
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("count", [0, 1, 5, 3000, 6000])
def test_the_end_of_a_log(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.log"
    lines = [f"line {number}" for number in range(5000)]
    path.write_text("\n".join(lines) + "\n")
    assert list(logs.tail(str(path), count)) == (lines[-count:] if count else [])
    path.write_text("\n".join(lines))
    assert list(logs.tail(str(path), count)) == (lines[-count:] if count else [])


def test_a_log_that_is_not_there_has_no_end(tmp_path: Path) -> None:
    assert logs.tail(str(tmp_path / "a.log"), 10) == ()


def test_logs_are_followed_from_their_end_and_through_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10)
    a, b = tmp_path / "a.log", tmp_path / "b.log"
    write(a, "before, and a long line\n")
    coming = logs.Follower({"a": str(a), "b": str(b)}).lines()
    write(a, "one\ntwo, in ")
    assert next(coming) == ("a", "one")
    write(a, "parts\nlast\n")
    logs.shorten(str(a))
    write(a, "after the cut\n")
    write(b, "another\n")
    found = list(islice(coming, 4))
    assert [line for name, line in found if name == "a"] == [
        "two, in parts",
        "last",
        "after the cut",
    ]
    assert [line for name, line in found if name == "b"] == ["another"]


def test_a_cut_whose_copy_is_lost_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "what was there before\n")
    coming = logs.Follower({"a": str(path)}).lines()
    os.truncate(path, 0)
    write(path, "after\n")
    assert next(coming) == ("a", "after")
