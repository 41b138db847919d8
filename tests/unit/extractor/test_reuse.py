"""Files of an installed version that a new one shares: the same contents, or none at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container.errors import NoSpaceError
from container.reader import open_payload
from extractor import reuse, warm
from extractor.install import install
from tests.support.homes import check_home, record_of
from tests.support.samples import akin, look, noise, settings, sources_of, write_payload
from tests.support.trees import File, Hardlink

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.reader import PayloadReader
    from extractor.home import Home
    from tests.support.payloads import Components

UNCHANGED = ["runner/closed/inside", "runner/data/small", "runner/lib/first.so"]
"""Between ``old`` and ``new``; ``runner/lib/same.so`` has the contents of the last one, too."""


def base(home: Home, *, trusted: bool = True) -> reuse.Base:
    root, record = record_of(home)
    return reuse.Base(str(root), record, trusted)


def found(reader: PayloadReader, home: Home, *, trusted: bool = True) -> dict[str, str]:
    """Paths below the version in use, by path of the entry."""
    root, _ = record_of(home)
    candidates = reuse.find(reader.index, [base(home, trusted=trusted)])
    return {
        reader.index.entries[number].path: os.path.relpath(place, root)
        for number, place in candidates.items()
    }


@pytest.fixture(autouse=True)
def root(home: Home, old: PayloadReader) -> Path:
    return Path(install(old, home).path)


@pytest.mark.parametrize("trusted", [True, False])
def test_files_of_the_same_contents_and_mode_are_found(
    home: Home, new: PayloadReader, trusted: bool
) -> None:
    expected = [*UNCHANGED, "runner/lib/same.so"]
    assert found(new, home, trusted=trusted) == {path: path for path in expected}


def test_all_but_links_and_empty_files_of_the_same_payload_are_found(
    home: Home, old: PayloadReader
) -> None:
    expected = [*UNCHANGED, "runner/lib/same.so", "runner/alias", "server"]
    assert found(old, home).keys() == set(expected)


def test_contents_with_another_mode_are_not_shared(tmp_path: Path, home: Home) -> None:
    components = {"other": {"a": File(noise(90, 1500), 0o640), "b": File(noise(90, 1500), 0o600)}}
    with open_payload(write_payload(tmp_path, components)) as reader:
        assert found(reader, home) == {"other/b": "runner/lib/same.so"}


def test_files_are_found_whatever_they_were_called(tmp_path: Path, home: Home) -> None:
    with open_payload(write_payload(tmp_path, {"renamed": File(noise(1, 5000), 0o755)})) as reader:
        assert found(reader, home) == {"renamed": "server"}


def test_two_files_of_the_same_contents_do_not_become_one(tmp_path: Path, home: Home) -> None:
    twins = {"tree": {"a": File(noise(7, 3000)), "b": File(noise(7, 3000))}}
    for number in (1, 2):
        wanted = settings(f"2.{number}.0")
        (tmp_path / str(number)).mkdir()
        with open_payload(write_payload(tmp_path / str(number), twins, wanted)) as reader:
            done = install(reader, home)
        assert done.shared_bytes == (6000 if number == 2 else 0)
        check_home(home, reader, tmp_path / str(number))
    # Where one stands for both, the other is extracted.
    (Path(done.path) / "tree/a").unlink()
    with open_payload(write_payload(tmp_path / "3", twins, settings("3.0.0"))) as reader:
        assert len(found(reader, home)) == 1
        done = install(reader, home)
        assert (done.plain_bytes, done.shared_bytes) == (3000, 3000)
        check_home(home, reader, tmp_path / "3")


def test_two_names_of_one_file_do_not_stand_for_two_files(tmp_path: Path, home: Home) -> None:
    one: Components = {"tree": {"a": File(noise(7, 3000)), "b": Hardlink("a")}}
    two: Components = {"tree": {"a": File(noise(7, 3000)), "b": File(noise(7, 3000))}}
    for version, components in (("2.0.0", one), ("3.0.0", two)):
        place = tmp_path / version
        place.mkdir()
        with open_payload(write_payload(place, components, settings(version))) as reader:
            install(reader, home)
            check_home(home, reader, place)


def overwrite(path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"\0")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_with_link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: os.truncate(path, 100),
    "emptied": lambda path: os.truncate(path, 0),
    "a link to itself": replace_with_link,
    "another mode": lambda path: path.chmod(0o666),
}


@pytest.mark.parametrize("how", BAD)
def test_a_damaged_file_is_not_shared(home: Home, root: Path, new: PayloadReader, how: str) -> None:
    BAD[how](root / "runner/lib/first.so")
    assert "runner/lib/first.so" not in found(new, home)


def test_a_file_that_was_touched_and_is_sound_is_shared_all_the_same(
    home: Home, root: Path, new: PayloadReader
) -> None:
    os.utime(root / "runner/lib/first.so", ns=(1, 1))
    assert "runner/lib/first.so" in found(new, home)


def test_contents_are_read_where_metadata_are_not_trusted(
    home: Home, root: Path, new: PayloadReader
) -> None:
    overwrite(root / "runner/lib/first.so")
    assert "runner/lib/first.so" in found(new, home)
    assert "runner/lib/first.so" not in found(new, home, trusted=False)


def test_contents_are_read_in_a_copy(
    tmp_path: Path, home: Home, root: Path, new: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "is_copy", lambda _record, _root: True)
    overwrite(root / "runner/lib/first.so")
    assert found(new, home).keys() == {*UNCHANGED, "runner/lib/same.so"} - {"runner/lib/first.so"}


def test_of_several_versions_the_first_gives_what_it_has(
    tmp_path: Path, home: Home, root: Path, old: PayloadReader, new: PayloadReader
) -> None:
    first = base(home)
    install(new, home)
    second = base(home)
    candidates = reuse.find(old.index, [second, first])
    from_second = {place for place in candidates.values() if place.startswith(second.root)}
    assert {os.path.relpath(place, second.root) for place in from_second} == {
        *UNCHANGED,
        "runner/lib/same.so",
    }
    rest = {os.path.relpath(place, root) for place in set(candidates.values()) - from_second}
    assert rest == {"server", "runner/alias"}


def test_an_upgrade_shares_what_is_unchanged_and_gives_the_same_tree(
    tmp_path: Path, home: Home, root: Path, new: PayloadReader
) -> None:
    done = install(new, home, 2)
    shared = 2 * 1500 + len(b"small") + len(b"behind a directory that nobody may write to")
    assert done.shared_bytes == shared
    assert done.plain_bytes == new.index.plain_bytes - shared
    check_home(home, new, tmp_path / "new")
    for path in (*UNCHANGED, "runner/lib/same.so"):
        assert (root / path).stat().st_ino == (Path(done.path) / path).stat().st_ino
    for path in ("server", "runner/alias", "runner/data/empty"):
        assert (root / path).stat().st_ino != (Path(done.path) / path).stat().st_ino
    # A new name changes a file's ctime and nothing that the old version's record holds.
    assert look(root).keys() == look(Path(done.path)).keys()


@pytest.mark.parametrize(
    "number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.EOPNOTSUPP]
)
@pytest.mark.parametrize("refused", ["all", "some"])
def test_where_no_link_can_be_made_the_file_is_extracted(
    tmp_path: Path,
    home: Home,
    root: Path,
    new: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    refused: str,
) -> None:
    link = os.link

    def refuse(source: str, target: str, *, follow_symlinks: bool) -> None:
        if source.startswith(str(root)) and (refused == "all" or source.endswith("first.so")):
            raise OSError(number, os.strerror(number), source)
        link(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", refuse)
    done = install(new, home, 2)
    check_home(home, new, tmp_path / "new")
    assert done.plain_bytes + done.shared_bytes == new.index.plain_bytes
    assert (done.shared_bytes == 0) == (refused == "all")


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, NoSpaceError), (errno.EDQUOT, NoSpaceError), (errno.EIO, OSError)],
)
def test_a_disk_that_would_refuse_an_extraction_too_ends_it(
    tmp_path: Path,
    home: Home,
    old: PayloadReader,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
) -> None:
    def refuse(source: str, target: str, *, follow_symlinks: bool) -> None:
        raise OSError(number, os.strerror(number))

    # No hardlink among its entries: the first link of all is one to the version in use.
    components = {"server": File(noise(1, 5000), 0o755)}
    with open_payload(write_payload(tmp_path, components, settings("2.0.0"))) as reader:
        with monkeypatch.context() as patch:
            patch.setattr(os, "link", refuse)
            with pytest.raises(kind, match="staging"):
                install(reader, home)
        check_home(home, old, tmp_path / "old")
        assert install(reader, home).shared_bytes == 5000


REFERRING: Components = {
    "base": File(noise(50, 4000), 0o755),
    "later": {"program": File(akin(noise(50, 4000), 51, 3000), 0o755)},
}
AGAIN: Components = {
    "base": File(noise(50, 4000), 0o755),
    "later": {"program": File(akin(noise(50, 4000), 52, 3000), 0o755)},
}


@pytest.fixture
def referring(tmp_path: Path, home: Home) -> tuple[Path, PayloadReader]:
    """A version whose files a new one uses as references, and that new one."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    references = {"later/program": "base"}
    first = write_payload(tmp_path / "first", REFERRING, settings("3.0.0"), references)
    second = write_payload(tmp_path / "second", AGAIN, settings("4.0.0"), references)
    with open_payload(first) as reader:
        place = Path(install(reader, home).path)
    reader = open_payload(second)
    assert any(frame.reference is not None for frame in reader.index.frames)
    return place, reader


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_shared_file_is_the_reference_of_one_that_is_extracted(
    tmp_path: Path, home: Home, referring: tuple[Path, PayloadReader], jobs: int
) -> None:
    place, reader = referring
    with reader:
        done = install(reader, home, jobs)
        check_home(home, reader, tmp_path / "second")
    assert (done.plain_bytes, done.shared_bytes) == (3000, 4000)
    assert (place / "base").stat().st_ino == (Path(done.path) / "base").stat().st_ino


