"""Workers that write one plan together, into memory: whatever the schedule, one outcome."""

from __future__ import annotations

import errno
import mmap
import signal
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from container.errors import IntegrityError, NoSpaceError
from container.frames import FrameDecoder, Reference
from container.reader import PayloadReader
from extractor import libc, pipeline
from extractor.pipeline import Extraction, make_directories
from extractor.plan import make_plan, select
from tests.support import watchdog
from tests.support.destinations import SCRATCH, MemoryDestination
from tests.support.payloads import MemorySource, dissect, pack_plan
from tests.support.samples import FRAME_BYTES, akin, noise, plan_of, product, settings
from tests.support.trees import File, Hardlink, Symlink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from container.model import Entry
    from extractor.plan import Plan
    from tests.support.trees import Node

    Components = dict[str, File | dict[str, Node]]


def reader_of(
    root: Path, components: Components, references: Mapping[str, str] | None = None
) -> PayloadReader:
    reader = PayloadReader(MemorySource(payload_of(root, components, references)))
    used = any(frame.reference is not None for frame in reader.index.frames)
    assert used == bool(references)
    return reader


def payload_of(
    root: Path, components: Components, references: Mapping[str, str] | None = None
) -> bytes:
    return pack_plan(plan_of(root, components, references), settings())


def planned(reader: PayloadReader, names: Sequence[str] = ()) -> Plan:
    return make_plan(reader.index, select(reader.index, names))


def extract(
    reader: PayloadReader,
    destination: MemoryDestination,
    jobs: int,
    names: Sequence[str] = (),
    progress: Callable[[str, int], object] = lambda _component, _bytes: None,
    plan: Plan | None = None,
) -> BaseException | None:
    """Run to the end, well or not; no worker and no open file may be left in either case."""
    plan = plan or planned(reader, names)
    extraction = Extraction(reader, plan, destination, jobs, progress)

    def run() -> None:
        make_directories(plan, destination)
        extraction.run()

    error = watchdog.ends(run)
    assert workers() == []
    assert destination.open_paths == {}
    return error


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("extract-")]


def others() -> list[threading.Thread]:
    """The threads of this extraction but the one that asks."""
    return [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith(("extract-", "watched"))
        and thread is not threading.current_thread()
    ]


def files(count: int, size: int = 1000) -> Components:
    """Programs, each in a frame of its own where it is no larger; all are like the first."""
    return {f"program-{number}": File(program(number, size), 0o755) for number in range(count)}


def program(number: int, size: int) -> bytes:
    return akin(noise(0, size), number, size) if number else noise(0, size)


def expected_contents(components: Components) -> dict[str, bytes]:
    found = {}
    for name, node in components.items():
        if isinstance(node, File):
            found[name] = node.content
        else:
            found |= {
                f"{name}/{path}": file.content
                for path, file in node.items()
                if isinstance(file, File)
            }
    return found


@pytest.mark.parametrize("jobs", [1, 2, 3, 4, 40])
def test_the_outcome_is_the_same_for_any_number_of_workers(tmp_path: Path, jobs: int) -> None:
    components = product()
    references = {"runner/alias": "server"}
    destination = MemoryDestination()
    assert extract(reader_of(tmp_path, components, references), destination, jobs) is None
    tree = components["runner"]
    assert isinstance(tree, dict)
    links = {
        f"runner/{path}": node.target for path, node in tree.items() if isinstance(node, Symlink)
    }
    contents = expected_contents(components)
    # The packer calls the second name in order of path the link.
    contents["runner/alias"] = contents.pop("runner/runner")
    assert destination.links == links | {"runner/runner": "runner/alias"}
    assert destination.contents == contents
    assert destination.modes["runner/closed"] == 0o555
    assert destination.modes["runner/lib/same.so"] == 0o600


def test_directories_come_first_and_get_their_modes_last(tmp_path: Path) -> None:
    destination = MemoryDestination()
    assert extract(reader_of(tmp_path, product()), destination, 2) is None
    calls = [call for call, _ in destination.calls]
    made = [path for call, path in destination.calls if call == "make_directory"]
    finished = [path for call, path in destination.calls if call == "finish_directory"]
    assert calls[: len(made)] == ["make_directory"] * len(made)
    assert calls[-len(made) :] == ["finish_directory"] * len(made)
    # A directory is closed after those in it: it may be one that nobody can enter any more.
    assert finished == made[::-1]
    assert calls.index("make_symlink") > calls.index("create_file")


