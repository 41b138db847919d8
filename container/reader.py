"""Open a payload, list it, stream one file of it, verify all of it; both sides read with this."""

from __future__ import annotations

from functools import cached_property

import xxhash

from container import codec, digest, magic
from container.errors import ContainerError, FormatError, IntegrityError, UnknownEntryError
from container.locate import Location, locate
from container.model import EntryKind
from container.source import FileSource
from container.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from container.frames import Reference
    from container.model import Component, Entry, Extent, Index
    from container.source import ByteSource, Path


class PayloadReader:
    """One payload of one file. Decoding imports zstandard only when a frame is asked for.

    Args:
        source: the file, or anything else that reads at offsets.
        index_sha256: a pinned digest of the index; with it, everything the index vouches for
            by SHA-256 is trusted as far as the pin is.
    Raises:
        ContainerError: as ``locate`` and ``codec.decode_index`` say, with the file's name.
        IntegrityError: the index differs from its digest or from the pin.
        OSError: reading failed.
    """

    def __init__(self, source: ByteSource, index_sha256: bytes | None = None) -> None:
        self.source = source
        self.location: Location = locate(source)
        footer = self.location.footer
        head = source.read_at(
            self.location.index_offset - magic.SKIPPABLE_HEADER_BYTES,
            magic.SKIPPABLE_HEADER_BYTES + footer.index_bytes,
        )
        self._index_data = head[magic.SKIPPABLE_HEADER_BYTES :]
        found = digest.xxh3_64(self._index_data)
        if found != footer.index_xxh3:
            raise IntegrityError(
                "digest of the index differs",
                source.name,
                f"{footer.index_xxh3:016x}",
                f"{found:016x}",
                "the file is damaged: fetch it again",
            )
        if head[: magic.SKIPPABLE_HEADER_BYTES] != codec.SKIPPABLE_HEADER.pack(
            magic.INDEX_SKIPPABLE_MAGIC, footer.index_bytes
        ):
            raise FormatError("the index is not a skippable frame", source.name)
        if index_sha256 is not None and self.index_sha256 != index_sha256:
            raise IntegrityError(
                "the index is not the pinned one",
                source.name,
                index_sha256.hex(),
                self.index_sha256.hex(),
                "this is another build than the one that was asked for",
            )
        try:
            self.index: Index = codec.decode_index(self._index_data)
        except ContainerError as error:
            raise error.at(source.name) from None
        if self.index.stored_bytes != self.location.frames_bytes:
            raise FormatError(
                "frames do not fill the payload",
                source.name,
                f"{self.location.frames_bytes} bytes",
                str(self.index.stored_bytes),
            )

    @cached_property
    def index_sha256(self) -> bytes:
        """Of the index, 32 bytes: the identity of this payload. Not stored in it."""
        return digest.index_sha256(self._index_data)

    def entry(self, path: str) -> Entry:
        """The entry at that path.

        Raises:
            UnknownEntryError: there is none.
        """
        for entry in self.index.entries:
            if entry.path == path:
                return entry
        raise UnknownEntryError("no such file in this payload", path)

    def read_stored(self, number: int, buffer: memoryview) -> memoryview:
        """The stored bytes of one frame, as they are in the file: nothing is checked.

        Args:
            number: of the frame.
            buffer: to read into; at least the frame's ``stored_bytes``.
        Returns:
            The filled part of the buffer.
        Raises:
            TruncatedError: the file ends inside the frame.
            OSError: reading failed.
        """
        frame = self.index.frames[number]
        stored = buffer[: frame.stored_bytes]
        self.source.read_into(self.location.payload_offset + frame.stored_offset, stored)
        return stored

    def read_entry(self, entry: Entry) -> Iterator[memoryview]:
        """Stream one file's plain bytes, checking them on the way.

        Length and digest are settled only at exhaustion: publish nothing before.

        Args:
            entry: a row of this payload's index, of kind FILE or HARDLINK.
        Yields:
            Non-empty chunks, each valid until the next one; total ``entry.plain_bytes``.
        Raises (while iterating, not when called):
            TruncatedError: the file ends inside a stored frame.
            IntegrityError: stored bytes, length or digest differ from the index.
            FormatError: a frame that breaks FORMAT.md section 4.
            OSError: reading failed.
        Memory: one frame, and the reference of one frame where there is one.
        Source: FORMAT.md section 4.
        """
        hasher = xxhash.xxh3_128()
        end = entry.content_offset + entry.plain_bytes
        for number, plain in self._decode(self.index.frames_under(entry)):
            start = self.index.frames[number].content_offset
            part = plain[max(entry.content_offset - start, 0) : end - start]
            hasher.update(part)
            yield part
        check_file(entry, hasher.digest(), self.source.name)

    def load_reference(self, number: int) -> Reference:
        """Decode a file whole, to serve as the dictionary of frames.

        Args:
            number: of the entry.
        Raises:
            ContainerError, OSError: as ``read_entry``.
        Memory: twice the file for a moment, then once; it is at most 64 MiB.
        """
        from container.frames import Reference

        return Reference(b"".join(map(bytes, self.read_entry(self.index.entries[number]))))

    def _decode(self, numbers: range, *, trust: bool = False) -> Iterator[tuple[int, memoryview]]:
        """Frames in order, with their numbers; each is valid until the next one.

        With ``trust``, SHA-256 of the stored bytes is settled before they are decoded.
        """
        from container.frames import FrameDecoder

        frames = self.index.frames
        decoder = FrameDecoder(
            max((frames[number].plain_bytes for number in numbers), default=0),
            max((frames[number].stored_bytes for number in numbers), default=0),
        )
        held: tuple[int, Reference] | None = None
        for number in numbers:
            wanted = frames[number].reference
            if wanted is not None and (held is None or held[0] != wanted):
                held = None
                held = (wanted, self.load_reference(wanted))
            stored = self.read_stored(number, decoder.stored_buffer)
            where = f"{self.source.name}: frame {number}"
            if trust and digest.sha256(stored) != frames[number].sha256:
                raise IntegrityError("SHA-256 of a frame differs", where)
            reference = held[1] if held and wanted is not None else None
            yield number, decoder.decode(stored, frames[number], where, reference)

    def verify(self, progress: Callable[[int], object] = lambda _: None) -> None:
        """Check every digest of the payload against every byte of it.

        Args:
            progress: called with the plain bytes of each frame when it has been checked.
        Raises:
            IntegrityError: a digest differs; the text names the frame, file or component.
            ContainerError, OSError: as ``read_entry``.
        Memory: as ``read_entry``.
        Source: FORMAT.md section 8.
        """
        for component in self.index.components:
            self._verify_component(component, progress)

    def _verify_component(self, component: Component, progress: Callable[[int], object]) -> None:
        import hashlib

        sha256_of: dict[str, bytes] = {}
        extents = iter(self.index.extents_of(component))
        extent: Extent | None = None
        done = 0
        for _, plain in self._decode(component.frames, trust=True):
            position = 0
            while position < len(plain):
                if extent is None:
                    extent = next(extents)
                    xxh3_128, sha256, done = xxhash.xxh3_128(), hashlib.sha256(), 0
                part = plain[position : position + extent.plain_bytes - done]
                xxh3_128.update(part)
                sha256.update(part)
                position += len(part)
                done += len(part)
                if done == extent.plain_bytes:
                    for owner in extent.entries:
                        entry = self.index.entries[owner]
                        check_file(entry, xxh3_128.digest(), self.source.name)
                        sha256_of[entry.path] = sha256.digest()
                    extent = None
            progress(len(plain))
        entries = self.index.entries_of(component)
        for entry in entries:
            if entry.kind == EntryKind.FILE and not entry.plain_bytes:
                sha256_of[entry.path] = digest.sha256(b"")
        found = digest.content_sha256(entries, sha256_of)
        if found != component.content_sha256:
            raise IntegrityError(
                "SHA-256 of a component differs",
                f"{self.source.name}: {component.name}",
                component.content_sha256.hex(),
                found.hex(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(self.source, FileSource):
            self.source.close()


def open_payload(path: Path, index_sha256: bytes | None = None) -> PayloadReader:
    """Open the payload of a file: a packed program, or a payload on its own.

    Args:
        path: the file; it stays open until the reader is closed (``with``).
        index_sha256: see ``PayloadReader``.
    Raises:
        ContainerError, OSError: as ``PayloadReader``; the file is closed then.
    """
    source = FileSource(path)
    try:
        return PayloadReader(source, index_sha256)
    except BaseException:
        source.close()
        raise


def check_file(entry: Entry, xxh3_128: bytes, where: str) -> None:
    """Compare a file's digest with its row.

    Raises:
        IntegrityError: it differs.
    """
    if xxh3_128 != entry.xxh3_128:
        raise IntegrityError(
            "contents differ from their digest",
            f"{where}: {entry.path}",
            entry.xxh3_128.hex(),
            xxh3_128.hex(),
            "the file is damaged: fetch it again",
        )
