"""Looking at an installation: what is there, whether it is right, what would be in the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import xxhash

from container.errors import NotExecutableError, NotInstalledError
from extractor import examine, preflight
from extractor import manifest as records
from extractor.home import PROGRAM_VARIABLES
from extractor.install import install
from extractor.upkeep import rollback
from tests.support.homes import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.reader import PayloadReader
    from extractor.examine import Finding
    from extractor.home import Home


@pytest.fixture
def root(home: Home, old: PayloadReader) -> Path:
    """Of the version that is installed."""
    return Path(install(old, home).path)


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PROGRAM_VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


def bad(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.problem for finding in findings if finding.problem}


# verify


@pytest.mark.parametrize("with_payload", [False, True])
def test_every_file_is_read_and_nothing_is_written(
    tmp_path: Path, home: Home, root: Path, old: PayloadReader, with_payload: bool
) -> None:
    before = traces(tmp_path)
    findings = list(examine.verify(home, old if with_payload else None))
    assert traces(tmp_path) == before
    assert bad(findings) == {}
    _, record = examine.current(home)
    expected = {entry.path for entry in old.index.entries} if with_payload else set(record.paths)
    assert {finding.subject for finding in findings} == expected


def flip(path: Path) -> None:
    """One bit of the contents, and no metadata."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as stream:
        stream.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def point_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("first.so")


def make_link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


class Damage:
    """What is done to a file, and what is said of it."""

    def __init__(self, path: str, change: Callable[[Path], object], problem: str) -> None:
        self.path = path
        self.change = change
        self.problem = problem


DAMAGES = {
    "flipped": Damage("server", flip, "has other contents"),
    "flipped in a second name": Damage("runner/runner", flip, "has other contents"),
    "cut": Damage("server", lambda path: os.truncate(path, 10), "has other contents"),
    "filled": Damage("runner/data/empty", lambda path: os.truncate(path, 1), "has other contents"),
    "missing": Damage(
        "runner/lib/first.so",
        lambda path: path.unlink(),
        "cannot be looked at: No such file or directory",
    ),
    "mode": Damage("server", lambda path: path.chmod(0o700), "has mode 0700, not 0755"),
    "mode of a directory": Damage(
        "runner/hollow", lambda path: path.chmod(0o777), "has mode 0777, not 0750"
    ),
    "a link instead": Damage("server", make_link, "is of another kind"),
    "another target": Damage("runner/lib/up", point_elsewhere, "has other contents"),
    "a directory missing": Damage(
        "runner/hollow",
        lambda path: path.rmdir(),
        "cannot be looked at: No such file or directory",
    ),
}


@pytest.mark.parametrize("with_payload", [False, True])
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(
    home: Home, root: Path, old: PayloadReader, name: str, with_payload: bool
) -> None:
    damage = DAMAGES[name]
    damage.change(root / damage.path)
    found = bad(list(examine.verify(home, old if with_payload else None)))
    assert found[damage.path] == damage.problem
    # Of a file with two names both are bad, and what was put aside is no part of the version.
    assert found.keys() - {damage.path} <= {"runner/runner", "runner/alias", "aside"}


def test_only_the_payload_knows_of_a_record_that_was_changed_too(
    home: Home, root: Path, old: PayloadReader
) -> None:
    flip(root / "server")
    record = records.read(str(root))
    assert record is not None
    position = record.paths.index("server")
    record.digests[position] = xxhash.xxh3_128_hexdigest((root / "server").read_bytes())
    (root / records.NAME).unlink()
    records.write(record, str(root))
    assert bad(list(examine.verify(home))) == {}
    assert bad(list(examine.verify(home, old))) == {"server": "has other contents"}