def test_a_reference_whose_contents_are_wrong_is_extracted_again(
    tmp_path: Path, home: Home, referring: tuple[Path, PayloadReader]
) -> None:
    """Its metadata say that it is sound; what is made with it would be refused as damaged."""
    place, reader = referring
    overwrite(place / "base")
    with reader:
        done = install(reader, home, 2)
        check_home(home, reader, tmp_path / "second")
    assert (done.plain_bytes, done.shared_bytes) == (7000, 0)


def test_the_digest_of_what_has_no_contents(old: PayloadReader) -> None:
    digests = {entry.path: reuse.digest(entry) for entry in old.index.entries}
    assert digests["runner/hollow"] is None
    assert digests["runner/runner"] == digests["runner/alias"]
    link = digests["runner/lib/link.so"]
    assert link is not None
    assert link not in (digests["runner/lib/first.so"], digests["runner/lib/up"])


def test_contents_are_compared_with_their_modes(tmp_path: Path, home: Home) -> None:
    root, record = record_of(home)
    for path, mode, digest in zip(record.paths, record.modes, record.digests, strict=True):
        if digest == "-":
            continue
        assert reuse.is_intact(str(root / path), mode, digest)
        assert not reuse.is_intact(str(root / path), mode ^ 0o001, digest)
        assert not reuse.is_intact(str(root / path), mode, "00" * 16)
    assert not reuse.is_intact(str(tmp_path / "nothing"), 0o100644, "00" * 16)


def test_a_file_is_hashed_in_pieces(
    tmp_path: Path, root: Path, old: PayloadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = old.index.entries[0]
    assert entry.path == "server"
    monkeypatch.setattr(reuse, "_PIECE_BYTES", 4096)
    assert reuse.is_sound(entry, str(root / "server"))
    overwrite(root / "server")
    assert not reuse.is_sound(entry, str(root / "server"))
    assert sources_of(tmp_path / "old")["server"].content != (root / "server").read_bytes()
