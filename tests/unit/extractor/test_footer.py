"""Where the footer of an executable's payload is, and that little else is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from container import codec
from container.errors import FormatError, NotAContainerError, TruncatedError
from extractor import footer
from tests.support.executables import elf, fat, macho, pe

if TYPE_CHECKING:
    from pathlib import Path

    from container.reader import PayloadReader

FOOTER = bytes(range(64))
IN_STRINGS = macho(tail=b"\0" + FOOTER)


def test_it_is_the_one_that_the_reader_finds(old: PayloadReader) -> None:
    assert codec.decode_footer(footer.read(old.source.name)) == old.location.footer


@pytest.mark.parametrize(
    "data",
    [
        FOOTER,
        b"#!/bin/sh\n" + bytes(8000) + FOOTER,
        elf() + FOOTER,
        pe(overlay=FOOTER),
        pe(overlay=FOOTER, certificate=b"signature"),
        IN_STRINGS,
        fat(macho(), IN_STRINGS),
    ],
)
def test_it_is_found_where_the_format_has_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    assert footer.read(str(path)) == FOOTER


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", TruncatedError),
        (FOOTER[1:], TruncatedError),
        (macho()[:100], FormatError),
        (b"\xfe\xed\xfa\xce" + bytes(100), NotAContainerError),
        (pe(certificate=b"signature") + FOOTER, FormatError),
    ],
)
def test_a_file_that_has_no_place_for_one_is_refused(
    tmp_path: Path, data: bytes, error: type[Exception]
) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    with pytest.raises(error):
        footer.read(str(path))


def test_a_file_that_is_too_short_is_named(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(63))
    with pytest.raises(TruncatedError, match="short: ends too early"):
        footer.read(str(tmp_path / "short"))


def test_a_file_that_cannot_be_read_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        footer.read(str(tmp_path / "nothing"))
    with pytest.raises(IsADirectoryError):
        footer.read(str(tmp_path))


def test_head_and_footer_are_all_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "program"
    path.write_bytes(elf() + bytes(1 << 20) + FOOTER)
    sizes = []
    pread = os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    assert footer.read(str(path)) == FOOTER
    assert sizes == [4096, 64]
