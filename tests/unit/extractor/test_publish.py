"""The one rename that puts a version into use."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container.errors import NoSpaceError, NotWritableError
from extractor import durability
from extractor.publish import publish
from tests.support.samples import look
from tests.support.trees import File, write_tree

if TYPE_CHECKING:
    from extractor.home import Home


@pytest.fixture(autouse=True)
def _made(home: Home) -> None:
    for name in ("v1", "v2"):
        os.makedirs(home.version_path(name))
    os.mkdir(home.staging)


def names(home: Home) -> list[str]:
    return sorted(os.listdir(home.path))


def test_bin_leads_to_the_version_by_a_link_that_survives_a_move(home: Home) -> None:
    publish(home, "v1")
    assert os.readlink(home.bin) == "versions/v1"
    publish(home, "v2")
    assert os.readlink(home.bin) == "versions/v2"
    assert names(home) == ["bin", "staging", "versions"]
    assert os.listdir(home.staging) == []


def test_there_is_a_bin_at_every_instant(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(home, "v1")
    seen: list[str] = []
    for call in ("symlink", "replace", "rename", "unlink"):
        real = getattr(os, call)

        def watched(*words: str, real: object = real) -> None:
            seen.append(os.readlink(home.bin))
            real(*words)  # type: ignore[operator]
            seen.append(os.readlink(home.bin))

        monkeypatch.setattr(os, call, watched)
    publish(home, "v2")
    assert seen == ["versions/v1"] * 3 + ["versions/v2"]


def test_bin_is_durable_when_it_is_done(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str]] = []
    monkeypatch.setattr(
        durability, "flush_directory", lambda path: made.append((path, os.readlink(home.bin)))
    )
    publish(home, "v1")
    assert made == [(home.path, "versions/v1")]


@pytest.mark.parametrize("kind", ["directory", "closed directory", "file"])
def test_a_bin_of_an_older_program_is_moved_aside_with_all_that_is_in_it(
    home: Home, kind: str
) -> None:
    if kind == "file":
        Path(home.bin).write_bytes(b"mine")
    else:
        write_tree(Path(home.bin), {"server": File(b"of an older program", 0o755)})
        os.chmod(home.bin, 0o555 if kind == "closed directory" else 0o755)
    before = os.lstat(home.bin)
    publish(home, "v1")
    assert os.readlink(home.bin) == "versions/v1"
    (aside,) = Path(home.path).glob("bin.old-*")
    after = aside.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    if kind != "file":
        assert look(aside)["server"].content == b"of an older program"
        aside.chmod(0o755)


@pytest.mark.parametrize("call", ["symlink", "replace"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, NoSpaceError), (errno.EACCES, NotWritableError), (errno.EIO, OSError)],
)
def test_an_error_leaves_bin_as_it_was_and_nothing_beside_it(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
    kind: type[Exception],
) -> None:
    publish(home, "v1")

    def refuse(source: str, target: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(kind, match=f"{home.path}/bin"):
        publish(home, "v2")
    assert os.readlink(home.bin) == "versions/v1"
    assert os.listdir(home.staging) == []


def test_an_interrupt_leaves_nothing_beside_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(source: str, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(home, "v1")
    assert os.listdir(home.staging) == []
    assert names(home) == ["staging", "versions"]
