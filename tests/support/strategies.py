"""Arbitrary trees for Hypothesis, of all that a payload can carry."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from container import names
from container.errors import UnsafePathError
from tests.support.trees import Directory, File, Hardlink, Node, Symlink, Tree

if TYPE_CHECKING:
    from tests.support.payloads import Components

_NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "c", "lib", "x.so", "y.py", ".hidden", "a b", "a-b", "a+", "é", "日本"]
    ),
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), max_codepoint=0x2FFF), max_size=6
    ),
)


def _legal(path: str) -> bool:
    try:
        names.check_path(f"tree/{path}")
    except UnsafePathError:
        return False
    return True


_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join).filter(_legal)


def contents(frame_bytes: int) -> st.SearchStrategy[bytes]:
    """Of sizes around every boundary of a frame; few seeds, so that same content comes up."""
    telling = [0, 1, 2, frame_bytes - 1, frame_bytes, frame_bytes + 1, 2 * frame_bytes]
    telling += [3 * frame_bytes + 1, 5 * frame_bytes - 1]
    sizes = st.one_of(st.sampled_from(telling), st.integers(0, 4 * frame_bytes))

    def content(size: int, seed: int) -> bytes:
        if seed == 0:
            return b"same text, " * (size // 11) + b"!" * (size % 11)
        return random.Random(seed).randbytes(size)

    return st.builds(content, sizes, st.integers(0, 3))


@st.composite
def trees(draw: st.DrawFn, frame_bytes: int) -> Tree:
    """A tree that may be packed: no two paths of it collide, and no link leaves it."""
    tree: Tree = {}
    taken: dict[str, bool] = {}
    for path in draw(st.lists(_PATHS, max_size=12)):
        parents = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
        # True stands for a directory, and a directory may be met again in the same spelling only.
        keys = {names.collision_key(parent): parent for parent in parents}
        if names.collision_key(path) in taken or any(taken.get(key) is False for key in keys):
            continue
        spelled = {
            names.collision_key(parent): parent for other in tree for parent in _above(other)
        }
        if any(spelled.get(key, parent) != parent for key, parent in keys.items()):
            continue
        node = draw(_nodes(path, tree, frame_bytes))
        if isinstance(node, Directory) and names.collision_key(path) in spelled:
            continue
        tree[path] = node
        taken.update(dict.fromkeys(keys, True))
        taken[names.collision_key(path)] = isinstance(node, Directory)
    return tree


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _nodes(path: str, tree: Tree, frame_bytes: int) -> st.SearchStrategy[Node]:
    modes = st.integers(0, 0o777)
    choices: list[st.SearchStrategy[Node]] = [
        st.builds(File, contents(frame_bytes), modes.map(lambda mode: mode | 0o400)),
        st.builds(Directory, modes.map(lambda mode: mode | 0o700)),
    ]
    up = st.integers(0, path.count("/")).map(lambda count: "../" * count)
    down = _PATHS if not tree else st.one_of(_PATHS, st.sampled_from(sorted(tree)))
    choices.append(st.builds(lambda one, other: Symlink(one + other), up, down))
    files = sorted(other for other, node in tree.items() if isinstance(node, File))
    if files:
        choices.append(st.builds(Hardlink, st.sampled_from(files)))
        same = [node for node in tree.values() if isinstance(node, File)]
        choices.append(st.sampled_from(same))
    return st.one_of(choices)


@st.composite
def components(draw: st.DrawFn, frame_bytes: int) -> Components:
    """Up to two programs and up to two trees, at least one of them all."""
    found: dict[str, File | Tree] = {}
    for name in draw(st.sets(st.sampled_from(["prog", "server"]))):
        found[name] = File(draw(contents(frame_bytes)), 0o755)
    for name in draw(st.sets(st.sampled_from(["tree", "agent"]), min_size=not found)):
        found[name] = draw(trees(frame_bytes))
    return found
