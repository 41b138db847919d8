"""All that a reader does with a payload, held against what it must never do."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from container.errors import ContainerError
from container.reader import PayloadReader
from tests.support.payloads import MemorySource, extract
from tests.support.trees import Found, read_tree

if TYPE_CHECKING:
    from pathlib import Path

# A mutated size may be legal and large; what it costs is told by the index before it is paid.
_MOST_BYTES = 4 << 20


class Examined(NamedTuple):
    """How far a reader got; None where it refused."""

    opened: PayloadReader | None
    verified: bool
    tree: dict[str, Found] | None


def examine(payload: bytes, directory: Path, jobs: int = 1) -> Examined:
    """Open, list, verify and extract; only a ``ContainerError`` may come out of each.

    Args:
        payload: any bytes.
        directory: an existing, empty one; it is empty again afterwards.
        jobs: of the extraction.
    Raises:
        AssertionError: something was written outside the target.
        BaseException: a reader raised what is not a ``ContainerError``.
    """
    try:
        reader = PayloadReader(MemorySource(payload))
    except ContainerError:
        return Examined(None, verified=False, tree=None)
    index = reader.index
    if max(index.content_bytes, index.plain_bytes) > _MOST_BYTES:
        return Examined(reader, verified=False, tree=None)
    verified = True
    try:
        reader.verify()
    except ContainerError:
        verified = False
    target = directory / "target"
    tree: dict[str, Found] | None = None
    try:
        extract(reader, target, jobs)
        tree = read_tree(target)
        assert set(tree) == {entry.path for entry in index.entries}
    except ContainerError:
        read_tree(target)
    finally:
        beside = [place.name for place in directory.iterdir()]
        shutil.rmtree(target)
    assert beside == ["target"]
    return Examined(reader, verified, tree)
