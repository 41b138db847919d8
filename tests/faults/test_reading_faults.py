"""The file under a reader fails at its n-th read, for every n: the error says where, no leak."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from container.errors import (
    ContainerError,
    IntegrityError,
    NotAContainerError,
    TruncatedError,
    UnsupportedVersionError,
)
from container.reader import open_payload
from packer.packing import prepare
from tests.support.payloads import SETTINGS, Components, extract, pack_forced, write_components
from tests.support.trees import File, Found, Hardlink, Symlink, read_tree

COMPONENTS: Components = {
    "prog": File(bytes(range(256)) * 9, 0o755),
    "tree": {
        "a": File(b"text " * 900),
        "b": File(bytes(range(255, -1, -1)) * 3),
        "copy": File(b"text " * 900),
        "hard": Hardlink("a"),
        "link": Symlink("a"),
    },
}

Preadv = Callable[[int, Sequence[Any], int], int]


def pack_with_references(root: Path) -> bytes:
    written = write_components(root, COMPONENTS)
    plan = prepare(written, SETTINGS)
    first = plan.components[0].frame_count
    forced = plan.with_references([None] * first + [0] * (len(plan.frames) - first))
    return pack_forced(forced)


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack_with_references(tmp_path_factory.mktemp("src"))


class Faulty:
    """``os.preadv`` that behaves in another way at one of its calls, counted from 0."""

    def __init__(self, at: int | None, fault: Callable[[Preadv, int, Any, int], int]) -> None:
        self.calls = 0
        self._at, self._fault, self._real = at, fault, os.preadv

    def __call__(self, descriptor: int, buffers: Any, offset: int) -> int:
        self.calls += 1
        if self.calls - 1 == self._at:
            return self._fault(self._real, descriptor, buffers, offset)
        return self._real(descriptor, buffers, offset)


def input_error(_: Preadv, __: int, ___: Any, ____: int) -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def end_of_file(_: Preadv, __: int, ___: Any, ____: int) -> int:
    return 0


def short(real: Preadv, descriptor: int, buffers: Any, offset: int) -> int:
    return real(descriptor, [buffers[0][:1]], offset)


def truncate(real: Preadv, descriptor: int, buffers: Any, offset: int) -> int:
    """Another process cuts the file in the middle of what is to be read."""
    os.truncate(f"/proc/self/fd/{descriptor}", offset + len(buffers[0]) // 2)
    return real(descriptor, buffers, offset)


def rot(real: Preadv, descriptor: int, buffers: Any, offset: int) -> int:
    """The disk gives back other bytes than were written."""
    count = real(descriptor, buffers, offset)
    buffers[0][count // 2] ^= 0x10
    return count


def read_all(place: Path, target: Path, jobs: int) -> dict[str, Found]:
    with open_payload(place) as reader:
        reader.verify()
        extract(reader, target, jobs)
    return read_tree(target)


@pytest.fixture(scope="module")
def reads(payload: bytes, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How often a file is read when all goes well."""
    root = tmp_path_factory.mktemp("count")
    (root / "payload").write_bytes(payload)
    counting = Faulty(None, short)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "preadv", counting)
        read_all(root / "payload", root / "target", 1)
    return counting.calls


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        (input_error, (OSError,)),
        (end_of_file, (TruncatedError,)),
        (rot, (IntegrityError, NotAContainerError, UnsupportedVersionError)),
        pytest.param(
            truncate,
            # Another worker may read the last page while the system clears what was cut off it.
            (TruncatedError, IntegrityError),
            marks=pytest.mark.skipif(
                not os.path.isdir("/proc/self/fd"), reason="truncates through /proc"
            ),
        ),
    ],
)
def test_every_read_may_fail(
    payload: bytes,
    reads: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Any,
    errors: tuple[type[Exception], ...],
    jobs: int,
) -> None:
    assert reads > 20
    place = tmp_path / "payload"
    before = open_descriptors()
    # The first read asks for the format of a host, of which a payload alone has none: other bytes
    # there say the same.
    for number in range(1 if fault is rot else 0, reads):
        place.write_bytes(payload)
        target = tmp_path / f"target-{number}"
        with monkeypatch.context() as patch:
            patch.setattr(os, "preadv", Faulty(number, fault))
            with pytest.raises(errors) as caught:
                read_all(place, target, jobs)
        if isinstance(caught.value, OSError):
            assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(place))
        else:
            assert isinstance(caught.value, ContainerError)
            assert str(caught.value).startswith(str(place))
    assert open_descriptors() == before


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_short_read_anywhere_is_continued(
    payload: bytes, reads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    (tmp_path / "payload").write_bytes(payload)
    wanted = read_all(tmp_path / "payload", tmp_path / "wanted", 1)
    for number in range(reads):
        with monkeypatch.context() as patch:
            patch.setattr(os, "preadv", Faulty(number, short))
            found = read_all(tmp_path / "payload", tmp_path / f"target-{number}", jobs)
        assert found == wanted
