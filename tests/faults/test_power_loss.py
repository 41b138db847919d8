"""A loss of power before any step: what is in use is whole, and what has returned is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from container.errors import ContainerError
from extractor import durability, upkeep
from extractor.home import Home
from tests.support.power import MODELS, Recording, materialise
from tests.support.system import unflushed, watched
from tests.support.transactions import TRANSACTIONS, Releases, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.transactions import Transaction

_SHARES = 2


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at all processes takes ten times as long as all the rest; it changes nothing."""
    monkeypatch.setattr(upkeep, "_used_paths", list)


def recorded(transaction: Transaction, root: Path) -> Recording:
    """One transaction in ``root / "home"``, step by step."""
    root.mkdir()
    home = prepared(transaction, Home(str(root / "home")))
    recording = Recording(root)
    with watched(recording):
        transaction.act(home)
    return recording


def check(
    transaction: Transaction, recording: Recording, root: Path, share: int = 0, shares: int = 1
) -> int:
    """Go through the states that a loss can leave.

    Returns:
        How many there were.
    Raises:
        AssertionError: something in use is not whole, is lost, or cannot be put right.
    """
    count = 0
    for number, (cut, model, state) in enumerate(recording.states()):
        if number % shares != share:
            continue
        place = root / f"{number}"
        materialise(state, place)
        home = Home(str(place / "home"))
        try:
            with unflushed():
                transaction.check_broken(home)
                if cut == recording.steps:
                    assert transaction.releases.in_use(home) == transaction.after
                transaction.start(home)
                transaction.check_done(home)
        except (AssertionError, ContainerError, OSError) as error:
            raise AssertionError(f"{model} before step {cut} of {recording.steps}") from error
        count += 1
    return count


@pytest.mark.parametrize("share", range(_SHARES))
@pytest.mark.parametrize("name", TRANSACTIONS)
def test_whatever_is_lost_a_whole_version_is_in_use(
    releases: Releases, tmp_path: Path, name: str, share: int
) -> None:
    transaction = TRANSACTIONS[name](releases)
    recording = recorded(transaction, tmp_path / "recorded")
    assert check(transaction, recording, tmp_path, share, _SHARES) >= len(MODELS)


@pytest.mark.parametrize("left_out", ["flush_tree", "flush_directory"])
def test_without_a_flush_it_is_seen(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    """That the test above can fail, and that no flush is there for nothing."""
    monkeypatch.setattr(durability, left_out, lambda _path: None)
    transaction = TRANSACTIONS["upgrade"](releases)
    recording = recorded(transaction, tmp_path / "recorded")
    with pytest.raises(AssertionError, match=r"(durable|empty|zeros) before step"):
        check(transaction, recording, tmp_path)
