"""Archives: the same bytes from different directories, and what comes out of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from container.errors import ArtefactError
from packer.release import archive
from packer.release.archive import Root
from tests.support.trees import Directory, File, Hardlink, Symlink, read_tree, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.trees import Node

TREE: dict[str, Node] = {
    "program": File(b"runs", 0o755),
    "same": Hardlink("program"),
    "a-b": File(b"", 0o600),
    "a/z": File(b"data" * 1000, 0o444),
    "a/link": Symlink("../program"),
    "hollow": Directory(0o750),
}


def test_an_archive_holds_all_and_depends_on_nothing_else(tmp_path: Path) -> None:
    first = write_tree(tmp_path / "first", TREE)
    # A link's target must be there first.
    backward = {"program": TREE["program"]} | dict(reversed(list(TREE.items())))
    second = write_tree(tmp_path / "second", backward)
    for path in second.rglob("*"):
        os.utime(path, ns=(1, 1), follow_symlinks=False)
    made = [
        archive.write([Root("tree", root)], tmp_path / f"{root.name}.tar.gz")
        for root in (first, second)
    ]
    assert made[0].sha256 == made[1].sha256
    archive.unpack(tmp_path / "first.tar.gz", tmp_path / "out")
    assert read_tree(tmp_path / "out" / "tree") == read_tree(first)


def test_an_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archive.write([Root("missing", tmp_path / "missing")], tmp_path / "a.tar.gz")
    assert list(tmp_path.iterdir()) == []


def test_every_cut_is_found(tmp_path: Path) -> None:
    whole = tmp_path / "a.tar.gz"
    archive.write([Root("tree", write_tree(tmp_path / "tree", TREE))], whole)
    data = whole.read_bytes()
    # The last eight bytes are gzip's checksum and length, which tar does not wait for.
    for size in range(0, len(data) - 40, 7):
        cut = tmp_path / "cut.tar.gz"
        cut.write_bytes(data[:size])
        out = tmp_path / f"out-{size}"
        out.mkdir()
        with pytest.raises(ArtefactError, match="cannot be unpacked"):
            archive.unpack(cut, out)
