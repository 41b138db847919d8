"""Two kinds of digest (FORMAT.md section 8): XXH3 finds damage, SHA-256 settles trust."""

from __future__ import annotations

from contextlib import suppress

import xxhash

from container.model import EntryKind
from container.typed import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Described(Protocol):
    """The part of an entry that its component's identity is made of."""

    @property
    def path(self) -> str:
        """As in ``Entry``."""

    @property
    def kind(self) -> int:
        """As in ``Entry``."""

    @property
    def mode(self) -> int:
        """As in ``Entry``."""

    @property
    def link(self) -> str:
        """As in ``Entry``."""


Buffer = bytes | bytearray | memoryview
"""What can be hashed and decoded without a copy."""


def xxh3_64(data: Buffer) -> int:
    """XXH3 of 64 bits, seed 0."""
    return xxhash.xxh3_64_intdigest(data)


def xxh3_128(data: Buffer) -> bytes:
    """XXH3 of 128 bits, seed 0, as 16 bytes in the canonical (big-endian) order."""
    return xxhash.xxh3_128_digest(data)


def sha256(data: Buffer) -> bytes:
    """SHA-256, 32 bytes."""
    import hashlib  # 9 ms of OpenSSL; extraction checks damage, not trust

    return hashlib.sha256(data).digest()


def index_sha256(data: Buffer) -> bytes:
    """SHA-256, 32 bytes, of no more than an index has: every installation needs that one.

    By Python's own implementation where it can be had alone, as ``random`` of the standard library
    has it: it takes 0.1 ms for 28 kB, and OpenSSL 9 ms to load.
    """
    for name in ("_sha256", "_sha2"):  # Python 3.11; from 3.12 on
        with suppress(ImportError):
            # ``importlib`` would be 1 ms of a first start.
            found: bytes = __import__(name).sha256(data).digest()
            return found
    return sha256(data)


def content_sha256(entries: Iterable[Described], file_sha256: Mapping[str, bytes]) -> bytes:
    """Identity of a component's contents, whatever their order, frames and compression.

    Args:
        entries: all of the component's, in index order.
        file_sha256: of the plain bytes of each file, by path; 32 bytes each.
    Returns:
        32 bytes.
    Source: FORMAT.md section 8.2.
    """
    import hashlib

    total = hashlib.sha256()
    for entry in entries:
        path, link = entry.path.encode(), entry.link.encode()
        total.update(entry.kind.to_bytes(1, "little") + entry.mode.to_bytes(2, "little"))
        total.update(len(path).to_bytes(2, "little") + path)
        total.update(len(link).to_bytes(2, "little") + link)
        if entry.kind == EntryKind.FILE:
            total.update(file_sha256[entry.path])
    return total.digest()
