"""What to write, in payload order: a pure function of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from container.model import EntryKind

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """One extent: the files that receive it, and the run of tasks that fill them."""

    entries: tuple[Entry, ...]
    plain_bytes: int
    first_task: int
    last_task: int
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


def make_plan(index: Index, components: Sequence[Component]) -> Plan:
    """Lay out the extraction of some components.

    A component whose frames use a file of one that is not extracted gets that file as scratch.

    Args:
        index: of the payload.
        components: some of its components, in payload order.
    """
    extents = {
        extent.content_offset: extent.entries
        for component in components
        for extent in index.extents_of(component)
    }
    written = set(extents)
    for component in components:
        for frame in index.frames_of(component):
            if frame.reference is not None:
                offset = index.entries[frame.reference].content_offset
                extents.setdefault(offset, (frame.reference,))
    files: list[FilePlan] = []
    parts: dict[int, list[Part]] = {}
    extent_of: dict[int, int] = {}
    for offset in sorted(extents):
        entries = tuple(index.entries[number] for number in extents[offset])
        extent_of[offset] = len(files)
        frames = index.frames_under(entries[0])
        for number in frames:
            frame = index.frames[number]
            start = max(offset, frame.content_offset)
            end = min(offset + entries[0].plain_bytes, frame.content_offset + frame.plain_bytes)
            parts.setdefault(number, []).append(
                Part(len(files), start - frame.content_offset, start - offset, end - start)
            )
        files.append(
            FilePlan(
                entries,
                entries[0].plain_bytes,
                frames[0],
                frames[-1],
                offset not in written,
            )
        )
    tasks = []
    for number in sorted(parts):
        reference = index.frames[number].reference
        if reference is not None:
            reference = extent_of[index.entries[reference].content_offset]
        tasks.append(FrameTask(number, tuple(parts[number]), reference))
    task_of = {task.number: position for position, task in enumerate(tasks)}
    entries_by_kind: dict[int, list[Entry]] = {kind: [] for kind in EntryKind}
    for component in components:
        for entry in index.entries_of(component):
            entries_by_kind[entry.kind].append(entry)
    return Plan(
        tuple(components),
        tuple(entries_by_kind[EntryKind.DIRECTORY]),
        tuple(entry for entry in entries_by_kind[EntryKind.FILE] if not entry.plain_bytes),
        tuple(
            file._replace(first_task=task_of[file.first_task], last_task=task_of[file.last_task])
            for file in files
        ),
        tuple(tasks),
        tuple(entries_by_kind[EntryKind.SYMLINK]),
        tuple(entries_by_kind[EntryKind.HARDLINK]),
        sum(component.plain_bytes for component in components),
        max((index.frames[task.number].plain_bytes for task in tasks), default=0),
        max((index.frames[task.number].stored_bytes for task in tasks), default=0),
    )
