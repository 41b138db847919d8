"""The section [freeze]: what it may say, and what is said about what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from container.errors import PackError
from packer.freezing.settings import STRIP_BY_DEFAULT, read_settings
from tests.support.programs import write_program

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
hidden-imports = ["a.b"]
excludes = ["c", "d.e"]
copy-metadata = ["f"]
hooks = ["hooks"]
strip = false
onefile = true
compress = false

[freeze.data]
"prompts" = "texts"

[freeze.choose]
shared = "one"
"""


def test_everything_is_read_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    files = {"main.py": "", "hooks/hook-a.py": "", "prompts/one.txt": ""}
    path = write_program(tmp_path / "program", files, FULL)
    settings = read_settings(path)
    root = tmp_path / "program"
    assert settings.entry_script == root / "main.py"
    assert settings.selfcheck == ("--selfcheck",)
    assert (settings.hidden_imports, settings.copy_metadata) == (("a.b",), ("f",))
    assert (settings.hooks, settings.data) == ((root / "hooks",), {root / "prompts": "texts"})
    assert (settings.strip, settings.onefile, settings.choose) == (False, True, {"shared": "one"})
    assert settings.compress is False
    excluded = [
        name for name in ("c", "c.x", "cx", "d", "d.e", "d.e.f") if settings.is_excluded(name)
    ]
    assert excluded == ["c", "c.x", "d.e", "d.e.f"]


@pytest.mark.parametrize(("lines", "onefile"), [("", False), ("onefile = true", True)])
def test_what_is_not_said_has_a_default(tmp_path: Path, lines: str, onefile: bool) -> None:
    settings = read_settings(write_program(tmp_path / "program", {"main.py": ""}, lines))
    assert (settings.strip, settings.onefile) == (STRIP_BY_DEFAULT, onefile)
    # A tree is compressed by the payload.
    assert settings.compress is onefile
    assert (settings.excludes, settings.hooks) == ((), ())
    assert (settings.data, settings.choose) == ({}, {})


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("nonsense = 1", "freeze.nonsense: unknown key (expected one of name, entry-script,"),
        ("strip = 1", "freeze.strip: wrong type (expected bool, found int)"),
        ("excludes = [1]", "freeze.excludes: wrong type (expected strings only)"),
        ("[freeze.data]\nx = 1", "freeze.data: wrong type (expected strings only)"),
        ('hooks = ["absent"]', "freeze.hooks: no such directory"),
        ('[freeze.data]\nabsent = "x"', "freeze.data: no such file"),
        ("strip = ", "not a TOML file"),
    ],
)
def test_what_cannot_be_meant_is_refused(lines: str, text: str, tmp_path: Path) -> None:
    path = write_program(tmp_path / "program", {"main.py": ""}, lines)
    with pytest.raises(PackError) as caught:
        read_settings(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no section [freeze]; add one, with name, entry-script, selfcheck"),
        ("freeze = 1", "no section [freeze]"),
        ('[freeze]\nname = "a"\nentry-script = "b"', "a key is missing (expected selfcheck)"),
        (
            '[freeze]\nname = "../a"\nentry-script = "b"\nselfcheck = []',
            "freeze.name: not the name of a file (found '../a')",
        ),
    ],
)
def test_a_file_without_what_is_needed(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "freeze.toml"
    path.write_text(text)
    with pytest.raises(PackError) as caught:
        read_settings(path)
    assert told in str(caught.value)
