"""Measurements from within a fresh process: ``python -m benchmarks.probes WHAT [PATH]``.

Prints one JSON object. Nothing that is measured is imported at the top: the probes time that, too.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from container.source import FileSource

_LOCATE_CALLS = 2000


def nothing(path: str) -> dict[str, Any]:
    """The start of the interpreter and of this module, for others to be compared with."""
    return {"path": bool(path)}


def imports_list(path: str) -> dict[str, Any]:
    """Everything ``stigmer-extract list`` imports, and no more."""
    import_module("extractor.cli")
    return {"path": bool(path), "modules": len(sys.modules)}


def opening(path: str) -> dict[str, Any]:
    """Import the reader, open a payload, and list it into one text."""
    began_ns = time.monotonic_ns()
    from container.reader import open_payload

    imported_ns = time.monotonic_ns()
    cpu_began = time.process_time()
    with open_payload(path) as reader:
        opened_ns = time.monotonic_ns()
        text = "\n".join(
            f"{entry.mode:04o} {entry.plain_bytes:>12} {entry.path}"
            for entry in reader.index.entries
        )
    listed_ns = time.monotonic_ns()
    cpu_seconds = time.process_time() - cpu_began
    return {
        "open_list_cpu_seconds": cpu_seconds,
        "imports_seconds": (imported_ns - began_ns) / 1e9,
        "open_seconds": (opened_ns - imported_ns) / 1e9,
        "list_seconds": (listed_ns - opened_ns) / 1e9,
        "entries": len(reader.index.entries),
        "listed_bytes": len(text),
    }


def locating(path: str) -> dict[str, Any]:
    """Find the payload of a file, over and over; and what is read for it once."""
    from statistics import median

    from container.locate import locate
    from container.source import FileSource

    took_ns = []
    for _ in range(_LOCATE_CALLS):
        began_ns = time.monotonic_ns()
        with FileSource(path) as source:
            locate(source)
        took_ns.append(time.monotonic_ns() - began_ns)
    with FileSource(path) as source:
        counting = _Counting(source)
        locate(counting)
    return {
        "file_bytes": counting.size,
        "locate_seconds": median(took_ns) / 1e9,
        "reads": counting.reads,
        "read_bytes": counting.read_bytes,
    }


def decoding(path: str) -> dict[str, Any]:
    """Decode all frames on this thread, into one buffer, and write nothing.

    Counted is the decoder alone: files that serve as references are decoded beforehand, since
    an extraction has them on disk by then, and reading the stored bytes is told apart.
    """
    from container.frames import FrameDecoder, Reference
    from container.reader import open_payload

    read_seconds = decode_seconds = 0.0
    with open_payload(path) as reader:
        frames = reader.index.frames
        wanted = {frame.reference for frame in frames if frame.reference is not None}
        files = {
            number: b"".join(map(bytes, reader.read_entry(reader.index.entries[number])))
            for number in wanted
        }
        decoder = FrameDecoder(max(frame.plain_bytes for frame in frames))
        held: tuple[int, Reference] | None = None
        for frame in frames:
            began = time.process_time()
            offset = reader.location.payload_offset + frame.stored_offset
            stored = reader.source.read_at(offset, frame.stored_bytes)
            read = time.process_time()
            if frame.reference is not None and (held is None or held[0] != frame.reference):
                held = (frame.reference, Reference(files[frame.reference]))
            reference = held[1] if held and frame.reference is not None else None
            decoder.decode(stored, frame, path, reference)
            read_seconds += read - began
            decode_seconds += time.process_time() - read
    return {
        "decode_cpu_seconds": decode_seconds,
        "read_cpu_seconds": read_seconds,
        "frames": len(frames),
        "frames_with_reference": sum(frame.reference is not None for frame in frames),
        "plain_bytes": sum(frame.plain_bytes for frame in frames),
        "stored_bytes": sum(frame.stored_bytes for frame in frames),
    }


def buffers(path: str) -> dict[str, Any]:
    """What an extractor must hold at once of a payload: its largest frame and reference."""
    from container.reader import open_payload

    with open_payload(path) as reader:
        frames, entries = reader.index.frames, reader.index.entries
    used = {frame.reference for frame in frames if frame.reference is not None}
    return {
        "frame_bytes": max(frame.plain_bytes for frame in frames),
        "reference_bytes": max((entries[number].plain_bytes for number in used), default=0),
    }


def resigning(path: str) -> dict[str, Any]:
    """Copy a Mach-O to a new file and sign it ad hoc: every page is read, written and hashed."""
    from pathlib import Path

    from packer.embed import macho

    output = Path(f"{path}.resigned")
    began_ns = time.monotonic_ns()
    macho.resign(Path(path), output)
    took_ns = time.monotonic_ns() - began_ns
    file_bytes = output.stat().st_size
    output.unlink()
    return {"resign_seconds": took_ns / 1e9, "file_bytes": file_bytes}


class _Counting:
    """A source that counts what is asked of it: each read is one system call."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.name = source.name
        self.size = source.size
        self.reads = 0
        self.read_bytes = 0

    def read_at(self, offset: int, size: int) -> bytes:
        """See ``ByteSource``."""
        self.reads += 1
        self.read_bytes += size
        return self._source.read_at(offset, size)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """See ``ByteSource``."""
        self.reads += 1
        self.read_bytes += len(buffer)
        self._source.read_into(offset, buffer)


PROBES = {
    probe.__name__: probe
    for probe in (
        nothing,
        imports_list,
        opening,
        locating,
        decoding,
        buffers,
        resigning,
    )
}


if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]]("".join(sys.argv[2:]))))
