"""Install a payload's components into a home: stage, verify, make durable, publish with one rename.

A version appears under its name only when it is complete, verified and durable, and ``bin`` names
it only then. Nothing that exists is written to, so a running program keeps its file. docs/
installation.md says what a crash leaves behind after each step.
"""

from __future__ import annotations

import os
from contextlib import suppress

from container.errors import DowngradeError, NotWritableError
from container.model import EntryKind
from container.typed import TYPE_CHECKING, NamedTuple
from extractor import durability, events, preflight, reuse, upkeep, warm
from extractor import manifest as records
from extractor.destinations import DirectoryDestination, explained
from extractor.lock import locked
from extractor.pipeline import Extraction, make_directories
from extractor.plan import make_plan, select
from extractor.publish import publish
from extractor.staging import move, staged, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container.model import Component
    from container.reader import PayloadReader
    from extractor.events import Listener
    from extractor.home import Home
    from extractor.manifest import Manifest
    from extractor.plan import Plan


class Installed(NamedTuple):
    """The outcome of ``install``."""

    path: str
    """The version's directory; ``HOME/bin`` leads to it."""
    version: str
    already: bool
    """It was there, complete and undamaged: nothing was extracted."""
    held: bool
    """It is the version that ``rollback`` went back to; the payload's own was not published."""
    plain_bytes: int
    """Extracted now."""
    shared_bytes: int
    """Taken over now from an installed version, as hardlinks."""


def install(
    reader: PayloadReader,
    home: Home,
    jobs: int = 1,
    listener: Listener = events.ignore,
    *,
    wait: bool = True,
    force: bool = False,
    distrust: bool = False,
) -> Installed:
    """Make ``HOME/bin`` lead to this payload's components.

    Args:
        reader: of the payload.
        home: made if it is not there.
        jobs: workers, > 0.
        listener: is told how it goes.
        wait: for another process that is installing into the same home.
        force: publish also over a newer version, and what ``rollback`` went back from.
        distrust: take nothing for sound by its size and times: read what is installed, and install
            anew with what is sound of it.
    Raises:
        WrongPlatformError, UnsuitableHomeError, NotWritableError, NotExecutableError, NoSpaceError:
            before anything is extracted.
        DowngradeError: a newer version is installed, and ``force`` is not set.
        BusyError: another process is at it, and ``wait`` is not set.
        ContainerError, OSError: as ``Extraction.run``.
        After any of them, what was installed before is still installed.
    Memory: as ``Extraction``.
    """
    transaction = _Transaction(reader, home, jobs, listener, force=force, distrust=distrust)
    found = transaction.find()
    if found is not None:
        return found
    preflight.check(home, reader.index.metadata.platform, reader.index)
    made = _make_directories(home)
    with locked(home, listener, wait=wait):
        # Somebody else may have installed it while this process waited.
        found = transaction.find()
        if found is not None:
            return found
        transaction.refuse_downgrade()
        sweep(home.staging, listener)
        done = transaction.run()
        if made:
            # A directory that cannot be opened cannot be flushed by its own name.
            with suppress(NotWritableError):
                durability.flush_directory(os.path.dirname(home.path))
        upkeep.remove_old(home, listener)
    return done