def test_no_more_workers_are_started_than_there_are_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    started: list[str] = []

    def note(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    reader = reader_of(tmp_path, files(3))
    assert len(reader.index.frames) == 3
    monkeypatch.setattr(threading.Thread, "start", note)
    assert extract(reader, MemoryDestination(), 16) is None
    # Two, since the calling thread is a worker, too.
    assert started == ["watched", "extract-1", "extract-2"]


def test_where_no_thread_can_be_started_the_calling_one_does_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, destination = reader_of(tmp_path, files(4)), MemoryDestination()
    start = threading.Thread.start
    started: list[str] = []

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("extract-"):
            if started:
                raise RuntimeError("can't start new thread")
            started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert extract(reader, destination, 4) is None
    assert destination.contents == expected_contents(files(4))
    assert started == ["extract-1"]


def test_workers_write_parts_of_one_file_at_the_same_time(tmp_path: Path) -> None:
    barrier = threading.Barrier(3)

    def meet(call: str, _path: str) -> None:
        if call == "write":
            watchdog.wait(barrier)

    components: Components = {"big": File(noise(1, 3 * FRAME_BYTES))}
    destination = MemoryDestination(meet)
    assert extract(reader_of(tmp_path, components), destination, 3) is None
    assert destination.contents == expected_contents(components)
    assert [call for call, _ in destination.calls].count("create_file") == 1


def test_one_content_goes_to_all_files_that_have_it_also_over_several_frames(
    tmp_path: Path,
) -> None:
    big = noise(7, 3 * FRAME_BYTES)
    tree: dict[str, Node] = {"a": File(big), "b": File(big, 0o600), "c": File(big, 0o755)}
    destination = MemoryDestination()
    done: list[int] = []

    def progress(component: str, plain_bytes: int) -> None:
        assert component == "tree"
        done.append(plain_bytes)

    assert extract(reader_of(tmp_path, {"tree": tree}), destination, 2, (), progress) is None
    assert destination.contents == dict.fromkeys(("tree/a", "tree/b", "tree/c"), big)
    assert sum(done) == 3 * len(big)


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_counts_each_written_byte_once_and_no_scratch(tmp_path: Path, jobs: int) -> None:
    reader = reader_of(tmp_path, files(2, 2500), {"program-1": "program-0"})
    busy = threading.Lock()
    done = []

    def progress(component: str, plain_bytes: int) -> None:
        # A listener prints: two workers at once would garble its line.
        assert busy.acquire(blocking=False)
        assert component == "program-1"
        done.append(plain_bytes)
        busy.release()

    destination = MemoryDestination()
    assert extract(reader, destination, jobs, ["program-1"], progress) is None
    assert sum(done) == 2500
    assert destination.contents[f"{SCRATCH}1"] == noise(0, 2500)


@pytest.mark.parametrize(
    ("at_once_bytes", "expected"),
    [(1 << 20, [1000]), (600, [600, 400]), (1, [300, 300, 400])],
)
def test_progress_of_small_files_is_told_for_many_at_once_before_the_next_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once_bytes: int, expected: list[int]
) -> None:
    monkeypatch.setattr(pipeline, "_TOLD_BYTES", at_once_bytes)
    components: Components = {
        "many": {f"file-{n}": File(noise(n, size)) for n, size in enumerate((300, 300, 400))},
        # Each component has frames of its own.
        "few": {"first": File(noise(7, 20))},
        "more": {"file": File(noise(8, 30))},
    }
    told: list[tuple[str, int]] = []
    reader = reader_of(tmp_path, components)
    assert len(reader.index.frames) == 3
    destination = MemoryDestination()

    def progress(component: str, plain_bytes: int) -> None:
        told.append((component, plain_bytes))
        # Never more than is there.
        there = sum(map(len, destination.contents.values()))
        assert sum(told_bytes for _, told_bytes in told) == there

    assert extract(reader, destination, 1, (), progress) is None
    many = [("many", plain_bytes) for plain_bytes in expected]
    assert sorted(told) == sorted([("few", 20), *many, ("more", 30)])


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_a_reference_is_complete_before_a_frame_that_needs_it_is_written(
    tmp_path: Path, jobs: int
) -> None:
    components: Components = {
        "base": {"reference": File(noise(1, 2500))},
        "later": {"dependent": File(akin(noise(1, 2500), 2, 3000))},
    }
    reader = reader_of(tmp_path, components, {"later/dependent": "base/reference"})
    destination = MemoryDestination()
    assert extract(reader, destination, jobs) is None
    assert destination.contents == expected_contents(components)
    first = destination.calls.index(("create_file", "later/dependent"))
    written = [path for call, path in destination.calls[:first] if call == "write"]
    assert len(written) == 3
    assert ("map_file", "base/reference") in destination.calls[:first]
    assert ("map_file", "base/reference") not in destination.calls[first:]


