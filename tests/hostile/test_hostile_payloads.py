"""Payloads with right digests and bad intentions: each has its error, and costs little."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from container import limits
from container.errors import ContainerError
from container.reader import PayloadReader
from tests.support.hostile import Hostile, all_of_them, with_files
from tests.support.payloads import MemorySource, extract, file_entry, symlink_entry

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTILE = all_of_them()
NAMES = [ascii(hostile.name) for hostile in HOSTILE]

# Of the reader's own bookkeeping; a frame and its buffer do not count here.
_MOST_TRACED_BYTES = 1 << 20


def test_no_two_are_the_same() -> None:
    assert len({hostile.payload for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("hostile", HOSTILE, ids=NAMES)
def test_it_has_its_error_and_writes_nothing_outside(hostile: Hostile, tmp_path: Path) -> None:
    source = MemorySource(hostile.payload, "the-file")
    target = tmp_path / "target"
    if hostile.opens:
        reader = PayloadReader(source)
        with pytest.raises(hostile.error, match=hostile.text):
            reader.verify()
        with pytest.raises(hostile.error, match=hostile.text) as caught:
            extract(reader, target, jobs=2)
        assert os.listdir(tmp_path) == ["target"]
    else:
        with pytest.raises(hostile.error, match=hostile.text) as caught:
            PayloadReader(source)
    assert type(caught.value) is hostile.error
    assert str(caught.value).startswith("the-file: ")


SMALL = [hostile for hostile in HOSTILE if not hostile.opens and len(hostile.payload) < 1 << 20]


@pytest.mark.parametrize("hostile", SMALL, ids=[ascii(hostile.name) for hostile in SMALL])
def test_refusing_it_allocates_little(hostile: Hostile) -> None:
    source = MemorySource(hostile.payload)
    tracemalloc.start()
    try:
        with pytest.raises(ContainerError):
            PayloadReader(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < _MOST_TRACED_BYTES + 8 * len(hostile.payload)


# Given payloads on its command line; says how each ended, with little address space to be had.
READ = """
import resource, sys, tempfile
from pathlib import Path
from container.errors import ContainerError
from container.reader import open_payload
from tests.support.payloads import extract

# What is mapped already, and 256 MiB more.
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (256 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        with open_payload(path) as reader, tempfile.TemporaryDirectory() as target:
            extract(reader, Path(target, "target"), 1)
        print("extracted")
    except ContainerError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to RLIMIT_AS")
def test_all_of_them_together_fit_into_a_little_address_space(tmp_path: Path) -> None:
    for number, hostile in enumerate(HOSTILE):
        (tmp_path / f"{number:03}").write_bytes(hostile.payload)
    done = subprocess.run(
        [sys.executable, "-c", READ, *sorted(map(str, tmp_path.iterdir()))],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.stdout.split() == [hostile.error.__name__ for hostile in HOSTILE], done.stderr


def test_what_is_only_just_legal_is_written(tmp_path: Path) -> None:
    """The rules above refuse what they must, and not everything."""
    segment = "x" * limits.MAX_SEGMENT_BYTES
    target = "/".join([segment] * 4)
    assert len(target) == limits.MAX_PATH_BYTES - 1
    payload = with_files(
        file_entry("tree/..a", b"content"),
        file_entry("tree/.hidden"),
        file_entry("tree/a..b"),
        file_entry(f"tree/{segment}"),
        symlink_entry("tree/z", target),
    )
    extract(PayloadReader(MemorySource(payload)), tmp_path / "target")
    assert (tmp_path / "target" / "tree" / "..a").read_bytes() == b"content"
    assert os.readlink(tmp_path / "target" / "tree" / "z") == target
