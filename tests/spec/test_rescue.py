"""The script of FORMAT.md section 13 gives every file back without this project."""

import os
import random
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from container.reader import PayloadReader, open_payload
from packer.embed import embed, write_alone
from packer.packing import prepare
from packer.sources import ComponentSource
from packer.writer import Settings
from tests.spec import document

# Small frames, so that files span them; a low level, since only the shape matters.
SETTINGS = Settings("v1.2.3", "linux-amd64", 3, 96 << 10, 2)


@pytest.fixture(scope="module", autouse=True)
def zstd() -> str:
    program = shutil.which("zstd")
    if program is None:
        pytest.fail(
            "the rescue recipe needs the zstd program, 1.4.5 or later: "
            "apt-get install zstd, dnf install zstd or brew install zstd"
        )
    return program


@pytest.fixture
def components(tmp_path: Path) -> list[ComponentSource]:
    """Two programs that share code, and a tree with one of everything that a payload can hold."""
    source = tmp_path / "source"
    source.mkdir()
    random_ = random.Random(20)
    shared = random_.randbytes(300 << 10)
    (source / "first").write_bytes(shared)
    # From the end to the start: only a dictionary finds the shared half of each frame.
    (source / "second").write_bytes(shared[150 << 10 :] + random_.randbytes(160 << 10) + shared)
    tree = source / "tree"
    (tree / "empty directory").mkdir(parents=True)
    (tree / "sub" / "deep").mkdir(parents=True)
    (tree / "tree").write_bytes(b"#!/bin/sh\n" + bytes(1000))
    (tree / "empty").touch()
    (tree / "sub" / "-n").write_bytes(b"a name that looks like an option\n")
    (tree / "sub" / "it's $HOME").write_bytes(b"a name that a shell could expand\n")
    (tree / "sub" / "gr\u00fc\u00dfe \u2713").write_bytes(random_.randbytes(200 << 10))
    (tree / "sub" / "again").write_bytes((tree / "tree").read_bytes())
    (tree / "sub" / "deep" / "file").write_bytes(b"x")
    os.link(tree / "sub" / "deep" / "file", tree / "sub" / "linked")
    (tree / "sub" / "deep" / "up").symlink_to("../again")
    (tree / "-s").symlink_to("sub/-n")
    (tree / "dangling").symlink_to("nowhere")
    for path in sorted(source.rglob("*"), reverse=True):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    for name, mode in (
        ("first", 0o755),
        ("second", 0o700),
        ("tree/tree", 0o751),
        ("tree/empty", 0o400),
        ("tree/sub/-n", 0o467),
        ("tree/sub/deep", 0o500),
        ("tree/sub", 0o511),
        ("tree/empty directory", 0o777),
    ):
        (source / name).chmod(mode)
    return [
        ComponentSource("first", "1", source / "first"),
        ComponentSource("second", "2", source / "second"),
        ComponentSource("tree", "3", tree),
    ]


