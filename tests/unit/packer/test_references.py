"""A reference is chosen where it saves, never twice in a chain, always the same one."""

import random
from pathlib import Path

import pytest

from container.errors import SourceChangedError
from packer import packing, references
from packer.plan import Plan
from packer.references import choose_references
from tests.support.payloads import SETTINGS, Components, dissect, pack_plan, write_components
from tests.support.trees import File

RNG = random.Random(7)
SHARED = RNG.randbytes(300_000)
OTHER = RNG.randbytes(300_000)
FRAMES_OF_64K = SETTINGS._replace(frame_bytes=65536, level=9)


def planned(tmp_path: Path, components: Components) -> Plan:
    written = write_components(tmp_path, components)
    return packing.prepare(written, FRAMES_OF_64K, references=False)


def chosen(plan: Plan) -> dict[str, set[str | None]]:
    """For each component, the paths of the references of its frames."""
    found = choose_references(plan)
    return {
        component.name: {
            None if reference is None else found.entries[reference].path
            for frame in component.frames
            for reference in [found.frames[frame].reference]
        }
        for component in found.components
    }


def test_what_shares_bytes_with_an_earlier_file_gets_it_as_its_reference(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        {
            "a": File(SHARED),
            "b": File(b"!" * 7 + SHARED[1000:] + b"?" * 2000),
            "c": File(OTHER + OTHER[:9000][::-1]),
        },
    )
    assert chosen(plan) == {"a": {None}, "b": {"a"}, "c": {None}}
    stored = dissect(pack_plan(choose_references(plan), FRAMES_OF_64K)).index
    program = stored.component("b")
    assert stored.stored_bytes_of(program) < 3000
    assert program.needs == {0}


def test_no_reference_has_a_reference_itself(tmp_path: Path) -> None:
    """Each file is nearest to the one before it, which is not to be had."""
    steps = [SHARED]
    for number in range(3):
        changed = bytearray(steps[-1]) + b"x" * 100
        changed[number * 100_000 : (number + 1) * 100_000] = RNG.randbytes(100_000)
        steps.append(bytes(changed))
    plan = planned(tmp_path, {f"p{number}": File(content) for number, content in enumerate(steps)})
    assert chosen(plan) == {"p0": {None}, "p1": {"p0", None}, "p2": {"p0", None}, "p3": {None}}


def test_a_later_file_of_the_same_component_may_use_an_earlier_one(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"t": {"a": File(SHARED), "b": File(SHARED[::-1] + SHARED)}})
    found = choose_references(plan)
    assert [frame.reference for frame in found.frames[:5]] == [None] * 5
    assert {frame.reference for frame in found.frames[-4:]} == {1}
    assert found.components[0].needs == frozenset()


@pytest.mark.parametrize("size", [references._MIN_REFERENCE_BYTES - 1])
def test_a_small_file_is_not_worth_holding(tmp_path: Path, size: int) -> None:
    plan = planned(tmp_path, {"a": File(SHARED[:size]), "b": File(SHARED[:size] + b"b")})
    assert chosen(plan) == {"a": {None}, "b": {None}}


def test_only_the_largest_candidates_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "_MIN_REFERENCE_BYTES", 1000)
    monkeypatch.setattr(references, "_MAX_CANDIDATES", 1)
    components = {
        "a": File(SHARED[:9_000]),
        "b": File(OTHER[:10_000]),
        "c": File(SHARED[:9_000] + OTHER[20_000:22_000]),
    }
    assert chosen(planned(tmp_path, components))["c"] == {None}
    monkeypatch.setattr(references, "_MAX_CANDIDATES", 2)
    assert chosen(planned(tmp_path / "again", components))["c"] == {"a"}


def test_the_choice_is_the_same_every_time(tmp_path: Path) -> None:
    components: Components = {"b": File(SHARED + b"b"), "a": File(SHARED), "c": File(SHARED * 2)}
    first = choose_references(planned(tmp_path / "1", components))
    again = choose_references(planned(tmp_path / "2", dict(reversed([*components.items()]))))
    assert [frame.reference for frame in first.frames] == [
        frame.reference for frame in again.frames
    ]


def test_a_source_that_changed_is_told(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"a": File(SHARED), "b": File(SHARED + b"b")})
    (tmp_path / "a").write_bytes(OTHER[:1000])
    with pytest.raises(SourceChangedError, match="a: changed"):
        choose_references(plan)
