"""Homes that somebody has prepared: nothing outside of them is touched, whatever they hold."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container.errors import ContainerError, UnsuitableHomeError
from extractor import events, upkeep
from extractor import manifest as records
from extractor.home import Home
from tests.support.crowd import at_once
from tests.support.homes import traces
from tests.support.transactions import Releases
from tests.support.trees import File, Symlink, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SOMEBODY = 12345


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(str(tmp_path / "home"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return write_tree(
        tmp_path / "outside",
        {"file": File(b"not yours", 0o600), "deep/closed/file": File(b"nor this", 0o400)},
    )


def _plant_second_name(home: Path, outside: Path) -> None:
    (home / "staging").mkdir()
    os.link(outside / "file", home / "staging/file")


def _plant_version(home: Path, outside: Path) -> None:
    write_tree(home / "versions", {"v9.0.0-00000000": Symlink(str(outside))})
    (home / "bin").symlink_to("versions/v9.0.0-00000000")


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "a link in staging": lambda home, outside: write_tree(
        home / "staging", {"old": Symlink(str(outside))}
    ),
    "links deep in staging": lambda home, outside: write_tree(
        home / "staging/old",
        {"deep/file": Symlink(str(outside / "file")), "deep/tree": Symlink(str(outside))},
    ),
    "a second name in staging": _plant_second_name,
    "bin leads outside": lambda home, outside: (home / "bin").symlink_to(outside),
    "bin leads up": lambda home, _: (home / "bin").symlink_to("versions/.."),
    "bin leads nowhere": lambda home, _: (home / "bin").symlink_to("versions/absent"),
    "bin leads to itself": lambda home, _: (home / "bin").symlink_to("bin"),
    "held leads outside": lambda home, outside: (home / "held").symlink_to(outside / "file"),
    "a version leads outside": _plant_version,
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_gone_or_harmless(
    releases: Releases, home: Home, tmp_path: Path, outside: Path, name: str
) -> None:
    PLANTED[name](tmp_path / "home", outside)
    # The names of a file are counted in it, and a second one is taken away with the rest.
    before = {path: trace._replace(ctime_ns=0) for path, trace in traces(outside).items()}
    releases.install(home, "1.0.0")
    releases.install(home, "2.0.0")
    upkeep.rollback(home)
    upkeep.clean(home, all_but_current=True)
    assert releases.in_use(home) == "1.0.0"
    assert os.listdir(home.staging) == []
    assert [name for name in home.version_names() if name.startswith("v9")] == []
    assert {path: row._replace(ctime_ns=0) for path, row in traces(outside).items()} == before
    assert (outside / "file").read_bytes() == b"not yours"


def test_a_version_of_our_name_that_leads_outside(
    releases: Releases, tmp_path: Path, outside: Path
) -> None:
    """The name can be foretold: it is in the payload."""
    known = os.path.basename(releases.install(Home(str(tmp_path / "known")), "1.0.0").path)
    home = Home(str(tmp_path / "home"))
    write_tree(tmp_path / "home/versions", {known: Symlink(str(outside))})
    before = traces(outside)
    done = releases.install(home, "1.0.0")
    assert os.path.basename(done.path).startswith(f"{known}.r")
    assert releases.in_use(home) == "1.0.0"
    assert traces(outside) == before
    assert home.version_names() == [os.path.basename(done.path)]


def test_a_record_whose_paths_lead_out_of_its_version(
    releases: Releases, tmp_path: Path, outside: Path
) -> None:
    """It is believed where it is right, and nothing is written by its words."""
    home = Home(str(tmp_path / "home"))
    root = releases.install(home, "1.0.0").path
    record = records.read(root)
    assert record is not None
    record.paths = [f"../../../outside/{path}" for path in record.paths]
    os.unlink(os.path.join(root, records.NAME))
    records.write(record, root)
    before = traces(outside)
    releases.install(home, "1.0.0")
    assert releases.in_use(home) == "1.0.0"
    assert traces(outside) == before


@pytest.mark.parametrize("which", ["versions", "staging"])
def test_a_directory_of_ours_that_leads_outside_is_refused(
    releases: Releases, home: Home, tmp_path: Path, outside: Path, which: str
) -> None:
    (tmp_path / "home" / which).symlink_to(outside)
    before = traces(tmp_path)
    with pytest.raises(UnsuitableHomeError, match=f"{which}: not a directory") as caught:
        releases.install(home, "1.0.0")
    assert caught.value.remedy
    assert traces(tmp_path) == before


@pytest.mark.parametrize("which", ["rollback", "clean"])
def test_upkeep_follows_no_link_either(
    releases: Releases,
    home: Home,
    tmp_path: Path,
    outside: Path,
    which: str,
) -> None:
    releases.install(home, "1.0.0")
    releases.install(home, "2.0.0")
    (tmp_path / "home/staging").rmdir()
    (tmp_path / "home/staging").symlink_to(outside)
    before = traces(outside)
    with pytest.raises(ContainerError, match="staging"):
        getattr(upkeep, which)(home)
    assert traces(outside) == before
    assert releases.in_use(home) == "2.0.0"


def test_a_lock_that_leads_outside_is_refused(
    releases: Releases, home: Home, tmp_path: Path, outside: Path
) -> None:
    (tmp_path / "home/.lock").symlink_to(outside / "new")
    before = traces(outside)
    with pytest.raises((ContainerError, OSError), match=r"\.lock"):
        releases.install(home, "1.0.0")
    assert traces(outside) == before
    assert not (tmp_path / "home/bin").is_symlink()


@pytest.mark.parametrize("which", [".", "versions", "staging"])
@pytest.mark.parametrize("problem", ["everybody", "another"])
def test_a_home_that_others_can_change_is_refused(
    releases: Releases,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    which: str,
    problem: str,
) -> None:
    place = tmp_path / "home" / which
    place.mkdir(exist_ok=True)
    if problem == "everybody":
        place.chmod(0o777)
        text = "everybody can write to it"
    else:
        text = "belongs to another user"
        if os.geteuid() == 0:
            os.chown(place, _SOMEBODY, -1)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: _SOMEBODY)
    before = traces(tmp_path)
    with pytest.raises(UnsuitableHomeError, match=text) as caught:
        releases.install(home, "1.0.0")
    assert caught.value.remedy
    assert str(place) in str(caught.value) or which == "." or problem == "another"
    assert traces(tmp_path) == before


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that somebody else can get to, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave what root has left")
def test_what_root_has_left_stays_and_is_in_nobodys_way(public: Path) -> None:
    """As after one start with sudo: directories of root in staging and in versions."""
    releases, home = Releases(public / "releases"), Home(str(public / "home"))
    left = [
        write_tree(public / "home/staging/old", {"deep/file": File(b"of root")}),
        write_tree(public / "home/versions/v0.1.0-00000000", {"program": File(b"of root")}),
    ]
    for place in (home.path, home.staging, home.versions):
        os.chown(place, _SOMEBODY, _SOMEBODY)
    before = [traces(place) for place in left]

    def start() -> list[events.Event]:
        os.setgroups([])
        os.setgid(_SOMEBODY)
        os.setuid(_SOMEBODY)
        heard: list[events.Event] = []
        releases.install(home, "1.0.0", heard.append)
        return heard

    (heard,) = at_once([start])
    assert isinstance(heard, list), heard
    kept = [event for event in heard if isinstance(event, events.Kept)]
    assert [event.path for event in kept] == [str(place) for place in left]
    assert all("ermitted" in event.reason or "ermission" in event.reason for event in kept)
    assert [traces(place) for place in left] == before
    assert releases.in_use(home) == "1.0.0"