@pytest.mark.parametrize("with_payload", [False, True])
def test_what_is_no_part_of_the_version_is_found(
    tmp_path: Path, home: Home, root: Path, old: PayloadReader, with_payload: bool
) -> None:
    (root / "runner/hollow/planted.py").write_bytes(b"")
    (root / "new").mkdir()
    (root / "new/file").write_bytes(b"")
    # To a program, a link to a directory is a directory full of modules.
    (root / "runner/lib/elsewhere").symlink_to(tmp_path)
    (root / "dangling").symlink_to("nowhere")
    assert bad(list(examine.verify(home, old if with_payload else None))) == dict.fromkeys(
        ("runner/hollow/planted.py", "new/file", "runner/lib/elsewhere", "dangling"),
        "is not a part of this version",
    )


def test_another_payload_is_not_what_is_installed(
    home: Home, root: Path, new: PayloadReader, old: PayloadReader
) -> None:
    with pytest.raises(NotInstalledError) as caught:
        list(examine.verify(home, new))
    error = caught.value
    assert (error.what, error.where) == ("another version is in use", home.path)
    assert error.expected == f"1.1.0 ({new.index_sha256.hex()[:8]})"
    assert error.found == f"1.0.0 ({old.index_sha256.hex()[:8]})"
    assert error.remedy == "install this one with `install`"


ASKING: list[Callable[[Home], object]] = [
    examine.current,
    examine.is_copy,
    lambda home: examine.status(home, None),
    lambda home: list(examine.verify(home)),
]


@pytest.mark.parametrize("ask", ASKING)
@pytest.mark.parametrize("how", ["no home", "no bin", "no record"])
def test_where_nothing_is_installed_that_is_said(
    home: Home, old: PayloadReader, ask: Callable[[Home], object], how: str
) -> None:
    if how != "no home":
        root = install(old, home).path
        if how == "no bin":
            os.unlink(home.bin)
        else:
            os.unlink(os.path.join(root, records.NAME))
    with pytest.raises(NotInstalledError) as caught:
        ask(home)
    if how == "no record":
        assert caught.value.what == "the installation's record is missing or damaged"
        assert (caught.value.where or "").endswith("/.manifest")
    else:
        assert (caught.value.what, caught.value.where) == (
            "nothing is installed there",
            home.path,
        )
    assert "with `install`" in (caught.value.remedy or "")


# status


def test_status_of_a_sound_installation(home: Home, root: Path, old: PayloadReader) -> None:
    facts = examine.status(home, old)
    assert facts == {
        "home": home.path,
        "path": str(root),
        "version": "1.0.0",
        "platform": preflight.this_platform(),
        "index_sha256": old.index_sha256.hex(),
        "components": {"server": "1.0.0", "runner": "1.0.0"},
        "files": 11,
        "plain_bytes": facts["plain_bytes"],
        "intact": True,
        "damaged": [],
        "copied": False,
        "previous": None,
        "held": [],
        "current": True,
        "versions": [{"name": root.name, "version": "1.0.0", "intact": True}],
    }
    assert examine.status(home, None)["current"] is None


def test_status_tells_of_damage_other_versions_and_what_is_held(
    tmp_path: Path, home: Home, root: Path, old: PayloadReader, new: PayloadReader
) -> None:
    second = Path(install(new, home).path)
    rollback(home)
    os.truncate(root / "server", 1)
    (second / records.NAME).unlink()
    os.mkdir(home.version_path("v0-strange"))
    facts = examine.status(home, new)
    assert (facts["intact"], facts["damaged"]) == (False, ["server"])
    assert facts["current"] is False
    # Without a record its name is not known, only its digest.
    assert facts["held"] == [new.index_sha256.hex()]
    assert facts["versions"] == [
        {"name": "v0-strange", "version": None, "intact": False},
        {"name": root.name, "version": "1.0.0", "intact": False},
        {"name": second.name, "version": None, "intact": False},
    ]


def test_status_names_what_is_held(
    home: Home, root: Path, old: PayloadReader, new: PayloadReader
) -> None:
    second = Path(install(new, home).path)
    assert examine.status(home, None)["previous"] == root.name
    rollback(home)
    assert examine.status(home, None)["held"] == [second.name]


def test_a_copy_is_told_as_one(home: Home, root: Path) -> None:
    assert not examine.is_copy(home)
    aside = f"{home.path}-aside"
    os.rename(home.path, aside)
    shutil.copytree(aside, home.path, symlinks=True)
    assert examine.is_copy(home)
    facts = examine.status(home, None)
    assert (facts["copied"], facts["intact"]) == (True, True)


