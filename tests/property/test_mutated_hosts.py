"""Headers of hosts changed anywhere: a clear error or a right output, and never a traceback."""

import os
import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from container import hosts
from container.errors import ContainerError
from container.reader import open_payload
from packer import hosts as facts
from packer.embed import embed, strip
from packer.packing import prepare
from packer.plan import Plan
from tests.support.executables import AMD64, LOADER, archive, elf, fat, macho, pe
from tests.support.payloads import SETTINGS, MemorySource, write_components
from tests.support.trees import File

HOSTS = {
    "ELF": elf(kind=3),
    "frozen ELF": elf(data=LOADER, frozen=archive()),
    "Mach-O": macho(),
    "frozen Mach-O": macho(text=LOADER, tail=archive(), cpu=AMD64, signed=False),
    "fat Mach-O": fat(macho(cpu=AMD64), macho()),
    "PE": pe(checksum=True, certificate=bytes(64)),
    "frozen PE": pe(text=LOADER, overlay=archive()),
}
VALUES = [0, 1, 7, 8, 16, 0x40, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF]
REGIONS = [(0, 700), (0x4000, 0x4400)]


def places(data: bytes) -> list[int]:
    """Where headers are: the beginning, of a fat file its slices', and the end."""
    found = [
        offset for start, end in REGIONS for offset in range(start, min(end, len(data) - 4), 2)
    ]
    return found + list(range(max(0, len(data) - 500), len(data) - 4, 2))


class Mutated(NamedTuple):
    """A host that is changed; told by what is done to it, since its bytes say nothing."""

    name: str
    changes: tuple[tuple[int, bytes], ...]
    cut: int | None

    @property
    def data(self) -> bytes:
        """The changed host."""
        data = bytearray(HOSTS[self.name])
        for offset, value in self.changes:
            data[offset : offset + len(value)] = value
        return bytes(data[: self.cut])


@st.composite
def mutated(draw: st.DrawFn) -> Mutated:
    name = draw(st.sampled_from(list(HOSTS)))
    data = HOSTS[name]
    changes = []
    for _ in range(draw(st.integers(1, 3))):
        value = draw(st.sampled_from(VALUES) | st.integers(0, 0xFFFFFFFF))
        order = draw(st.sampled_from("<>"))
        changes.append((draw(st.sampled_from(places(data))), struct.pack(f"{order}I", value)))
    return Mutated(name, tuple(changes), draw(st.none() | st.integers(1, len(data))))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    root = tmp_path_factory.mktemp("sources")
    return prepare(write_components(root, {"prog": File(b"prog" * 99, 0o755)}), SETTINGS)


@given(mutated())
@example(Mutated("fat Mach-O", (), None))
def test_finding_the_end_is_an_error_or_a_place_in_the_file(host: Mutated) -> None:
    data = host.data
    try:
        end = hosts.payload_end(MemorySource(data))
    except ContainerError:
        end = 0
    assert 0 <= end <= len(data)
    told = facts.identify(MemorySource(data))
    assert told.host_bytes == len(data)


@given(mutated())
@example(Mutated("frozen ELF", (), None))
@example(Mutated("PE", (), None))
def test_embedding_is_refused_or_right(plan: Plan, host: Mutated) -> None:
    data = host.data
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "host").write_bytes(data)
        try:
            done = embed(root / "host", root / "packed", plan, SETTINGS)
        except ContainerError as error:
            told_where = str(root / "host") in str(error)
        else:
            told_where = True
        assert told_where
        if not (root / "packed").exists():
            assert os.listdir(root) == ["host"]
            return
        with open_payload(root / "packed", done.written.index_sha256) as reader:
            reader.verify()
            told = facts.identify(reader.source, reader.location)
        assert told.host_bytes == done.host_bytes <= len(data)
        strip(root / "packed", root / "stripped")
        again = embed(root / "stripped", root / "again", plan, SETTINGS)
        assert again.written == done.written
        if told.format != hosts.MACHO:
            assert (root / "again").read_bytes() == (root / "packed").read_bytes()
