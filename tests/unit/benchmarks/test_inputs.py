import zlib
from pathlib import Path

import pytest

from benchmarks.inputs import fingerprint, stage_many, table_of, tree_bytes, vary


def test_a_table_is_a_permutation_that_depends_on_its_seed_alone() -> None:
    assert sorted(table_of(1)) == list(range(256))
    assert table_of(1) == table_of(1)
    assert table_of(1) != table_of(2)
    assert table_of(0) == bytes(range(256))


def test_varied_bytes_compress_as_the_original_and_share_nothing_with_it() -> None:
    original = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(2000))
    varied = vary(original, table_of(1))
    plain, changed = len(zlib.compress(original)), len(zlib.compress(varied))
    assert changed == pytest.approx(plain, rel=0.02)
    assert original[:12] not in varied


def test_many_entries_are_exactly_so_many_and_always_the_same(tmp_path: Path) -> None:
    stage_many(tmp_path / "one", 1000)
    stage_many(tmp_path / "two", 1000)
    assert len(list((tmp_path / "one").rglob("*"))) == 999
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


@pytest.mark.parametrize("change", ["content", "mode", "link", "directory", "name"])
def test_a_fingerprint_sees_every_kind_of_difference(tmp_path: Path, change: str) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "file").chmod(0o644)
    (tmp_path / "link").symlink_to("file")
    before = fingerprint(tmp_path)
    if change == "content":
        (tmp_path / "file").write_bytes(b"c0ntent")
    elif change == "mode":
        (tmp_path / "file").chmod(0o755)
    elif change == "link":
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("./file")
    elif change == "directory":
        (tmp_path / "empty").mkdir()
    else:
        (tmp_path / "file").rename(tmp_path / "other")
    assert fingerprint(tmp_path) != before


def test_bytes_of_a_tree_count_files_and_not_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert tree_bytes(tmp_path) == 5
    assert tree_bytes(tmp_path / "file") == 5
