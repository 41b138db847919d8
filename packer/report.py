"""What a payload holds and how two differ, as plain data; the command line prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from container.model import COMPONENT_KINDS, ENTRY_KINDS, EntryKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from container.model import Component, Entry, Index
    from container.reader import PayloadReader
    from packer.hosts import HostFacts
    from packer.writer import Written


def describe_host(host: HostFacts) -> dict[str, Any]:
    """What ``inspect`` shows of a host; sizes in bytes."""
    return {
        "format": host.format,
        "architectures": list(host.architectures),
        "frozen": host.frozen,
        "signature": host.signature,
        "host_bytes": host.host_bytes,
    }


def describe(reader: PayloadReader, host: HostFacts) -> dict[str, Any]:
    """Everything that ``inspect`` shows; sizes in bytes, offsets from the start of the file.

    A file's stored bytes are its share of its frames', by plain size: frames compress as a whole.
    """
    index, location = reader.index, reader.location
    shares = stored_shares(index)
    return {
        "file": {
            "path": reader.source.name,
            "bytes": reader.source.size,
            "host_format": host.format,
            "host_bytes": host.host_bytes,
            "payload_offset": location.payload_offset,
            "index_offset": location.index_offset,
            "index_bytes": location.footer.index_bytes,
            "footer_offset": location.footer_offset,
            "payload_bytes": location.payload_bytes,
        },
        "host": describe_host(host),
        "format": f"{location.footer.major}.{location.footer.minor}",
        "version": index.metadata.version,
        "platform": index.metadata.platform,
        "zstd_version": index.metadata.zstd_version,
        "level": index.metadata.level,
        "frame_bytes": index.metadata.frame_bytes,
        "index_sha256": reader.index_sha256.hex(),
        "plain_bytes": index.plain_bytes,
        "content_bytes": index.content_bytes,
        "stored_bytes": index.stored_bytes,
        "components": [_component(index, component, shares) for component in index.components],
        "frames": [
            {
                "number": number,
                "stored_offset": location.payload_offset + frame.stored_offset,
                "stored_bytes": frame.stored_bytes,
                "plain_bytes": frame.plain_bytes,
                "reference": None
                if frame.reference is None
                else index.entries[frame.reference].path,
                "sha256": frame.sha256.hex(),
            }
            for number, frame in enumerate(index.frames)
        ],
    }


def describe_written(
    output: Path,
    written: Written,
    file_bytes: int,
    host_bytes: int = 0,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """What ``embed`` and ``pack`` made; sizes in bytes."""
    index = written.payload_index
    return {
        "output": str(output),
        "file_bytes": file_bytes,
        "host_bytes": host_bytes,
        "payload_bytes": written.payload_bytes,
        "plain_bytes": index.plain_bytes,
        "stored_bytes": index.stored_bytes,
        "warnings": list(warnings),
        "index_sha256": written.index_sha256.hex(),
        "components": {
            component.name: {
                "version": component.version,
                "plain_bytes": component.plain_bytes,
                "stored_bytes": index.stored_bytes_of(component),
                "content_sha256": component.content_sha256.hex(),
            }
            for component in index.components
        },
    }


def _component(index: Index, component: Component, shares: dict[str, int]) -> dict[str, Any]:
    entries = index.entries_of(component)
    entry_point = component.entry_point
    return {
        "name": component.name,
        "version": component.version,
        "kind": COMPONENT_KINDS[component.kind],
        "entry_point": None if entry_point is None else index.entries[entry_point].path,
        "needs": [index.components[number].name for number in sorted(component.needs)],
        "plain_bytes": component.plain_bytes,
        "stored_bytes": index.stored_bytes_of(component),
        "frames": component.frame_count,
        "files": sum(entry.kind == EntryKind.FILE for entry in entries),
        "content_sha256": component.content_sha256.hex(),
        "entries": [
            {
                "path": entry.path,
                "kind": ENTRY_KINDS[entry.kind],
                "mode": f"{entry.mode:04o}",
                "link": entry.link or None,
                "plain_bytes": entry.plain_bytes,
                "stored_bytes": shares.get(entry.path, 0),
                "xxh3_128": entry.xxh3_128.hex() if entry.kind == EntryKind.FILE else None,
            }
            for entry in entries
        ],
    }


def stored_shares(index: Index) -> dict[str, int]:
    """Stored bytes of each file, by path; content that is stored once counts for its first file."""
    shares: dict[str, int] = {}
    for component in index.components:
        for extent in index.extents_of(component):
            first = index.entries[extent.entries[0]]
            end = extent.content_offset + extent.plain_bytes
            share = 0.0
            for number in index.frames_under(first):
                frame = index.frames[number]
                overlap = min(end, frame.content_offset + frame.plain_bytes) - max(
                    extent.content_offset, frame.content_offset
                )
                share += frame.stored_bytes * overlap / frame.plain_bytes
            shares[first.path] = round(share)
    return shares


class Change(NamedTuple):
    """One difference between two payloads; sizes in bytes, zero where there is nothing."""

    what: str
    """``added``, ``removed`` or ``changed``."""
    component: str
    path: str | None
    """None: the component as a whole."""
    detail: str
    plain_bytes: int
    """New minus old."""
    stored_bytes: int
    """New minus old."""


def compare(old: Index, new: Index) -> list[Change]:
    """What must be done to the old payload's contents to get the new one's.

    Returns:
        For each component that differs one change for it as a whole, then one for each file,
        directory or link, in order of path.
    """
    changes: list[Change] = []
    old_shares, new_shares = stored_shares(old), stored_shares(new)
    old_components = {component.name: component for component in old.components}
    new_components = {component.name: component for component in new.components}
    for name in sorted(old_components.keys() | new_components.keys()):
        before, after = old_components.get(name), new_components.get(name)
        if before and after and before.content_sha256 == after.content_sha256:
            if before.version != after.version:
                detail = f"{before.version} -> {after.version}, same contents"
                changes.append(Change("changed", name, None, detail, 0, 0))
            continue
        changes.append(_component_change(name, old, before, new, after))
        old_entries = {e.path: e for e in old.entries_of(before)} if before else {}
        new_entries = {e.path: e for e in new.entries_of(after)} if after else {}
        for path in sorted(old_entries.keys() | new_entries.keys()):
            old_entry, new_entry = old_entries.get(path), new_entries.get(path)
            detail = _difference(old_entry, new_entry)
            if detail:
                changes.append(
                    Change(
                        _what(old_entry, new_entry),
                        name,
                        path,
                        detail,
                        _plain(new_entry) - _plain(old_entry),
                        new_shares.get(path, 0) - old_shares.get(path, 0),
                    )
                )
    return changes


def _component_change(
    name: str, old: Index, before: Component | None, new: Index, after: Component | None
) -> Change:
    versions = [component.version for component in (before, after) if component]
    return Change(
        _what(before, after),
        name,
        None,
        " -> ".join(dict.fromkeys(versions)),
        (after.plain_bytes if after else 0) - (before.plain_bytes if before else 0),
        (new.stored_bytes_of(after) if after else 0)
        - (old.stored_bytes_of(before) if before else 0),
    )


def _what(before: object, after: object) -> str:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def _plain(entry: Entry | None) -> int:
    return entry.plain_bytes if entry and entry.kind == EntryKind.FILE else 0


def _difference(before: Entry | None, after: Entry | None) -> str:
    """What differs between two entries of one path; empty where nothing does."""
    if before is None or after is None:
        entry = before or after
        return ENTRY_KINDS[entry.kind] if entry else ""
    found = []
    if before.kind != after.kind:
        found.append(f"{ENTRY_KINDS[before.kind]} -> {ENTRY_KINDS[after.kind]}")
    if before.xxh3_128 != after.xxh3_128:
        found.append("contents")
    if before.mode != after.mode:
        found.append(f"mode {before.mode:04o} -> {after.mode:04o}")
    if before.link != after.link:
        found.append(f"link {before.link} -> {after.link}")
    return ", ".join(found)
