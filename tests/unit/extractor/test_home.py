"""Where things are, and who decides it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from extractor.home import Home

if TYPE_CHECKING:
    from pathlib import Path


def test_an_argument_goes_before_the_environment_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/of-user")
    monkeypatch.delenv("STIGMER_HOME", raising=False)
    assert Home().path == "/home/of-user/.stigmer"
    monkeypatch.setenv("STIGMER_HOME", "/elsewhere")
    assert Home().path == "/elsewhere"
    assert Home("/given").path == "/given"
    monkeypatch.setenv("STIGMER_HOME", "")
    assert Home().path == "/home/of-user/.stigmer"


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_a_home_is_absolute_and_knows_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of-user")

    def made(path: str) -> str:
        if how == "argument":
            return Home(path).path
        monkeypatch.setenv("STIGMER_HOME", path)
        return Home().path

    assert made("relative/./home/") == str(tmp_path / "relative/home")
    assert made("~/mine") == "/home/of-user/mine"


def test_everything_is_below_the_home(home: Home) -> None:
    for path in (home.bin, home.versions, home.staging, home.held, home.lock):
        assert os.path.dirname(path) == home.path
    assert home.version_path("v1") == os.path.join(home.versions, "v1")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("versions/v1.0.0-00112233", "v1.0.0-00112233"),
        ("versions/v1.0.0-00112233.r1a2b", "v1.0.0-00112233.r1a2b"),
        ("versions/v1.0.0-00112233/", None),
        ("versions/", None),
        ("versions/.", None),
        ("versions/..", None),
        ("versions", None),
        ("v1.0.0", None),
        ("../versions/v1", None),
        ("elsewhere/v1", None),
        ("versions/v1/server", None),
        ("/versions/v1", None),
    ],
)
def test_only_a_version_of_this_home_is_current(home: Home, target: str, name: str | None) -> None:
    os.mkdir(home.path)
    os.symlink(target, home.bin)
    assert home.current() == name


@pytest.mark.parametrize("how", ["nothing", "file", "directory", "no home"])
def test_nothing_is_current_where_bin_is_no_link(home: Home, how: str) -> None:
    if how != "no home":
        os.mkdir(home.path)
    if how == "file":
        os.close(os.open(home.bin, os.O_CREAT))
    elif how == "directory":
        os.mkdir(home.bin)
    assert home.current() is None


def test_versions_are_told_in_order_and_none_where_there_is_no_home(home: Home) -> None:
    assert home.version_names() == []
    for name in ("v2", "v10", "v1"):
        os.makedirs(home.version_path(name))
    assert home.version_names() == ["v1", "v10", "v2"]
