import stat

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.inputs import Row
from benchmarks.outputs import CONTENTS, differences, require_same
from benchmarks.peers import Copy, OneFile, SevenZip, Wrappe
from benchmarks.peers.peer import EMPTY, LINKS, MODES

_FILE, _DIRECTORY, _LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
_TREE: list[Row] = [
    ("directory", _DIRECTORY | 0o755, ""),
    ("directory/file", _FILE | 0o644, "abc"),
    ("empty", _DIRECTORY | 0o755, ""),
    ("link", _LINK, "directory/file"),
]


def _with(path: str, *rows: Row) -> list[Row]:
    return [row for row in _TREE if row[0] != path] + list(rows)


def test_the_same_rows_do_not_differ_in_any_order() -> None:
    assert differences(_TREE, reversed(_TREE)) == {}


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (_with("directory/file", ("directory/file", _FILE | 0o644, "abd")), CONTENTS),
        (_with("directory/file", ("directory/file", _LINK, "abc")), CONTENTS),
        (_with("directory/file"), CONTENTS),
        (_with("directory"), CONTENTS),
        (_with("", ("more", _FILE | 0o644, "abc")), CONTENTS),
        (_with("directory/file", ("directory/file", _FILE | 0o755, "abc")), MODES),
        (_with("directory", ("directory", _DIRECTORY | 0o700, "")), MODES),
        (_with("link", ("link", _FILE | 0o644, "abc")), LINKS),
        (_with("link", ("link", _LINK, "/directory/file")), LINKS),
        (_with("link"), LINKS),
        (_with("empty"), EMPTY),
    ],
)
def test_each_difference_is_told_by_its_kind(found: list[Row], kind: str) -> None:
    assert list(differences(_TREE, found)) == [kind]


def test_files_that_a_peer_is_known_to_add_do_not_count_and_others_do() -> None:
    found = [*_TREE, ("directory/._wrappe_lock_", _FILE | 0o644, "")]
    assert differences(_TREE, found, Wrappe.leaves) == {}
    assert differences(_TREE, found, ("lock",)) == {CONTENTS: ["directory/._wrappe_lock_"]}


def test_a_loss_that_a_peer_is_known_for_is_said_by_name() -> None:
    found = _with("link", ("link", _FILE | 0o644, ""))
    (line,) = require_same(SevenZip(), _TREE, found)
    assert line == f"{SevenZip().name} does not keep links: 1 differ, first link"


def test_a_loss_that_a_peer_is_not_known_for_stops_the_benchmark() -> None:
    found = _with("link", ("link", _FILE | 0o644, ""))
    with pytest.raises(BenchmarkError, match="plain files writes something else: links of 1 paths"):
        require_same(Copy(), _TREE, found)


def test_nobody_may_lose_contents() -> None:
    found = _with("directory/file", ("directory/file", _FILE | 0o644, ""))
    with pytest.raises(BenchmarkError, match="contents of 1 paths, first directory/file"):
        require_same(OneFile(), _TREE, found)