def test_only_a_file_that_something_is_made_from_is_mapped(tmp_path: Path) -> None:
    destination = MemoryDestination()
    assert extract(reader_of(tmp_path, product()), destination, 1) is None
    # It fills several frames, and another file has the same content.
    assert destination.mapped == ["runner/lib/first.so"]


@pytest.mark.parametrize(("budget_bytes", "at_once"), [(8192, True), (8191, False)])
def test_large_references_are_used_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, budget_bytes: int, at_once: bool
) -> None:
    monkeypatch.setattr(pipeline, "_REFERENCES_BYTES", budget_bytes)
    plan: Any = SimpleNamespace(tasks=[SimpleNamespace(reference=number) for number in (0, 1)])
    references = pipeline._References(plan, MemoryDestination())
    assert not references.reserve(0)
    references._mapped.update({number: mmap.mmap(-1, 4096) for number in (0, 1)})
    assert references.reserve(0)
    assert references.reserve(1) == at_once
    if not at_once:
        references.release(0)
        assert references.reserve(1)
    references.close()


def test_room_is_made_before_a_reference_is_loaded_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    load = pipeline._References._load

    def loaded(mapped: mmap.mmap) -> Reference:
        calls.append("load")
        return load(mapped)

    monkeypatch.setattr(FrameDecoder, "give_back", lambda _decoder: calls.append("give back"))
    monkeypatch.setattr(pipeline._References, "_load", staticmethod(loaded))
    references = {"program-1": "program-0", "program-2": "program-0"}
    reader = reader_of(tmp_path, files(3), references)
    assert extract(reader, MemoryDestination(), 1) is None
    assert calls == ["give back", "load"]


@pytest.mark.parametrize(
    ("references", "times"),
    [
        ({"program-1": "program-0", "program-2": "program-0"}, 0),
        ({"program-1": "program-0", "program-3": "program-2"}, 1),
    ],
)
def test_memory_of_one_reference_does_not_stay_beside_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, references: dict[str, str], times: int
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(libc, "give_back_large_blocks", lambda: calls.append("give back"))
    reader = reader_of(tmp_path, files(4), references)
    assert extract(reader, MemoryDestination(), 1) is None
    assert len(calls) == times


@pytest.mark.parametrize("plain_bytes", [100, 5 * FRAME_BYTES])
def test_copies_of_one_content_are_open_one_at_a_time(tmp_path: Path, plain_bytes: int) -> None:
    # macOS allows 256 open files by default; a tree may have thousands of equal ones.
    content = noise(1, plain_bytes)
    components: Components = {"tree": {f"copy-{n}": File(content) for n in range(40)}}
    most_open = 0

    def count(_call: str, _path: str) -> None:
        nonlocal most_open
        most_open = max(most_open, len(destination.open_paths))

    destination = MemoryDestination(count)
    assert extract(reader_of(tmp_path, components), destination, 2) is None
    assert destination.contents == expected_contents(components)
    assert most_open <= 3


