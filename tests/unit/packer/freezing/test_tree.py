"""What differs from machine to machine is taken out of a tree, and the rest has one digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from packer.freezing.tree import facts_of, naming, normalise
from tests.support.trees import Directory, File, Node, Symlink, write_tree

if TYPE_CHECKING:
    from pathlib import Path

RECORD = b"""\
../../../bin/tool,sha256=of-this-place,200
one-1.0.dist-info/METADATA,sha256=x,10
one-1.0.dist-info/REQUESTED,sha256=y,0
one-1.0.dist-info/direct_url.json,sha256=z,90
one/__init__.py,sha256=w,20
"""
MENDED = b"""\
one-1.0.dist-info/METADATA,sha256=x,10
one/__init__.py,sha256=w,20
"""
BASE: dict[str, Node] = {"small": File(b"program", 0o755), "lib/a": File(b"a", 0o644)}


def test_permissions_and_facts_of_one_installation(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "small": File(b"program", 0o700),
            "closed": Directory(0o700),
            "closed/data": File(b"data", 0o600),
            "link": Symlink("small"),
            "one-1.0.dist-info/RECORD": File(RECORD, 0o640),
            "one-1.0.dist-info/REQUESTED": File(b"", 0o644),
            "one-1.0.dist-info/direct_url.json": File(b"{}", 0o644),
            "direct_url.json": File(b"the program's own", 0o644),
        },
    )
    normalise(tree)
    modes = {str(path.relative_to(tree)): path.lstat().st_mode & 0o777 for path in tree.rglob("*")}
    del modes["link"]
    assert modes == {
        "small": 0o755,
        "closed": 0o755,
        "closed/data": 0o644,
        "one-1.0.dist-info": 0o755,
        "one-1.0.dist-info/RECORD": 0o644,
        "direct_url.json": 0o644,
    }
    assert (tree / "link").is_symlink()
    assert (tree / "one-1.0.dist-info/RECORD").read_bytes() == MENDED


def test_equal_trees_have_equal_digests(tmp_path: Path) -> None:
    first, second = (write_tree(tmp_path / name, BASE) for name in ("first", "second"))
    assert facts_of(first) == facts_of(second)
    assert facts_of(first)[:2] == (2, 8)


@pytest.mark.parametrize(
    "changed",
    [
        BASE | {"lib/a": File(b"b", 0o644)},
        BASE | {"lib/a": File(b"a", 0o755)},
        BASE | {"lib/b": File(b"", 0o644)},
        BASE | {"lib/b": Directory()},
        BASE | {"lib/b": Symlink("a")},
        BASE | {"lib/b": Symlink("../small")},
        {"small": File(b"program", 0o755), "lib/b": File(b"a", 0o644)},
    ],
)
def test_everything_goes_into_the_digest(changed: dict[str, Node], tmp_path: Path) -> None:
    trees = {
        name: write_tree(tmp_path / name, nodes)
        for name, nodes in (
            ("base", BASE),
            ("changed", changed),
            ("link", BASE | {"lib/b": Symlink("a/")}),
        )
    }
    digests = {facts_of(tree).sha256 for tree in trees.values()}
    assert len(digests) == 3


def test_files_that_name_a_place_are_found(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "clean": File(b"nothing", 0o644),
            "empty": File(b"", 0o644),
            "named": File(b"\0" + str(tmp_path / "venv").encode() + b"/lib\0", 0o644),
        },
    )
    assert naming(tree, [tmp_path / "other", tmp_path / "venv"]) == ["tree/named"]
    assert naming(tree / "named", [tmp_path / "venv"]) == ["named"]
    assert naming(tree, [tmp_path / "other"]) == []
