"""The time of a first start by stage: nothing counted twice, and every seam still there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.stage_probe import SEAMS, STAGES, Stopwatch
from benchmarks.stages import PARTS, REST, START, parts_of
from tests.support.commands import REPOSITORY, WATCHDOG_SECONDS
from tests.support.samples import write_payload

if TYPE_CHECKING:
    from pathlib import Path

NS = 10**9


def probed(payload: Path, home: Path, *words: str) -> Any:
    """What the probe prints, in a process of its own: it replaces functions everywhere."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stage_probe", payload, home, *words],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="write-back is started on Linux alone")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_every_seam_is_there_and_is_used(tmp_path: Path, jobs: str) -> None:
    """A function that gets another name, or is called around it, would count as nothing."""
    answer = probed(write_payload(tmp_path), tmp_path / "home", "--jobs", jobs)
    # No file of this product is decoded against another one.
    assert set(SEAMS) - set(answer["hits"]) == {"container.frames:Reference.__init__"}
    # Which of two workers gets a frame is chance.
    assert answer["main"].keys() | answer["others"].keys() == set(STAGES)
    assert jobs == "2" or answer["others"] == {}
    assert 0 < sum(answer["main"].values()) <= answer["wall_ns"]
    assert (tmp_path / "home" / "bin" / "server").stat().st_size == 5000


def test_a_reference_counts_as_decoding(tmp_path: Path) -> None:
    payload = write_payload(tmp_path, references={"runner/runner": "server"})
    hits = probed(payload, tmp_path / "home", "--jobs", "1")["hits"]
    assert hits["container.frames:Reference.__init__"] == 1


def test_nothing_is_replaced_for_the_comparison(tmp_path: Path) -> None:
    answer = probed(write_payload(tmp_path), tmp_path / "home", "--jobs", "1", "--untimed")
    assert (answer["main"], answer["hits"]) == ({}, {})


def test_a_stage_inside_of_another_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0

    def spend(time_ns: int) -> int:
        nonlocal clock
        clock += time_ns
        return clock

    monkeypatch.setattr("time.perf_counter_ns", lambda: clock)
    stopwatch = Stopwatch()
    read = stopwatch.timed("container.reader:PayloadReader.read_stored", lambda: spend(5))
    decode = stopwatch.timed(
        "container.frames:FrameDecoder.decode", lambda: (spend(1), read(), read(), spend(2))
    )

    def failing() -> None:
        decode()
        spend(100)
        raise OSError

    write = stopwatch.timed("extractor.destinations:DirectoryDestination.write", failing)
    with pytest.raises(OSError, match=r"^$"):
        write()
    decode()
    (thread,) = stopwatch.threads.values()
    assert thread == {"read": 20, "decode": 6, "write": 100}
    assert stopwatch.hits["container.reader:PayloadReader.read_stored"] == 4


def test_threads_are_told_apart() -> None:
    stopwatch = Stopwatch()
    read = stopwatch.timed("container.reader:PayloadReader.read_stored", lambda: None)
    read()
    thread = threading.Thread(target=lambda: (read(), read()))
    thread.start()
    thread.join()
    assert set(stopwatch.threads) == {threading.get_ident(), thread.ident}
    assert stopwatch.hits["container.reader:PayloadReader.read_stored"] == 3


def test_the_parts_add_up_to_the_process() -> None:
    answer = {"wall_ns": 3 * NS, "main": {"decode": 2 * NS, "read": NS // 2}}
    parts = parts_of(answer, 4.0)
    assert tuple(parts) == PARTS
    assert (parts[START], parts["decode"], parts[REST], parts["hash"]) == (1, 2, 0.5, 0)
    assert sum(parts.values()) == 4
