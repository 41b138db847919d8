"""Decode frames in parallel and write their files, each verified to its last byte.

Workers take frames in payload order; each has buffers of its own that it reads, decodes and writes
from, again and again. A file is hashed in the order of its bytes. Where its frames end in another
order nobody waits (that cost 14 % of the whole): a run that came too early is hashed later, from
the page cache, by whoever closes the gap before it.
"""

from __future__ import annotations

import mmap
import threading

import xxhash

from container.frames import FrameDecoder, Reference
from container.invariants import EMPTY_XXH3_128
from container.reader import check_file
from container.typed import TYPE_CHECKING
from extractor import libc

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.model import Entry
    from container.reader import PayloadReader
    from extractor.destinations import Destination
    from extractor.plan import FrameTask, Plan

# Progress of whole files is told when they add up to so much: thousands of them are small.
_TOLD_BYTES = 256 << 10
# Of a mapped file that is hashed: so much of it at once counts as memory of this process.
_HASHED_BYTES = 4 << 20


class _StoppedError(Exception):
    """Another worker has failed; its error is the one to report."""


class _OpenFile:
    """A file that is being filled by one or several workers."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.hasher = xxhash.xxh3_128()
        self.hashed_bytes = 0
        self.busy = False
        """Somebody is hashing; he takes what is written meanwhile."""
        self.early: dict[int, int] = {}
        """Runs that are written and not hashed: offset and size, in bytes."""


class Extraction:
    """One run of a plan.

    Args:
        reader: of the payload that the plan was made for.
        plan: what to write.
        destination: where to; empty so far.
        jobs: workers, > 0; the calling thread is one of them.
        progress: called with a component's name and its plain bytes just written, by one worker
            at a time.
    Memory: for each worker one frame, plain and stored, and at most one reference. Where the plan
        has several references, ``libc.give_back_large_blocks`` holds for the process from now on.
    """

    def __init__(
        self,
        reader: PayloadReader,
        plan: Plan,
        destination: Destination,
        jobs: int,
        progress: Callable[[str, int], object] = lambda _component, _bytes: None,
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
        self._running = 0

    def run(self) -> None:
        """Write everything into directories that ``make_directories`` has made.

        Raises:
            IntegrityError: a frame or file differs from its digest.
            TruncatedError: the payload ends too early.
            NoSpaceError, NotWritableError: the destination refuses.
            ContainerError, OSError: anything else that stopped a worker.

        What was written before an error stays where it is: the caller removes the directory.
        """
        plan, destination = self._plan, self._destination
        for entry in plan.empty_files:
            destination.close_file(destination.create_file(entry))
            check_file(entry, EMPTY_XXH3_128, self._reader.source.name)
        for extent, number in plan.ready:
            descriptor = destination.open_file(self._reader.index.entries[number])
            try:
                self._references.offer(extent, descriptor, self._changed)
            finally:
                destination.close_file(descriptor)
        self._run_workers()
        for entry in plan.symlinks:
            destination.make_symlink(entry)
        for entry in plan.hardlinks:
            destination.make_hardlink(entry)
        for entry in reversed(plan.directories):
            destination.finish_directory(entry)

    def _run_workers(self) -> None:
        others = self._start_others()
        self._work()
        self._wait_for_others()
        for thread in others:
            thread.join()
        self._references.close()
        for file in self._open.values():
            try:
                self._destination.close_file(file.descriptor)
            except OSError as error:
                self._fail(error)
        if self._error is not None:
            raise self._error

    def _start_others(self) -> list[threading.Thread]:
        """Workers besides the calling thread; fewer where the system allows no more threads."""
        others: list[threading.Thread] = []
        while len(others) < self._jobs - 1:
            name = f"extract-{len(others) + 1}"
            thread = threading.Thread(target=self._work_beside, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                break
            others.append(thread)
        with self._changed:
            self._running += len(others)
        return others

    def _wait_for_others(self) -> None:
        """Also after an interrupt: the caller removes the directory that they write to."""
        with self._changed:
            while self._running:
                try:
                    self._changed.wait()
                except KeyboardInterrupt as error:
                    self._fail(error)

    def _work_beside(self) -> None:
        self._work()
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        """Stop all workers; the first error is the one to report."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            decoder = FrameDecoder(self._plan.largest_frame_bytes, self._plan.largest_stored_bytes)
            while (task := self._take()) is not None:
                self._extract(task, decoder)
        except _StoppedError:
            pass
        except BaseException as error:
            self._fail(error)

    def _take(self) -> FrameTask | None:
        """The first frame whose reference is complete; None when there are none left."""
        with self._changed:
            while self._waiting:
                if self._error is not None:
                    raise _StoppedError
                for position in range(len(self._waiting) - 1, -1, -1):
                    task = self._waiting[position]
                    if task.reference is None or self._references.reserve(task.reference):
                        del self._waiting[position]
                        return task
                self._changed.wait()
            return None

    def _extract(self, task: FrameTask, decoder: FrameDecoder) -> None:
        where = f"{self._reader.source.name}: frame {task.number}"
        reference = self._references.get(task.reference, decoder.give_back)
        stored = self._reader.read_stored(task.number, decoder.stored_buffer)
        plain = decoder.decode(stored, self._reader.index.frames[task.number], where, reference)
        del reference
        with self._changed:
            self._references.release(task.reference)
            self._changed.notify_all()
        self._write(task, plain)

    def _write(self, task: FrameTask, plain: memoryview) -> None:
        """All that one frame holds: a part of a large file, or thousands of small files."""
        frame_offset = self._reader.index.frames[task.number].content_offset
        # Looked up once: what is done for each small file is felt.
        files, copies, needed = self._plan.files, self._plan.copies, self._references.needed
        digest_of, write_file = xxhash.xxh3_128_digest, self._destination.write_file
        where, frame_bytes, untold_bytes = self._reader.source.name, len(plain), 0
        for extent in task.extents:
            entry = files[extent]
            start = entry.content_offset - frame_offset
            end = start + entry.plain_bytes
            if start < 0 or end > frame_bytes or extent in needed:
                self._write_part(task, extent, plain)
                continue
            # No other worker ever sees this file.
            chunk = plain[start:end]
            check_file(entry, digest_of(chunk), where)
            write_file(entry, chunk)
            untold_bytes += entry.plain_bytes
            if untold_bytes >= _TOLD_BYTES:
                self._tell(task, untold_bytes)
                untold_bytes = 0
            if extent in copies:
                self._write_copies(task, extent, chunk)
        self._tell(task, untold_bytes)

    def _write_part(self, task: FrameTask, extent: int, plain: memoryview) -> None:
        """A run of a file that several workers may see: they fill it, or decode with it."""
        entry, destination = self._plan.files[extent], self._destination
        frame_offset = self._reader.index.frames[task.number].content_offset
        start = max(entry.content_offset, frame_offset)
        end = entry.content_offset + entry.plain_bytes
        chunk = plain[start - frame_offset : end - frame_offset]
        file_offset = start - entry.content_offset
        with self._changed:
            if self._error is not None:
                raise _StoppedError
            if extent not in self._open:
                try:
                    if task.scratch:
                        self._open[extent] = _OpenFile(destination.create_scratch())
                    else:
                        self._open[extent] = _OpenFile(destination.create_file(entry))
                except BaseException as error:
                    # Here, under the lock: a worker of the same file would find its name taken.
                    self._fail(error)
                    raise
            opened = self._open[extent]
        destination.write(opened.descriptor, chunk, file_offset)
        self._tell(task, len(chunk))
        if not self._hash(opened, entry, chunk, file_offset):
            return
        check_file(entry, opened.hasher.digest(), self._reader.source.name)
        self._references.offer(extent, opened.descriptor, self._changed)
        if extent in self._plan.copies:
            with destination.map_file(opened.descriptor) as mapped, memoryview(mapped) as view:
                self._write_copies(task, extent, view)
        with self._changed:
            del self._open[extent]
        destination.close_file(opened.descriptor)

    def _hash(self, opened: _OpenFile, entry: Entry, chunk: memoryview, file_offset: int) -> bool:
        """Hash a run and those behind it that are written; True when the file is complete."""
        with self._changed:
            if opened.busy or opened.hashed_bytes != file_offset:
                opened.early[file_offset] = len(chunk)
                return False
            opened.busy = True
        opened.hasher.update(chunk)
        size, map_file = len(chunk), self._destination.map_file
        while True:
            with self._changed:
                opened.hashed_bytes += size
                offset = opened.hashed_bytes
                if offset not in opened.early:
                    opened.busy = False
                    return offset == entry.plain_bytes
                size = opened.early.pop(offset)
            with map_file(opened.descriptor) as mapped, memoryview(mapped) as view:
                for start in range(offset, offset + size, _HASHED_BYTES):
                    with view[start : min(start + _HASHED_BYTES, offset + size)] as run:
                        opened.hasher.update(run)
                    _let_go(mapped)

    def _write_copies(self, task: FrameTask, extent: int, plain: memoryview) -> None:
        """The other files of the same content, one open at a time: there may be thousands."""
        for entry in self._plan.copies[extent]:
            self._destination.write_file(entry, plain)
            self._tell(task, len(plain))

    def _tell(self, task: FrameTask, plain_bytes: int) -> None:
        if plain_bytes and not task.scratch:
            with self._changed:
                self._progress(task.component, plain_bytes)


