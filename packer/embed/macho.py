"""Mach-O hosts: the payload is the end of the string table, and the program is signed again.

The string table is the last of what a linker writes, and signers keep it whole. Bytes behind a
signature are lost or refused by them, and few programs have room for one more segment.

Source: ``mach-o/loader.h``; cctools' ``checkout.c`` and Security's ``SecStaticCode`` for what
they require of ``__LINKEDIT``.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from container.errors import NotAContainerError
from container.hosts import macho, read_head
from container.source import FileSource
from packer.embed.frozen import check_loader, find_archive
from packer.embed.parts import MAX_HOST_BYTES, footer_bytes, split, unsupported
from packer.embed.publish import copy, patch, published
from packer.embed.signature import (
    ALIGNMENT_BYTES,
    Signature,
    read_signature,
    sign_adhoc,
    signature_bytes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from container.locate import Location
    from container.source import ByteSource

HEADER = struct.Struct("<4sIIIIIII")
SEGMENT = struct.Struct("<II16sQQQQIIII")
SECTION = struct.Struct("<16s16sQQIIIIIIII")
LINKEDIT_DATA = struct.Struct("<IIII")

LC_SEGMENT_64 = 0x19
LC_CODE_SIGNATURE = 0x1D
MH_EXECUTE = 2
CPU_AMD64 = 0x01000007
CPU_ARM64 = 0x0100000C

_PAGE_BYTES = 0x4000
"""Of Apple silicon; larger than what Intel needs."""

_COUNT_FIELD = 16
_VMSIZE_FIELD = 32
_FILESIZE_FIELD = 48
_STRINGS_BYTES_FIELD = 20
_FAT_SIZE_FIELD = 12


class _Segment(NamedTuple):
    """Of LC_SEGMENT_64; offsets count from the start of the slice."""

    command_offset: int
    address: int
    memory_bytes: int
    offset: int
    file_bytes: int


class _Strings(NamedTuple):
    """The string table; offsets count from the start of the slice."""

    command_offset: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


class MachOHost:
    """See ``packer.embed.parts.Host``.

    Args:
        source: the file.
        location: of the payload that it carries.
        unsigned: leave it without a signature; on Intel only.
    Raises:
        UnsupportedHostError: a layout in which a payload cannot be the end of the string table.
        ContainerError, OSError: as ``container.hosts.macho``.
    """

    alignment_bytes = _PAGE_BYTES

    def __init__(
        self, source: ByteSource, location: Location | None, *, unsigned: bool = False
    ) -> None:
        self._source = source
        head = read_head(source)
        slices = macho.slices(head, source.size)
        slice_ = macho.payload_slice(head, source.size)
        self._slice_offset, self._slice_bytes, self._row_offset = slice_
        self._commands = macho.read_commands(source, slice_, head)
        fields = HEADER.unpack_from(self._commands)
        self._cpu, self._executable = fields[1], fields[3] == MH_EXECUTE
        self._strings = _Strings(*macho.string_table(self._commands, slice_))
        self._read_commands()
        self._check_layout(slices)
        self.signature = self._read_signature()
        host_end = self._slice_offset + self._strings.end
        if location is not None:
            host_end = location.footer_offset
        start = self._slice_offset if location is None else location.index_end
        archive_offset = find_archive(source, start, host_end)
        self.parts = split(location, host_end, archive_offset)
        if archive_offset is not None:
            self._check_archive()
        self.warnings = self._say_what_is_lost(slices)
        self._signed = self._decide(unsigned=unsigned)

    def _read_commands(self) -> None:
        segments: dict[bytes, _Segment] = {}
        self._signature_command: tuple[int, int, int] | None = None
        self._first_section_offset = len(self._commands) + self._slice_bytes
        end = HEADER.size
        for kind, offset, size in macho.walk(self._commands):
            end = offset + size
            if kind == LC_SEGMENT_64 and size >= SEGMENT.size:
                _, _, name, address, memory_bytes, start, file_bytes, *_ = SEGMENT.unpack_from(
                    self._commands, offset
                )
                segments[name.rstrip(b"\0")] = _Segment(
                    offset, address, memory_bytes, start, file_bytes
                )
                self._read_sections(offset + SEGMENT.size, offset + size)
            elif kind == LC_CODE_SIGNATURE and size >= LINKEDIT_DATA.size:
                _, _, start, data_bytes = LINKEDIT_DATA.unpack_from(self._commands, offset)
                self._signature_command = (offset, start, data_bytes)
        if end != len(self._commands):
            raise self._refuse_layout("its header counts fewer load commands than there are")
        if b"__LINKEDIT" not in segments or b"__TEXT" not in segments:
            raise unsupported(self._source, "a Mach-O host without __TEXT and __LINKEDIT")
        self._segments = segments
        self._linkedit, self._text = segments[b"__LINKEDIT"], segments[b"__TEXT"]

    def _read_sections(self, start: int, end: int) -> None:
        for offset in range(start, end - SECTION.size + 1, SECTION.size):
            section_offset = SECTION.unpack_from(self._commands, offset)[4]
            # Sections without bytes in the file, such as __bss, have no offset.
            if section_offset:
                self._first_section_offset = min(self._first_section_offset, section_offset)

    def _check_layout(self, slices: list[macho.Slice]) -> None:
        """The string table ends what is linked, __LINKEDIT ends the slice, in file and memory."""
        if sum(offset + size > self._slice_offset for offset, size, _ in slices) != 1:
            raise self._refuse_layout("its slices overlap")
        linkedit = self._linkedit
        end = linkedit.offset + linkedit.file_bytes
        others = [segment for segment in self._segments.values() if segment is not linkedit]
        if (
            end != self._slice_bytes
            or self._slice_offset + self._slice_bytes != self._source.size
            or self._slice_offset % ALIGNMENT_BYTES
            or linkedit.offset > self._strings.offset
            or any(
                segment.address + segment.memory_bytes > linkedit.address
                or segment.offset + segment.file_bytes > linkedit.offset
                for segment in others
            )
        ):
            raise self._refuse_layout(
                "__LINKEDIT is not the last segment, or does not end the file"
            )
        _, offset, size = self._signature_command or (0, end, 0)
        gap = offset - self._strings.end
        if not 0 <= gap < ALIGNMENT_BYTES or offset + size != end:
            raise self._refuse_layout("other data stand behind its string table")

    def _refuse_layout(self, what: str) -> Exception:
        return unsupported(
            self._source,
            f"this Mach-O host cannot take a payload: {what}",
            remedy="link it with a linker of today, and embed before any other tool changes it",
        )

    def _read_signature(self) -> Signature | None:
        if self._signature_command is None:
            return None
        _, offset, size = self._signature_command
        return read_signature(self._source, self._slice_offset + offset, size)

    def _check_archive(self) -> None:
        if self.parts.head_bytes < self._slice_offset + self._strings.offset:
            raise self._refuse_layout("its PyInstaller archive is not in the string table")
        check_loader(self._source, self.parts.head_bytes)

    def _say_what_is_lost(self, slices: list[macho.Slice]) -> list[str]:
        said = []
        if self.signature is not None and self.signature.state == "identity":
            said.append("the signature of the host becomes an ad-hoc one: sign the output again")
        if self.signature is not None and self.signature.has_entitlements:
            said.append("the host's entitlements are dropped: give them again when you sign")
        if len(slices) > 1:
            said.append(
                f"the payload goes into the {architecture(self._cpu)} slice: "
                "a copy thinned to another one has no payload"
            )
        return said

    def _decide(self, *, unsigned: bool) -> bool:
        """Whether the copy gets a signature."""
        if unsigned:
            if self._cpu != CPU_AMD64:
                raise unsupported(
                    self._source,
                    "Apple silicon starts no program without a signature",
                    "darwin-amd64",
                    architecture(self._cpu),
                    "leave out --no-sign",
                )
            return False
        if self._signature_command is not None or self._has_room():
            return True
        if self._cpu != CPU_AMD64:
            raise unsupported(
                self._source,
                "no room for a load command, and Apple silicon starts no unsigned program",
                f"{LINKEDIT_DATA.size} free bytes behind the load commands",
                remedy="link it with -headerpad 0x100, or with an ad-hoc signature",
            )
        self.warnings.append("no room for a signature's load command: the output is not signed")
        return False

    def _has_room(self) -> bool:
        end = len(self._commands) + LINKEDIT_DATA.size
        if end > min(self._first_section_offset, self._slice_bytes):
            return False
        place = self._slice_offset + len(self._commands)
        return not any(self._source.read_at(place, LINKEDIT_DATA.size))

    @property
    def is_unsigned(self) -> bool:
        """Whether it has no signature and needs none."""
        return self.signature is None and self._cpu == CPU_AMD64

    @property
    def identifier(self) -> bytes:
        """Of the signature: the one that the host has, or its file's name."""
        if self.signature is not None and self.signature.identifier:
            return self.signature.identifier
        return os.path.basename(self._source.name).encode()

    def pad_bytes(self, inserted_bytes: int) -> int:
        """See ``Host``; the signature then begins where the string table ends."""
        end = self.parts.host_bytes + inserted_bytes + footer_bytes(inserted_bytes)
        return -end % ALIGNMENT_BYTES

    def finish(self, stream: BinaryIO, inserted_bytes: int) -> None:
        """See ``Host``."""
        file_end = self.parts.host_bytes + inserted_bytes + footer_bytes(inserted_bytes)
        strings_end = end = code_bytes = file_end - self._slice_offset
        if self._signed:
            stream.write(bytes(-strings_end % ALIGNMENT_BYTES))
            code_bytes = strings_end + -strings_end % ALIGNMENT_BYTES
            end = code_bytes + signature_bytes(self.identifier, code_bytes)
        if self._slice_offset + end > MAX_HOST_BYTES:
            raise unsupported(
                self._source,
                "too large for a Mach-O",
                f"at most {MAX_HOST_BYTES}",
                str(self._slice_offset + end),
            )
        if self._row_offset is not None:
            patch(stream, self._row_offset + _FAT_SIZE_FIELD, end.to_bytes(4, "big"))
        commands = self._changed_commands(strings_end, code_bytes, end)
        patch(stream, self._slice_offset, commands)
        if self._signed:
            signature = sign_adhoc(
                stream,
                self._slice_offset,
                code_bytes,
                self.identifier,
                (self._text.offset, self._text.file_bytes),
                executable=self._executable,
            )
            stream.seek(0, os.SEEK_END)
            stream.write(signature)

    def _changed_commands(self, strings_end: int, code_bytes: int, end: int) -> bytes:
        """Header and load commands for a slice of that layout; never fewer bytes than it has."""
        commands = bytearray(self._commands)
        linkedit = self._linkedit
        file_bytes = end - linkedit.offset
        # Go's linker does not round up the size in memory, and the system does it then.
        exact = linkedit.memory_bytes == linkedit.file_bytes
        memory_bytes = file_bytes if exact else -(-file_bytes // _PAGE_BYTES) * _PAGE_BYTES
        struct.pack_into("<Q", commands, linkedit.command_offset + _VMSIZE_FIELD, memory_bytes)
        struct.pack_into("<Q", commands, linkedit.command_offset + _FILESIZE_FIELD, file_bytes)
        struct.pack_into(
            "<I",
            commands,
            self._strings.command_offset + _STRINGS_BYTES_FIELD,
            strings_end - self._strings.offset,
        )
        if self._signature_command is not None:
            offset = self._signature_command[0]
            if self._signed:
                LINKEDIT_DATA.pack_into(
                    commands,
                    offset,
                    LC_CODE_SIGNATURE,
                    LINKEDIT_DATA.size,
                    code_bytes,
                    end - code_bytes,
                )
            else:
                del commands[offset : offset + LINKEDIT_DATA.size]
                _count(commands, -1)
                commands += bytes(LINKEDIT_DATA.size)
        elif self._signed:
            _count(commands, 1)
            commands += LINKEDIT_DATA.pack(
                LC_CODE_SIGNATURE, LINKEDIT_DATA.size, code_bytes, end - code_bytes
            )
        return bytes(commands)


def _count(commands: bytearray, change: int) -> None:
    """Tell the header of one command more or less, which is LC_CODE_SIGNATURE."""
    count, size = struct.unpack_from("<II", commands, _COUNT_FIELD)
    size += change * LINKEDIT_DATA.size
    struct.pack_into("<II", commands, _COUNT_FIELD, count + change, size)


def architecture(cpu: int) -> str:
    """As in platform names; a number where there is none."""
    return {CPU_AMD64: "amd64", CPU_ARM64: "arm64"}.get(cpu, f"{cpu:#x}")


def resign(path_in: Path, path_out: Path) -> None:
    """Write a copy of a Mach-O with an ad-hoc signature in place of the one it has, or of none.

    Nothing else is changed: a program that its linker signed ad hoc comes out as it was.

    Raises:
        UnsupportedHostError: no 64-bit Mach-O, or of a layout that cannot be signed.
        ContainerError, OSError: reading or writing failed.
    """
    with FileSource(path_in) as source:
        try:
            host = MachOHost(source, None)
        except NotAContainerError as error:
            raise unsupported(source, error.what, error.expected, error.found) from None
        with published(path_out, stat.S_IMODE(os.stat(path_in).st_mode)) as stream:
            copy(source, 0, host.parts.head_bytes, stream)
            copy(source, host.parts.tail_offset, host.parts.tail_bytes, stream)
            host.finish(stream, 0)
