"""What is scanned, what is refused, and that a file read twice is the same both times."""

import errno
import hashlib
import os
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from container.errors import ContainerError, PackError, SourceChangedError, UnsafePathError
from container.model import ComponentKind, EntryKind
from packer.sources import ComponentSource, ScannedComponent, SourceFile, read_digests, scan
from tests.support.payloads import component
from tests.support.trees import Directory, File, Hardlink, Symlink, Tree, write_tree


def scan_tree(root: Path, **options: str) -> ScannedComponent:
    return scan(ComponentSource("tree", "1", root, **options))


def source_of(place: Path) -> SourceFile:
    source = scan(component(place)).entries[0].source
    assert source is not None
    return source


def test_a_tree_is_listed_in_the_order_of_its_paths(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path / "any-name",
        {
            "b": File(b"bb", 0o755),
            "a/x": File(b"", 0o600),
            "a-b": Symlink("a/x"),
            "empty": Directory(0o700),
            "z": Hardlink("b"),
        },
    )
    found = scan_tree(root)
    assert found.kind == ComponentKind.TREE
    assert [(entry.path, entry.kind, entry.mode, entry.link) for entry in found.entries] == [
        ("tree", EntryKind.DIRECTORY, 0o755, ""),
        ("tree/a", EntryKind.DIRECTORY, 0o755, ""),
        ("tree/a-b", EntryKind.SYMLINK, 0o777, "a/x"),
        ("tree/a/x", EntryKind.FILE, 0o600, ""),
        ("tree/b", EntryKind.FILE, 0o755, ""),
        ("tree/empty", EntryKind.DIRECTORY, 0o700, ""),
        ("tree/z", EntryKind.HARDLINK, 0o755, "tree/b"),
    ]


def test_a_file_whose_other_names_lie_elsewhere_is_a_file(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree", {"a": File(b"a")})
    os.link(root / "a", tmp_path / "elsewhere")
    assert scan_tree(root).entries[1].kind == EntryKind.FILE


@pytest.mark.parametrize(("windows", "path"), [(False, "tool"), (True, "tool.exe")])
def test_a_program_is_named_like_its_component(tmp_path: Path, windows: bool, path: str) -> None:
    (tmp_path / "built").write_bytes(b"program")
    found = scan(ComponentSource("tool", "1", tmp_path / "built"), windows=windows)
    assert (found.kind, [entry.path for entry in found.entries]) == (ComponentKind.FILE, [path])


def test_a_symlink_named_as_the_component_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"program")
    write_tree(tmp_path / "real-tree", {"a": File(b"a")})
    for link, target in (("program", "real"), ("tree", "real-tree")):
        (tmp_path / link).symlink_to(target)
    assert scan(component(tmp_path / "program")).kind == ComponentKind.FILE
    assert len(scan(component(tmp_path / "tree")).entries) == 2


