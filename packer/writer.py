"""A plan -> a payload: frames compressed in parallel and written in order, index, footer."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from container import codec, digest, invariants, layout, magic
from container.errors import FormatError
from container.model import Filter, Footer, Frame, Index, Metadata
from packer.compress import Compressor, zstd_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from packer.plan import FramePlan, Plan
    from packer.sources import SourceFile


class Settings(NamedTuple):
    """What decides the bytes of a payload besides its inputs, and how many frames at once."""

    version: str
    platform: str
    level: int
    frame_bytes: int
    jobs: int
    """Does not change a byte."""


class Written(NamedTuple):
    """What was written."""

    payload_index: Index
    index_sha256: bytes
    payload_bytes: int


class _Stored(NamedTuple):
    data: bytes
    xxh3: int
    sha256: bytes


def write_payload(
    stream: BinaryIO,
    plan: Plan,
    settings: Settings,
    lead_bytes: int = 0,
    progress: Callable[[int], object] = lambda _: None,
    write_foreign: Callable[[int], int] = lambda _: 0,
) -> Written:
    """Write frames, index and footer where the stream stands.

    Args:
        stream: opened for writing; only ever written forward.
        plan: with its references chosen.
        settings: see ``Settings``.
        lead_bytes: zeros that the caller has written in front, for alignment.
        progress: called with the plain bytes of each frame that has been written.
        write_foreign: called with the bytes from the first frame to the end of the index; writes
            what the host needs in front of the footer, and returns how many bytes these are.
    Raises:
        SourceChangedError: a source differs from what was scanned.
        ContainerError: the plan breaks a rule of FORMAT.md.
        OSError: reading or writing failed.
    Memory: ``jobs + 2`` frames, plain and stored, and zstd's tables for ``jobs`` of them.
    Source: FORMAT.md section 10 (write order).
    """
    frames: list[Frame] = []
    stored_offset = 0
    for planned, stored in _compressed(plan, Compressor(settings.level), settings.jobs):
        stream.write(stored.data)
        frames.append(
            Frame(
                stored_offset,
                len(stored.data),
                planned.content_offset,
                planned.plain_bytes,
                planned.reference,
                Filter.NONE,
                stored.xxh3,
                stored.sha256,
            )
        )
        stored_offset += len(stored.data)
        progress(planned.plain_bytes)
    metadata = Metadata(
        settings.version, settings.platform, zstd_version(), settings.level, settings.frame_bytes
    )
    index = Index(metadata, plan.components, tuple(frames), plan.entries)
    invariants.check(index)
    data = codec.encode_index(index)
    _check_readable(data, index)
    stream.write(codec.SKIPPABLE_HEADER.pack(magic.INDEX_SKIPPABLE_MAGIC, len(data)))
    stream.write(data)
    index_end = stored_offset + magic.SKIPPABLE_HEADER_BYTES + len(data)
    behind_bytes = write_foreign(index_end) + magic.FOOTER_BYTES
    footer = Footer(
        magic.FORMAT_MAJOR,
        magic.FORMAT_MINOR,
        len(data),
        len(data) + behind_bytes,
        index_end + behind_bytes,
        lead_bytes,
        0,
        digest.xxh3_64(data),
    )
    stream.write(codec.encode_footer(footer))
    return Written(index, hashlib.sha256(data).digest(), index_end + magic.FOOTER_BYTES)


def _compressed(
    plan: Plan, compressor: Compressor, jobs: int
) -> Iterator[tuple[FramePlan, _Stored]]:
    """Frames in order. No more are begun than can be worked on, so memory stays bounded."""
    references: dict[int, bytes] = {}

    def compress(frame: FramePlan, reference: bytes | None) -> _Stored:
        plain = b"".join(part.source.read(part.offset, part.size) for part in frame.parts)
        data = compressor.compress(plain, reference)
        return _Stored(data, digest.xxh3_64(data), digest.sha256(data))

    running: deque[tuple[FramePlan, Future[_Stored]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for frame in plan.frames:
                reference = _reference(frame, plan.sources, references)
                running.append((frame, pool.submit(compress, frame, reference)))
                if len(running) > jobs + 1:
                    done, future = running.popleft()
                    yield done, future.result()
            while running:
                done, future = running.popleft()
                yield done, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _reference(
    frame: FramePlan, sources: Mapping[int, SourceFile], held: dict[int, bytes]
) -> bytes | None:
    """Plain bytes of the frame's reference; the last one is held for the frames that follow."""
    if frame.reference is None:
        return None
    if frame.reference not in held:
        held.clear()
        source = sources[frame.reference]
        held[frame.reference] = source.read(0, source.plain_bytes)
    return held[frame.reference]


def _check_readable(data: bytes, index: Index) -> None:
    """Read the index twice: as every reader will, and by the definitions of ``layout``.

    Raises:
        FormatError: either reads something else than was meant.
    """
    frame_fields = ("stored_bytes", "plain_bytes", "filter", "stored_xxh3", "sha256")
    entry_fields = ("mode", "kind", "content_offset", "plain_bytes", "xxh3_128")
    if (
        codec.decode_index(data) != index
        or _fields(layout.parse_rows(data, magic.FRAMES_ID), frame_fields)
        != _fields(index.frames, frame_fields)
        or _fields(layout.parse_rows(data, magic.ENTRIES_ID), entry_fields)
        != _fields(index.entries, entry_fields)
    ):
        raise FormatError("the index does not read back as it was meant")


def _fields(rows: Iterable[object], fields: Sequence[str]) -> list[tuple[object, ...]]:
    return [tuple(getattr(row, field) for field in fields) for row in rows]
