"""Frozen values: what the bytes of an index mean. No input or output, no decoding.

Named tuples rather than dataclasses: 10,000 of them are made while an index is opened, and
``tuple.__new__`` takes a fifth of the time of a frozen dataclass, whose import alone costs
6 ms of every start.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter

from container.errors import UnknownEntryError
from container.typed import NamedTuple

PLATFORMS = ("linux-amd64", "darwin-arm64", "darwin-amd64", "linux-arm64", "windows-amd64")


class ComponentKind:
    """FORMAT.md section 6.3. Kinds are plain integers: ``enum`` is 2 ms of a first start."""

    FILE = 1
    TREE = 2


class EntryKind:
    """FORMAT.md section 6.5."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    HARDLINK = 4


class Filter:
    """What stands between zstd's output and the content stream; FORMAT.md section 6.4."""

    NONE = 0
    X86_BRANCH = 1
    ARM64_BRANCH = 2


COMPONENT_KINDS = {ComponentKind.FILE: "file", ComponentKind.TREE: "tree"}
"""What each is called where people read it."""

ENTRY_KINDS = {
    EntryKind.FILE: "file",
    EntryKind.DIRECTORY: "directory",
    EntryKind.SYMLINK: "symlink",
    EntryKind.HARDLINK: "hardlink",
}
"""Likewise."""


class Footer(NamedTuple):
    """The last 64 bytes of a payload; distances are counted back from its end, in bytes."""

    major: int
    minor: int
    index_bytes: int
    index_distance: int
    payload_distance: int
    lead_bytes: int
    required_features: int
    index_xxh3: int


class Metadata(NamedTuple):
    """What a payload says of itself as a whole."""

    version: str
    platform: str
    zstd_version: str
    level: int
    frame_bytes: int
    """The packer's bound on one frame's plain bytes."""


class Frame(NamedTuple):
    """One independent zstd frame."""

    stored_offset: int
    """From the start of the payload, in bytes."""
    stored_bytes: int
    content_offset: int
    """Of its first plain byte in the content stream."""
    plain_bytes: int
    reference: int | None
    """Number of the entry whose plain bytes are the dictionary of this frame."""
    filter: int
    stored_xxh3: int
    sha256: bytes
    """Of the stored bytes."""


class Entry(NamedTuple):
    """One file, directory or link, at ``path`` below the directory a payload is written to."""

    path: str
    kind: int
    """An ``EntryKind``."""
    mode: int
    """Permission bits, at most 0o777."""
    link: str
    """A symlink's target; of a hardlink, the path of the file it shares; else empty."""
    content_offset: int
    """Of its first byte in the content stream; 0 where there are no bytes."""
    plain_bytes: int
    xxh3_128: bytes
    """Big-endian digest of the plain bytes; zeros where the entry is not a file or hardlink."""


class Extent(NamedTuple):
    """A run of the content stream, and the files that have it as their contents."""

    content_offset: int
    plain_bytes: int
    entries: tuple[int, ...]
    """Numbers of the entries of kind FILE; several where the same content is stored once."""


class Component(NamedTuple):
    """A named, versioned group of entries whose frames belong to it alone."""

    name: str
    version: str
    kind: int
    """A ``ComponentKind``."""
    entry_point: int | None
    """Number of the entry to run."""
    first_entry: int
    entry_count: int
    first_frame: int
    frame_count: int
    needs: frozenset[int]
    """Numbers of the components whose files serve as references here."""
    plain_bytes: int
    """Of all its files as written; a hardlink counts nothing."""
    content_sha256: bytes
    """Identity of what it holds, whatever the compression; FORMAT.md section 8.2."""

    @property
    def entries(self) -> range:
        """Numbers of its entries."""
        return range(self.first_entry, self.first_entry + self.entry_count)

    @property
    def frames(self) -> range:
        """Numbers of its frames."""
        return range(self.first_frame, self.first_frame + self.frame_count)


class Index(NamedTuple):
    """Everything a payload says, in index order; paths, extents and references are valid."""

    metadata: Metadata
    components: tuple[Component, ...]
    frames: tuple[Frame, ...]
    entries: tuple[Entry, ...]

    @property
    def stored_bytes(self) -> int:
        """Of all frames."""
        return sum(frame.stored_bytes for frame in self.frames)

    @property
    def content_bytes(self) -> int:
        """Length of the content stream: same content counted once."""
        return sum(frame.plain_bytes for frame in self.frames)

    @property
    def plain_bytes(self) -> int:
        """Of all files as written."""
        return sum(component.plain_bytes for component in self.components)

    def content_span(self, component: Component) -> tuple[int, int]:
        """First and end offset of the component's part of the content stream."""
        if not component.frame_count:
            return 0, 0
        first, last = self.frames[component.first_frame], self.frames[component.frames[-1]]
        return first.content_offset, last.content_offset + last.plain_bytes

    def extents_of(self, component: Component) -> list[Extent]:
        """The component's extents in the order of the content stream; empty files have none."""
        owners: dict[int, list[int]] = {}
        for number in component.entries:
            entry = self.entries[number]
            if entry.kind == EntryKind.FILE and entry.plain_bytes:
                owners.setdefault(entry.content_offset, []).append(number)
        return [
            Extent(offset, self.entries[numbers[0]].plain_bytes, tuple(numbers))
            for offset, numbers in sorted(owners.items())
        ]

    def frames_under(self, entry: Entry) -> range:
        """Numbers of the frames that hold the entry's plain bytes."""
        if not entry.plain_bytes:
            return range(0)
        first = bisect_right(self.frames, entry.content_offset, key=_content_offset) - 1
        end = bisect_left(
            self.frames, entry.content_offset + entry.plain_bytes, key=_content_offset
        )
        return range(first, end)

    def owner(self, number: int) -> int:
        """Number of the component that holds the entry of that number."""
        return bisect_right(self.components, number, key=_first_entry) - 1

    def component(self, name: str) -> Component:
        """The component of that name.

        Raises:
            UnknownEntryError: there is none; the text lists those there are.
        """
        for component in self.components:
            if component.name == name:
                return component
        known = ", ".join(component.name for component in self.components)
        raise UnknownEntryError("no such component in this payload", name, f"one of {known}")

    def entries_of(self, component: Component) -> tuple[Entry, ...]:
        """The component's entries, in index order."""
        return self.entries[component.first_entry : component.first_entry + component.entry_count]

    def frames_of(self, component: Component) -> tuple[Frame, ...]:
        """The component's frames, in payload order."""
        return self.frames[component.first_frame : component.first_frame + component.frame_count]

    def stored_bytes_of(self, component: Component) -> int:
        """Of the component's frames."""
        return sum(frame.stored_bytes for frame in self.frames_of(component))


_content_offset = attrgetter("content_offset")
_first_entry = attrgetter("first_entry")
