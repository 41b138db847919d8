"""A program checks itself in an empty world; its end is told in words that help."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from container.errors import FreezeError, MissingImportError, SelfCheckError
from packer.freezing.environment import examine
from packer.freezing.missing import Importer, Missing
from packer.freezing.proof import Failure, failed_import, prove
from packer.freezing.settings import FreezeSettings, read_settings
from tests.support.programs import write_program

if TYPE_CHECKING:
    from pathlib import Path

TRACEBACK = """\
Traceback (most recent call last):
  File "main.py", line 3, in <module>
  File "<frozen importlib._bootstrap>", line 1176, in _find_and_load
  File "PyInstaller/loader/pyimod02_importers.py", line 457, in exec_module
  File "pkg/part.py", line 7, in <module>
  File "importlib/__init__.py", line 126, in import_module
"""


@pytest.fixture
def settings(tmp_path: Path) -> FreezeSettings:
    files = {"main.py": "", "beside.py": "", "package/__init__.py": "", "package/part.py": ""}
    return read_settings(write_program(tmp_path / "program", files, 'excludes = ["left_out"]'))


def run_script(
    text: str,
    settings: FreezeSettings,
    tmp_path: Path,
    *,
    missing: tuple[Missing, ...] = (),
    timeout_seconds: float = 60,
) -> None:
    """Prove a shell script in the program's place."""
    program = tmp_path / "small"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    prove(program, settings, examine(None), missing, elsewhere, timeout_seconds=timeout_seconds)


def fail(message: str) -> str:
    """A script that prints a traceback with that message."""
    return f"cat <<'END'\n{TRACEBACK}{message}\nEND\nexit 1"


@pytest.mark.parametrize(
    ("output", "failure"),
    [
        ("ModuleNotFoundError: No module named 'a.b'", Failure("a.b", None, None)),
        (
            f"{TRACEBACK}ModuleNotFoundError: No module named 'a'",
            Failure("a", None, "pkg/part.py line 7"),
        ),
        (
            f"{TRACEBACK}ImportError: cannot import name 'N' from 'a' (/x/a/__init__.pyc)",
            Failure("a", "N", "pkg/part.py line 7"),
        ),
        # What was handled comes first; the last one ended the program.
        (
            "\n".join(
                (
                    "ModuleNotFoundError: No module named 'c'",
                    "ImportError: cannot import name 'N' from 'a' (unknown location)",
                )
            ),
            Failure("a", "N", None),
        ),
        (f"{TRACEBACK}ValueError: no", None),
    ],
)
def test_failed_imports_are_found(output: str, failure: Failure | None) -> None:
    assert failed_import(output) == failure


def test_nothing_of_this_machine_helps(settings: FreezeSettings, tmp_path: Path) -> None:
    text = 'env > "$0.env"; pwd > "$0.pwd"; echo "$@" > "$0.words"; test -z "$(ls -A)"'
    run_script(f"PATH=/usr/bin:/bin\n{text}", settings, tmp_path)
    names = {line.split("=")[0] for line in (tmp_path / "small.env").read_text().splitlines()}
    # The shell itself sets the first two.
    assert names <= {"PWD", "SHLVL", "PATH", "_"}
    assert (tmp_path / "small.pwd").read_text() == f"{tmp_path / 'elsewhere'}\n"
    assert (tmp_path / "small.words").read_text() == "--selfcheck\n"


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (
            "ModuleNotFoundError: No module named 'package.part'",
            [
                "pkg/part.py line 7: the frozen program lacks the module package.part",
                'hidden-imports = ["package.part"]',
            ],
        ),
        ("ModuleNotFoundError: No module named 'left_out.part'", ["take it out of excludes in "]),
        ("ModuleNotFoundError: No module named 'absent'", ["install what provides it"]),
        (
            "ImportError: cannot import name 'part' from 'package' (x)",
            ["the frozen module package has no part", 'hidden-imports = ["package.part"]'],
        ),
        (
            "ImportError: cannot import name 'absent' from 'package' (x)",
            ["the frozen module package has no absent", "[freeze.choose] takes another one"],
        ),
    ],
)
def test_a_missing_import_says_what_to_do(
    message: str, parts: list[str], settings: FreezeSettings, tmp_path: Path
) -> None:
    with pytest.raises(MissingImportError) as caught:
        run_script(fail(message), settings, tmp_path)
    for part in parts:
        assert part in str(caught.value)


def test_pyinstaller_knows_the_importer_where_no_traceback_tells(
    settings: FreezeSettings, tmp_path: Path
) -> None:
    missing = (Missing("absent", (Importer("pkg.own", frozenset({"delayed"})),)),)
    with pytest.raises(MissingImportError, match=r"^pkg\.own: the frozen program lacks"):
        run_script(
            "echo \"ModuleNotFoundError: No module named 'absent'\"; exit 1",
            settings,
            tmp_path,
            missing=missing,
        )


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("echo on fire; exit 3", "found exit code 3:\n  on fire\n"),
        ("kill -SEGV $$", "found signal 11 ("),
    ],
)
def test_other_ends_are_told(text: str, end: str, settings: FreezeSettings, tmp_path: Path) -> None:
    with pytest.raises(SelfCheckError) as caught:
        run_script(text, settings, tmp_path)
    assert end in str(caught.value)


def test_a_self_check_that_does_not_end_is_stopped(
    settings: FreezeSettings, tmp_path: Path
) -> None:
    # It waits on a pipe that nobody writes to: until it is killed, whatever the machine's speed.
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SelfCheckError, match=r"does not end \(expected an end within 0\.2 s\)"):
        run_script(f"read line < {tmp_path / 'pipe'}", settings, tmp_path, timeout_seconds=0.2)


def test_a_program_that_cannot_be_started(settings: FreezeSettings, tmp_path: Path) -> None:
    with pytest.raises(FreezeError, match=r"absent --selfcheck --twice: .* cannot be started"):
        prove(
            tmp_path / "absent",
            replace(settings, selfcheck=("--selfcheck", "--twice")),
            examine(None),
            (),
            tmp_path,
        )