def set_mode(mode: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        place.touch()
        place.chmod(mode)

    return make


def bind(place: Path) -> None:
    # The path of a socket has 108 bytes at most; a name relative to its directory is short.
    directory = os.open(place.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{directory}/{place.name}")
    os.close(directory)


REFUSED: list[tuple[str, Callable[[Path], object], type[ContainerError], str]] = [
    ("setuid", set_mode(0o4755), PackError, "setuid.*found 0o4755.*chmod"),
    ("setgid", set_mode(0o2755), PackError, "setuid"),
    ("sticky", set_mode(0o1755), PackError, "setuid"),
    ("fifo", os.mkfifo, PackError, "neither a regular file"),
    ("nul.txt", lambda place: place.touch(), UnsafePathError, "device on Windows"),
    ("a:b", lambda place: place.touch(), UnsafePathError, "not portable"),
    ("new\nline", lambda place: place.touch(), UnsafePathError, "not portable"),
    ("dot.", lambda place: place.touch(), UnsafePathError, "dot or blank"),
    ("absolute", lambda place: place.symlink_to("/bin/sh"), UnsafePathError, "/bin/sh"),
    ("escaping", lambda place: place.symlink_to("../x"), UnsafePathError, "leads out"),
]


@pytest.mark.parametrize(
    ("name", "make", "error", "text"), REFUSED, ids=[ascii(case[0]) for case in REFUSED]
)
def test_what_a_payload_cannot_hold_is_refused_with_its_place(
    tmp_path: Path,
    name: str,
    make: Callable[[Path], object],
    error: type[ContainerError],
    text: str,
) -> None:
    root = write_tree(tmp_path / "tree", {"file": File(b"")})
    make(root / name)
    with pytest.raises(error, match=text) as caught:
        scan_tree(root)
    assert str(root) in str(caught.value)


@pytest.mark.parametrize(
    "pair", [("file", "FILE"), ("\xe9", "e\u0301"), ("\xc9", "e\u0301")], ids=ascii
)
def test_names_that_another_system_takes_for_one_are_refused(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    root = write_tree(tmp_path / "tree", {})
    for name in pair:
        (root / name).touch()
    if len(os.listdir(root)) == 1:
        pytest.skip("this file system takes them for one itself")
    with pytest.raises(UnsafePathError, match="collides"):
        scan_tree(root)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="binds through /proc")
def test_a_socket_is_refused(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree", {})
    bind(root / "socket")
    with pytest.raises(PackError, match="neither a regular file"):
        scan_tree(root)


def test_a_device_is_refused() -> None:
    with pytest.raises(PackError, match="/dev/null: is neither a regular file"):
        scan(ComponentSource("null", "1", Path(os.devnull)))


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS refuses such names itself")
@pytest.mark.parametrize("what", ["name", "link"])
def test_bytes_that_are_not_utf_8_are_refused(tmp_path: Path, what: str) -> None:
    root = write_tree(tmp_path / "tree", {})
    if what == "name":
        os.close(os.open(os.fsencode(root) + b"/\xff", os.O_CREAT))
    else:
        os.symlink(b"\xff", os.fsencode(root) + b"/link")
    with pytest.raises(UnsafePathError, match="not UTF-8"):
        scan_tree(root)


@pytest.mark.parametrize("directory", [True, False])
def test_a_setgid_root_is_refused_too(tmp_path: Path, directory: bool) -> None:
    place = tmp_path / "root"
    if directory:
        place.mkdir()
    else:
        place.touch()
    place.chmod(0o2755)
    # Some systems drop the bit; then there is nothing to refuse.
    if stat.S_IMODE(place.stat().st_mode) == 0o2755:
        with pytest.raises(PackError, match="setuid"):
            scan(component(place))


@pytest.mark.parametrize(("name", "version"), [("a b", "1"), (".a", "1"), ("a", ""), ("a", "1/2")])
def test_labels_are_checked_before_the_disk_is_read(
    tmp_path: Path, name: str, version: str
) -> None:
    with pytest.raises(UnsafePathError, match="not a legal component"):
        scan(ComponentSource(name, version, tmp_path / "missing"))


def test_a_missing_path_is_an_os_error_with_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        scan(component(tmp_path / "missing"))


def test_an_unreadable_directory_is_an_os_error_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tree(tmp_path / "tree", {"d/a": File(b"")})
    real = os.scandir

    # Root reads every directory, so the refusal is made here.
    def refuse(place: str) -> object:
        if place.endswith("/d"):
            raise PermissionError(errno.EACCES, "Permission denied", place)
        return real(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="tree/d"):
        scan_tree(root)


@pytest.mark.parametrize(
    ("tree", "wanted", "found"),
    [
        ({"tree": File(b"", 0o755)}, None, "tree/tree"),
        ({"tree.exe": File(b"", 0o755)}, None, "tree/tree.exe"),
        ({"tree": File(b"", 0o644)}, None, None),
        ({"tree": Directory()}, None, None),
        ({"bin/run": File(b"", 0o755)}, "bin/run", "tree/bin/run"),
        ({"a": File(b"", 0o755), "b": Hardlink("a")}, "b", "tree/b"),
    ],
)
def test_the_entry_point(
    tmp_path: Path, tree: dict[str, File], wanted: str | None, found: str | None
) -> None:
    root = write_tree(tmp_path / "x", tree)
    assert scan(ComponentSource("tree", "1", root, wanted)).entry_point == found


@pytest.mark.parametrize("wanted", ["missing", "plain", "link", "d", "../x"])
def test_an_entry_point_that_cannot_run_is_refused(tmp_path: Path, wanted: str) -> None:
    tree: Tree = {"plain": File(b"", 0o644), "link": Symlink("plain"), "d": Directory()}
    root = write_tree(tmp_path / "x", tree)
    with pytest.raises(PackError, match=r"entry point.*found"):
        scan(ComponentSource("tree", "1", root, wanted))


def test_digests_are_of_the_whole_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    root = write_tree(tmp_path / "tree", {"a": File(content), "b": File(b""), "c": Hardlink("a")})
    seen: list[int] = []
    digests = read_digests([scan_tree(root)], 3, seen.append)
    assert set(digests) == {"tree/a", "tree/b"}
    assert digests["tree/a"].sha256 == hashlib.sha256(content).digest()
    assert sorted(seen) == [0, len(content)]


def grow(place: Path) -> None:
    with open(place, "ab") as stream:
        stream.write(b"more")


def rewrite(place: Path) -> None:
    status = place.stat()
    place.write_bytes(bytes(status.st_size))
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(place: Path) -> None:
    status = place.stat()
    other = place.with_name("other")
    other.write_bytes(place.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, place)


def to_fifo(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


CHANGES = [grow, lambda place: os.truncate(place, 3), replace, to_fifo, lambda p: p.chmod(0o600)]


def wait_for_another_ctime(place: Path) -> None:
    """Leave the clock tick in which the file was written: ctime is as coarse as the tick."""
    before = place.stat().st_ctime_ns
    probe = place.with_name("probe")
    probe.touch()
    while probe.stat().st_ctime_ns == before:
        probe.chmod(0o600)


@pytest.mark.parametrize("change", [*CHANGES, rewrite])
def test_a_file_that_changed_since_the_scan_is_refused(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"content")
    scanned = scan(component(place))
    source = source_of(place)
    wait_for_another_ctime(place)
    change(place)
    with pytest.raises(SourceChangedError, match=f"{place}: changed"):
        source.read(0, 7)
    with pytest.raises(SourceChangedError, match=f"{place}: changed"):
        read_digests([scanned], 1)


def test_a_file_that_went_away_is_an_os_error_with_its_path(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"content")
    source = source_of(place)
    place.unlink()
    with pytest.raises(FileNotFoundError, match=str(place)):
        source.read(0, 7)


@pytest.mark.parametrize(("offset", "size"), [(0, 8), (7, 1), (100, 1)])
def test_a_read_past_the_end_is_a_change(tmp_path: Path, offset: int, size: int) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"content")
    with pytest.raises(SourceChangedError):
        source_of(place).read(offset, size)


def test_a_run_of_a_file_is_read(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"content")
    source = source_of(place)
    assert (source.read(0, 7), source.read(2, 3), source.read(7, 0)) == (b"content", b"nte", b"")
