"""Which frame compresses better against an earlier file, found by trying a sample of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from container.model import EntryKind
from packer.compress import Compressor

if TYPE_CHECKING:
    from packer.plan import FramePlan, Plan

# Shared code lies in patches: 16 slices find what one slice of a megabyte misses. Below level 6
# zstd does not see what level 19 will; from level 13 on it takes 2 s to load a reference.
_SLICES = 16
_SLICE_BYTES = 64 << 10
_PROBE_LEVEL = 9
# A reference costs its own size in memory at every extraction, and seconds at packing.
_WORTHWHILE_RATIO = 0.97
_MIN_REFERENCE_BYTES = 256 << 10
_MAX_REFERENCE_BYTES = 32 << 20
_MAX_CANDIDATES = 8
_TRAINED_DICTIONARY_MAGIC = b"\x37\xa4\x30\xec"


class _Candidate(NamedTuple):
    number: int
    end_offset: int


def choose_references(plan: Plan) -> Plan:
    """Give each frame the earlier file that saves most, where one saves at least 3 %.

    Candidates are the largest whole files before the frame whose own frames have no reference
    (FORMAT.md section 4.3), at most 32 MB, so that an extractor holds little. Deterministic: the
    same bytes give the same choice.

    Args:
        plan: without references.
    Raises:
        SourceChangedError, OSError: as ``SourceFile.read``.
    Memory: one candidate, one sample of 1 MiB.
    """
    references: list[int | None] = []
    candidates = _candidates(plan)
    for frame in plan.frames:
        best, best_bytes = None, 0.0
        sample = _sample(frame)
        usable = [
            candidate
            for candidate in candidates
            if candidate.end_offset <= frame.content_offset
            and not _has_reference(plan, candidate.number, references)
        ]
        if usable:
            best_bytes = _WORTHWHILE_RATIO * len(_probe(sample, None))
        for candidate in usable[:_MAX_CANDIDATES]:
            source = plan.sources[candidate.number]
            probed_bytes = len(_probe(sample, source.read(0, source.plain_bytes)))
            if probed_bytes < best_bytes:
                best, best_bytes = candidate.number, probed_bytes
        references.append(best)
    return plan.with_references(references)


def _candidates(plan: Plan) -> list[_Candidate]:
    """Files worth trying, the largest first; of files with the same content, the first."""
    by_offset: dict[int, int] = {}
    for number, entry in enumerate(plan.entries):
        if (
            entry.kind == EntryKind.FILE
            and _MIN_REFERENCE_BYTES <= entry.plain_bytes <= _MAX_REFERENCE_BYTES
            # `zstd --patch-from`, and with it the rescue recipe, takes this for a trained one.
            and plan.sources[number].read(0, 4) != _TRAINED_DICTIONARY_MAGIC
        ):
            by_offset.setdefault(entry.content_offset, number)
    numbers = sorted(by_offset.values(), key=lambda n: (-plan.entries[n].plain_bytes, n))
    return [
        _Candidate(number, plan.entries[number].content_offset + plan.entries[number].plain_bytes)
        for number in numbers
    ]


def _has_reference(plan: Plan, number: int, references: list[int | None]) -> bool:
    start = plan.entries[number].content_offset
    end = start + plan.entries[number].plain_bytes
    return any(
        reference is not None
        for frame, reference in zip(plan.frames, references, strict=False)
        if frame.content_offset < end and start < frame.content_offset + frame.plain_bytes
    )


def _sample(frame: FramePlan) -> bytes:
    """Slices from all over the frame."""
    slices = []
    offset = 0
    stride = frame.plain_bytes / _SLICES
    wanted = [int(stride * number) for number in range(_SLICES)]
    for part in frame.parts:
        while wanted and wanted[0] < offset + part.size:
            skip = wanted.pop(0) - offset
            size = min(_SLICE_BYTES, part.size - skip)
            slices.append(part.source.read(part.offset + skip, size))
        offset += part.size
    return b"".join(slices)


def _probe(sample: bytes, reference: bytes | None) -> bytes:
    return Compressor(_PROBE_LEVEL).compress(sample, reference)
