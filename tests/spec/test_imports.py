"""Which package may import which, and what opening a payload must not load."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.samples import product, write_payload

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("container", "packer", "extractor")
FORBIDDEN = {
    "container": {"packer", "extractor", "tests", "fixtures", "benchmarks"},
    "packer": {"extractor", "tests", "fixtures", "benchmarks"},
    "extractor": {"packer", "tests", "fixtures", "benchmarks"},
}
READING_MODULES = ("reader", "locate", "codec", "names", "model", "errors", "digest", "source")
VECTOR = REPOSITORY / "tests" / "vectors" / "dedupe-and-hardlinks.payload"


def imported_packages(source: str) -> set[str]:
    """First names of all imports, inside functions too; this project imports by full names."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import: its arrow cannot be seen"
            found.add(str(node.module).split(".")[0])
    return found


def loaded_by(program: str, *arguments: str) -> set[str]:
    """Modules that a fresh interpreter has loaded when the program has run."""
    tail = "\nimport sys; names = sorted(sys.modules); import json; print(json.dumps(names))"
    done = subprocess.run(
        [sys.executable, "-c", program + tail, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_run_one_way(package: str) -> None:
    paths = sorted((REPOSITORY / package).rglob("*.py"))
    assert paths
    wrong = {
        str(path.relative_to(REPOSITORY)): sorted(crossing)
        for path in paths
        if (crossing := imported_packages(path.read_text("utf-8")) & FORBIDDEN[package])
    }
    assert wrong == {}


@pytest.mark.parametrize("module", READING_MODULES)
def test_importing_the_reading_side_stays_light(module: str) -> None:
    loaded = loaded_by(f"import container.{module}")
    assert f"container.{module}" in loaded
    assert (
        loaded & {"construct", "zstandard", "zstandard.backend_c", "click", "packer", "extractor"}
        == set()
    )


def test_opening_and_listing_need_neither_zstandard_nor_construct() -> None:
    program = """
import sys
from container.reader import open_payload
with open_payload(sys.argv[1]) as reader:
    assert [entry.path for entry in reader.index.entries]
"""
    loaded = loaded_by(program, str(VECTOR))
    assert "container.codec" in loaded
    assert loaded & {"construct", "zstandard.backend_c", "zstandard", "click", "hashlib"} == set()


def test_decoding_does_need_zstandard() -> None:
    # Shows that the test above can fail: the module's name is right.
    program = """
import sys
from container.reader import open_payload
with open_payload(sys.argv[1]) as reader:
    reader.verify()
"""
    assert {"zstandard.backend_c", "hashlib"} <= loaded_by(program, str(VECTOR))


PRINTING = {
    *("cli.py", "commands.py", "home_cli.py", "main.py", "options.py", "output.py"),
    "progress.py",
}


def test_only_command_lines_print() -> None:
    """The library tells what it does by events; whoever calls it decides what is shown."""
    paths = [path for path in (REPOSITORY / "extractor").glob("*.py") if path.name not in PRINTING]
    assert len(paths) > 10
    for path in paths:
        tree = ast.parse(path.read_text("utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert "print" not in names, path
        assert "click" not in imported_packages(path.read_text("utf-8")), path


def test_installing_without_an_older_version_lists_no_processes_and_parses_no_version() -> None:
    loaded = loaded_by("import extractor.install, extractor.upkeep, extractor.examine")
    assert "extractor.install" in loaded
    assert loaded & {"psutil", "packaging", "ctypes", "click", "construct"} == set()


PROGRAM = "from extractor.main import run; assert run() == 0"
# What click brings along; json, which only --json needs; OpenSSL; typing; and what it and the
# package of zstandard import besides.
NOT_NEEDED = {"click", "inspect", "uuid", "gettext", "datetime", "json", "_hashlib"}
NOT_NEEDED |= {"typing", "re", "enum", "platform", "importlib", "dataclasses"}


def test_plain_words_are_run_without_click(tmp_path: Path) -> None:
    before = loaded_by("")
    words = ("--progress", "lines", "--jobs=2")
    unpacked = loaded_by(PROGRAM, "unpack", str(VECTOR), "--to", str(tmp_path / "to"), *words)
    payload = write_payload(tmp_path, product())
    home = ("--home", str(tmp_path / "home"))
    installed = loaded_by(PROGRAM, "install", str(payload), *home, *words)
    for loaded in (unpacked, installed):
        assert "zstandard.backend_c" in loaded
        assert (loaded - before) & NOT_NEEDED == set()


def test_a_second_installation_imports_next_to_nothing(tmp_path: Path) -> None:
    before = loaded_by("")
    words = ("install", str(write_payload(tmp_path, product())), "--home", str(tmp_path / "home"))
    first = loaded_by(PROGRAM, *words)
    assert first >= {"zstandard.backend_c", "container.reader", "extractor.install"}
    second = loaded_by(PROGRAM, *words)
    assert "extractor.warm" in second
    libraries = {name for name in second - before if not name.startswith(PACKAGES)}
    assert libraries <= {"__future__"}
    assert second & {"container.errors", "container.reader", "extractor.progress"} == set()


def test_a_bar_and_a_usage_error_need_click(tmp_path: Path) -> None:
    # Shows that the tests above can fail: the modules' names are right.
    words = ("unpack", str(VECTOR), "--to", str(tmp_path / "to"), "--progress", "bar")
    assert {"click", "typing", "re", "enum", "platform"} <= loaded_by(PROGRAM, *words)
    assert "click" in loaded_by("from extractor.main import run; assert run() == 2", "unpack")
