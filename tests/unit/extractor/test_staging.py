"""Directories of one attempt: private, published by rename, removed without a trace."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from container.errors import NoSpaceError, NotWritableError
from extractor import events
from extractor.staging import made, move, remove, staged, sweep
from tests.support.samples import look
from tests.support.trees import Directory, File, Symlink, write_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stage_is_new_private_and_gone_at_the_end(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with staged(str(tmp_path), "prefix-") as first, staged(str(tmp_path), "prefix-") as second:
            assert first != second
            for path in (first, second):
                assert os.path.dirname(path) == str(tmp_path)
                assert os.path.basename(path).startswith("prefix-")
                assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


def test_a_stage_is_removed_after_an_error_with_all_that_is_in_it(tmp_path: Path) -> None:
    def fail() -> None:
        with staged(str(tmp_path)) as path:
            write_tree(tmp_path / path / "tree", {"deep/er/file": File(b"x", 0o000)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_was_moved_out_of_a_stage_stays(tmp_path: Path) -> None:
    with staged(str(tmp_path)) as path:
        os.mkdir(os.path.join(path, "tree"))
        move(os.path.join(path, "tree"), str(tmp_path / "published"))
    assert [place.name for place in tmp_path.iterdir()] == ["published"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, NoSpaceError), (errno.EROFS, NotWritableError), (errno.EIO, OSError)],
)
def test_a_stage_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(path: str, mode: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(kind, match=str(tmp_path)), staged(str(tmp_path)):
        pass


def test_directories_that_were_made_stay_when_all_goes_well(tmp_path: Path) -> None:
    with made(str(tmp_path / "a/b")):
        assert (tmp_path / "a/b").is_dir()
    assert (tmp_path / "a/b").is_dir()


def test_an_error_takes_back_the_directories_that_were_made_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyboardInterrupt), made(str(tmp_path / "there/a/b")):
        raise KeyboardInterrupt
    assert [place.name for place in tmp_path.rglob("*")] == ["there"]
    with pytest.raises(KeyboardInterrupt), made(str(tmp_path / "there")):
        raise KeyboardInterrupt
    assert (tmp_path / "there").is_dir()


def test_an_error_leaves_a_new_directory_that_somebody_has_filled(tmp_path: Path) -> None:
    def fail() -> None:
        with made(str(tmp_path / "a/b")):
            (tmp_path / "a/b/mine").write_bytes(b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a/b/mine").exists()


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    victim = write_tree(tmp_path / "victim", {"dir/file": File(b"kept", 0o600)})
    kept = look(tmp_path / "victim")
    tree = write_tree(
        tmp_path / "tree",
        {
            "to-file": Symlink(str(victim / "dir/file")),
            "to-directory": Symlink(str(victim)),
            "relative": Symlink("../victim/dir"),
            "dangling": Symlink("nowhere"),
            "inner/up": Symlink("../../victim"),
        },
    )
    os.link(victim / "dir/file", tree / "second-name")
    remove(str(tree))
    assert not tree.exists()
    assert look(victim) == kept


@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_removing_a_link_itself_removes_the_link_alone(tmp_path: Path, target: str) -> None:
    write_tree(tmp_path / "victim", {"file": File(b"kept")})
    (tmp_path / "link").symlink_to(target)
    remove(str(tmp_path / "link"))
    assert [place.name for place in tmp_path.iterdir()] == ["victim"]
    assert (tmp_path / "victim/file").read_bytes() == b"kept"


def test_removing_opens_directories_that_nobody_may_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {"closed/inner/file": File(b"x", 0o400), "closed": Directory(0o555)},
    )
    (tree / "closed/inner").chmod(0o000)
    tree.chmod(0o500)
    opened: list[str] = []
    chmod = os.chmod

    def noting(path: str, mode: int) -> None:
        opened.append(os.path.relpath(path, tmp_path))
        chmod(path, mode)

    monkeypatch.setattr(os, "chmod", noting)
    remove(str(tree))
    assert not tree.exists()
    # The superuser would get there without: what others need is asked for by name.
    assert opened == ["tree", "tree/closed", "tree/closed/inner"]


def test_removing_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remove(str(tmp_path / "nothing"))


@pytest.mark.parametrize("mode", [0o755, 0o555, 0o500, 0o111])
def test_a_moved_directory_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    source = write_tree(tmp_path / "source", {"file": File(b"x")})
    (tmp_path / "other").mkdir()
    source.chmod(mode)
    move(str(source), str(tmp_path / "other/target"))
    assert stat.S_IMODE((tmp_path / "other/target").stat().st_mode) == mode
    (tmp_path / "other/target").chmod(0o755)


def test_only_a_directory_that_its_owner_may_not_write_to_is_opened_for_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[tuple[str, int]] = []
    chmod = os.chmod

    def noting(path: str, mode: int) -> None:
        changed.append((os.path.basename(path), mode))
        chmod(path, mode)

    (tmp_path / "open").mkdir(0o755)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0o555)
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o444)
    (tmp_path / "link").symlink_to("closed")
    monkeypatch.setattr(os, "chmod", noting)
    for name in ("open", "closed", "file", "link"):
        move(str(tmp_path / name), str(tmp_path / f"{name}-moved"))
    assert changed == [("closed", 0o700), ("closed-moved", 0o555)]
    assert os.readlink(tmp_path / "link-moved") == "closed"


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, NoSpaceError), (errno.EACCES, NotWritableError), (errno.EXDEV, OSError)],
)
def test_a_move_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "source").mkdir()
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(kind, match="target"):
        move(str(tmp_path / "source"), str(tmp_path / "target"))


def test_sweeping_tells_what_it_removes_and_what_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an attempt that was started with sudo: what root has left stays, and is named."""
    for name in ("mine", "theirs", "yours"):
        write_tree(tmp_path / name, {"inner/file": File(b"x")})
    unlink = os.unlink

    def refuse(path: str) -> None:
        if "theirs" in path:
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    told: list[events.Event] = []
    sweep(str(tmp_path), told.append)
    expected: list[events.Event] = [
        events.Removed(str(tmp_path / "mine")),
        events.Kept(str(tmp_path / "theirs"), "Operation not permitted"),
        events.Removed(str(tmp_path / "yours")),
    ]
    assert sorted(told) == sorted(expected)
    assert [place.name for place in tmp_path.iterdir()] == ["theirs"]
