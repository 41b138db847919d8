"""The commands that work on an installation: what they print, write, and end with."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from container.errors import (
    DowngradeError,
    IntegrityError,
    NotExecutableError,
    NotInstalledError,
    UnsuitableHomeError,
)
from extractor import upkeep
from extractor.home import PROGRAM_VARIABLES, Home
from extractor.preflight import this_platform
from tests.support import commands
from tests.support.homes import check_home, traces
from tests.support.samples import open_product, product, settings, write_payload

if TYPE_CHECKING:
    from tests.cli.conftest import Workshop
    from tests.support.commands import Outcome


@pytest.fixture(autouse=True)
def _environment(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's who runs the tests."""
    for variable in PROGRAM_VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("STIGMER_HOME", str(shop.path("home")))


@pytest.fixture
def home(shop: Workshop) -> Home:
    return Home(str(shop.path("home")))


@pytest.fixture
def newer(shop: Workshop) -> Path:
    """The product again, with other programs and a higher version."""
    shop.path("newer").mkdir()
    return write_payload(shop.path("newer"), product(2), settings("1.1.0"))


def run(*words: str | Path, status: int = 0) -> Outcome:
    outcome = commands.extract(*words)
    assert outcome.status == status, outcome
    return outcome


def json_of(*words: str | Path, status: int = 0) -> Any:
    """Standard output as JSON; nothing is shown beside it."""
    outcome = run(*words, "--json", status=status)
    assert (outcome.err == "") == (status == 0 or words[0] == "doctor")
    return json.loads(outcome.out)


def server(home: Home) -> Path:
    return Path(home.bin, "server")