# doctor


def diagnosed(home: Home, reader: PayloadReader | None) -> dict[str, tuple[str, int]]:
    return {row.subject: (row.problem, row.exit_code) for row in examine.diagnose(home, reader)}


OK = ("", 0)


def test_a_sound_installation_has_nothing_wrong(
    tmp_path: Path, home: Home, root: Path, old: PayloadReader
) -> None:
    before = traces(root)
    assert diagnosed(home, old) == dict.fromkeys(
        (
            "platform",
            "home",
            "writable",
            "path length",
            "open files",
            "runs programs",
            "space",
            "installation",
        ),
        OK,
    )
    assert diagnosed(home, None) == dict.fromkeys(
        ("home", "writable", "open files", "runs programs", "installation"), OK
    )
    assert traces(root) == before
    assert os.listdir(home.staging) == []


def test_without_an_installation_everything_else_is_still_checked(
    home: Home, old: PayloadReader
) -> None:
    found = diagnosed(home, old)
    problem, code = found.pop("installation")
    assert (problem.startswith(f"{home.path}: nothing is installed there; "), code) == (True, 39)
    assert set(found.values()) == {OK}
    assert "space" in found
    assert not os.path.lexists(home.path)


def test_each_problem_is_told_with_its_code(
    home: Home, root: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(root / "server", 1)
    (root / "runner/lib/up").unlink()
    os.chmod(home.path, 0o777)
    monkeypatch.setattr(preflight, "this_platform", lambda: "linux-riscv64")
    os.mkdir(f"{home.bin}.old-0011")
    found = diagnosed(home, old)
    assert found["platform"][1] == 35
    assert found["home"][1] == 38
    assert found["writable"] == OK
    problem, code = found["installation"]
    assert code == 39
    assert problem.startswith(f"{root}: 2 of 11 files are missing or changed, such as ")
    assert problem.endswith("; repair it with `verify --repair`")
    # Nobody's fault, and no reason to fail.
    place = f"{home.bin}.old-0011"
    assert found["leftovers"] == (f"{place}: left behind; remove it: rm -r {place}", 0)


def test_a_mount_that_runs_no_programs_is_told(
    home: Home, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "probe-" not in str(path) and real(path, mode)
    )
    problem, code = diagnosed(home, None)["runs programs"]
    assert code == NotExecutableError.exit_code
    assert "mounted noexec" in problem
    assert "STIGMER_HOME" in problem


@pytest.mark.parametrize("noexec", [False, True])
def test_where_no_probe_can_be_written_the_mount_is_asked(
    home: Home, root: Path, monkeypatch: pytest.MonkeyPatch, noexec: bool
) -> None:
    os.rmdir(home.staging)
    monkeypatch.setattr(examine, "_mounted_noexec", lambda path: noexec)
    found = diagnosed(home, None)
    assert ("runs programs" in found) == noexec
    if noexec:
        problem, code = found["runs programs"]
        assert problem.startswith(f"{home.path}: programs cannot be run from there")
        assert code == NotExecutableError.exit_code


@pytest.mark.parametrize("component", PROGRAM_VARIABLES)
@pytest.mark.parametrize("how", ["missing", "not executable", "directory", "fine"])
def test_a_variable_that_names_no_program_is_told(
    tmp_path: Path,
    home: Home,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    component: str,
    how: str,
) -> None:
    path = tmp_path / "mine"
    if how == "directory":
        path.mkdir()
    elif how != "missing":
        path.write_bytes(b"")
        path.chmod(0o755 if how == "fine" else 0o644)
    variable = PROGRAM_VARIABLES[component]
    monkeypatch.setenv(variable, str(path))
    found = diagnosed(home, None)
    if how == "fine":
        assert variable not in found
    else:
        assert found[variable] == (
            f"{path}: cannot be run as {component}; unset {variable}",
            NotExecutableError.exit_code,
        )
