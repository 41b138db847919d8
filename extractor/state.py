"""What an installed version is made of, and whether it still is: metadata only, never contents."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from container.model import EntryKind

if TYPE_CHECKING:
    from container.reader import PayloadReader

MANIFEST_NAME = ".manifest"
_FORMAT = 1


class Manifest(NamedTuple):
    """The record that an installation leaves beside its files."""

    version: str
    platform: str
    index_sha256: str
    components: dict[str, str]
    """Version of each component, by name."""
    files: list[list[Any]]
    """Path, size in bytes, mtime in ns, inode and mode of each file and symlink."""


def record(reader: PayloadReader, root: str) -> Manifest:
    """Describe the files that were just written.

    Raises:
        OSError: one of them is not there.
    """
    index = reader.index
    return Manifest(
        index.metadata.version,
        index.metadata.platform,
        reader.index_sha256.hex(),
        {component.name: component.version for component in index.components},
        [
            [entry.path, *_fingerprint(os.path.join(root, entry.path))]
            for entry in index.entries
            if entry.kind != EntryKind.DIRECTORY
        ],
    )


def write(manifest: Manifest, root: str) -> None:
    """Put the record beside the files.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps({"format": _FORMAT} | manifest._asdict(), separators=(",", ":"))
    with open(os.path.join(root, MANIFEST_NAME), "x", encoding="utf-8") as stream:
        stream.write(text)


def read(root: str) -> Manifest | None:
    """The record of an installed version; None where there is none that can be read.

    A version without a sound record is not installed: it is written again, not repaired by guess.
    """
    try:
        with open(os.path.join(root, MANIFEST_NAME), encoding="utf-8") as stream:
            fields = json.load(stream)
        if fields.pop("format") != _FORMAT:
            return None
        manifest = Manifest(**fields)
        sound = all(isinstance(path, str) for path, *_ in manifest.files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return manifest if sound else None


def damaged(manifest: Manifest, root: str) -> list[str]:
    """Paths of files that are missing, or whose size, time, inode or mode differ."""
    bad = []
    for path, *expected in manifest.files:
        try:
            found = _fingerprint(os.path.join(root, path))
        except (OSError, ValueError):
            found = []
        if found != expected:
            bad.append(path)
    return bad


def _fingerprint(path: str) -> list[int]:
    status = os.lstat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode]
