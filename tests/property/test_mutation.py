"""A payload that was changed anywhere: a documented error, or the same output as before."""

import random
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container import codec, layout, magic
from container.sections import INDEX_HEADER, SECTION
from packer.packing import prepare
from tests.support.examination import examine
from tests.support.mending import mend
from tests.support.payloads import (
    SETTINGS,
    Components,
    pack_forced,
    pack_plan,
    patch,
    write_components,
)
from tests.support.trees import Directory, File, Found, Hardlink, Symlink

RNG = random.Random(9)
PROGRAM = RNG.randbytes(700)
COMPONENTS: Components = {
    "prog": File(PROGRAM, 0o755),
    "tree": {
        "a": File(b"some text " * 90),
        "b": File(PROGRAM[:300] + b"other"),
        "d/copy": File(b"some text " * 90, 0o600),
        "empty": File(b""),
        "hard": Hardlink("a"),
        "link": Symlink("d/copy"),
        "no": Directory(0o700),
        "é": File(b"x"),
    },
}


class Sample(NamedTuple):
    """A sound payload and what comes out of it."""

    payload: bytes
    tree: dict[str, Found]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutation")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory, scratch: Path) -> list[Sample]:
    """Without references and with them."""
    small = SETTINGS._replace(frame_bytes=256)
    written = write_components(tmp_path_factory.mktemp("src"), COMPONENTS)
    plan = prepare(written, small)
    first = plan.components[0].frame_count
    forced = plan.with_references([None] * first + [0] * (len(plan.frames) - first))
    found = []
    for payload in (pack_plan(plan, small), pack_forced(forced, small)):
        tree = examine(payload, scratch).tree
        assert tree is not None
        found.append(Sample(payload, tree))
    return found


# Positions count from the end: the footer and the index are there, and most of the rules.
POSITIONS = st.one_of(st.integers(1, 64), st.integers(1, 1400), st.integers(1, 4000))


def flip(position: int, bits: int) -> Any:
    def change(data: bytes) -> bytes:
        at = len(data) - 1 - position % len(data) if data else 0
        return data[:at] + bytes([byte ^ bits for byte in data[at : at + 1]]) + data[at + 1 :]

    return change


def drop(position: int, size: int) -> Any:
    return lambda data: (
        data[: max(len(data) - position, 0)] + data[max(len(data) - position, 0) + size :]
    )


def insert(position: int, extra: bytes) -> Any:
    return lambda data: data[: len(data) - position] + extra + data[len(data) - position :]


def swap(one: int, other: int, size: int) -> Any:
    def change(data: bytes) -> bytes:
        low, high = sorted((one % (len(data) + 1), other % (len(data) + 1)))
        middle = max(low + size, high)
        return (
            data[:low]
            + data[middle : middle + size]
            + data[low + size : middle]
            + data[low : low + size]
            + data[middle + size :]
        )

    return change


def cut(size: int) -> Any:
    return lambda data: data[: max(len(data) - size, 0)]


CHANGES = st.one_of(
    st.builds(flip, POSITIONS, st.integers(1, 255)),
    st.builds(drop, POSITIONS, st.integers(1, 70)),
    st.builds(insert, POSITIONS, st.binary(min_size=1, max_size=70)),
    st.builds(swap, POSITIONS, POSITIONS, st.integers(1, 70)),
    st.builds(cut, POSITIONS),
)


@settings(max_examples=600)
@given(
    st.integers(0, 1),
    st.lists(CHANGES, min_size=1, max_size=3),
    st.integers(1, 3),
)
def test_damage_is_refused_or_changes_nothing(
    samples: list[Sample], scratch: Path, number: int, changes: list[Any], jobs: int
) -> None:
    sample = samples[number]
    damaged = reduce(lambda data, change: change(data), changes, sample.payload)
    assert examine(damaged, scratch, jobs).tree in (None, sample.tree)


STRUCTS = {magic.METADATA_ID: layout.METADATA, **layout.ROWS}


def fields_of(payload: bytes) -> list[tuple[int, Any, str, int]]:
    """Every field of footer, index header, section table and rows: place, structure, name, size."""
    end = len(payload)
    start = end - codec.FOOTER.unpack(payload[-magic.FOOTER_BYTES :])[6]
    places = [(end - magic.FOOTER_BYTES, layout.FOOTER), (start, layout.INDEX_HEADER)]
    for number in range(INDEX_HEADER.unpack_from(payload, start)[3]):
        at = start + INDEX_HEADER.size + number * SECTION.size
        places.append((at, layout.SECTION))
        section_id, _, offset, _, row_bytes, row_count = SECTION.unpack_from(payload, at)
        if section_id in STRUCTS:
            rows = range(row_count)
            places += [(start + offset + row * row_bytes, STRUCTS[section_id]) for row in rows]
    return [
        (place, struct, subcon.name, subcon.sizeof())
        for place, struct in places
        for subcon in struct.subcons
    ]


def value_near(old: int, size: int, step: int, telling: int | None) -> int:
    return (old + step if telling is None else telling) % (1 << 8 * size)


TELLING = st.sampled_from(
    [0, 1, 2, 3, 4, 0o777, 0o1000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 64) - 1]
)
STEPS = st.sampled_from([-64, -1, 1, 2, 7, 64, 300])


@settings(max_examples=700)
@given(st.data())
def test_a_field_that_lies_behind_right_digests_is_refused_or_changes_nothing(
    samples: list[Sample], scratch: Path, data: st.DataObject
) -> None:
    sample = samples[data.draw(st.integers(0, 1))]
    changed = sample.payload
    fields = fields_of(changed)
    for _ in range(data.draw(st.integers(1, 2))):
        place, struct, name, size = fields[data.draw(st.integers(0, len(fields) - 1))]
        offset = place + sum(s.sizeof() for s in struct.subcons[: names_of(struct).index(name)])
        old = int.from_bytes(changed[offset : offset + size], "little")
        telling = data.draw(st.none() | TELLING)
        changed = patch(
            changed, place, struct, **{name: value_near(old, size, data.draw(STEPS), telling)}
        )
    examined = examine(mend(changed, frames=data.draw(st.booleans())), scratch)
    # What SHA-256 vouches for is what comes out, whoever made the other digests fit.
    if examined.verified:
        assert examined.tree == sample.tree


def names_of(struct: Any) -> list[str]:
    return [subcon.name for subcon in struct.subcons]


@settings(max_examples=300)
@given(st.integers(0, 1), st.lists(CHANGES, min_size=1, max_size=2))
def test_damage_behind_right_digests_is_refused_or_verifies_as_before(
    samples: list[Sample], scratch: Path, number: int, changes: list[Any]
) -> None:
    sample = samples[number]
    damaged = reduce(lambda data, change: change(data), changes, sample.payload)
    examined = examine(mend(damaged), scratch, 2)
    if examined.verified:
        assert examined.tree == sample.tree


def test_every_cut_of_a_payload_is_refused(samples: list[Sample], scratch: Path) -> None:
    payload = samples[1].payload
    for size in range(len(payload)):
        assert examine(payload[:size], scratch).opened is None
        # Cut from the front it opens nowhere either: its frames would begin before the file.
        assert examine(payload[size + 1 :], scratch).opened is None


def test_every_single_bit_of_a_payload_matters(samples: list[Sample], scratch: Path) -> None:
    payload = samples[1].payload
    for position in range(len(payload)):
        changed = bytearray(payload)
        changed[position] ^= 1 << position % 8
        assert examine(bytes(changed), scratch).tree is None
