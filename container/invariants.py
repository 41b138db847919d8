"""What must hold between the rows of an index; pure, on the model (FORMAT.md sections 6 to 8).

The packer asks before it writes, the codec after it has read: nobody else sees an index for
which this did not hold.
"""

from __future__ import annotations

from operator import lt

from container import limits, names
from container.errors import (
    FormatError,
    LimitExceededError,
    UnsafePathError,
    UnsupportedVersionError,
)
from container.model import PLATFORMS, ComponentKind, EntryKind, Filter, Index
from container.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container.model import Component, Entry

EMPTY_XXH3_128 = bytes.fromhex("99aa06d3014798d86001c324468d497f")
NO_DIGEST = bytes(16)


def check(index: Index) -> None:
    """Refuse an index of which a part contradicts another.

    Raises:
        FormatError: rows that contradict each other.
        LimitExceededError: a size beyond FORMAT.md section 9.
        UnsafePathError: a path or link that must not be written.
        UnsupportedVersionError: a filter that this version does not know.
    """
    _check_metadata(index)
    _check_frames(index)
    _check_components(index)
    paths = [entry.path for entry in index.entries]
    names.check_paths(paths)
    names.check_collisions(paths)
    for component in index.components:
        entries = index.entries_of(component)
        _check_tree(component, entries)
        _check_contents(index, component, entries)
    for component in index.components:
        _check_references(index, component)


def _check_metadata(index: Index) -> None:
    metadata = index.metadata
    names.check_label(metadata.version, "product version")
    names.check_label(metadata.zstd_version, "zstd version")
    if metadata.platform not in PLATFORMS:
        raise FormatError("unknown platform", None, ", ".join(PLATFORMS), repr(metadata.platform))


def _check_frames(index: Index) -> None:
    for number, frame in enumerate(index.frames):
        where = f"frame {number}"
        if not 0 < frame.plain_bytes <= limits.MAX_FRAME_PLAIN_BYTES:
            raise LimitExceededError(
                "plain size of a frame",
                where,
                f"1 to {limits.MAX_FRAME_PLAIN_BYTES} bytes",
                str(frame.plain_bytes),
            )
        if not 0 < frame.stored_bytes <= limits.MAX_FRAME_STORED_BYTES:
            raise LimitExceededError(
                "stored size of a frame",
                where,
                f"1 to {limits.MAX_FRAME_STORED_BYTES} bytes",
                str(frame.stored_bytes),
            )
        if frame.filter != Filter.NONE:
            raise UnsupportedVersionError(
                "this version reads no filters",
                where,
                "filter 0",
                str(frame.filter),
                "use a newer release of the extractor",
            )


def _check_components(index: Index) -> None:
    if len(index.components) > limits.MAX_COMPONENTS:
        raise LimitExceededError(
            "number of components",
            expected=f"at most {limits.MAX_COMPONENTS}",
            found=str(len(index.components)),
        )
    entry_count = sum(component.entry_count for component in index.components)
    frame_count = sum(component.frame_count for component in index.components)
    if (entry_count, frame_count) != (len(index.entries), len(index.frames)):
        raise FormatError(
            "components do not share out all rows",
            expected=f"{len(index.entries)} entries, {len(index.frames)} frames",
            found=f"{entry_count} and {frame_count}",
        )
    if index.plain_bytes > limits.MAX_PLAIN_BYTES:
        raise LimitExceededError(
            "plain size of the payload",
            expected=f"at most {limits.MAX_PLAIN_BYTES} bytes",
            found=str(index.plain_bytes),
        )
    seen: set[str] = set()
    for component in index.components:
        names.check_label(component.name, "component name")
        names.check_label(component.version, "component version")
        # Paths alone do not tell: one may be NAME and the other NAME.exe.
        if component.name in seen:
            raise FormatError("two components of the same name", component.name)
        seen.add(component.name)


