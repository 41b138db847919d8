"""Whether an installation is complete and undamaged, by metadata alone."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container import hosts
from extractor import manifest as records
from extractor import warm
from extractor.install import install
from tests.support.executables import PT_LOAD, elf, fat, macho, pe
from tests.support.homes import REPOSITORY, record_of, traces
from tests.support.payloads import MemorySource
from tests.support.samples import write_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.reader import PayloadReader
    from extractor.home import Home


@pytest.fixture
def packed(tmp_path: Path, old: PayloadReader) -> str:
    return old.source.name


@pytest.fixture
def root(home: Home, old: PayloadReader) -> Path:
    """Of the version that is installed."""
    return Path(install(old, home).path)


def damaged(root: Path) -> list[str]:
    record = records.read(str(root))
    assert record is not None
    return warm.damaged(record, str(root))


def test_what_was_installed_is_found_and_nothing_is_written(
    tmp_path: Path, home: Home, root: Path, packed: str
) -> None:
    before = traces(tmp_path)
    found = warm.installed(packed, home)
    assert found is not None
    assert found[0] == str(root)
    assert found[1].version == "1.0.0"
    assert traces(tmp_path) == before
    assert damaged(root) == []
    assert not warm.is_copy(found[1], found[0])


def test_the_payload_is_found_behind_a_host(home: Home, root: Path, packed: str) -> None:
    host = Path(packed).with_name("host")
    host.write_bytes(b"#!/bin/sh\n" + bytes(8000) + Path(packed).read_bytes())
    assert warm.installed(str(host), home) is not None


def test_a_segment_that_patchelf_appended_is_no_end_of_a_payload(
    home: Home, root: Path, packed: str
) -> None:
    path = Path(packed).with_name("host")
    data = elf(kind=3) + Path(packed).read_bytes()
    segment = struct.pack("<IIQQQQQQ", PT_LOAD, 6, len(data), 0, 0, 100, 100, 4096)
    path.write_bytes(data[:120] + segment + data[176:] + bytes(100))
    assert warm.installed(str(path), home) is not None
    # The end of the file, where no format but its own says that the payload ends before.
    path.write_bytes(data + bytes(100))
    assert warm.installed(str(path), home) is None


@pytest.mark.parametrize("host", [macho(), fat(macho()), pe(certificate=b"c" * 64)])
def test_a_payload_behind_the_end_that_its_format_has_is_not_carried(
    home: Home, root: Path, packed: str, host: bytes
) -> None:
    path = Path(packed).with_name("host")
    path.write_bytes(host + Path(packed).read_bytes())
    assert warm.installed(str(path), home) is None


def test_heads_of_files_that_end_with_their_payload() -> None:
    """Of others ``container.hosts`` is asked, and of these it gives the same answer."""
    for head in warm._ENDING_WITH_THEIR_PAYLOAD:
        assert hosts.payload_end(MemorySource(head + bytes(5000))) == len(head) + 5000


ASKS = """
import os, sys
before = set(sys.modules)
from extractor.home import Home
from extractor.warm import installed
found = installed(sys.argv[1], Home(sys.argv[2]))
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps([found is not None, loaded]))
"""
WARM = {"extractor", "extractor.home", "extractor.manifest", "extractor.warm"}


@pytest.mark.parametrize("host", [b"", b"#!/bin/sh\n", b"ELF"])
def test_a_warm_start_imports_next_to_nothing(
    home: Home, root: Path, packed: str, host: bytes
) -> None:
    asks = b"#!" in host
    if host == b"ELF":
        host = Path("/bin/sh").read_bytes()
        assert host[:4] == b"\x7fELF"
    path = Path(packed).with_name("host")
    path.write_bytes(host + Path(packed).read_bytes())
    done = subprocess.run(
        [sys.executable, "-S", "-c", ASKS, path, home.path],
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    found, loaded = json.loads(done.stdout)
    assert found
    if asks:
        # That of its own format is not needed, and neither is typing or an error.
        assert set(loaded) == WARM | {
            "__future__",
            "container",
            "container.hosts",
            "container.magic",
            "extractor.footer",
        }
    else:
        assert set(loaded) == WARM


def replace_with_the_same(path: Path) -> None:
    status = path.lstat()
    path.rename(path.with_name("aside"))
    path.write_bytes(path.with_name("aside").read_bytes())
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def overwrite_in_place(path: Path) -> None:
    """Same size and inode; only the time tells."""
    status = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"\0")
    # At least one tick of any file system's clock.
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def replace_with_link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


def replace_with_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "truncated": lambda path: os.truncate(path, 10),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: os.truncate(path, 10_000),
    "touched": lambda path: os.utime(path, ns=(1, 1)),
    "written to": overwrite_in_place,
    "replaced by a copy": replace_with_the_same,
    "replaced by a link to itself": replace_with_link,
    "replaced by a directory": replace_with_directory,
    "another mode": lambda path: path.chmod(0o700),
    "setuid": lambda path: path.chmod(0o4755),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("path", ["server", "runner/lib/first.so"])
def test_damage_to_a_file_is_found_without_reading_it(
    home: Home, root: Path, packed: str, path: str, damage: str
) -> None:
    DAMAGES[damage](root / path)
    assert damaged(root) == [path]
    assert warm.installed(packed, home) is None


def test_a_change_that_changes_no_metadata_is_for_verify_to_find(root: Path) -> None:
    """The line that is drawn: whoever forges size, time and inode is not noticed at a start."""
    server = root / "server"
    status = server.stat()
    with server.open("r+b") as stream:
        stream.write(b"\0")
    os.utime(server, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert damaged(root) == []


def test_another_target_of_a_symlink_is_found(root: Path) -> None:
    link = root / "runner/lib/link.so"
    link.unlink()
    link.symlink_to("same.so")
    assert damaged(root) == ["runner/lib/link.so"]


def test_a_missing_directory_is_found_by_what_was_in_it(root: Path) -> None:
    (root / "runner/data").rename(root / "elsewhere")
    assert damaged(root) == ["runner/data/empty", "runner/data/small"]


def test_an_empty_directory_is_missed_too(root: Path) -> None:
    hollow = root / "runner/hollow"
    hollow.rmdir()
    assert damaged(root) == ["runner/hollow"]
    hollow.write_bytes(b"")
    assert damaged(root) == ["runner/hollow"]
    hollow.unlink()
    hollow.mkdir()
    hollow.chmod(0o700)
    assert damaged(root) == ["runner/hollow"]
    hollow.chmod(0o750)
    # What somebody puts into it, and so its time, is no damage.
    (hollow / "mine").write_bytes(b"")
    assert damaged(root) == []


def test_where_no_directory_is_opened_for_its_path_alone_it_is_for_reading(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "O_PATH", raising=False)
    assert damaged(root) == []
    (root / "server").unlink()
    assert damaged(root) == ["server"]


def test_every_damaged_file_is_listed(root: Path) -> None:
    (root / "server").unlink()
    os.truncate(root / "runner/lib/same.so", 0)
    assert sorted(damaged(root)) == ["runner/lib/same.so", "server"]


def test_a_path_that_cannot_be_looked_at_is_damage(root: Path) -> None:
    record = records.read(str(root))
    assert record is not None
    record.paths[0] = "a\0b"
    assert warm.damaged(record, str(root)) == ["a\0b"]


def test_without_its_record_all_of_a_version_is_damaged(root: Path) -> None:
    record = records.read(str(root))
    assert record is not None
    (root / records.NAME).unlink()
    assert warm.damaged(record, str(root)) == record.paths


@pytest.mark.parametrize("how", ["missing", "cut", "not ours", "older"])
def test_a_damaged_record_is_no_installation(home: Home, root: Path, packed: str, how: str) -> None:
    record = root / records.NAME
    if how == "missing":
        record.unlink()
    elif how == "cut":
        os.truncate(record, record.stat().st_size - 1)
    elif how == "not ours":
        record.write_bytes(b"[]")
    else:
        record.write_bytes(record.read_bytes().replace(b"manifest 3", b"manifest 2"))
    assert warm.installed(packed, home) is None


@pytest.mark.parametrize("how", ["gone", "dangling", "directory", "elsewhere", "absolute"])
def test_a_bin_that_is_not_ours_is_no_installation(
    tmp_path: Path, home: Home, root: Path, packed: str, how: str
) -> None:
    """Also where it leads to the right files, but not by the link that ``publish`` makes."""
    os.unlink(home.bin)
    if how == "dangling":
        os.symlink("versions/v9-gone", home.bin)
    elif how == "directory":
        shutil.copytree(root, home.bin, symlinks=True)
    elif how == "elsewhere":
        root.rename(tmp_path / "elsewhere")
        os.symlink("../elsewhere", home.bin)
    elif how == "absolute":
        os.symlink(root, home.bin)
    assert warm.installed(packed, home) is None


def test_another_payload_is_not_what_is_installed(
    tmp_path: Path, home: Home, root: Path, new: PayloadReader
) -> None:
    assert warm.installed(new.source.name, home) is None
    # The same contents under another version are another payload.
    assert warm.installed(str(tmp_path / "old/payload"), home) is not None


@pytest.mark.parametrize(
    "how", ["missing", "short", "short ELF", "directory", "no payload", "FIFO"]
)
def test_an_executable_that_cannot_be_read_is_for_the_installation_to_explain(
    tmp_path: Path, home: Home, root: Path, how: str
) -> None:
    path = tmp_path / "executable"
    if how == "short":
        path.write_bytes(b"x")
    elif how == "short ELF":
        path.write_bytes(b"\x7fELF")
    elif how == "directory":
        path.mkdir()
    elif how == "no payload":
        path.write_bytes(bytes(1000))
    elif how == "FIFO":
        os.mkfifo(path)
    assert warm.installed(str(path), home) is None


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts through /proc")
@pytest.mark.parametrize("how", ["sound", "damaged", "no record", "another payload", "script"])
def test_no_file_stays_open(
    tmp_path: Path, home: Home, root: Path, packed: str, new: PayloadReader, how: str
) -> None:
    executable = new.source.name if how == "another payload" else packed
    if how == "damaged":
        (root / "server").unlink()
    elif how == "no record":
        (root / records.NAME).unlink()
    elif how == "script":
        executable = str(tmp_path / "script")
        Path(executable).write_bytes(b"#!/bin/sh\n" + Path(packed).read_bytes())
    before = os.listdir("/proc/self/fd")
    found = warm.installed(executable, home)
    assert os.listdir("/proc/self/fd") == before
    assert (found is not None) == (how in ("sound", "script"))


def copied(root: Path, home: Home, *, seconds: bool = True) -> Path:
    """The home with new inodes, as an image layer or a backup gives it back."""
    aside = Path(home.path).with_name("aside")
    os.rename(home.path, aside)
    shutil.copytree(aside, home.path, symlinks=True)
    if seconds:
        for place in Path(home.path).rglob("*"):
            os.utime(place, ns=(0, 1_000_000_000), follow_symlinks=False)
    return root


@pytest.mark.parametrize("seconds", [True, False])
def test_a_copy_is_known_by_its_inodes_and_judged_by_size_and_mode(
    home: Home, root: Path, packed: str, seconds: bool
) -> None:
    copied(root, home, seconds=seconds)
    found = warm.installed(packed, home)
    assert found is not None
    assert warm.is_copy(found[1], found[0])
    (root / "runner/hollow").rmdir()
    os.truncate(root / "runner/lib/first.so", 7)
    (root / "server").chmod(0o700)
    assert set(damaged(root)) == {"runner/hollow", "runner/lib/first.so", "server"}
    assert warm.installed(packed, home) is None


def test_one_replaced_file_does_not_make_an_installation_a_copy(root: Path) -> None:
    replace_with_the_same(root / "server")
    record = records.read(str(root))
    assert record is not None
    assert not warm.is_copy(record, str(root))


def test_a_home_with_thousands_of_files_is_asked_for_each_of_them_once(
    tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from container.reader import open_payload
    from tests.support.trees import File

    tree = {f"d{number % 7}/f{number}": File(b"%d" % (number % 9)) for number in range(500)}
    with open_payload(write_payload(tmp_path, {"tree": {**tree}})) as reader:
        install(reader, home)
    root, record = record_of(home)
    asked: list[str] = []
    stat = os.stat

    def counting(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        asked.append(path)
        assert not follow_symlinks
        return stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", counting)
    assert warm.damaged(record, str(root)) == []
    assert sorted(asked) == sorted(record.paths)
    assert len(asked) == 500
