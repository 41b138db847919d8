"""Components below any directory: whole and verified, or not at all; nothing is overwritten."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from container.errors import (
    IntegrityError,
    NoSpaceError,
    NotWritableError,
    TargetExistsError,
    UnknownEntryError,
)
from container.reader import PayloadReader
from extractor import events
from extractor.unpack import unpack
from packer.packing import prepare
from tests.support.payloads import MemorySource, dissect, pack_plan, write_components
from tests.support.samples import look, open_product, product, settings, sources_of, write_payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[PayloadReader]:
    with open_product(tmp_path / "product") as opened:
        yield opened


@pytest.mark.parametrize("jobs", [1, 2, 3, 4])
def test_what_was_packed_comes_out_as_it_was(
    tmp_path: Path, reader: PayloadReader, jobs: int
) -> None:
    done = unpack(reader, str(tmp_path / "new/target"), jobs=jobs)
    assert [component.name for component in done] == ["server", "runner"]
    assert look(tmp_path / "new/target") == sources_of(tmp_path / "product")


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, reader: PayloadReader, mask: int) -> None:
    before = os.umask(mask)
    try:
        unpack(reader, str(tmp_path / "target"), jobs=2)
    finally:
        os.umask(before)
    assert look(tmp_path / "target") == sources_of(tmp_path / "product")


@pytest.mark.parametrize("name", ["server", "runner"])
def test_only_the_components_that_are_named_are_written(
    tmp_path: Path, reader: PayloadReader, name: str
) -> None:
    (done,) = unpack(reader, str(tmp_path / "target"), [name])
    assert done.name == name
    expected = {
        path: found
        for path, found in sources_of(tmp_path / "product").items()
        if path.split("/")[0] == name
    }
    assert look(tmp_path / "target") == expected


def test_a_component_is_unpacked_beside_others(tmp_path: Path, reader: PayloadReader) -> None:
    target = tmp_path / "target"
    unpack(reader, str(target), ["server"])
    (target / "mine").write_bytes(b"of somebody else")
    inode = (target / "server").stat().st_ino
    unpack(reader, str(target), ["runner"])
    assert (target / "mine").read_bytes() == b"of somebody else"
    assert (target / "server").stat().st_ino == inode
    assert sorted(place.name for place in target.iterdir()) == ["mine", "runner", "server"]


def test_a_component_whose_reference_is_not_wanted_leaves_no_trace_of_it(tmp_path: Path) -> None:
    path = write_payload(tmp_path, references={"runner/alias": "server"})
    with PayloadReader(MemorySource(path.read_bytes())) as reader:
        assert reader.index.component("runner").needs
        unpack(reader, str(tmp_path / "target"), ["runner"], jobs=2)
    assert [place.name for place in (tmp_path / "target").iterdir()] == ["runner"]
    source = tmp_path / "components/runner"
    assert look(tmp_path / "target/runner") == look(source)


def test_the_mode_of_a_component_that_nobody_may_write_to_survives_its_move(
    tmp_path: Path,
) -> None:
    sources = write_components(tmp_path / "components", product())
    (tmp_path / "components/runner").chmod(0o555)
    payload = pack_plan(prepare(sources, settings()), settings())
    unpack(PayloadReader(MemorySource(payload)), str(tmp_path / "target"))
    assert stat.S_IMODE((tmp_path / "target/runner").stat().st_mode) == 0o555


@pytest.mark.parametrize("how", ["file", "directory", "symlink", "dangling"])
@pytest.mark.parametrize("name", ["server", "runner"])
def test_nothing_is_written_where_something_stands(
    tmp_path: Path, reader: PayloadReader, name: str, how: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    if how == "file":
        (target / name).write_bytes(b"mine")
    elif how == "directory":
        (target / name).mkdir()
    else:
        (target / name).symlink_to("/" if how == "symlink" else "nowhere")
    before, mtime = look(target), target.stat().st_mtime_ns
    with pytest.raises(TargetExistsError, match=f"{target / name}: stands where"):
        unpack(reader, str(target))
    assert (look(target), target.stat().st_mtime_ns) == (before, mtime)


def test_what_appears_while_unpacking_is_not_overwritten(
    tmp_path: Path, reader: PayloadReader
) -> None:
    target = tmp_path / "target"

    def intrude(event: events.Event) -> None:
        if isinstance(event, events.Started):
            (target / "server").write_bytes(b"mine")

    with pytest.raises(TargetExistsError):
        unpack(reader, str(target), listener=intrude)
    assert {path: found.content for path, found in look(target).items()} == {"server": b"mine"}


def test_an_unknown_component_makes_no_directory(tmp_path: Path, reader: PayloadReader) -> None:
    with pytest.raises(UnknownEntryError):
        unpack(reader, str(tmp_path / "target"), ["nothing"])
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("stands", [False, True])
def test_damage_leaves_nothing_behind(tmp_path: Path, stands: bool) -> None:
    payload = bytearray(write_payload(tmp_path).read_bytes())
    frames = dissect(bytes(payload)).index.frames
    payload[frames[-1].stored_offset] ^= 1
    parent = tmp_path / "parent"
    (parent / "new" if stands else parent).mkdir(parents=True)
    reader = PayloadReader(MemorySource(bytes(payload)))
    with pytest.raises(IntegrityError):
        unpack(reader, str(parent / "new/target"), jobs=2)
    assert [place.name for place in parent.rglob("*")] == ["new"] * stands


def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, reader: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine").write_bytes(b"of somebody else")
    before = look(target)

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(NoSpaceError):
        unpack(reader, str(target), jobs=2)
    assert look(target) == before


def test_a_target_that_cannot_be_made_is_told(
    tmp_path: Path, reader: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file/target"):
        unpack(reader, str(tmp_path / "file/target"))

    def refuse(path: str, mode: int = 0o777) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(NotWritableError, match="target: cannot be written to"):
        unpack(reader, str(tmp_path / "target"))


def test_the_listener_hears_the_whole_story(tmp_path: Path, reader: PayloadReader) -> None:
    heard: list[events.Event] = []
    unpack(reader, str(tmp_path / "target"), jobs=2, listener=heard.append)
    shares = (events.Share("server", "1.0.0", 5000), events.Share("runner", "1.0.0", 5548))
    assert heard[0] == events.Started(shares, reader.index.plain_bytes)
    steps = [event for event in heard[1:] if isinstance(event, events.Advanced)]
    assert len(steps) == len(heard) - 1
    for share in shares:
        mine = [event.plain_bytes for event in steps if event.component == share.name]
        assert sum(mine) == share.plain_bytes
