"""A plan becomes the same bytes however it is written, and none that do not read back."""

import io
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from container import codec
from container.errors import ContainerError, FormatError, SourceChangedError
from container.model import Index
from container.reader import PayloadReader
from packer import writer
from packer.compress import Compressor
from packer.packing import prepare
from packer.plan import Plan
from packer.writer import Settings, write_payload
from tests.support.payloads import (
    SETTINGS,
    Components,
    MemorySource,
    dissect,
    pack_plan,
    write_components,
)
from tests.support.trees import File

COMPONENTS: Components = {
    "prog": File(b"program " * 400, 0o755),
    "tree": {f"f{number:02}": File(bytes([number]) * 200 * number) for number in range(12)},
}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return prepare(write_components(tmp_path / "src", COMPONENTS), SETTINGS)


def test_the_number_of_jobs_changes_no_byte(plan: Plan) -> None:
    payloads = {pack_plan(plan, SETTINGS._replace(jobs=jobs)) for jobs in (1, 2, 7)}
    assert len(payloads) == 1


def test_it_says_what_it_has_written(plan: Plan) -> None:
    stream = io.BytesIO(b"host" + bytes(4))
    stream.seek(0, io.SEEK_END)
    seen: list[int] = []
    written = write_payload(stream, plan, SETTINGS, 4, seen.append)
    reader = PayloadReader(MemorySource(stream.getvalue()), written.index_sha256)
    assert written.payload_bytes == len(stream.getvalue()) - 8
    assert written.payload_index == reader.index
    assert reader.location.lead_offset == 4
    assert seen == [frame.plain_bytes for frame in plan.frames]
    assert reader.index.metadata[:2] == ("1.0.0", "linux-amd64")


def test_it_only_ever_writes_forward(plan: Plan) -> None:
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as reading, open(write_end, "wb") as writing:
        write_payload(writing, plan, SETTINGS)
        writing.close()
        assert reading.read() == pack_plan(plan)


def test_without_references_any_zstd_reads_it_as_one_run_of_frames(plan: Plan) -> None:
    payload = pack_plan(plan)
    reader = zstandard.ZstdDecompressor().stream_reader(payload, read_across_frames=True)
    contents = reader.read(1 << 20)
    assert len(contents) == plan.content_bytes
    assert contents.startswith(b"program " * 400)


def test_an_index_that_does_not_read_back_is_not_written(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = codec.encode_index

    def wrong(index: Index) -> bytes:
        return encode(index._replace(metadata=index.metadata._replace(level=7)))

    monkeypatch.setattr(codec, "encode_index", wrong)
    with pytest.raises(FormatError, match="does not read back"):
        pack_plan(plan)


def test_a_reference_that_saves_is_kept(tmp_path: Path) -> None:
    noise = random.Random(11).randbytes(900)
    written = write_components(tmp_path / "src", {"a": File(noise), "b": File(noise + b"!")})
    plan = prepare(written, SETTINGS).with_references([None, 0])
    reader = PayloadReader(MemorySource(pack_plan(plan)))
    assert reader.index.frames[1].reference == 0
    assert reader.index.component("b").needs == {0}
    reader.verify()


def test_a_plan_that_breaks_a_rule_is_not_written(plan: Plan) -> None:
    to_itself = plan.with_references([0] + [None] * (len(plan.frames) - 1))
    with pytest.raises(FormatError, match="a reference ends before the frame begins"):
        pack_plan(to_itself)


@pytest.mark.parametrize(
    "settings", [SETTINGS._replace(platform="plan9"), SETTINGS._replace(version="")]
)
def test_settings_that_no_reader_would_take_are_refused(plan: Plan, settings: Settings) -> None:
    with pytest.raises(ContainerError, match=r"platform|version"):
        pack_plan(plan, settings)


@pytest.mark.parametrize("jobs", [1, 4])
def test_an_error_of_one_frame_ends_all(plan: Plan, tmp_path: Path, jobs: int) -> None:
    (tmp_path / "src" / "tree" / "f07").write_bytes(b"other")
    with pytest.raises(SourceChangedError, match="f07"):
        pack_plan(plan, SETTINGS._replace(jobs=jobs))


def test_no_more_frames_are_in_work_than_jobs_allow(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that is written slowly must not let the frames pile up in memory."""
    submitted = 0

    class Counting(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **keywords: Any) -> Any:
            nonlocal submitted
            submitted += 1
            return super().submit(*arguments, **keywords)

    monkeypatch.setattr(writer, "ThreadPoolExecutor", Counting)
    frames = writer._compressed(plan, Compressor(1), 2)
    for taken in range(1, 5):
        next(frames)
        assert submitted == 3 + taken < len(plan.frames)
    list(frames)
    assert submitted == len(plan.frames)


def test_strings_are_stored_once(plan: Plan) -> None:
    data = dissect(pack_plan(plan)).index_data
    assert data.count(b"tree/f03") == 1
    assert data.count(b"1.0.0") == 1
