"""A strict reader of Mach-O images and their code signatures, for tests: struct and hashlib only.

Written from Apple's headers alone, and stricter than the kernel: what any of Apple's own tools
refuses is refused here. Sources: ``mach-o/loader.h``, ``mach-o/fat.h``, ``mach-o/nlist.h``;
XNU's ``osfmk/kern/cs_blobs.h`` and ``bsd/kern/ubc_subr.c``; Security's ``libsecurity_codesigning``
(``strictMainExecutable``); ``codesign_allocate`` of cctools for the order in ``__LINKEDIT``.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import NamedTuple

from tests.support.image_rules import Span, fields, require, require_apart

CPU_NAMES = {0x01000007: "amd64", 0x0100000C: "arm64"}

_FAT_MAGIC = 0xCAFEBABE
_MH_MAGIC_64 = 0xFEEDFACF
_HEADER_BYTES = 32
_SEGMENT_64, _SYMTAB, _DYSYMTAB, _CODE_SIGNATURE = 0x19, 0x2, 0xB, 0x1D
# linkedit_data_command: split info, function starts, data in code, DRs, optimisation hints,
# exports trie, chained fixups.
_LINKEDIT_DATA = {0x1E, 0x26, 0x29, 0x2B, 0x2E, 0x80000033, 0x80000034}
_DYLD_INFO = {0x22, 0x80000022}
_ZEROFILL = {0x1, 0xC, 0x12}
_ALIGNMENTS = {"amd64": 0x1000, "arm64": 0x4000}

_SUPERBLOB, _DIRECTORY = 0xFADE0CC0, 0xFADE0C02
_ALTERNATE_DIRECTORIES = range(0x1000, 0x1005)
_HASHES = {1: "sha1", 2: "sha256", 3: "sha256", 4: "sha384"}
_BLOBS_WITH_SLOTS = {2: "requirements", 5: "entitlements", 7: "DER entitlements"}
ADHOC, LINKER_SIGNED, RUNTIME = 0x2, 0x20000, 0x10000


class Signature(NamedTuple):
    """What the code directory of a slice says."""

    identifier: str
    flags: int
    page_bytes: int
    code_limit: int
    blob: bytes
    """Everything from ``dataoff`` on, ``datasize`` bytes."""


class Slice(NamedTuple):
    """One thin image; offsets count from its own start."""

    offset: int
    """In the file."""
    size: int
    cpu: str
    strings_offset: int
    strings_bytes: int
    symbols: bytes
    """The nlist rows: strip tools renumber them, a payload leaves them alone."""
    linkedit_offset: int
    commands: tuple[int, ...]
    header_room_bytes: int
    """Between the load commands and the first section."""
    signature: Signature | None

    @property
    def strings_end(self) -> int:
        """The first byte behind the string table, in the file."""
        return self.offset + self.strings_offset + self.strings_bytes


def check_macho(data: bytes) -> list[Slice]:
    """Check a thin or universal file.

    Returns:
        Its slices, in the order of the file.
    Raises:
        MalformedError: it breaks a rule; the message says which.
    """
    (magic,) = fields(">I", data, 0)
    if magic != _FAT_MAGIC:
        return [_check_slice(data, 0)]
    (count,) = fields(">I", data, 4)
    require(0 < count < 45, "a universal file has slices")
    rows = [fields(">5I", data, 8 + 20 * number) for number in range(count)]
    spans = [Span(0, 8 + 20 * count, "the universal header")]
    slices = []
    for cpu, _, offset, size, alignment in rows:
        name = CPU_NAMES.get(cpu, hex(cpu))
        require(alignment <= 15, f"the slice {name} is aligned to at most 2^15")
        require(offset % (1 << alignment) == 0, f"the slice {name} is aligned")
        require(offset + size <= len(data), f"the slice {name} lies in the file")
        spans.append(Span(offset, offset + size, f"slice {name}"))
        found = _check_slice(data[offset : offset + size], offset)
        require(found.cpu == name, f"the slice {name} is for the machine of its row")
        slices.append(found)
    require(len({row[0] for row in rows}) == count, "each machine has one slice")
    require_apart(spans, len(data))
    require(max(span.end for span in spans) == len(data), "nothing lies behind the last slice")
    return sorted(slices, key=lambda found: found.offset)


def payload_end(data: bytes) -> int:
    """Where a payload ends: behind the string table of the slice that comes last."""
    return check_macho(data)[-1].strings_end


def _check_slice(data: bytes, offset: int) -> Slice:
    magic, cpu, _, file_type, count, commands_bytes, _, _ = fields("<8I", data, 0)
    require(magic == _MH_MAGIC_64, "a slice is 64-bit and little endian")
    require(cpu in CPU_NAMES, "a slice is for amd64 or arm64")
    require(file_type == 2, "a slice is an executable")
    commands = _commands(data, count, commands_bytes)
    segments = [_segment(data, place) for kind, place in commands if kind == _SEGMENT_64]
    by_name = {segment.name: segment for segment in segments}
    require(len(by_name) == len(segments), "names of segments are unique")
    require({"__TEXT", "__LINKEDIT"} <= by_name.keys(), "there are __TEXT and __LINKEDIT")
    room = _check_segments(segments, by_name["__LINKEDIT"], CPU_NAMES[cpu], len(data))
    text, linkedit = by_name["__TEXT"], by_name["__LINKEDIT"]
    require(text.begin == 0, "__TEXT covers the header")
    require(_HEADER_BYTES + commands_bytes <= room, "load commands end before the first section")
    kinds = [kind for kind, _ in commands]
    for single in (_SYMTAB, _DYSYMTAB, _CODE_SIGNATURE):
        require(kinds.count(single) <= 1, f"load command {single:#x} comes once")
    require(_SYMTAB in kinds, "there is LC_SYMTAB")
    places = dict(commands)
    symbols, symbol_count, strings, strings_bytes = fields("<4I", data, places[_SYMTAB] + 8)
    _check_linkedit(data, commands, linkedit)
    signature = None
    if _CODE_SIGNATURE in places:
        start, size = fields("<2I", data, places[_CODE_SIGNATURE] + 8)
        require(start + size == len(data), "the signature ends the slice")
        require(0 <= start - (strings + strings_bytes) < 16, "strings end where the signature is")
        signature = _check_signature(data, start, size, text.begin, text.end - text.begin)
    else:
        require(strings + strings_bytes == len(data), "the string table ends an unsigned slice")
    return Slice(
        offset,
        len(data),
        CPU_NAMES[cpu],
        strings,
        strings_bytes,
        data[symbols : symbols + 16 * symbol_count],
        linkedit.begin,
        tuple(kinds),
        room - _HEADER_BYTES - commands_bytes,
        signature,
    )


def _commands(data: bytes, count: int, size: int) -> list[tuple[int, int]]:
    place, found = _HEADER_BYTES, []
    require(size <= len(data) - _HEADER_BYTES, "load commands lie in the slice")
    for _ in range(count):
        require(place + 8 <= _HEADER_BYTES + size, "load commands lie in sizeofcmds")
        kind, command_bytes = fields("<2I", data, place)
        require(command_bytes >= 8 and command_bytes % 8 == 0, "a load command has its alignment")
        found.append((kind, place))
        place += command_bytes
    require(place == _HEADER_BYTES + size, "load commands fill sizeofcmds")
    return found


class _Segment(NamedTuple):
    name: str
    begin: int
    end: int
    memory_begin: int
    memory_end: int
    protection: tuple[int, int]
    sections: list[tuple[int, int]]
    """Offset in the file and size, of those that have bytes there."""


def _segment(data: bytes, place: int) -> _Segment:
    (command_bytes,) = fields("<I", data, place + 4)
    raw, memory, memory_bytes, begin, size, maximum, initial, count, _ = fields(
        "<16s4Q4I", data, place + 8
    )
    require(command_bytes == 72 + 80 * count, "a segment's command has room for its sections")
    name = raw.rstrip(b"\0").decode(errors="replace")
    sections = []
    for number in range(count):
        address, section_bytes, offset, *_ = fields("<2QI", data, place + 72 + 80 * number + 32)
        (flags,) = fields("<I", data, place + 72 + 80 * number + 64)
        # Go's linker gives debugging data, which nobody maps, a vmsize of 0.
        require(
            not memory_bytes or memory <= address <= memory + memory_bytes - section_bytes,
            f"sections of {name} lie in its memory",
        )
        if flags & 0xFF not in _ZEROFILL and section_bytes:
            inside = begin <= offset and offset + section_bytes <= begin + size
            require(inside, f"sections of {name} lie in its bytes")
            sections.append((offset, section_bytes))
    protection = (maximum, initial)
    return _Segment(name, begin, begin + size, memory, memory + memory_bytes, protection, sections)


def _check_segments(segments: list[_Segment], linkedit: _Segment, machine: str, size: int) -> int:
    """Where the first section begins."""
    alignment = _ALIGNMENTS[machine]
    for segment in segments:
        name, file_bytes = segment.name, segment.end - segment.begin
        memory_bytes = segment.memory_end - segment.memory_begin
        if memory_bytes or segment is linkedit:
            require(file_bytes <= memory_bytes, f"filesize of {name} is at most its vmsize")
        require(segment.memory_begin % alignment == 0, f"{name} begins a page of memory")
        if file_bytes:
            require(segment.begin % alignment == 0, f"{name} begins a page of the file")
    require_apart([Span(s.begin, s.end, s.name) for s in segments], size)
    memory = [Span(s.memory_begin, s.memory_end, s.name) for s in segments]
    require_apart(memory, 1 << 64)
    require(linkedit.end == size, "__LINKEDIT ends the slice")
    require(linkedit.memory_end == max(span.end for span in memory), "__LINKEDIT ends the memory")
    require(linkedit.protection[1] == 1, "__LINKEDIT is for reading only")
    return min((o for s in segments for o, _ in s.sections), default=size)


def _check_linkedit(data: bytes, commands: list[tuple[int, int]], linkedit: _Segment) -> None:
    """All parts of the segment follow each other; gaps are for alignment."""
    spans = []
    for kind, place in commands:
        if kind == _SYMTAB:
            symbols, count, strings, size = fields("<4I", data, place + 8)
            spans += [Span(symbols, symbols + 16 * count, "the symbol table")]
            spans += [Span(strings, strings + size, "the string table")]
        elif kind == _DYSYMTAB:
            toc, toc_n, mod, mod_n, ext, ext_n, ind, ind_n, rel, rel_n, loc, loc_n = fields(
                "<12I", data, place + 32
            )
            rows = [(toc, toc_n, 8), (mod, mod_n, 56), (ext, ext_n, 4)]
            rows += [(ind, ind_n, 4), (rel, rel_n, 8), (loc, loc_n, 8)]
            spans += [Span(o, o + n * each, "dynamic symbols") for o, n, each in rows if n]
        elif kind in _DYLD_INFO:
            words = fields("<10I", data, place + 8)
            pairs = zip(words[::2], words[1::2], strict=True)
            spans += [Span(o, o + size, "dyld info") for o, size in pairs if size]
        elif kind in _LINKEDIT_DATA:
            start, size = fields("<2I", data, place + 8)
            spans += [Span(start, start + size, f"load command {kind:#x}")] if size else []
        elif kind == _CODE_SIGNATURE:
            start, size = fields("<2I", data, place + 8)
            require(start % 16 == 0, "the signature is aligned to 16 bytes")
            spans.append(Span(start, start + size, "the signature"))
    spans = sorted(span for span in spans if span.begin < span.end)
    require(spans, "__LINKEDIT is not empty")
    require(spans[0].begin >= linkedit.begin, "link-edit data begin in __LINKEDIT")
    require_apart(spans, linkedit.end)
    for before, after in pairwise(spans):
        # "code signature data out of place" is what Apple's allocator says otherwise.
        gap = after.begin - before.end
        require(gap < 16, f"no hole between {before.name} and {after.name}")
    require(spans[-1].end == linkedit.end, "link-edit data fill the segment")


def _check_signature(
    data: bytes, start: int, size: int, text_offset: int, text_bytes: int
) -> Signature:
    blob = data[start : start + size]
    magic, length, count = fields(">3I", blob, 0)
    require(magic == _SUPERBLOB, "the signature is a SuperBlob")
    require(12 + 8 * count <= length <= size, "the SuperBlob lies in the signature")
    require(not any(blob[length:]), "zeros fill up the signature")
    spans, blobs = [Span(0, 12 + 8 * count, "the SuperBlob's index")], {}
    for number in range(count):
        slot, offset = fields(">2I", blob, 12 + 8 * number)
        _, blob_bytes = fields(">2I", blob, offset)
        require(blob_bytes >= 8, "a blob has its header")
        require(slot not in blobs, "each slot comes once")
        spans.append(Span(offset, offset + blob_bytes, f"slot {slot:#x}"))
        blobs[slot] = blob[offset : offset + blob_bytes]
    require_apart(spans, length)
    require(0 in blobs, "there is a code directory")
    found = _check_directory(data, blobs[0], blobs, start, text_offset, text_bytes)
    for slot in _ALTERNATE_DIRECTORIES:
        if slot in blobs:
            _check_directory(data, blobs[slot], blobs, start, text_offset, text_bytes)
    return found._replace(blob=blob)


def _check_directory(
    data: bytes,
    directory: bytes,
    blobs: dict[int, bytes],
    start: int,
    text_offset: int,
    text_bytes: int,
) -> Signature:
    magic, length, version, flags, hashes, identifier, specials, pages, limit = fields(
        ">9I", directory, 0
    )
    hash_bytes, hash_type, _, page_bits = fields(">4B", directory, 36)
    require(magic == _DIRECTORY and length == len(directory), "a code directory in its slot")
    require(version in (0x20100, 0x20200, 0x20300, 0x20400, 0x20500, 0x20600), "its version")
    require(hash_type in _HASHES, "a hash that is known")
    (scatter,) = fields(">I", directory, 44)
    require(scatter == 0, "no scatter vector")
    require(limit == start, "codeLimit is where the signature begins")
    require(page_bits in (12, 14), "pages of 4096 or 16384 bytes")
    require(pages == -(-limit >> page_bits), "a slot for each page")
    inside = hashes - specials * hash_bytes >= 44 and hashes + pages * hash_bytes <= length
    require(inside, "slots lie in the code directory")
    end = directory.find(b"\0", identifier)
    require(identifier >= 44 and end > identifier, "an identifier that ends with a zero")
    require(end < hashes - specials * hash_bytes, "the identifier ends before the slots")
    if version >= 0x20400:
        base, bound, main = fields(">3Q", directory, 64)
        require((base, bound) == (text_offset, text_bytes), "execSegBase and -Limit are __TEXT's")
        require(main & 1, "execSegFlags say that it is a main program")
    for number in range(pages):
        offset = hashes + number * hash_bytes
        page = data[number << page_bits : min((number + 1) << page_bits, limit)]
        digest = hashlib.new(_HASHES[hash_type], page).digest()[:hash_bytes]
        require(directory[offset : offset + hash_bytes] == digest, f"the hash of page {number}")
    for slot, name in _BLOBS_WITH_SLOTS.items():
        if slot > specials:
            require(slot not in blobs, f"a slot for the {name}")
            continue
        offset = hashes - slot * hash_bytes
        recorded = directory[offset : offset + hash_bytes]
        if slot in blobs:
            digest = hashlib.new(_HASHES[hash_type], blobs[slot]).digest()[:hash_bytes]
            require(recorded == digest, f"the hash of the {name}")
        else:
            require(not any(recorded), f"no hash of {name} that are not there")
    # The CMS slot of an ad-hoc signature is absent, or empty behind its header.
    if flags & ADHOC:
        require(len(blobs.get(0x10000, b"")) in (0, 8), "an ad-hoc signature has no certificate")
    else:
        require(len(blobs.get(0x10000, b"")) > 8, "a signature with an identity has a certificate")
    text = directory[identifier:end].decode(errors="replace")
    return Signature(text, flags, 1 << page_bits, limit, b"")
