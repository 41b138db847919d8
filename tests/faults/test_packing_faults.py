"""Packing fails at every step in turn: an error that says where, and nothing is left behind."""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from container.errors import SourceChangedError
from packer import sources
from packer.embed import embed, publish, strip, write_alone
from packer.packing import prepare
from packer.plan import Plan
from packer.sources import ComponentSource, SourceFile
from tests.support import payloads
from tests.support.payloads import Components, write_components
from tests.support.trees import File

SETTINGS = payloads.SETTINGS._replace(frame_bytes=8192)
REPOSITORY = Path(__file__).resolve().parents[2]
COMPONENTS: Components = {
    "prog": File(bytes(range(256)) * 20, 0o755),
    "tree": {f"f{number}": File(os.fsencode(f"{number} ") * 3000) for number in range(5)},
}
HOST = b"#!/bin/sh\n" + bytes(9000)
OLD = {"output": b"the old output"}


@pytest.fixture
def components(tmp_path: Path) -> list[ComponentSource]:
    return write_components(tmp_path / "src", COMPONENTS)


@pytest.fixture
def plan(components: list[ComponentSource]) -> Plan:
    return prepare(components, SETTINGS)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A directory with an output of earlier times, and nothing else."""
    place = tmp_path / "out"
    place.mkdir()
    (place / "output").write_bytes(OLD["output"])
    return place


def left(out: Path) -> dict[str, bytes]:
    return {place.name: place.read_bytes() for place in out.iterdir()}


def pack(tmp_path: Path, out: Path, plan: Plan) -> None:
    host = tmp_path / "host"
    host.write_bytes(HOST)
    embed(host, out / "output", plan, SETTINGS)


class FaultyFile(io.FileIO):
    """The output as the kernel sees it; one of its writes fails."""

    writes = 0
    fails_at: int | None = None
    error: BaseException = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: Any) -> int:
        FaultyFile.writes += 1
        if FaultyFile.writes - 1 == self.fails_at:
            raise self.error
        return super().write(data)


def count_writes(monkeypatch: pytest.MonkeyPatch, at: int | None, error: BaseException) -> None:
    monkeypatch.setattr(FaultyFile, "writes", 0)
    monkeypatch.setattr(FaultyFile, "fails_at", at)
    monkeypatch.setattr(FaultyFile, "error", error)
    monkeypatch.setattr(
        publish,
        "open",
        lambda descriptor, _mode: io.BufferedRandom(FaultyFile(descriptor, "w+b"), 64),
        raising=False,
    )


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("error", [failure(errno.ENOSPC), failure(errno.EIO), KeyboardInterrupt()])
def test_every_write_may_fail(
    tmp_path: Path, out: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    count_writes(monkeypatch, None, error)
    pack(tmp_path, tmp_path, plan)
    writes = FaultyFile.writes
    assert writes >= 5
    before = len(os.listdir("/dev/fd"))
    for number in range(writes):
        count_writes(monkeypatch, number, error)
        with pytest.raises(type(error)) as caught:
            pack(tmp_path, out, plan)
        if isinstance(caught.value, OSError) and isinstance(error, OSError):
            assert caught.value.errno == error.errno
            assert caught.value.filename == str(out / "output")
        assert left(out) == OLD
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("step", ["fchmod", "fsync", "replace", "preadv", "dup"])
def test_every_step_behind_the_writes_may_fail(
    tmp_path: Path, out: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    pack(tmp_path, tmp_path, plan)
    calls = 0

    def fail(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise failure(errno.EIO)

    monkeypatch.setattr(os, step, fail)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(OSError, match="Input/output error") as caught:
        write_alone(out / "output", plan, SETTINGS)
    assert (calls, caught.value.filename) == (1, str(out / "output"))
    assert left(out) == OLD
    assert len(os.listdir("/dev/fd")) == before


def test_stripping_leaves_nothing_behind_either(
    tmp_path: Path, out: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(tmp_path, tmp_path, plan)
    count_writes(monkeypatch, 0, failure(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as caught:
        strip(tmp_path / "output", out / "output")
    assert caught.value.filename == str(out / "output")
    assert left(out) == OLD


# Packs into its last argument with files bounded by the kernel, and says what it caught.
BOUNDED = """
import resource, sys
from pathlib import Path
from packer.embed import write_alone
from packer.packing import prepare
from packer.sources import ComponentSource
from packer.writer import Settings

source, output = map(Path, sys.argv[1:])
settings = Settings("1.0.0", "linux-amd64", 1, 65536, 2)
plan = prepare([ComponentSource("prog", "1", source)], settings)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_alone(output, plan, settings)
except OSError as error:
    print(error.strerror, error.filename)
"""


def test_a_file_that_the_kernel_lets_grow_no_further(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "prog"
    source.write_bytes(os.urandom(400_000))
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, source, out / "output"],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == f"{os.strerror(errno.EFBIG)} {out / 'output'}\n"
    assert left(out) == OLD


class FaultySource(io.FileIO):
    """A source of which one read fails, counted over all of them."""

    reads = 0
    fails_at: int | None = None

    def read(self, size: int | None = -1) -> bytes:
        FaultySource.reads += 1
        if FaultySource.reads - 1 == self.fails_at:
            raise failure(errno.EIO)
        return super().read(size) or b""


def test_every_read_of_a_source_may_fail(
    out: Path, components: list[ComponentSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> None:
        write_alone(out / "output", prepare(components, SETTINGS), SETTINGS)

    def faulty(path: Path, _mode: str, buffering: int, opener: Any) -> FaultySource:
        assert buffering == 0
        return FaultySource(path, opener=opener)

    monkeypatch.setattr(sources, "open", faulty, raising=False)
    monkeypatch.setattr(FaultySource, "reads", 0)
    write_alone(out / "output", prepare(components, SETTINGS), SETTINGS)
    reads = FaultySource.reads
    (out / "output").write_bytes(OLD["output"])
    assert reads >= 12
    for number in range(reads):
        monkeypatch.setattr(FaultySource, "reads", 0)
        monkeypatch.setattr(FaultySource, "fails_at", number)
        with pytest.raises(OSError, match="Input/output error") as caught:
            build()
        assert caught.value.filename.startswith(str(components[0].path.parent))
        assert left(out) == OLD


def rewrite(place: Path) -> None:
    """Other bytes of the same size, at what looks like the same time."""
    status = place.stat()
    place.write_bytes(bytes(status.st_size))
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert place.stat().st_mtime_ns == status.st_mtime_ns


def grow(place: Path) -> None:
    with open(place, "ab") as stream:
        stream.write(b"more")


def replace(place: Path) -> None:
    (place.parent / "new").write_bytes(bytes(place.stat().st_size))
    os.replace(place.parent / "new", place)


@pytest.mark.parametrize("file", ["prog", "tree/f3"])
@pytest.mark.parametrize(
    ("change", "checked"),
    [(rewrite, True), (grow, True), (replace, True), (rewrite, False), (replace, False)],
)
def test_a_source_that_changes_between_the_passes_is_told(
    tmp_path: Path,
    out: Path,
    components: list[ComponentSource],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    checked: bool,
    file: str,
) -> None:
    """By its fingerprint, and where that shows nothing by its digest."""
    plan = prepare(components, SETTINGS)
    change(tmp_path / "src" / file)
    if not checked:
        # As on a file system whose times are too coarse to show it.
        monkeypatch.setattr(SourceFile, "check", lambda *_: None)
    with pytest.raises(SourceChangedError) as caught:
        write_alone(out / "output", plan, SETTINGS)
    assert file.rpartition("/")[2] in str(caught.value)
    assert left(out) == OLD
