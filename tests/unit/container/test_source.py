"""A file is read by descriptor, exactly, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from container.errors import TruncatedError
from container.source import FileSource


def test_bytes_are_read_at_their_offset(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with FileSource(tmp_path / "file") as source:
        assert (source.size, source.name) == (10, str(tmp_path / "file"))
        assert source.read_at(3, 4) == b"3456"
        assert source.read_at(10, 0) == b""


@pytest.mark.parametrize(
    ("offset", "size", "missing"), [(0, 11, 1), (8, 5, 3), (10, 1, 1), (99, 2, 2)]
)
def test_a_read_past_the_end_says_how_much_is_missing(
    tmp_path: Path, offset: int, size: int, missing: int
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with (
        FileSource(tmp_path / "file") as source,
        pytest.raises(TruncatedError, match=f"{tmp_path}.* {missing} bytes too early"),
    ):
        source.read_at(offset, size)


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    real, sizes = os.preadv, iter([7, 1, 30, 100])
    monkeypatch.setattr(
        os, "preadv", lambda fd, buffers, at: real(fd, [buffers[0][: next(sizes)]], at)
    )
    with FileSource(tmp_path / "file") as source:
        assert source.read_at(5, 90) == bytes(range(5, 95))


def test_an_error_of_the_device_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "file").write_bytes(b"content")
    with FileSource(tmp_path / "file") as source:
        monkeypatch.setattr(os, "preadv", fail)
        with pytest.raises(OSError, match="Input/output error") as caught:
            source.read_at(0, 1)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(tmp_path / "file"))


def make(kind: str, place: Path) -> None:
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "dangling":
        place.symlink_to("nowhere")


# A FIFO without a writer must not make the open wait.
@pytest.mark.parametrize("kind", ["missing", "fifo", "directory", "dangling"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    place = tmp_path / kind
    make(kind, place)
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the error's text is the platform's
        FileSource(place)
    assert str(caught.value.filename) == str(place)
    if before:
        assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_rename_and_an_unlink_do_not_disturb(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"old")
    with FileSource(place) as source:
        (tmp_path / "new").write_bytes(b"new")
        os.replace(tmp_path / "new", place)
        assert source.read_at(0, 3) == b"old"
        place.unlink()
        assert source.read_at(0, 3) == b"old"
