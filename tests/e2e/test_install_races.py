"""Many first starts at once: one extracts, the others wait and find it done."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from container.errors import DowngradeError
from container.reader import open_payload
from extractor import events, examine, upkeep
from extractor.home import Home
from extractor.install import Installed, install
from tests.support.crowd import at_once
from tests.support.samples import look, product, settings, write_payload
from tests.support.transactions import Releases, found

if TYPE_CHECKING:
    from pathlib import Path

_PROCESSES = 32
_ROUNDS = 50
# Rounds of one test, for tests that run side by side.
_ROUNDS_EACH = 10


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("releases"))


def check_whole(releases: Releases, home: Home, version: str) -> None:
    assert releases.in_use(home) == version
    assert os.listdir(home.staging) == []
    assert [row for row in examine.verify(home) if row.problem] == []


@pytest.mark.parametrize("first", range(0, _ROUNDS, _ROUNDS_EACH))
def test_one_of_many_extracts_and_all_find_it_done(
    releases: Releases, tmp_path: Path, first: int
) -> None:
    for number in range(first, first + _ROUNDS_EACH):
        home = Home(str(tmp_path / f"home-{number}"))

        def start(home: Home = home) -> tuple[Installed, int, int]:
            heard: list[events.Event] = []
            done = releases.install(home, "1.0.0", heard.append)
            started = sum(isinstance(event, events.Started) for event in heard)
            waited = sum(isinstance(event, events.Waiting) for event in heard)
            return done, started, waited

        outcomes = at_once([start] * _PROCESSES)
        done = [outcome[0] for outcome in outcomes if isinstance(outcome, tuple)]
        assert len(done) == _PROCESSES, [one for one in outcomes if not isinstance(one, tuple)]
        assert sorted(one.already for one in done) == [False] + [True] * (_PROCESSES - 1)
        assert len({one.path for one in done}) == 1
        for outcome in outcomes:
            assert isinstance(outcome, tuple)
            one, started, waited = outcome
            assert started == (not one.already)
            assert waited in (0, 1)
        assert len(home.version_names()) == 1
        check_whole(releases, home, "1.0.0")


def test_the_lock_dies_with_its_holder_and_another_takes_over(
    releases: Releases, tmp_path: Path
) -> None:
    home, killed = Home(str(tmp_path / "home")), str(tmp_path / "killed")

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Advanced) and not os.path.exists(killed):
            os.mkdir(killed)
            os.kill(os.getpid(), signal.SIGKILL)

    outcomes = at_once([lambda: releases.install(home, "1.0.0", listen)] * _PROCESSES)
    done = [outcome for outcome in outcomes if isinstance(outcome, Installed)]
    assert outcomes.count(signal.SIGKILL) == 1
    assert sorted(one.already for one in done) == [False] + [True] * (_PROCESSES - 2)
    check_whole(releases, home, "1.0.0")


@pytest.mark.parametrize("number", range(8))
def test_two_versions_at_once_end_with_the_newer(
    releases: Releases, tmp_path: Path, number: int
) -> None:
    """The older one is refused, or comes first: nothing is ever mixed."""
    home = Home(str(tmp_path / f"home-{number}"))
    older = [lambda: releases.install(home, "1.0.0")] * (_PROCESSES // 2)
    newer = [lambda: releases.install(home, "2.0.0")] * (_PROCESSES // 2)
    outcomes = at_once([*older, *newer] if number % 2 else [*newer, *older])
    for outcome in outcomes:
        assert isinstance(outcome, Installed | DowngradeError), outcome
    done = [outcome for outcome in outcomes if isinstance(outcome, Installed)]
    for version in {outcome.version for outcome in done}:
        ours = [outcome for outcome in done if outcome.version == version]
        assert [outcome.already for outcome in ours].count(False) == 1
    check_whole(releases, home, "2.0.0")
    upkeep.clean(home)
    assert len(home.version_names()) == len({outcome.version for outcome in done})


def test_two_builds_without_an_order_at_once_end_with_one_of_them(tmp_path: Path) -> None:
    payloads, trees = [], []
    for seed in (1, 2):
        (tmp_path / f"{seed}").mkdir()
        payloads.append(write_payload(tmp_path / f"{seed}", product(seed), settings("dev")))
        trees.append(look(tmp_path / f"{seed}" / "components"))
    home = Home(str(tmp_path / "home"))

    def start(payload: Path) -> Installed:
        with open_payload(payload) as reader:
            return install(reader, home)

    outcomes = at_once([partial(start, path) for path in payloads * (_PROCESSES // 2)])
    assert [one for one in outcomes if not isinstance(one, Installed)] == []
    assert found(home) in trees
    assert [row for row in examine.verify(home) if row.problem] == []
    assert os.listdir(home.staging) == []
