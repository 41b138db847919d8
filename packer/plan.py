"""What goes where: order, grouping and frames, decided from names, sizes and digests alone.

Pure: no file is opened here, so the same inputs give the same plan on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from container.errors import PackError
from container.invariants import EMPTY_XXH3_128, NO_DIGEST
from container.model import Component, ComponentKind, Entry, EntryKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packer.sources import Digests, ScannedComponent, SourceEntry, SourceFile


class Part(NamedTuple):
    """A run of one source file that lies in one frame; offset and size in bytes."""

    source: SourceFile
    offset: int
    size: int


class FramePlan(NamedTuple):
    """One frame to be compressed."""

    parts: tuple[Part, ...]
    content_offset: int
    plain_bytes: int
    reference: int | None = None
    """Number of the entry that serves as its dictionary."""


@dataclass(frozen=True)
class Plan:
    """Everything but the stored bytes: an index whose frames are still to be made."""

    components: tuple[Component, ...]
    entries: tuple[Entry, ...]
    frames: tuple[FramePlan, ...]
    sources: Mapping[int, SourceFile]
    """Source of each entry of kind FILE, by number."""

    @property
    def content_bytes(self) -> int:
        """Length of the content stream."""
        return sum(frame.plain_bytes for frame in self.frames)

    def with_references(self, references: Sequence[int | None]) -> Plan:
        """The same plan, with a reference or None for each frame."""
        frames = tuple(
            frame._replace(reference=reference)
            for frame, reference in zip(self.frames, references, strict=True)
        )
        owners = [
            number for number, component in enumerate(self.components) for _ in component.entries
        ]
        components = []
        for number, component in enumerate(self.components):
            used = {frames[frame].reference for frame in component.frames}
            needs = {owners[reference] for reference in used if reference is not None}
            components.append(component._replace(needs=frozenset(needs - {number})))
        return replace(self, components=tuple(components), frames=frames)


def make_plan(
    scanned: Sequence[ScannedComponent],
    digests: Mapping[str, Digests],
    content_sha256: Mapping[str, bytes],
    frame_bytes: int,
) -> Plan:
    """Order components and files, store same content once, cut the stream into frames.

    Programs come before trees and small ones before large ones: of two programs that share
    code the smaller serves as the larger one's reference, for the same saving and a third of
    the memory (measured: 9.5 MB for 28 MB saves as much as the other way round).

    Args:
        scanned: the components, in any order, of different names.
        digests: of each file, by path.
        content_sha256: of each component, by name.
        frame_bytes: upper bound of one frame's plain bytes.
    Raises:
        PackError: two components of one name, or none at all.
    """
    ordered = sorted(scanned, key=_component_order)
    component_names = [component.source.name for component in ordered]
    if not ordered:
        raise PackError("nothing to pack", remedy="name at least one component")
    for name in component_names:
        if component_names.count(name) > 1:
            raise PackError("two components of the same name", name)
    components: list[Component] = []
    entries: list[Entry] = []
    frames: list[FramePlan] = []
    sources: dict[int, SourceFile] = {}
    content_offset = 0
    for component in ordered:
        first_entry, first_frame = len(entries), len(frames)
        contents = _unique_contents(component, digests)
        extents: dict[str, int] = {}
        offset = content_offset
        for owners in contents:
            extents.update((entry.path, offset) for entry in owners)
            offset += _size(owners[0])
        for entry in component.entries:
            if entry.source is not None:
                sources[len(entries)] = entry.source
            entries.append(_entry(entry, component, digests, extents))
        files = [owners[0].source for owners in contents if owners[0].source is not None]
        frames.extend(_cut(files, content_offset, offset - content_offset, frame_bytes))
        content_offset = offset
        numbers = {entry.path: first_entry + n for n, entry in enumerate(component.entries)}
        components.append(
            Component(
                component.source.name,
                component.source.version,
                component.kind,
                None if component.entry_point is None else numbers[component.entry_point],
                first_entry,
                len(component.entries),
                first_frame,
                len(frames) - first_frame,
                frozenset(),
                sum(map(_size, component.entries)),
                content_sha256[component.source.name],
            )
        )
    return Plan(tuple(components), tuple(entries), tuple(frames), sources)


def _component_order(component: ScannedComponent) -> tuple[bool, int, str]:
    tree = component.kind == ComponentKind.TREE
    return tree, sum(map(_size, component.entries)), component.source.name


def _size(entry: SourceEntry) -> int:
    return 0 if entry.source is None else entry.source.plain_bytes


def _unique_contents(
    component: ScannedComponent, digests: Mapping[str, Digests]
) -> list[list[SourceEntry]]:
    """Files grouped by content, in the order in which they compress best."""
    groups: dict[bytes, list[SourceEntry]] = {}
    for entry in component.entries:
        if _size(entry):
            groups.setdefault(digests[entry.path].sha256, []).append(entry)
    return sorted(groups.values(), key=lambda owners: _content_order(owners[0]))


def _content_order(entry: SourceEntry) -> tuple[str, str, str]:
    """Files of one kind together, and those of one name: they share most.

    Measured on a frozen agent-runner of 136 MB, level 19, frames of 16 MiB: 38.17 MB against 38.26
    in order of path and 38.21 to 38.26 in order of size; with references 37.51 against 37.76.
    """
    name = entry.path.rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return suffix if stem else "", name, entry.path


def _entry(
    entry: SourceEntry,
    component: ScannedComponent,
    digests: Mapping[str, Digests],
    extents: Mapping[str, int],
) -> Entry:
    if entry.kind == EntryKind.HARDLINK:
        target = next(other for other in component.entries if other.path == entry.link)
        shared = _entry(target, component, digests, extents)
        return shared._replace(path=entry.path, kind=int(entry.kind), link=entry.link)
    size = _size(entry)
    if size:
        digest = digests[entry.path].xxh3_128
    else:
        digest = EMPTY_XXH3_128 if entry.kind == EntryKind.FILE else NO_DIGEST
    return Entry(
        entry.path,
        int(entry.kind),
        entry.mode,
        entry.link,
        extents.get(entry.path, 0),
        size,
        digest,
    )


def _cut(
    files: Sequence[SourceFile], content_offset: int, content_bytes: int, frame_bytes: int
) -> list[FramePlan]:
    """Frames of nearly equal size: no short last one that leaves a worker idle."""
    count = -(-content_bytes // frame_bytes)
    frames: list[FramePlan] = []
    position = 0
    pending = [Part(source, 0, source.plain_bytes) for source in reversed(files)]
    for number in range(count):
        end = content_bytes * (number + 1) // count
        start, parts = position, []
        while position < end:
            part = pending.pop()
            size = min(part.size, end - position)
            parts.append(part._replace(size=size))
            if size < part.size:
                pending.append(Part(part.source, part.offset + size, part.size - size))
            position += size
        frames.append(FramePlan(tuple(parts), content_offset + start, end - start))
    return frames