def _check_tree(component: Component, entries: Sequence[Entry]) -> None:
    """Paths are in order, below the component's own name, and have real parents."""
    where = f"component {component.name}"
    paths = [entry.path for entry in entries]
    if not all(map(lt, paths, paths[1:])):
        raise FormatError("entries are not in strictly ascending order of path", where)
    if component.kind == ComponentKind.FILE:
        if len(entries) != 1 or entries[0].kind != EntryKind.FILE:
            raise FormatError("a file component has exactly one entry, a file", where)
        if paths[0] not in (component.name, f"{component.name}.exe"):
            raise FormatError(
                "path differs from the component's name", where, component.name, ascii(paths[0])
            )
    else:
        directories = {entry.path for entry in entries if entry.kind == EntryKind.DIRECTORY}
        parents = {path.rpartition("/")[0] for path in paths[1:]}
        if not paths or paths[0] != component.name or paths[0] not in directories:
            raise FormatError("a tree begins with its own directory", where, component.name)
        if not parents <= directories:
            orphan = min(parents - directories)
            raise UnsafePathError(
                "parent is not a directory of the tree", where, found=repr(orphan)
            )
    if component.entry_point is not None:
        entry = entries[component.entry_point - component.first_entry]
        if entry.kind not in (EntryKind.FILE, EntryKind.HARDLINK) or not entry.mode & 0o100:
            raise FormatError("entry point is not an executable file", where, found=entry.path)


def _check_contents(index: Index, component: Component, entries: Sequence[Entry]) -> None:
    """Extents of files tile the component's part of the content stream; nothing else has one."""
    where = f"component {component.name}"
    owners: dict[int, Entry] = {}
    others: list[Entry] = []
    plain_bytes = 0
    # Nearly all entries are files: this loop is a fifth of the time of opening.
    file_kind = int(EntryKind.FILE)
    for entry in entries:
        path, kind, _, _, offset, size, digest = entry
        if kind != file_kind:
            others.append(entry)
            continue
        plain_bytes += size
        if size:
            owner = owners.setdefault(offset, entry)
            if owner is not entry and owner[-2:] != entry[-2:]:
                raise FormatError("extent overlaps that of another file", path, found=owner.path)
        elif offset or digest != EMPTY_XXH3_128:
            raise FormatError("an empty file has offset 0 and the empty digest", path)
    _check_others(others, entries)
    offset, end = index.content_span(component)
    for start in sorted(owners):
        if start != offset:
            raise FormatError(
                "extents leave a gap or overlap", owners[start].path, str(offset), str(start)
            )
        offset += owners[start].plain_bytes
    if offset != end:
        raise FormatError(
            "extents do not fill the component's frames", where, str(end), str(offset)
        )
    if plain_bytes != component.plain_bytes:
        raise FormatError(
            "size differs from its files'", where, str(plain_bytes), str(component.plain_bytes)
        )


def _check_others(others: Sequence[Entry], entries: Sequence[Entry]) -> None:
    """Hardlinks repeat an earlier file; directories and symlinks have no contents."""
    files: dict[str, Entry] | None = None
    for entry in others:
        if entry.kind == EntryKind.HARDLINK:
            if files is None:
                files = {file.path: file for file in entries if file.kind == EntryKind.FILE}
            target = files.get(entry.link)
            if (
                target is None
                or target.path >= entry.path
                or target[4:] != entry[4:]
                or target.mode != entry.mode
            ):
                raise FormatError("a hardlink repeats an earlier file of its component", entry.path)
        elif entry[4:] != (0, 0, NO_DIGEST):
            raise FormatError("only files have contents", entry.path)
        elif entry.kind == EntryKind.SYMLINK:
            names.check_link(entry.path, entry.link)


def _check_references(index: Index, component: Component) -> None:
    """A reference is an earlier, whole, not too large file whose own frames have none."""
    needs: set[int] = set()
    sound: set[int] = set()
    for number in component.frames:
        frame = index.frames[number]
        if frame.reference is None:
            continue
        where = f"frame {number}"
        entry = index.entries[frame.reference]
        owner = index.owner(frame.reference)
        if index.components[owner] is not component:
            needs.add(owner)
        if entry.kind != EntryKind.FILE or not entry.plain_bytes:
            raise FormatError("a reference is a file with contents", where, found=entry.path)
        if entry.plain_bytes > limits.MAX_REFERENCE_BYTES:
            raise LimitExceededError(
                "size of a reference",
                where,
                f"at most {limits.MAX_REFERENCE_BYTES} bytes",
                str(entry.plain_bytes),
            )
        if entry.content_offset + entry.plain_bytes > frame.content_offset:
            raise FormatError("a reference ends before the frame begins", where, found=entry.path)
        # Asked once for each extent: many frames and entries may name the same one.
        if entry.content_offset in sound:
            continue
        if any(index.frames[under].reference is not None for under in index.frames_under(entry)):
            raise FormatError("a reference itself has none", where, found=entry.path)
        sound.add(entry.content_offset)
    if needs != component.needs:
        raise FormatError(
            "needs differ from its frames' references",
            f"component {component.name}",
            str(sorted(needs)),
            str(sorted(component.needs)),
        )
