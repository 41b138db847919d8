"""Code signatures of Mach-O programs: read what one says, write an ad-hoc one.

An ad-hoc signature names nobody: it is a digest of each page, without which macOS starts no
program on Apple silicon. Its fields are big-endian.

Source: XNU's ``osfmk/kern/cs_blobs.h`` (CS_SuperBlob, CS_CodeDirectory).
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from container.source import ByteSource

SUPER_BLOB = struct.Struct(">III")
BLOB_ROW = struct.Struct(">II")
CODE_DIRECTORY = struct.Struct(">IIIIIIIIIBBBB24xQQQ")

ALIGNMENT_BYTES = 16
"""Of the signature's start, counted in the slice."""

_SUPER_BLOB_MAGIC = 0xFADE0CC0
_CODE_DIRECTORY_MAGIC = 0xFADE0C02
_SLOT_CODE_DIRECTORY = 0
_SLOT_ENTITLEMENTS = 5
_SLOT_DER_ENTITLEMENTS = 7
_SLOT_CMS = 0x10000
_EMPTY_CMS_BYTES = 8
_FLAG_ADHOC = 0x2
_FLAG_LINKER_SIGNED = 0x20000
_EXEC_SEGMENT_VERSION = 0x20400
_HASH_SHA256 = 2
_HASH_BYTES = 32
_PAGE_SHIFT = 12
_PAGE_BYTES = 1 << _PAGE_SHIFT
"""Valid on every Mac. Pages of 16 KiB are not, on Intel."""

_MAX_BLOBS = 64
_MAX_IDENTIFIER_BYTES = 1024
_READ_BYTES = 1 << 20
_CODE_OFFSET = SUPER_BLOB.size + BLOB_ROW.size


class Signature(NamedTuple):
    """What an existing signature says."""

    state: str
    """``ad-hoc``, ``ad-hoc, linker-signed``, ``identity``, or ``unreadable``."""
    identifier: bytes | None
    has_entitlements: bool


UNREADABLE = Signature("unreadable", None, has_entitlements=False)


def read_signature(source: ByteSource, offset: int, size: int) -> Signature:
    """What the signature at that place says; nothing of it is verified.

    Args:
        source: the file.
        offset: of the signature in the file.
        size: of the signature; it lies in the file.
    Raises:
        OSError: reading failed.
    """
    if size < SUPER_BLOB.size:
        return UNREADABLE
    magic, _, count = SUPER_BLOB.unpack(source.read_at(offset, SUPER_BLOB.size))
    end = SUPER_BLOB.size + count * BLOB_ROW.size
    if magic != _SUPER_BLOB_MAGIC or count > _MAX_BLOBS or end > size:
        return UNREADABLE
    rows = source.read_at(offset + SUPER_BLOB.size, count * BLOB_ROW.size)
    slots = dict(BLOB_ROW.iter_unpack(rows))
    directory = slots.get(_SLOT_CODE_DIRECTORY, size)
    if directory + CODE_DIRECTORY.size > size:
        return UNREADABLE
    fields = CODE_DIRECTORY.unpack(source.read_at(offset + directory, CODE_DIRECTORY.size))
    flags, identifier_offset = fields[3], directory + fields[5]
    if fields[0] != _CODE_DIRECTORY_MAGIC or identifier_offset >= size:
        return UNREADABLE
    text = source.read_at(
        offset + identifier_offset, min(_MAX_IDENTIFIER_BYTES, size - identifier_offset)
    )
    state = "identity"
    if flags & _FLAG_ADHOC or not _has_cms(source, offset, size, slots.get(_SLOT_CMS)):
        state = "ad-hoc, linker-signed" if flags & _FLAG_LINKER_SIGNED else "ad-hoc"
    return Signature(
        state,
        text.partition(b"\0")[0],
        has_entitlements=_SLOT_ENTITLEMENTS in slots or _SLOT_DER_ENTITLEMENTS in slots,
    )


def _has_cms(source: ByteSource, offset: int, size: int, slot: int | None) -> bool:
    """Whether somebody's signature is in the blob that is for it."""
    if slot is None or slot + BLOB_ROW.size > size:
        return False
    _, blob_bytes = BLOB_ROW.unpack(source.read_at(offset + slot, BLOB_ROW.size))
    return bool(blob_bytes > _EMPTY_CMS_BYTES)


def signature_bytes(identifier: bytes, code_bytes: int) -> int:
    """Size of the ad-hoc signature of so many bytes."""
    pages = -(-code_bytes // _PAGE_BYTES)
    return _CODE_OFFSET + CODE_DIRECTORY.size + len(identifier) + 1 + pages * _HASH_BYTES


def sign_adhoc(
    stream: BinaryIO,
    offset: int,
    code_bytes: int,
    identifier: bytes,
    text: tuple[int, int],
    *,
    executable: bool,
) -> bytes:
    """The ad-hoc signature of a slice whose headers are final.

    Args:
        stream: readable.
        offset: of the slice in the stream.
        code_bytes: from there to the signature.
        identifier: the program's name to the system, without a zero.
        text: offset and size of ``__TEXT`` in the slice.
        executable: whether the slice is a program, and no library.
    Raises:
        OSError: reading failed.
    Memory: 1 MiB, and 32 bytes for each page of 4096 bytes.
    """
    hashes = _page_hashes(stream, offset, code_bytes)
    hashes_offset = CODE_DIRECTORY.size + len(identifier) + 1
    directory_bytes = hashes_offset + len(hashes)
    directory = CODE_DIRECTORY.pack(
        _CODE_DIRECTORY_MAGIC,
        directory_bytes,
        _EXEC_SEGMENT_VERSION,
        _FLAG_ADHOC | _FLAG_LINKER_SIGNED,
        hashes_offset,
        CODE_DIRECTORY.size,
        0,
        len(hashes) // _HASH_BYTES,
        code_bytes,
        _HASH_BYTES,
        _HASH_SHA256,
        0,
        _PAGE_SHIFT,
        *text,
        int(executable),
    )
    return (
        SUPER_BLOB.pack(_SUPER_BLOB_MAGIC, _CODE_OFFSET + directory_bytes, 1)
        + BLOB_ROW.pack(_SLOT_CODE_DIRECTORY, _CODE_OFFSET)
        + directory
        + identifier
        + b"\0"
        + hashes
    )


def _page_hashes(stream: BinaryIO, offset: int, size: int) -> bytes:
    """SHA-256 of each page; the last one is hashed as short as it is.

    One thread: 100 MB take 0.08 s in one and 0.07 s in two.
    """
    stream.seek(offset)
    hashes = bytearray()
    sha256 = hashlib.sha256
    for position in range(0, size, _READ_BYTES):
        chunk = stream.read(min(_READ_BYTES, size - position))
        for page in range(0, len(chunk), _PAGE_BYTES):
            hashes += sha256(chunk[page : page + _PAGE_BYTES]).digest()
    return bytes(hashes)