class _Transaction:
    """One attempt; everything but ``find`` needs the lock."""

    def __init__(
        self,
        reader: PayloadReader,
        home: Home,
        jobs: int,
        listener: Listener,
        *,
        force: bool,
        distrust: bool,
    ) -> None:
        self._reader = reader
        self._home = home
        self._jobs = jobs
        self._listener = listener
        self._force = force
        self._distrust = distrust
        self._name = f"v{reader.index.metadata.version}-{reader.index_sha256.hex()[:8]}"

    def find(self) -> Installed | None:
        """What ``bin`` leads to, where that can stay; nothing is written."""
        current = self._home.current()
        if current is None:
            return None
        root = self._home.version_path(current)
        record = records.read(root)
        if record is None:
            return None
        ours = self._is_ours(record)
        held = not self._force and self._reader.index_sha256.hex() in upkeep.held(self._home)
        if (self._distrust if ours else not held) or warm.damaged(record, root):
            return None
        return Installed(
            root, record.version, already=True, held=not ours, plain_bytes=0, shared_bytes=0
        )

    def refuse_downgrade(self) -> None:
        """Keep an older program from putting its components in place of newer ones.

        Raises:
            DowngradeError: they are newer. Builds whose version has no order, such as ``dev``,
                are different from each other, never newer.
        """
        current = self._home.current()
        record = records.read(self._home.version_path(current)) if current else None
        if record is None or self._force or self._is_ours(record):
            return
        if is_newer(record.version, self._reader.index.metadata.version):
            raise DowngradeError(
                "a newer version is installed",
                self._home.path,
                f"at most {self._reader.index.metadata.version}",
                record.version,
                "start the newer program, go back with `rollback`, or install with --force",
            )

    def run(self) -> Installed:
        """Publish this payload's version; extract of it what is not there yet."""
        present = self._find_published()
        if present is not None:
            name, plan_bytes, shared_bytes = present, 0, 0
            self._remember_previous(present)
        else:
            name = self._name
            # A damaged version of that name may still be running: it stays, this one goes beside.
            while os.path.lexists(self._home.version_path(name)):
                name = f"{self._name}.r{os.urandom(2).hex()}"
            plan_bytes, shared_bytes = self._write(name)
        publish(self._home, name)
        upkeep.release(self._home)
        return Installed(
            self._home.version_path(name),
            self._reader.index.metadata.version,
            already=present is not None,
            held=False,
            plain_bytes=plan_bytes,
            shared_bytes=shared_bytes,
        )

    def _remember_previous(self, name: str) -> None:
        """A version that comes into use again: ``rollback`` goes back to the one of now."""
        root = self._home.version_path(name)
        record = records.read(root)
        previous = self._previous()
        if record is None or previous in (None, name, record.previous):
            return
        record.previous = previous
        beside = os.path.join(self._home.staging, f"record-{os.urandom(8).hex()}")
        try:
            records.replace(record, root, beside)
        except OSError as error:
            raise explained(error, root) from error

    def _is_ours(self, record: Manifest) -> bool:
        return record.index_sha256 == self._reader.index_sha256.hex()

    def _find_published(self) -> str | None:
        """A sound version of this payload that ``bin`` does not lead to."""
        if self._distrust:
            return None
        for name in self._home.version_names():
            root = self._home.version_path(name)
            record = records.read(root)
            if record is not None and self._is_ours(record) and not warm.damaged(record, root):
                return name
        return None

    def _bases(self) -> list[reuse.Base]:
        """Versions to take files from: the one in use, and damaged ones of this payload."""
        current = self._home.current()
        names = [current] if current else []
        names += [name for name in self._home.version_names() if name.startswith(self._name)]
        bases = []
        for name in dict.fromkeys(names):
            root = self._home.version_path(name)
            record = records.read(root)
            if record is not None:
                bases.append(reuse.Base(root, record, trusted=not self._distrust))
        return bases

    def _write(self, name: str) -> tuple[int, int]:
        """Extract, verify, record and make durable, then give it its name.

        Returns:
            Bytes extracted, and bytes shared with an installed version.
        """
        index = self._reader.index
        components = select(index, ())
        candidates = reuse.find(index, self._bases())
        plan = self._plan(components, candidates)
        preflight.check_space(self._home.staging, plan.plain_bytes, len(index.entries))
        with staged(self._home.staging) as stage:
            preflight.check_executable(stage)
            root = os.path.join(stage, "version")
            try:
                os.mkdir(root, 0o755)
            except OSError as error:
                raise explained(error, root) from error
            destination = DirectoryDestination(root, durability.write_back_starter())
            make_directories(plan, destination)
            present = reuse.link(index, candidates, root)
            if len(present) < len(candidates):
                linked = dict(present)
                plan = self._plan(components, present)
                for number in linked.keys() - present.keys():
                    os.unlink(linked[number])
                preflight.check_space(self._home.staging, plan.plain_bytes, len(index.entries))
            self._extract(plan, destination)
            self._record(root)
            durability.flush_tree(root)
            self._listener(events.Durable())
            move(root, self._home.version_path(name))
            durability.flush_directory(self._home.versions)
        return plan.plain_bytes, sum(index.entries[number].plain_bytes for number in present)

    def _plan(self, components: Sequence[Component], present: dict[int, str]) -> Plan:
        """What is left to extract beside files that are there.

        A damaged reference would damage every file that is decoded with it: those that serve as
        one are read, and dropped from ``present`` where they are not as they should be.
        """
        index = self._reader.index
        read: set[int] = set()
        while True:
            plan = make_plan(index, components, present)
            unread = [number for _, number in plan.ready if number not in read]
            if not unread:
                return plan
            for number in unread:
                read.add(number)
                if not reuse.is_sound(index.entries[number], present[number]):
                    del present[number]

    def _extract(self, plan: Plan, destination: DirectoryDestination) -> None:
        self._listener(events.started(plan))
        Extraction(
            self._reader,
            plan,
            destination,
            self._jobs,
            lambda *advanced: self._listener(events.Advanced(*advanced)),
        ).run()

    def _record(self, root: str) -> None:
        """Describe the files that are in their places."""
        index = self._reader.index
        record = records.Manifest()
        record.version = index.metadata.version
        record.platform = index.metadata.platform
        record.index_sha256 = self._reader.index_sha256.hex()
        record.index_xxh3 = self._reader.location.footer.index_xxh3
        record.previous = self._previous()
        record.components = {row.name: row.version for row in index.components}
        filled = {os.path.dirname(entry.path) for entry in index.entries}
        try:
            for entry in index.entries:
                # A directory that holds something is missed with what it holds.
                if entry.kind == EntryKind.DIRECTORY and entry.path in filled:
                    continue
                record.add(
                    entry.path, os.lstat(os.path.join(root, entry.path)), reuse.digest(entry)
                )
            records.write(record, root)
        except OSError as error:
            raise explained(error, root) from error

    def _previous(self) -> str | None:
        """What ``rollback`` will go back to: another payload's version."""
        name = self._home.current()
        if name is None:
            return None
        record = records.read(self._home.version_path(name))
        if record is None:
            # Unreadable for the moment, perhaps: it stays, unless it is this payload's own.
            return None if name.startswith(self._name) else name
        return record.previous if self._is_ours(record) else name


def is_newer(installed: str, offered: str) -> bool:
    """A version comes after another one; False where one of them has no order, such as ``dev``.

    Source: PEP 440, which orders semantic versions as their authors mean it.
    """
    from packaging.version import InvalidVersion, Version

    try:
        return Version(installed) > Version(offered)
    except InvalidVersion:
        return False


def _make_directories(home: Home) -> bool:
    """Make what is missing of a home; True where the home itself was."""
    missing = not os.path.lexists(home.path)
    for directory in (home.path, home.versions, home.staging):
        try:
            # Whatever the umask: programs that others can replace must not be run.
            os.makedirs(directory, mode=0o755, exist_ok=True)
        except OSError as error:
            raise explained(error, directory) from error
    return missing
