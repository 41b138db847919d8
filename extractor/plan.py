"""What to write, in payload order: a pure function of the index."""

from __future__ import annotations

from bisect import bisect_left

from container.model import ENTRY_KINDS, EntryKind
from container.typed import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from container.model import Component, Entry, Index


class FrameTask(NamedTuple):
    """One frame to read, decode and write out."""

    number: int
    """Of the frame in the index."""
    extents: range
    """Numbers of the extents in the plan of which it holds some or all bytes."""
    component: str
    """Name of the component that all of them belong to."""
    scratch: bool
    """Needed for references only: decoded, and not written under any name."""
    reference: int | None
    """Number of the extent in the plan whose file is this frame's dictionary."""


class Plan(NamedTuple):
    """Directories first, then frames in payload order, then links and modes."""

    components: tuple[Component, ...]
    component_bytes: tuple[int, ...]
    """Of the files of each that are to be written, each as often as it is written."""
    directories: tuple[Entry, ...]
    empty_files: tuple[Entry, ...]
    files: tuple[Entry, ...]
    """The file of each extent, in the order of the content stream."""
    copies: Mapping[int, tuple[Entry, ...]]
    """By number of the extent: the other files of the same content, where there are any."""
    tasks: tuple[FrameTask, ...]
    symlinks: tuple[Entry, ...]
    hardlinks: tuple[Entry, ...]
    ready: tuple[tuple[int, int], ...]
    """Extents that frames need as references, and the number of an entry that is there already."""
    largest_frame_bytes: int
    largest_stored_bytes: int

    @property
    def plain_bytes(self) -> int:
        """Of all files to be written."""
        return sum(self.component_bytes)


def select(index: Index, component_names: Sequence[str]) -> tuple[Component, ...]:
    """The components of those names, in payload order; all of them where no name is given.

    Raises:
        UnknownEntryError: there is none of a name.
    """
    for name in component_names:
        index.component(name)
    return tuple(
        component
        for component in index.components
        if not component_names or component.name in component_names
    )


def make_plan(index: Index, components: Sequence[Component], present: Collection[int] = ()) -> Plan:
    """Lay out the extraction of some components.

    A component whose frames use a file of one that is not extracted gets that file as scratch.

    Args:
        index: of the payload.
        components: some of its components, in payload order.
        present: numbers of entries of kind FILE that have their places already.
    """
    files: dict[int, Entry] = {}
    alike: dict[int, list[Entry]] = {}
    existing: dict[int, int] = {}
    others: dict[int, list[Entry]] = {kind: [] for kind in ENTRY_KINDS}
    empty_files: list[Entry] = []
    component_bytes: list[int] = []
    # Of thousands of entries nearly all are files: what is looked up for each of them counts.
    file_kind = EntryKind.FILE
    for component in components:
        missing_bytes = component.plain_bytes
        for number, entry in enumerate(index.entries_of(component), component.first_entry):
            if entry.kind != file_kind:
                others[entry.kind].append(entry)
            elif not entry.plain_bytes:
                empty_files.append(entry)
            elif number in present:
                existing.setdefault(entry.content_offset, number)
                missing_bytes -= entry.plain_bytes
            elif files.setdefault(entry.content_offset, entry) is not entry:
                alike.setdefault(entry.content_offset, []).append(entry)
        component_bytes.append(missing_bytes)
    written = frozenset(files)
    ready = set()
    for number in _extents_by_frame(index, files):
        reference = index.frames[number].reference
        if reference is None:
            continue
        entry = index.entries[reference]
        if entry.content_offset in existing and entry.content_offset not in written:
            ready.add(entry.content_offset)
        else:
            files.setdefault(entry.content_offset, entry)
    offsets = sorted(files)
    extent_of = {offset: extent for extent, offset in enumerate([*offsets, *sorted(ready)])}
    extents_by_frame = _extents_by_frame(index, files)
    tasks = []
    for component in index.components:
        scratch = component not in components
        for number in component.frames:
            if number not in extents_by_frame:
                continue
            reference = index.frames[number].reference
            if reference is not None:
                reference = extent_of[index.entries[reference].content_offset]
            extents = extents_by_frame[number]
            tasks.append(FrameTask(number, extents, component.name, scratch, reference))
    return Plan(
        tuple(components),
        tuple(component_bytes),
        tuple(others[EntryKind.DIRECTORY]),
        tuple(empty_files),
        tuple(map(files.__getitem__, offsets)),
        {extent_of[offset]: tuple(entries) for offset, entries in alike.items()},
        tuple(tasks),
        tuple(others[EntryKind.SYMLINK]),
        tuple(others[EntryKind.HARDLINK]),
        tuple((extent_of[offset], existing[offset]) for offset in sorted(ready)),
        max((index.frames[task.number].plain_bytes for task in tasks), default=0),
        max((index.frames[task.number].stored_bytes for task in tasks), default=0),
    )


def _extents_by_frame(index: Index, files: Mapping[int, Entry]) -> dict[int, range]:
    """Which files each frame holds something of.

    Args:
        index: of the payload.
        files: by content offset.
    Returns:
        Numbers of the files in the order of their offsets, by number of the frame; frames that
        hold nothing of any are left out.
    """
    offsets = sorted(files)
    found = {}
    for number, frame in enumerate(index.frames):
        begin, end = frame.content_offset, frame.content_offset + frame.plain_bytes
        first = bisect_left(offsets, begin)
        # The one before may reach into this frame.
        if first and offsets[first - 1] + files[offsets[first - 1]].plain_bytes > begin:
            first -= 1
        extents = range(first, bisect_left(offsets, end))
        if extents:
            found[number] = extents
    return found