def test_frames_that_wait_for_a_reference_are_overtaken(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, files(3), {"program-1": "program-0"})
    overtaken = threading.Event()

    def hold(call: str, path: str) -> None:
        if call == "write" and path == "program-0@0":
            watchdog.wait(overtaken)
        if call == "write" and path == "program-2@0":
            overtaken.set()

    destination = MemoryDestination(hold)
    assert extract(reader, destination, 2) is None
    assert destination.contents == expected_contents(files(3))


@pytest.mark.parametrize("hashed_bytes", [FRAME_BYTES // 3, 4 << 20])
def test_a_file_whose_later_frame_is_taken_first_is_hashed_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed_bytes: int
) -> None:
    monkeypatch.setattr(pipeline, "_HASHED_BYTES", hashed_bytes)
    """The first frame of ``big`` waits for a reference, the second one needs none."""
    components: Components = {
        "base": File(noise(1, 1000)),
        "big": File(akin(noise(1, 1000), 2, 2 * FRAME_BYTES)),
    }
    plan = plan_of(tmp_path, components)
    reference = next(n for n, entry in enumerate(plan.entries) if entry.path == "base")
    assert len(plan.frames) == 3
    plan = plan.with_references([None, reference, None])
    second = threading.Event()

    def hold(call: str, path: str) -> None:
        if call == "write" and path == "base@0":
            watchdog.wait(second)
        if call == "write" and path == "big@1024":
            second.set()

    destination = MemoryDestination(hold)
    reader = PayloadReader(MemorySource(pack_plan(plan, settings())))
    assert [frame.reference for frame in reader.index.frames] == [None, reference, None]
    assert extract(reader, destination, 2) is None
    assert destination.contents == expected_contents(components)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_scratch_is_written_mapped_and_closed_but_is_no_file(tmp_path: Path, jobs: int) -> None:
    reader = reader_of(tmp_path, files(3, 2500), {"program-1": "program-0"})
    destination = MemoryDestination()
    assert extract(reader, destination, jobs, ["program-1"]) is None
    assert destination.contents == {
        f"{SCRATCH}1": noise(0, 2500),
        "program-1": program(1, 2500),
    }
    assert f"{SCRATCH}1" in destination.mapped
    closed = [path for call, path in destination.calls if call == "close_file"]
    assert sorted(closed) == ["program-1", f"{SCRATCH}1"]
    assert "program-0" not in destination.modes


class _FirstToFail:
    """All workers meet in their first write; one fails, the others go on when it has ended."""

    def __init__(self, count: int) -> None:
        self.error = NoSpaceError("full", "disk")
        self._barrier = threading.Barrier(count)
        self._lock = threading.Lock()
        self._failing: threading.Thread | None = None

    def __call__(self, call: str, path: str) -> None:
        if call != "write":
            return
        me = threading.current_thread()
        with self._lock:
            # Whose end can be waited for: any worker but the thread that called run().
            if self._failing is None and me.name != "watched":
                self._failing = me
        watchdog.wait(self._barrier)
        if me is self._failing:
            raise self.error
        assert self._failing is not None
        self._failing.join(watchdog.SECONDS)
        raise OSError(errno.EIO, "a later error", path)


@pytest.mark.parametrize("jobs", [2, 4])
def test_the_first_error_of_several_workers_is_raised_and_nothing_more_is_taken(
    tmp_path: Path, jobs: int
) -> None:
    fault = _FirstToFail(jobs)
    destination = MemoryDestination(fault)
    assert extract(reader_of(tmp_path, files(8)), destination, jobs) is fault.error
    assert [call for call, _ in destination.calls].count("create_file") == jobs
    assert "finish_directory" not in [call for call, _ in destination.calls]


def test_a_worker_that_waits_for_the_bytes_before_its_own_is_released_by_an_error(
    tmp_path: Path,
) -> None:
    fault = NoSpaceError("full")
    second = threading.Event()

    def fail(call: str, path: str) -> None:
        if (call, path) == ("write", f"big@{FRAME_BYTES}"):
            second.set()
        if (call, path) == ("write", "big@0"):
            watchdog.wait(second)
            watchdog.until_blocked(others())
            raise fault

    reader = reader_of(tmp_path, {"big": File(noise(1, 2 * FRAME_BYTES))})
    assert extract(reader, MemoryDestination(fail), 2) is fault


@pytest.mark.parametrize("failing", ["watched", "extract-1"])
def test_a_worker_that_waits_for_a_reference_is_released_by_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Whichever of them fails: the calling thread, or one that it has started."""
    fault = NoSpaceError("full")
    taken = threading.Event()

    def decoder(*sizes: int) -> FrameDecoder:
        # Made by each worker before it takes a frame: here the other one is held back.
        if threading.current_thread().name != failing:
            watchdog.wait(taken)
        return FrameDecoder(*sizes)

    def fail(call: str, path: str) -> None:
        if (call, path) == ("write", "program-0@0"):
            taken.set()
            watchdog.until_blocked(others())
            raise fault

    monkeypatch.setattr("extractor.pipeline.FrameDecoder", decoder)
    reader = reader_of(tmp_path, files(2), {"program-1": "program-0"})
    destination = MemoryDestination(fail)
    assert extract(reader, destination, 2) is fault
    assert "program-1" not in destination.contents


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("number", range(4))
def test_a_damaged_frame_stops_all_and_is_named(tmp_path: Path, jobs: int, number: int) -> None:
    payload = bytearray(payload_of(tmp_path, {"big": File(noise(1, 4 * FRAME_BYTES))}))
    frame = dissect(bytes(payload)).index.frames[number]
    payload[frame.stored_offset + frame.stored_bytes // 2] ^= 1
    reader = PayloadReader(MemorySource(bytes(payload)))
    error = extract(reader, MemoryDestination(), jobs)
    assert isinstance(error, IntegrityError)
    assert error.where == f"payload: frame {number}"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_read_error_of_the_payload_is_raised(tmp_path: Path, jobs: int) -> None:
    class Failing(MemorySource):
        armed = False

        def read_at(self, offset: int, size: int) -> bytes:
            if self.armed:
                raise OSError(errno.EIO, "Input/output error", self.name)
            return super().read_at(offset, size)

    source = Failing(payload_of(tmp_path, files(4)))
    reader = PayloadReader(source)
    source.armed = True
    error = extract(reader, MemoryDestination(), jobs)
    assert isinstance(error, OSError)
    assert (error.errno, error.filename) == (errno.EIO, "payload")


@pytest.mark.parametrize("size", [0, 500, 2500])
def test_contents_that_differ_from_their_digest_are_refused_by_name(
    tmp_path: Path, size: int
) -> None:
    """The stored bytes are sound here: only the digest of the whole file tells."""
    reader = reader_of(tmp_path, {"tree": {"file": File(noise(1, size))}})
    plan = planned(reader)

    def wrong(entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return tuple(entry._replace(xxh3_128=bytes(16)) for entry in entries)

    plan = plan._replace(
        empty_files=wrong(plan.empty_files),
        files=wrong(plan.files),
    )
    error = extract(reader, MemoryDestination(), 2, plan=plan)
    assert isinstance(error, IntegrityError)
    assert error.where == "payload: tree/file"


OPERATIONS = [
    "make_directory",
    "create_file",
    "create_scratch",
    "write",
    "map_file",
    "close_file",
    "make_symlink",
    "make_hardlink",
    "finish_directory",
]


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fault_at_any_call_of_an_operation_is_raised_as_it_is(
    tmp_path: Path, operation: str, jobs: int
) -> None:
    components: Components = {
        "one": File(noise(1, 2500), 0o755),
        "tree": {
            "dir/file": File(akin(noise(1, 2500), 2, 2500)),
            "dir/same": File(akin(noise(1, 2500), 2, 2500)),
            "hard": Hardlink("dir/file"),
            "soft": Symlink("dir/file"),
            "empty": File(b""),
        },
    }
    reader = reader_of(tmp_path, components, {"tree/dir/file": "one"})
    sound = MemoryDestination()
    # By one worker: several may map a file more often, and never less.
    assert extract(reader, sound, 1, ["tree"]) is None
    count = [call for call, _ in sound.calls].count(operation)
    assert count
    for number in range(count):
        fault = OSError(errno.EIO, f"{operation} {number}")
        lock, seen = threading.Lock(), [0]

        def fail(
            call: str,
            _path: str,
            number: int = number,
            fault: OSError = fault,
            lock: threading.Lock = lock,
            seen: list[int] = seen,
        ) -> None:
            if call == operation:
                with lock:
                    seen[0] += 1
                    if seen[0] != number + 1:
                        return
                raise fault

        assert extract(reader, MemoryDestination(fail), jobs, ["tree"]) is fault


def test_a_file_that_cannot_be_created_is_not_tried_again_by_another_worker(
    tmp_path: Path,
) -> None:
    """It would fail with "exists": the first attempt may have left the name."""
    fault = NoSpaceError("full")
    tries: list[str] = []

    def fail(call: str, path: str) -> None:
        if call == "create_file":
            tries.append(path)
            watchdog.until_blocked(others(), "__enter__")
            raise fault if len(tries) == 1 else FileExistsError(path)

    reader = reader_of(tmp_path, {"big": File(noise(1, 3 * FRAME_BYTES))})
    assert extract(reader, MemoryDestination(fail), 3) is fault
    assert tries == ["big"]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("size", [900, 2500])
def test_a_listener_that_fails_stops_the_extraction(tmp_path: Path, jobs: int, size: int) -> None:
    fault = BrokenPipeError(errno.EPIPE, "Broken pipe")
    left = [size]

    def progress(_component: str, plain_bytes: int) -> None:
        left[0] -= plain_bytes
        if not left[0]:
            raise fault

    reader = reader_of(tmp_path, {"big": File(noise(1, size))})
    assert extract(reader, MemoryDestination(), jobs, (), progress) is fault


def test_an_interrupt_waits_for_the_workers_whose_files_are_about_to_be_removed(
    tmp_path: Path,
) -> None:
    main = threading.current_thread()
    if main is not threading.main_thread():
        pytest.skip("an interrupt reaches the main thread, and this is another one")
    met, main_is_done, left = threading.Barrier(2), threading.Event(), threading.Event()

    def interrupt(call: str, _path: str) -> None:
        if call == "write":
            watchdog.wait(met)
        if call == "close_file" and threading.current_thread() is main:
            main_is_done.set()
        if call == "write" and threading.current_thread() is not main:
            watchdog.wait(main_is_done)
            # Nothing is left for the main thread but to wait for this one.
            watchdog.until_blocked([main])
            signal.pthread_kill(main.ident or 0, signal.SIGINT)
            # A main thread that does not wait comes by in this time; one that does never comes.
            left.wait(0.2)

    reader = reader_of(tmp_path, files(2))
    destination = MemoryDestination(interrupt)
    # A test runner may ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Extraction(reader, planned(reader), destination, 2).run()
        left.set()
        assert destination.open_paths == {}
        assert [call for call, _ in destination.calls].count("close_file") == 2
    finally:
        left.set()
        signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_a_reference_that_is_in_its_place_is_read_from_there(
    tmp_path: Path, jobs: int, whole: bool
) -> None:
    components = files(2, 2500)
    reader = reader_of(tmp_path, components, {"program-1": "program-0"})
    plan = make_plan(reader.index, select(reader.index, ()), {0})
    destination = MemoryDestination()
    destination.contents["program-0"] = bytearray(program(0, 2500) if whole else bytes(2500))
    error = extract(reader, destination, jobs, plan=plan)
    # Nothing looks at its contents before they are used: a wrong one shows in what is made of it.
    assert isinstance(error, IntegrityError) == (not whole)
    assert destination.mapped[0] == "program-0"
    assert ("create_file", "program-0") not in destination.calls
    assert ("write", "program-0@0") not in destination.calls
    if whole:
        assert destination.contents == expected_contents(components)


def test_a_reference_that_cannot_be_opened_ends_the_extraction(tmp_path: Path) -> None:
    fault = PermissionError(errno.EACCES, "Permission denied")

    def fail(call: str, _path: str) -> None:
        if call == "open_file":
            raise fault

    reader = reader_of(tmp_path, files(2, 2500), {"program-1": "program-0"})
    plan = make_plan(reader.index, select(reader.index, ()), {0})
    destination = MemoryDestination(fail)
    assert extract(reader, destination, 2, plan=plan) is fault
    assert destination.contents == {}
