"""Whether an installation is complete and undamaged, by metadata alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container.errors import ContainerError
from extractor import manifest as records
from extractor import warm
from extractor.install import install
from tests.support.homes import REPOSITORY, record_of, traces
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
    assert warm.payload_xxh3(str(host)) == warm.payload_xxh3(packed)
    assert warm.installed(str(host), home) is not None


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


@pytest.mark.parametrize("host", [b"", b"#!/bin/sh\n", b"ELF"])
def test_a_warm_start_imports_next_to_nothing(
    home: Home, root: Path, packed: str, host: bytes
) -> None:
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
    assert {"extractor.warm", "container.hosts"} <= set(loaded)
    packages = {module.split(".")[0] for module in loaded}
    assert packages == {"__future__", "container", "extractor"}


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
        record.write_bytes(record.read_bytes().replace(b"manifest 2", b"manifest 1"))
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


@pytest.mark.parametrize("how", ["missing", "short", "directory", "no payload", "FIFO"])
def test_an_executable_that_cannot_be_read_is_for_the_installation_to_explain(
    tmp_path: Path, home: Home, root: Path, how: str
) -> None:
    path = tmp_path / "executable"
    if how == "short":
        path.write_bytes(b"x")
    elif how == "directory":
        path.mkdir()
    elif how == "no payload":
        path.write_bytes(bytes(1000))
    elif how == "FIFO":
        os.mkfifo(path)
    assert warm.installed(str(path), home) is None


def test_the_digest_of_what_is_too_short_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(63))
    with pytest.raises(ContainerError, match="short: ends too early"):
        warm.payload_xxh3(str(tmp_path / "short"))
    with pytest.raises(FileNotFoundError):
        warm.payload_xxh3(str(tmp_path / "nothing"))


def test_the_digest_is_the_footers(old: PayloadReader) -> None:
    assert warm.payload_xxh3(old.source.name) == old.location.footer.index_xxh3


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
    lstat = os.lstat

    def counting(path: str) -> os.stat_result:
        asked.append(path)
        return lstat(path)

    monkeypatch.setattr(os, "lstat", counting)
    assert warm.damaged(record, str(root)) == []
    assert len(asked) == len(set(asked)) == 500 + 1
