"""Bills of materials: the same bytes for the same contents, and back; Go's own account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from container.errors import ArtefactError, ReleaseError
from packer.release import bill, gobuild
from packer.release.bill import Bill, Ingredient, Library
from packer.release.gobuild import GoBuild, GoModule

if TYPE_CHECKING:
    from pathlib import Path

LIBRARIES = (
    Library("golang", "example.invalid/group/module/v2", "v2.1.0"),
    Library("golang", "stdlib", "1.26.8"),
    Library("pypi", "aiohttp", "3.13.2"),
)
BILL = Bill(
    "stigmer",
    "1.0.0",
    "linux-amd64",
    (
        Ingredient("agent-runner", "1.1.0", "ab" * 32, LIBRARIES),
        Ingredient("stigmer-server", "1.0.0", "cd" * 32, LIBRARIES[:2]),
    ),
)


def go_program(version: bytes, modules: bytes, *, shift: int = 0, flags: int = 2) -> bytes:
    """Its build information, by the document of ``debug/buildinfo``, and something around it."""
    wrapped = b"0" * 16 + modules + b"1" * 16
    header = b"\xff Go buildinf:\x08" + bytes([flags])
    text = bytes([len(version)]) + version
    size = len(wrapped)
    varint = bytes([size & 0x7F | 0x80, size >> 7]) if size > 127 else bytes([size])
    return bytes(160 + shift) + header.ljust(32, b"\0") + text + varint + wrapped + bytes(64)


def test_a_bill_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.cdx.json"
    path.write_bytes(bill.write(BILL))
    assert bill.read(path) == BILL
    assert bill.write(BILL) == path.read_bytes()


def test_a_bill_says_what_scanners_ask_for_and_no_time() -> None:
    document = json.loads(bill.write(BILL))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"].keys() == {"component"}
    urls = {row["purl"] for part in document["components"] for row in part["components"]}
    assert urls == {
        "pkg:golang/example.invalid/group/module/v2@v2.1.0",
        "pkg:golang/stdlib@1.26.8",
        "pkg:pypi/aiohttp@3.13.2",
    }
    references = [
        part["bom-ref"]
        for top in (document["metadata"]["component"], *document["components"])
        for part in (top, *top.get("components", ()))
    ]
    assert len(set(references)) == len(references) == 1 + 2 + 3 + 2


def test_another_library_is_another_bill() -> None:
    changed = BILL._replace(ingredients=(BILL.ingredients[0]._replace(libraries=()),))
    serial = [json.loads(bill.write(one))["serialNumber"] for one in (BILL, changed)]
    assert serial[0] != serial[1]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"bomFormat": 1}', '{"metadata": {"component": 1}}', "\x00"]
)
def test_what_is_no_bill_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.cdx.json"
    path.write_text(text)
    with pytest.raises(ArtefactError, match="not a bill of materials"):
        bill.read(path)


def test_libraries_come_from_a_lock_file_or_from_another_bill(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        '# a comment==1\naiohttp==3.13.2 \\\n    --hash=sha256:00\nh2==4.3.0; python == "3"\n'
    )
    assert bill.read_libraries(lock) == [
        Library("pypi", "aiohttp", "3.13.2"),
        Library("pypi", "h2", "4.3.0"),
    ]
    path = tmp_path / "a.cdx.json"
    path.write_bytes(bill.write(BILL))
    assert bill.read_libraries(path) == [*LIBRARIES, *LIBRARIES[:2]]
    lock.write_text("nothing\n")
    with pytest.raises(ReleaseError, match="NAME==VERSION"):
        bill.read_libraries(lock)


def test_a_go_program_tells_its_modules() -> None:
    modules = (
        b"path\texample.invalid/program\nmod\texample.invalid/program\t(devel)\t\n"
        b"dep\texample.invalid/one\tv1.0.0\th1:sum=\n"
        b"dep\texample.invalid/old\tv0.1.0\t\n=>\texample.invalid/new\tv0.2.0\th1:sum=\n"
        b"build\t-trimpath=true\n"
    )
    assert gobuild.read(go_program(b"go1.26.8 X:nothing", modules)) == GoBuild(
        "1.26.8",
        (GoModule("example.invalid/one", "v1.0.0"), GoModule("example.invalid/new", "v0.2.0")),
    )


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"\x7fELF" * 20,
        go_program(b"go1.26.8", b"", shift=3),
        # Before Go 1.18 there were pointers in its place.
        go_program(b"go1.17", b"", flags=0),
        go_program(b"", b""),
        go_program(b"go1.26.8", b"")[:180],
        b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + b"\xff" * 12,
    ],
)
def test_other_programs_tell_nothing(program: bytes) -> None:
    assert gobuild.read(program) is None
    assert bill.go_libraries(program) == []


def test_a_cut_program_tells_what_it_has() -> None:
    whole = go_program(b"go1.26.8", b"dep\tone\tv1\t\n")
    for size in range(len(whole)):
        found = gobuild.read(whole[:size])
        assert found is None or found.go_version
