"""``stigmer-pack freeze`` on small programs: what works, and every way in which it refuses."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands
from tests.support.programs import (
    LEAN,
    install,
    make_bare_environment,
    make_environment,
    site_packages,
    write_program,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="strips libraries and starts the result, as on Linux"
)

# The directory of one distribution hides the module of another one, as python-multipart's does.
SHADOWED = {
    "real-shared": {"shared.py": "import colorsys\nREAL = colorsys.rgb_to_hsv(1, 1, 1)[2]\n"},
    "shim_shared": {"shared/__init__.py": "# a stub\n", "shared/part.py": ""},
}
USES_SHARED = """
import sys
import helper

if sys.argv[1:] != ["--selfcheck"]:
    sys.exit("nothing to do")
from shared import REAL

print(REAL, helper.__name__)
"""


def freeze(settings: Path, output: Path, *words: str | Path) -> commands.Outcome:
    return commands.pack("freeze", settings, "--output", output, *words)


def facts_of(outcome: commands.Outcome) -> Any:
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def look(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Mode, and content or target, of everything below a directory."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content: bytes | str = b""
        if stat.S_ISLNK(mode):
            content = os.readlink(path)
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        found[str(path.relative_to(root))] = mode, content
    return found


def test_two_freezes_of_the_same_inputs_give_the_same_tree(tmp_path: Path) -> None:
    chosen = f'{LEAN}\n[freeze.choose]\nshared = "Real_Shared"'
    files = {"main.py": USES_SHARED, "helper.py": "NAMES = {'a', 'b', 'c', 'd', 'e', 'f'}\n"}
    facts = []
    for name, umask in (("first", 0o022), ("second-and-longer", 0o077)):
        place = tmp_path / name
        settings = write_program(place / "program", files, chosen)
        environment = make_environment(place / "environment", SHADOWED)
        before = os.umask(umask)
        try:
            outcome = freeze(settings, place / "out", "--environment", environment, "--json")
        finally:
            os.umask(before)
        facts.append(facts_of(outcome) | {"output": None})
        # Nothing is left of the build, and the environment is not needed any more.
        assert sorted(os.listdir(place)) == ["environment", "out", "program"]
        assert outcome.err == ""
    first, second = (tmp_path / name / "out" for name in ("first", "second-and-longer"))
    assert look(first) == look(second)
    assert facts[0] == facts[1]
    assert facts[0]["chosen"] == {"shared": "real-shared"}
    assert facts[0]["names_build_paths"] == []
    assert facts[0]["files"] == sum(path.is_file() for path in first.rglob("*")) < 100
    assert {stat.S_IMODE(mode) for mode, _ in look(first).values()} <= {0o644, 0o755, 0o777}
    done = subprocess.run(
        [first / "small", "--selfcheck"], capture_output=True, encoding="utf-8", env={}, check=True
    )
    assert done.stdout == "1 helper\n"


def test_one_file_on_demand_and_what_is_told(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": "print('checked')\n"})
    outcome = freeze(settings, tmp_path / "small", "--onefile")
    assert outcome.status == 0, outcome
    assert f"{tmp_path / 'small'}: 1 files, " in outcome.out
    assert "it passes its self-check; sha256 " in outcome.out
    stages = [line.split()[0] for line in outcome.err.splitlines()]
    assert stages == ["checking", "freezing", "checking"]
    assert (tmp_path / "small").is_file()
    # What it unpacks goes to the directory for temporary files.
    done = subprocess.run(
        [tmp_path / "small"], capture_output=True, env={"TMPDIR": str(tmp_path)}, check=True
    )
    assert done.stdout == b"checked\n"


def test_an_import_by_a_name_made_at_run_time(tmp_path: Path) -> None:
    files = {
        "main.py": "import loads\nloads.load('la' + 'te')\n",
        "loads.py": "import importlib\n\n\ndef load(name):\n    importlib.import_module(name)\n",
        "late.py": "",
    }
    settings = write_program(tmp_path / "program", files)
    outcome = freeze(settings, tmp_path / "out")
    assert outcome.status == 28
    assert "loads.py line 5: the frozen program lacks the module late; " in outcome.err
    assert f'add to [freeze] in {settings}: hidden-imports = ["late"]' in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["program"]


def test_an_import_that_nothing_provides(tmp_path: Path) -> None:
    text = "try:\n    import optional_one\nexcept ImportError:\n    pass\nimport absent_one\n"
    settings = write_program(tmp_path / "program", {"main.py": text})
    outcome = freeze(settings, tmp_path / "out")
    assert outcome.status == 28
    script = tmp_path / "program" / "main.py"
    assert f"error: {script}: no module absent_one; install what provides it" in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["program"]


def test_a_hidden_import_that_does_not_exist(tmp_path: Path) -> None:
    lines = f'{LEAN}\nhidden-imports = ["colorsys", "absent.one"]'
    settings = write_program(tmp_path / "program", {"main.py": ""}, lines)
    outcome = freeze(settings, tmp_path / "out")
    assert outcome.status == 28
    assert f"{settings}: freeze.hidden-imports: no module absent.one" in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_program_that_crashes_at_its_start(tmp_path: Path) -> None:
    text = "import os\nos.write(2, b'on fire\\n')\nos.abort()\n"
    settings = write_program(tmp_path / "program", {"main.py": text})
    outcome = freeze(settings, tmp_path / "out")
    assert outcome.status == 29
    assert "small --selfcheck: the frozen program does not pass its self-check" in outcome.err
    assert "expected exit code 0, found signal 6 (Aborted):\n  on fire\n" in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["program"]


def test_a_script_that_cannot_be_compiled(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": "def (:\n"})
    outcome = freeze(settings, tmp_path / "out")
    assert outcome.status == 26
    assert "main.py: PyInstaller 6" in outcome.err
    assert "SyntaxError: " in outcome.err
    assert sorted(os.listdir(tmp_path)) == ["program"]


def test_two_distributions_of_one_import_name(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": ""})
    environment = make_environment(tmp_path / "environment", SHADOWED)
    outcome = freeze(settings, tmp_path / "out", "--environment", environment)
    assert outcome.status == 27
    for part in (
        "two distributions provide the import name shared; Python takes shim-shared",
        "shim-shared (shared/__init__.py), real-shared (shared.py)",
        f"choose in {settings} below [freeze.choose]: ",
        'shared = "shim-shared" or shared = "real-shared"',
    ):
        assert part in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_distribution_whose_file_was_overwritten(tmp_path: Path) -> None:
    lines = '[freeze.choose]\nshared = "one"'
    settings = write_program(tmp_path / "program", {"main.py": ""}, lines)
    same = {"one": {"shared.py": "ONE = 1\n"}, "two": {"shared.py": "TWO = 2\n"}}
    environment = make_environment(tmp_path / "environment", same)
    outcome = freeze(settings, tmp_path / "out", "--environment", environment)
    assert outcome.status == 27
    assert "shared.py: the file of one was overwritten by that of two" in outcome.err
    assert "install one again, last" in outcome.err


def test_an_entry_script_that_does_not_exist(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"other.py": ""})
    outcome = freeze(settings, tmp_path / "out")
    assert outcome.status == 20
    assert f"{settings}: freeze.entry-script: no such file" in outcome.err
    assert f"found {tmp_path / 'program' / 'main.py'}" in outcome.err


@pytest.mark.parametrize("kind", ["file", "tree", "dangling link"])
def test_what_stands_there_is_left_alone(kind: str, tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": ""})
    output = tmp_path / "out"
    if kind == "file":
        output.write_text("precious")
    elif kind == "tree":
        output.mkdir()
    else:
        output.symlink_to("nowhere")
    before = output.lstat()
    outcome = freeze(settings, output)
    assert outcome.status == 36
    assert f"{output}: there is something already" in outcome.err
    assert output.lstat() == before


def test_an_output_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": ""})
    outcome = freeze(settings, tmp_path / "absent" / "out")
    assert outcome.status == 4
    assert f"{tmp_path / 'absent'}: No such file or directory" in outcome.err


def test_an_environment_without_pyinstaller(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": ""})
    environment = make_bare_environment(tmp_path / "environment")
    outcome = freeze(settings, tmp_path / "out", "--environment", environment)
    assert outcome.status == 26
    assert "no PyInstaller that can be used (expected at least 6, found none)" in outcome.err
    install(site_packages(environment), "pyinstaller", {})
    outcome = freeze(settings, tmp_path / "out", "--environment", environment)
    assert outcome.status == 26
    assert "(expected at least 6, found 1.0)" in outcome.err


def test_a_directory_that_is_no_environment(tmp_path: Path) -> None:
    settings = write_program(tmp_path / "program", {"main.py": ""})
    outcome = freeze(settings, tmp_path / "out", "--environment", tmp_path)
    assert outcome.status == 26
    assert f"{tmp_path / 'bin' / 'python'}: no Python that works" in outcome.err
