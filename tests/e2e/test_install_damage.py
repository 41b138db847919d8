"""Damage to every installed file in turn: it is noticed, and only that file is extracted again."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from container.model import EntryKind
from container.reader import open_payload
from extractor import examine, warm
from extractor import manifest as records
from extractor.home import Home
from extractor.install import install
from tests.support.system import unflushed
from tests.support.transactions import Releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VERSION = "1.0.0"


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("releases"))


@contextmanager
def open_to_owner(path: str) -> Iterator[None]:
    """A file or directory that its owner may not write to, opened up for the moment."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    os.chmod(path, mode | 0o700)
    try:
        yield
    finally:
        os.chmod(path, mode)


def delete(path: str) -> None:
    os.unlink(path)


def truncate(path: str) -> None:
    with open_to_owner(path):
        os.truncate(path, os.path.getsize(path) - 1)


def replace(path: str) -> None:
    """The same contents, size, mode and time: only the inode tells."""
    shutil.copy2(path, f"{path}.new")
    os.replace(f"{path}.new", path)


def flip(path: str) -> None:
    """A byte, with the time put back: no look at metadata can tell."""
    status = os.stat(path)
    with open_to_owner(path), open(path, "r+b") as stream:
        first = stream.read(1)
        stream.seek(0)
        stream.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def installed(releases: Releases, home: Home) -> tuple[str, records.Manifest]:
    found = warm.installed(str(releases.payloads[VERSION]), home)
    assert found is not None
    return found


def inodes(root: str, record: records.Manifest) -> dict[str, int]:
    return {path: os.lstat(os.path.join(root, path)).st_ino for path in record.paths}


def files_of(releases: Releases) -> dict[str, int]:
    """Size of each regular file that is no second name of another, by path; empty ones, too."""
    with open_payload(releases.payloads[VERSION]) as reader:
        return {
            entry.path: entry.plain_bytes
            for entry in reader.index.entries
            if entry.kind == EntryKind.FILE
        }


def hardlinked(releases: Releases) -> dict[str, str]:
    """Path of the other name, by the path of a file that has two."""
    with open_payload(releases.payloads[VERSION]) as reader:
        links = {e.path: e.link for e in reader.index.entries if e.kind == EntryKind.HARDLINK}
    return links | {file: link for link, file in links.items()}


@pytest.mark.parametrize("damage", [delete, truncate, replace])
def test_what_metadata_tell_is_repaired_by_the_next_start(
    releases: Releases, tmp_path: Path, damage: Callable[[str], None]
) -> None:
    sizes, other_names = files_of(releases), hardlinked(releases)
    damaged = 0
    for number, (path, size) in enumerate(sizes.items()):
        if damage is truncate and not size:
            continue
        damaged += 1
        home = Home(str(tmp_path / f"home-{number}"))
        with unflushed():
            releases.install(home, VERSION)
        root, record = installed(releases, home)
        before = inodes(root, record)
        place = os.path.join(root, path)
        with open_to_owner(os.path.dirname(place)):
            damage(place)
        assert warm.installed(str(releases.payloads[VERSION]), home) is None
        # The other name of a file leads to what is left of it, or to all of it.
        names = {path, other_names.get(path, path)} if damage is truncate else {path}
        assert set(warm.damaged(record, root)) == names
        with unflushed():
            done = releases.install(home, VERSION)
        # The whole file is there under its other name, or by its bytes, which are read then.
        is_there = damage is replace or (damage is delete and path in other_names)
        extracted = 0 if is_there else size
        assert done.plain_bytes == extracted, path
        assert done.shared_bytes == sum(sizes.values()) - extracted
        check_repaired(releases, home)
        root, record = installed(releases, home)
        now = inodes(root, record)
        shared = {name for name in sizes if sizes[name] and name not in names}
        assert {name for name in shared if now[name] != before[name]} == set(), path
    assert damaged >= len(sizes) - 1


def test_a_flipped_byte_is_found_by_verify_alone(releases: Releases, tmp_path: Path) -> None:
    sizes, other_names = files_of(releases), hardlinked(releases)
    for number, (path, size) in enumerate(sizes.items()):
        if not size:
            continue
        home = Home(str(tmp_path / f"home-{number}"))
        with unflushed():
            releases.install(home, VERSION)
        root, record = installed(releases, home)
        before = inodes(root, record)
        flip(os.path.join(root, path))
        assert installed(releases, home)[0] == root
        assert releases.install(home, VERSION).already
        with open_payload(releases.payloads[VERSION]) as reader:
            bad = {row.subject for row in examine.verify(home, reader) if row.problem}
            names = {path, other_names.get(path, path)}
            assert bad == names
            with unflushed():
                done = install(reader, home, force=True, distrust=True)
        assert (done.plain_bytes, done.already) == (size, False)
        check_repaired(releases, home)
        root, record = installed(releases, home)
        now = inodes(root, record)
        shared = {name for name in sizes if sizes[name] and name not in names}
        assert {name for name in shared if now[name] != before[name]} == set(), path


def test_links_directories_and_modes_are_missed_too(releases: Releases, tmp_path: Path) -> None:
    damages: dict[str, Callable[[str], None]] = {
        "runner/lib/link.so": os.unlink,
        "runner/lib/up": os.unlink,
        "runner/hollow": os.rmdir,
        "runner/alias": os.unlink,
        "runner/data/empty": os.unlink,
        "server": lambda path: os.chmod(path, 0o644),
        records.NAME: os.unlink,
    }
    for number, (path, damage) in enumerate(damages.items()):
        home = Home(str(tmp_path / f"home-{number}"))
        with unflushed():
            releases.install(home, VERSION)
        root, _ = installed(releases, home)
        damage(os.path.join(root, path))
        assert warm.installed(str(releases.payloads[VERSION]), home) is None
        with unflushed():
            assert not releases.install(home, VERSION).already
        check_repaired(releases, home)


def check_repaired(releases: Releases, home: Home) -> None:
    installed(releases, home)
    assert releases.in_use(home) == VERSION
    assert len(home.version_names()) == 1
    assert os.listdir(home.staging) == []