def minimal_elf() -> bytes:
    """A program for linux-amd64 that does nothing: one segment, whose code is exit(0)."""
    code = bytes.fromhex("31ff b83c000000 0f05")
    size = 64 + 56 + len(code)
    header = struct.pack(
        "<4sBBBBQHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0, 2, 0x3E, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 4096)
    return header + segment + code


def rescue(payload: Path, output: Path) -> subprocess.CompletedProcess[str]:
    script = payload.with_suffix(".sh")
    script.write_text(document.fenced("sh"), encoding="utf-8")
    return subprocess.run(
        ["sh", script, payload, output], capture_output=True, encoding="utf-8", check=False
    )


def facts(path: Path) -> tuple[object, ...]:
    """Kind, mode and contents of what stands there."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return "symlink", os.readlink(path)
    mode = oct(stat.S_IMODE(status.st_mode))
    if stat.S_ISDIR(status.st_mode):
        return "directory", mode
    return "file", mode, status.st_nlink, readable(path)


def readable(path: Path) -> bytes:
    """Contents of a file whose mode can forbid reading; the mode is put back."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o600)
    try:
        return path.read_bytes()
    finally:
        path.chmod(mode)


def tree_facts(root: Path) -> dict[str, tuple[object, ...]]:
    return {str(path.relative_to(root)): facts(path) for path in sorted(root.rglob("*"))}


def check_rescued(payload: Path, components: list[ComponentSource], tmp_path: Path) -> None:
    # From the source's side, so that a file that the script left behind is seen too.
    wanted = tree_facts(components[0].path.parent)
    output = tmp_path / "rescued"
    done = rescue(payload, output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tree_facts(output) == wanted
    linked = output / "tree" / "sub"
    assert (linked / "linked").samefile(linked / "deep" / "file")


def references(payload: Path) -> set[int | None]:
    with open_payload(payload) as reader:
        return {frame.reference for frame in reader.index.frames}


def test_a_payload_alone_without_references(
    tmp_path: Path, components: list[ComponentSource]
) -> None:
    payload = tmp_path / "alone.payload"
    write_alone(payload, prepare(components, SETTINGS, references=False), SETTINGS)
    assert references(payload) == {None}
    check_rescued(payload, components, tmp_path)


def test_a_packed_executable_with_references(
    tmp_path: Path, components: list[ComponentSource]
) -> None:
    host, payload = tmp_path / "host", tmp_path / "packed"
    host.write_bytes(minimal_elf())
    host.chmod(0o755)
    embed(host, payload, prepare(components, SETTINGS), SETTINGS)
    assert len(references(payload)) > 1, "no frame has a reference: nothing is shown"
    assert payload.read_bytes().startswith(minimal_elf() + bytes(100))
    check_rescued(payload, components, tmp_path)


def test_longer_rows_and_foreign_sections_do_not_disturb(tmp_path: Path) -> None:
    vectors = Path(__file__).resolve().parents[1] / "vectors"
    for name in ("longer-rows", "unknown-optional-section", "detached-footer", "no-components"):
        payload = tmp_path / f"{name}.payload"
        payload.write_bytes((vectors / f"{name}.payload").read_bytes())
        done = rescue(payload, tmp_path / name)
        assert (done.returncode, done.stderr) == (0, "")
        with open_payload(payload) as reader:
            check_against_reader(reader, tmp_path / name)


def check_against_reader(reader: PayloadReader, output: Path) -> None:
    found = {str(path.relative_to(output)) for path in output.rglob("*")}
    assert found == {entry.path for entry in reader.index.entries}
    for entry in reader.index.entries:
        if entry.plain_bytes:
            contents = b"".join(map(bytes, reader.read_entry(entry)))
            assert readable(output / entry.path) == contents


def test_what_is_no_payload_is_refused(tmp_path: Path) -> None:
    payload = tmp_path / "no.payload"
    payload.write_bytes(bytes(200))
    done = rescue(payload, tmp_path / "rescued")
    assert done.returncode == 1
    assert done.stderr == f"{payload}: no payload ends here\n"
    assert not (tmp_path / "rescued").exists()


def test_zstd_alone_gives_the_content_stream(
    tmp_path: Path, components: list[ComponentSource], zstd: str
) -> None:
    payload = tmp_path / "alone.payload"
    write_alone(payload, prepare(components, SETTINGS, references=False), SETTINGS)
    decoded = subprocess.run([zstd, "-dcq", payload], capture_output=True, check=True).stdout
    with open_payload(payload) as reader:
        contents = {
            entry.content_offset: b"".join(map(bytes, reader.read_entry(entry)))
            for entry in reader.index.entries
            if entry.plain_bytes
        }
        assert len(decoded) == reader.index.content_bytes
    assert decoded == b"".join(contents[offset] for offset in sorted(contents))


def test_zstd_alone_stops_where_a_frame_has_a_reference(
    tmp_path: Path, components: list[ComponentSource], zstd: str
) -> None:
    payload = tmp_path / "alone.payload"
    write_alone(payload, prepare(components, SETTINGS), SETTINGS)
    assert len(references(payload)) > 1
    done = subprocess.run([zstd, "-dcq", payload], capture_output=True, check=False)
    assert done.returncode != 0