def flip(path: Path) -> None:
    """One bit of the contents, and no metadata."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    with path.open("r+b") as stream:
        stream.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


# install


def test_install_says_where_and_a_second_time_that_it_is_there(shop: Workshop, home: Home) -> None:
    shown = run("install", shop.payload).out
    (name,) = home.version_names()
    version = home.version_path(name)
    assert shown.startswith(f"installed 1.0.0: {version} (10.5 kB in 0.")
    before = traces(shop.root)
    assert run("install", shop.payload) == (0, f"1.0.0 is installed: {version}\n", "")
    assert traces(shop.root) == before


def test_install_json(shop: Workshop, newer: Path) -> None:
    first = json_of("install", shop.payload, "--jobs", "2")
    second = json_of("install", shop.payload, "--jobs", "2")
    assert first.pop("seconds") >= 0
    assert second.pop("seconds") >= 0
    assert first == {
        "path": first["path"],
        "version": "1.0.0",
        "already": False,
        "held": False,
        "plain_bytes": 10548,
        "shared_bytes": 0,
    }
    assert second == first | {"already": True, "plain_bytes": 0}
    third = json_of("install", newer)
    assert (third["plain_bytes"], third["shared_bytes"]) == (7500, 3048)


@pytest.mark.parametrize("how", ["option", "variable", "default"])
def test_the_home_is_an_option_a_variable_or_the_default(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    place = shop.path("elsewhere")
    words: list[str | Path] = []
    if how == "option":
        words = ["--home", place]
    elif how == "variable":
        monkeypatch.setenv("STIGMER_HOME", str(place))
    else:
        monkeypatch.delenv("STIGMER_HOME")
        monkeypatch.setenv("HOME", str(shop.root))
        place = shop.path(".stigmer")
    run("install", shop.payload, *words)
    for command in ("status", "verify", "doctor", "clean"):
        assert json_of(command, *words)["home"] == str(place)
    assert (place / "bin/server").exists()
    assert not shop.path("home").exists()


def test_an_older_program_is_refused_until_it_is_forced(
    shop: Workshop, home: Home, newer: Path
) -> None:
    run("install", newer)
    refused = run("install", shop.payload, status=DowngradeError.exit_code)
    assert refused.out == ""
    assert refused.err == (
        f"error: {home.path}: a newer version is installed (expected at most 1.0.0, found 1.1.0); "
        "start the newer program, go back with `rollback`, or install with --force\n"
    )
    assert run("install", shop.payload, "--force").out.startswith("installed 1.0.0: ")


def test_a_held_version_says_how_to_have_it_back(shop: Workshop, home: Home, newer: Path) -> None:
    run("install", shop.payload)
    run("install", newer)
    run("rollback")
    path = home.version_path(home.current() or "")
    assert run("install", newer).out == (
        f"1.0.0 stays in use: {path} (`rollback` went back to it; `install --force` undoes that)\n"
    )
    facts = json_of("install", newer)
    assert (facts["held"], facts["already"], facts["version"]) == (True, True, "1.0.0")
    assert "1.1.0 is installed" in run("install", newer, "--force").out


@pytest.mark.parametrize("command", ["install", "rollback", "clean"])
def test_a_busy_home_is_waited_for_unless_one_does_not_want_to(
    shop: Workshop, home: Home, newer: Path, command: str
) -> None:
    run("install", shop.payload)
    words = [command, newer] if command == "install" else [command]
    with open(home.lock) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run(*words, "--no-wait", status=31)
    assert refused.err == (
        f"error: {home.path}: another process is changing this installation; "
        "wait until it is done, and try again\n"
    )


# status


def test_status_tells_people_what_is_installed(shop: Workshop, home: Home, newer: Path) -> None:
    run("install", shop.payload)
    first = home.current()
    run("install", newer)
    assert run("status", newer).out.splitlines() == [
        f"1.1.0 for {this_platform()}: {home.version_path(home.current() or '')}",
        "  server 1.0.0",
        "  runner 1.0.0",
        "intact: 11 files",
        f"{newer} carries this version",
        f"rollback goes to: {first}",
    ]
    second = home.current()
    run("rollback")
    server(home).unlink()
    assert run("status", newer).out.splitlines()[-5:] == [
        "damaged: 1 of 11 files",
        "  server",
        f"{newer} carries another version",
        f"held back: {second}",
        "rollback goes to: nothing",
    ]


def test_status_shows_only_so_many_damaged_files(
    shop: Workshop, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("install", shop.payload)
    shutil.rmtree(os.path.join(home.bin, "runner"))
    lines = run("status").out.splitlines()
    assert lines[3] == "damaged: 10 of 11 files"
    monkeypatch.setattr("extractor.home_cli._SHOWN_DAMAGED", 2)
    assert len(run("status").out.splitlines()) == len(lines) - 8
    assert len(json_of("status")["damaged"]) == 10


def test_status_tells_a_copy(shop: Workshop, home: Home) -> None:
    run("install", shop.payload)
    shutil.copytree(home.path, shop.path("copy"), symlinks=True)
    lines = run("status", "--home", shop.path("copy")).out.splitlines()
    assert "intact: 11 files, a copy: compared by size and mode" in lines


def test_status_json(shop: Workshop, home: Home) -> None:
    run("install", shop.payload)
    facts = json_of("status")
    assert facts["version"] == "1.0.0"
    assert facts["current"] is None
    assert json_of("status", shop.payload) == facts | {"current": True}


# verify


def test_verify_finds_what_a_start_does_not_and_repairs_it(shop: Workshop, home: Home) -> None:
    run("install", shop.payload)
    assert run("verify").out == "intact: 11 files\n"
    assert run("verify", shop.payload).out == "intact: 15 files\n"
    flip(server(home))
    assert "is installed" in run("install", shop.payload).out
    for words in (["verify"], ["verify", shop.payload]):
        outcome = run(*words, status=IntegrityError.exit_code)
        assert outcome.out == "server: has other contents\n"
        assert outcome.err == (
            f"error: {home.path}: the installation is damaged (expected 0 bad files, found 1); "
            "repair it with `verify --repair`\n"
        )
    outcome = run("verify", shop.payload, "--repair")
    first, second = outcome.out.splitlines()
    assert first == "server: has other contents"
    path = home.version_path(home.current() or "")
    assert second == f"repaired: {path} (5.00 kB extracted)"
    with open_product(shop.path("again")) as reader:
        check_home(home, reader, shop.path("again"))
    assert run("verify", shop.payload, "--repair").out == "intact: 15 files\n"


def test_verify_json(shop: Workshop, home: Home) -> None:
    run("install", shop.payload)
    facts = json_of("verify", shop.payload)
    assert facts == {"home": home.path, "files": 15, "bad": {}, "repaired": False}
    flip(server(home))
    facts = json_of("verify", shop.payload, status=IntegrityError.exit_code)
    assert facts["bad"] == {"server": "has other contents"}
    facts = json_of("verify", shop.payload, "--repair")
    assert facts.pop("seconds") >= 0
    assert facts == {
        "home": home.path,
        "files": 15,
        "bad": {"server": "has other contents"},
        "repaired": True,
        "path": home.version_path(home.current() or ""),
        "version": "1.0.0",
        "already": False,
        "held": False,
        "plain_bytes": 5000,
        "shared_bytes": 5548,
    }


@pytest.mark.parametrize("how", ["nothing", "no record", "a planted file"])
def test_a_repair_makes_whole_whatever_is_there(shop: Workshop, home: Home, how: str) -> None:
    if how != "nothing":
        run("install", shop.payload)
    if how == "no record":
        Path(home.bin, ".manifest").unlink()
    elif how == "a planted file":
        Path(home.bin, "runner/hollow/planted.py").write_bytes(b"")
    facts = json_of("verify", shop.payload, "--repair")
    assert facts["repaired"]
    assert len(facts["bad"]) == 1
    with open_product(shop.path("again")) as reader:
        check_home(home, reader, shop.path("again"))


def test_a_repair_turns_a_copy_into_an_installation_of_its_own(shop: Workshop, home: Home) -> None:
    """From then on times and inodes say something again."""
    run("install", shop.payload)
    os.rename(home.path, shop.path("aside"))
    shutil.copytree(shop.path("aside"), home.path, symlinks=True)
    assert json_of("status")["copied"]
    facts = json_of("verify", shop.payload, "--repair")
    assert (facts["bad"], facts["repaired"], facts["plain_bytes"]) == ({}, True, 0)
    assert not json_of("status")["copied"]
    assert not json_of("verify", shop.payload, "--repair")["repaired"]


def test_a_repair_with_an_older_program_is_no_downgrade(
    shop: Workshop, home: Home, newer: Path
) -> None:
    run("install", newer)
    flip(server(home))
    outcome = run("verify", shop.payload, "--repair", status=DowngradeError.exit_code)
    assert outcome.out == ""
    assert (home.current() or "").startswith("v1.1.0-")


# doctor


def test_doctor_finds_nothing_wrong(shop: Workshop, home: Home) -> None:
    run("install", shop.payload)
    names = ["home", "writable", "open files", "runs programs", "installation"]
    assert run("doctor").out.splitlines() == [f"{name}: ok" for name in names]
    facts = json_of("doctor", shop.payload)
    assert facts["home"] == home.path
    rows = {row["check"]: (row["ok"], row["problem"]) for row in facts["checks"]}
    assert rows == dict.fromkeys([*names, "platform", "path length", "space"], (True, None))


def test_doctor_ends_with_the_code_of_the_first_problem(shop: Workshop, home: Home) -> None:
    outcome = run("doctor", status=NotInstalledError.exit_code)
    assert outcome.err == ""
    assert outcome.out.splitlines()[-1] == (
        f"installation: {home.path}: nothing is installed there; install it with `install`"
    )
    os.mkdir(home.path)
    os.chmod(home.path, 0o777)
    facts = json_of("doctor", status=UnsuitableHomeError.exit_code)
    assert [row["check"] for row in facts["checks"] if not row["ok"]] == ["home", "installation"]
    problem = facts["checks"][0]["problem"]
    assert problem.startswith(f"{home.path}: everybody can write to it")
    assert problem.endswith(f"close it: chmod o-w {home.path}")


@pytest.mark.parametrize("component", PROGRAM_VARIABLES)
def test_doctor_looks_at_programs_that_are_overridden(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, component: str
) -> None:
    run("install", shop.payload)
    variable = PROGRAM_VARIABLES[component]
    monkeypatch.setenv(variable, "/no/such/program")
    outcome = run("doctor", status=NotExecutableError.exit_code)
    expected = f"{variable}: /no/such/program: cannot be run as {component}; unset {variable}"
    assert outcome.out.splitlines()[-1] == expected
    monkeypatch.setenv(variable, "/bin/sh")
    run("doctor")


def test_doctor_names_what_an_older_program_has_left_and_does_not_fail(
    shop: Workshop, home: Home
) -> None:
    os.mkdir(home.path)
    os.mkdir(home.bin)
    run("install", shop.payload)
    (aside,) = Path(home.path).glob("bin.old-*")
    line = f"leftovers: {aside}: left behind; remove it: rm -r {aside}"
    assert run("doctor").out.splitlines()[-1] == line
    assert json_of("doctor")["checks"][-1]["ok"] is False


# rollback and clean


def test_rollback_says_where_it_went(shop: Workshop, home: Home, newer: Path) -> None:
    run("install", shop.payload)
    first = home.version_path(home.current() or "")
    run("install", newer)
    assert run("rollback") == (0, f"went back from 1.1.0 to 1.0.0: {first}\n", "")
    run("install", newer, "--force")
    assert json_of("rollback") == {"path": first, "version": "1.0.0", "from_version": "1.1.0"}


def test_clean_says_what_went_and_what_stays(
    shop: Workshop, home: Home, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("install", shop.payload)
    first = home.version_path(home.current() or "")
    run("install", newer)
    assert run("clean").out == "nothing to remove\n"
    assert json_of("clean") == {"home": home.path, "removed": [], "kept": {}}
    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "_used_paths", lambda: [(7, f"{first}/server")])
        assert run("clean", "--all").out == f"{first} stays: in use by process 7\n"
        assert json_of("clean", "--all")["kept"] == {first: "in use by process 7"}
    left = os.path.join(home.staging, "0011")
    os.mkdir(left)
    assert run("clean", "--all").out == f"removed {left}\nremoved {first}\n"
    assert len(home.version_names()) == 1
    assert run("rollback", status=NotInstalledError.exit_code).out == ""
