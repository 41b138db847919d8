"""What to write, in payload order: a pure function of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from container.model import EntryKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from container.model import Component, Entry, Index


class Part(NamedTuple):
    """A run of one frame that goes into one file; offsets and size in bytes."""

    extent: int
    """Number of the extent in the plan."""
    frame_offset: int
    file_offset: int
    size: int


class FrameTask(NamedTuple):
    """One frame to read, decode and write out."""

    number: int
    """Of the frame in the index."""
    parts: tuple[Part, ...]
    reference: int | None
    """Number of the extent in the plan whose file is this frame's dictionary."""


class FilePlan(NamedTuple):
    """One extent: the files that receive it."""

    entries: tuple[Entry, ...]
    plain_bytes: int
    component: str
    """Name of the component that they belong to."""
    scratch: bool
    """Needed as a reference only: decoded, not written."""


class Plan(NamedTuple):
    """Directories first, then frames in payload order, then links and modes."""

    components: tuple[Component, ...]
    directories: tuple[Entry, ...]
    empty_files: tuple[Entry, ...]
    files: tuple[FilePlan, ...]
    tasks: tuple[FrameTask, ...]
    symlinks: tuple[Entry, ...]
    hardlinks: tuple[Entry, ...]
    ready: tuple[tuple[int, int], ...]
    """Extents that frames need as references, and the number of an entry that is there already."""
    plain_bytes: int
    """Of all files to be written, each as often as it is written."""
    largest_frame_bytes: int
    largest_stored_bytes: int


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
    extents: dict[int, tuple[int, ...]] = {}
    existing: dict[int, int] = {}
    for component in components:
        for extent in index.extents_of(component):
            missing = extent.entries
            if present:
                missing = tuple(number for number in missing if number not in present)
            if missing:
                extents[extent.content_offset] = missing
            if len(missing) < len(extent.entries):
                there = next(number for number in extent.entries if number in present)
                existing[extent.content_offset] = there
    written = set(extents)
    ready = set()
    for number in {frame for frame, _, _, _ in _runs(index, extents)}:
        reference = index.frames[number].reference
        if reference is None:
            continue
        reference_offset = index.entries[reference].content_offset
        if reference_offset in existing and reference_offset not in written:
            ready.add(reference_offset)
        else:
            extents.setdefault(reference_offset, (reference,))
    files: list[FilePlan] = []
    extent_of: dict[int, int] = {}
    for offset in sorted(extents):
        entries = tuple(map(index.entries.__getitem__, extents[offset]))
        extent_of[offset] = len(files)
        owner = index.components[index.owner(extents[offset][0])].name
        files.append(FilePlan(entries, entries[0].plain_bytes, owner, offset not in written))
    parts: dict[int, list[Part]] = {}
    for number, offset, start, end in _runs(index, extents):
        frame_offset = index.frames[number].content_offset
        part = Part(extent_of[offset], start - frame_offset, start - offset, end - start)
        parts.setdefault(number, []).append(part)
    for offset in sorted(ready):
        extent_of[offset] = len(extent_of)
    tasks = []
    for number in sorted(parts):
        reference = index.frames[number].reference
        if reference is not None:
            reference = extent_of[index.entries[reference].content_offset]
        tasks.append(FrameTask(number, tuple(parts[number]), reference))
    entries_by_kind: dict[int, list[Entry]] = {kind: [] for kind in EntryKind}
    for component in components:
        for entry in index.entries_of(component):
            entries_by_kind[entry.kind].append(entry)
    return Plan(
        tuple(components),
        tuple(entries_by_kind[EntryKind.DIRECTORY]),
        tuple(entry for entry in entries_by_kind[EntryKind.FILE] if not entry.plain_bytes),
        tuple(files),
        tuple(tasks),
        tuple(entries_by_kind[EntryKind.SYMLINK]),
        tuple(entries_by_kind[EntryKind.HARDLINK]),
        tuple((extent_of[offset], existing[offset]) for offset in sorted(ready)),
        sum(component.plain_bytes for component in components)
        - sum(index.entries[number].plain_bytes for number in present),
        max((index.frames[task.number].plain_bytes for task in tasks), default=0),
        max((index.frames[task.number].stored_bytes for task in tasks), default=0),
    )


def _runs(
    index: Index, extents: Mapping[int, tuple[int, ...]]
) -> Iterator[tuple[int, int, int, int]]:
    """What each frame holds of each of some extents, in the order of the content stream.

    Args:
        index: of the payload.
        extents: content offset -> numbers of entries.
    Yields:
        Number of the frame, offset of the extent, start and end of the run in the content stream.
    """
    frames = index.frames
    number = 0
    for offset in sorted(extents):
        end = offset + index.entries[extents[offset][0]].plain_bytes
        while frames[number].content_offset + frames[number].plain_bytes <= offset:
            number += 1
        start = offset
        while True:
            frame_end = frames[number].content_offset + frames[number].plain_bytes
            yield number, offset, start, min(end, frame_end)
            if end <= frame_end:
                break
            start = frame_end
            number += 1
