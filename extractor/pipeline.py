"""Decode frames in parallel and write their files, each verified to its last byte.

Workers take frames in payload order; each has one buffer that it decodes into and writes from.
Whole files are hashed in order of their bytes: a worker whose frame continues a file waits until
the frame before has been hashed. That one was taken earlier, so somebody is at work on it and
nobody waits for ever; and because it is in work already, nobody waits for long.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import xxhash

from container.frames import FrameDecoder, Reference
from container.invariants import EMPTY_XXH3_128
from container.reader import check_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.reader import PayloadReader
    from extractor.destinations import Destination
    from extractor.plan import FilePlan, FrameTask, Part, Plan


class _StoppedError(Exception):
    """Another worker has failed; its error is the one to report."""


class _OpenFile:
    """A file that is being filled by one or several workers."""

    def __init__(self, descriptors: list[int]) -> None:
        self.descriptors = descriptors
        self.hasher = xxhash.xxh3_128()
        self.hashed_bytes = 0


class Extraction:
    """One run of a plan.

    Args:
        reader: of the payload that the plan was made for.
        plan: what to write.
        destination: where to; empty so far.
        jobs: workers, > 0; the calling thread is one of them.
        progress: called with the plain bytes just written, by one worker at a time.
    Memory: for each worker one frame, plain and stored; and one reference.
    """

    def __init__(
        self,
        reader: PayloadReader,
        plan: Plan,
        destination: Destination,
        jobs: int,
        progress: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._reader = reader
        self._plan = plan
        self._destination = destination
        self._jobs = max(1, min(jobs, len(plan.tasks)))
        self._progress = progress
        self._changed = threading.Condition()
        self._waiting = list(reversed(plan.tasks))
        self._open: dict[int, _OpenFile] = {}
        self._references = _References(plan, destination)
        self._error: BaseException | None = None

    def run(self) -> None:
        """Write everything.

        Raises:
            IntegrityError: a frame or file differs from its digest.
            TruncatedError: the payload ends too early.
            NoSpaceError, NotWritableError: the destination refuses.
            ContainerError, OSError: anything else that stopped a worker.

        What was written before an error stays where it is: the caller removes the directory.
        """
        plan, destination = self._plan, self._destination
        for entry in plan.directories:
            destination.make_directory(entry)
        for entry in plan.empty_files:
            destination.close_file(destination.create_file(entry))
            check_file(entry, EMPTY_XXH3_128, self._reader.source.name)
        self._run_workers()
        for entry in plan.symlinks:
            destination.make_symlink(entry)
        for entry in plan.hardlinks:
            destination.make_hardlink(entry)
        for entry in reversed(plan.directories):
            destination.finish_directory(entry)

    def _run_workers(self) -> None:
        others = [
            threading.Thread(target=self._work, name=f"extract-{number}", daemon=True)
            for number in range(1, self._jobs)
        ]
        for thread in others:
            thread.start()
        self._work()
        for thread in others:
            thread.join()
        self._references.close()
        for file in self._open.values():
            for descriptor in file.descriptors:
                self._destination.close_file(descriptor)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            decoder = FrameDecoder(self._plan.largest_frame_bytes)
            while (task := self._take()) is not None:
                self._extract(task, decoder)
        except _StoppedError:
            pass
        except BaseException as error:
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()

    def _take(self) -> FrameTask | None:
        """The first frame whose reference is complete; None when there are none left."""
        with self._changed:
            while self._waiting:
                if self._error is not None:
                    raise _StoppedError
                for position in range(len(self._waiting) - 1, -1, -1):
                    task = self._waiting[position]
                    if task.reference is None or self._references.ready(task.reference):
                        del self._waiting[position]
                        return task
                self._changed.wait()
            return None

    def _extract(self, task: FrameTask, decoder: FrameDecoder) -> None:
        reader = self._reader
        frame = reader.index.frames[task.number]
        where = f"{reader.source.name}: frame {task.number}"
        stored = reader.read_stored(task.number)
        reference = self._references.get(task.reference)
        plain = decoder.decode(stored, frame, where, reference)
        for part in task.parts:
            file = self._plan.files[part.extent]
            chunk = plain[part.frame_offset : part.frame_offset + part.size]
            if part.size == file.plain_bytes:
                self._write_whole(file, part, chunk)
            else:
                self._write_part(file, part, chunk)
        self._references.release(task.reference)

    def _write_whole(self, file: FilePlan, part: Part, chunk: memoryview) -> None:
        """A file that lies in one frame: no other worker ever sees it."""
        opened = self._create(file)
        try:
            for descriptor in opened.descriptors:
                self._destination.write(descriptor, chunk, 0)
            check_file(file.entries[0], xxhash.xxh3_128_digest(chunk), self._reader.source.name)
            self._progress_by(file, part)
            self._references.offer(part.extent, opened.descriptors[0], self._changed)
        finally:
            for descriptor in opened.descriptors:
                self._destination.close_file(descriptor)

    def _write_part(self, file: FilePlan, part: Part, chunk: memoryview) -> None:
        """One run of a file that several frames fill, possibly at once."""
        with self._changed:
            if part.extent not in self._open:
                self._open[part.extent] = self._create(file)
            opened = self._open[part.extent]
        for descriptor in opened.descriptors:
            self._destination.write(descriptor, chunk, part.file_offset)
        with self._changed:
            while opened.hashed_bytes != part.file_offset:
                if self._error is not None:
                    raise _StoppedError
                self._changed.wait()
        opened.hasher.update(chunk)
        last = part.file_offset + part.size == file.plain_bytes
        if last:
            check_file(file.entries[0], opened.hasher.digest(), self._reader.source.name)
            self._references.offer(part.extent, opened.descriptors[0], self._changed)
        with self._changed:
            opened.hashed_bytes += part.size
            if last:
                del self._open[part.extent]
            self._changed.notify_all()
        self._progress_by(file, part)
        if last:
            for descriptor in opened.descriptors:
                self._destination.close_file(descriptor)

    def _create(self, file: FilePlan) -> _OpenFile:
        if file.scratch:
            return _OpenFile([self._destination.create_scratch()])
        return _OpenFile([self._destination.create_file(entry) for entry in file.entries])

    def _progress_by(self, file: FilePlan, part: Part) -> None:
        if not file.scratch:
            with self._changed:
                self._progress(part.size * len(file.entries))


class _References:
    """Files that later frames need: mapped when complete, dropped when no frame needs them."""

    def __init__(self, plan: Plan, destination: Destination) -> None:
        self._destination = destination
        self._lock = threading.Lock()
        self._users: dict[int, int] = {}
        self._loaded: dict[int, Reference] = {}
        for task in plan.tasks:
            if task.reference is not None:
                self._users[task.reference] = self._users.get(task.reference, 0) + 1

    def offer(self, extent: int, descriptor: int, changed: threading.Condition) -> None:
        """A file is complete and verified: keep it if a frame will need it."""
        if extent not in self._users:
            return
        with self._destination.map_file(descriptor) as mapped, memoryview(mapped) as plain:
            reference = Reference(plain)
        with changed:
            self._loaded[extent] = reference
            changed.notify_all()

    def ready(self, extent: int) -> bool:
        """Whether frames that need it can be decoded."""
        return extent in self._loaded

    def get(self, extent: int | None) -> Reference | None:
        """The reference of a frame, or None where it has none."""
        return None if extent is None else self._loaded[extent]

    def release(self, extent: int | None) -> None:
        """A frame that needed it is done."""
        if extent is None:
            return
        with self._lock:
            self._users[extent] -= 1
            if not self._users[extent]:
                del self._loaded[extent]

    def close(self) -> None:
        """Drop what is left after an error."""
        self._loaded.clear()
