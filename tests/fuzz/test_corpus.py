"""The fuzzer's seeds, read in every run: the sound ones whole, and each cut and mended anywhere."""

from pathlib import Path

import pytest

from tests.support.examination import examine
from tests.support.mending import mend

CORPUS = sorted(Path(__file__).with_name("corpus").iterdir())
SOUND = {"hosted", "nothing", "program", "references", "tree"}


def test_the_corpus_is_there_and_small() -> None:
    assert {place.name for place in CORPUS} >= SOUND
    assert sum(place.stat().st_size for place in CORPUS) < 50_000


@pytest.mark.parametrize("place", CORPUS, ids=lambda place: place.name)
def test_a_seed_is_read(place: Path, tmp_path: Path) -> None:
    examined = examine(place.read_bytes(), tmp_path, jobs=2)
    assert examined.verified == (place.name in SOUND)


@pytest.mark.parametrize("place", CORPUS, ids=lambda place: place.name)
def test_a_seed_that_is_cut_and_mended_breaks_nothing(place: Path, tmp_path: Path) -> None:
    data = place.read_bytes()
    for position in range(0, len(data), 7):
        examine(mend(data[:position] + data[position + 1 :]), tmp_path)