def make_directories(plan: Plan, destination: Destination) -> None:
    """Create all directories of a plan, open to their owner until the extraction ends.

    Raises:
        NoSpaceError, NotWritableError, OSError: the destination refuses.
    """
    for entry in plan.directories:
        destination.make_directory(entry)


def _let_go(mapped: mmap.mmap) -> None:
    """What was read of a file stays in the page cache, and is no memory of this process."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


# Of all references in use at once, where there is more than one.
_REFERENCES_BYTES = 24 << 20


class _References:
    """Files that later frames need as dictionaries.

    A complete file is mapped, which costs nothing; it is loaded when a frame needs it, and dropped
    when another one is needed. Frames of different references are decoded at once only where both
    are small, so memory stays bounded however many references a payload has.
    """

    def __init__(self, plan: Plan, destination: Destination) -> None:
        self._destination = destination
        self._lock = threading.Lock()
        self._uses_to_come: dict[int, int] = {}
        self._uses_now: dict[int, int] = {}
        self._mapped: dict[int, mmap.mmap] = {}
        self._loaded: dict[int, Reference] = {}
        for task in plan.tasks:
            if task.reference is not None:
                self._uses_to_come[task.reference] = self._uses_to_come.get(task.reference, 0) + 1
        self.needed = frozenset(self._uses_to_come)
        """Numbers of the extents that are references."""
        if len(self.needed) > 1:
            # What one has left behind would count beside the next.
            libc.give_back_large_blocks()

    def offer(self, extent: int, descriptor: int, changed: threading.Condition) -> None:
        """A file is complete and verified: keep it if a frame will need it."""
        if extent not in self.needed:
            return
        mapped = self._destination.map_file(descriptor)
        with changed:
            self._mapped[extent] = mapped
            changed.notify_all()

    def reserve(self, extent: int) -> bool:
        """Claim it for one frame, if it is complete and memory allows; the caller holds the lock.

        Whoever has claimed one only decodes, so a frame that must wait does not wait for ever.
        """
        if extent not in self._mapped:
            return False
        others = [len(self._mapped[other]) for other in self._uses_now if other != extent]
        if others and sum(others) + len(self._mapped[extent]) > _REFERENCES_BYTES:
            return False
        self._uses_now[extent] = self._uses_now.get(extent, 0) + 1
        return True

    def get(
        self, extent: int | None, before_loading: Callable[[], object] = lambda: None
    ) -> Reference | None:
        """What was claimed, ready for use; None for a frame that needs none.

        Loading takes twice the size of the file for a moment, so room is made before.
        """
        if extent is None:
            return None
        with self._lock:
            if extent not in self._loaded:
                for idle in self._loaded.keys() - self._uses_now.keys():
                    del self._loaded[idle]
                before_loading()
                self._loaded[extent] = self._load(self._mapped[extent])
            return self._loaded[extent]

    def release(self, extent: int | None) -> None:
        """Give back what was claimed; the caller holds the lock."""
        if extent is None:
            return
        self._uses_now[extent] -= 1
        if not self._uses_now[extent]:
            del self._uses_now[extent]
        self._uses_to_come[extent] -= 1
        if not self._uses_to_come[extent]:
            with self._lock:
                self._loaded.pop(extent, None)
            self._mapped.pop(extent).close()

    @staticmethod
    def _load(mapped: mmap.mmap) -> Reference:
        with memoryview(mapped) as plain:
            reference = Reference(plain)
        _let_go(mapped)
        return reference

    def close(self) -> None:
        """Drop what is left after an error."""
        self._loaded.clear()
        while self._mapped:
            self._mapped.popitem()[1].close()
