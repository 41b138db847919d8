"""Every way in which a command fails: its exit code, and what it says on standard error."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from container import codec, errors, magic
from container import reader as container_reader
from container.errors import ContainerError
from container.reader import open_payload
from container.source import FileSource
from extractor.preflight import this_platform
from packer import options
from packer.packing import prepare
from tests.support import commands
from tests.support.executables import elf
from tests.support.payloads import (
    directory_entry,
    dissect,
    file_entry,
    frame_row,
    raw_frame,
    seal,
    tree_index,
    zstd_frame,
)
from tests.support.trees import File, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from container.reader import PayloadReader
    from tests.cli.conftest import Workshop

USAGE = 2
OS_ERROR = errors.OS_ERROR_EXIT_CODE

# What no command line raises, and why.
NOT_REACHABLE = {
    errors.ContainerError: "the root: each error that is raised is one of its leaves",
    errors.InstallError: "a root: each error that is raised is one of its leaves",
}
ELSEWHERE = {
    errors.FreezeError: "test_freeze.py",
    errors.ReleaseError: "test_release.py",
    errors.ServiceError: "tests/e2e/test_server_commands.py",
}
"""Families of errors that need more than the workshop has, and where they are provoked."""

Words = list["str | Path"]


class Case(NamedTuple):
    """One command that fails."""

    name: str
    expected: type[ContainerError] | int
    program: str
    words: Callable[[Workshop, pytest.MonkeyPatch], Words]
    text: str
    """A regular expression that standard error matches."""


CASES: list[Case] = []


def case(
    name: str, expected: type[ContainerError] | int, program: str, text: str
) -> Callable[[Callable[[Any, Any], Words]], Callable[[Any, Any], Words]]:
    """Adds a case; the function prepares it and returns the words of its command."""

    def add(words: Callable[[Any, Any], Words]) -> Callable[[Any, Any], Words]:
        CASES.append(Case(name, expected, f"stigmer-{program}", words, text))
        return words

    return add


def pack_words(shop: Workshop, *words: str | Path) -> Words:
    """A complete ``pack`` command, with more words behind it."""
    return [
        *("pack", "--output", shop.path("out"), "--version", "1.0.0", "--level", "1"),
        *("--platform", "linux-amd64"),
        *words,
    ]


def embed_words(shop: Workshop, host: Path, *words: str | Path) -> Words:
    """A complete ``embed`` command, with more words behind it."""
    return [
        *("embed", "--host", host, "--output", shop.path("out"), "--version", "1.0.0"),
        *("--level", "1"),
        *words,
    ]


# Wrong usage.


@case("no command", USAGE, "pack", "Usage:")
def _(shop: Workshop, patch: Any) -> Words:
    return []


@case("unknown command", USAGE, "extract", "No such command 'explode'")
def _(shop: Workshop, patch: Any) -> Words:
    return ["explode"]


@case("unknown option", USAGE, "pack", "No such option.*--fast")
def _(shop: Workshop, patch: Any) -> Words:
    return ["pack", "--fast"]


@case("no target", USAGE, "extract", "Missing option '--to'")
def _(shop: Workshop, patch: Any) -> Words:
    return ["unpack", shop.payload]


@case("a repair with nothing to take it from", USAGE, "extract", "--repair needs FILE")
def _(shop: Workshop, patch: Any) -> Words:
    return ["verify", "--repair", "--home", shop.path("home")]


@case("no such style", USAGE, "extract", "'--progress': 'loud' is not one of")
def _(shop: Workshop, patch: Any) -> Words:
    return ["install", shop.payload, "--home", shop.path("home"), "--progress", "loud"]


@case("no workers", USAGE, "extract", "'--jobs': 0 is not in the range")
def _(shop: Workshop, patch: Any) -> Words:
    return ["unpack", shop.payload, "--to", shop.path("t"), "--jobs", "0"]


@case("no such level", USAGE, "pack", "'--level': 23 is not in the range")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, "--level", "23")


@case("no such platform", USAGE, "pack", "'--platform': 'beos' is not one of")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, "--platform", "beos")


@case("a frame too small", USAGE, "pack", "'--frame-size': 1 is not in the range")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, "--frame-size", "1")


@case("a digest too short", USAGE, "pack", "--index-sha256.*64 hexadecimal digits")
def _(shop: Workshop, patch: Any) -> Words:
    return ["verify", shop.payload, "--index-sha256", "abcd"]


@case("a digest of other letters", USAGE, "pack", "--index-sha256.*64 hexadecimal digits")
def _(shop: Workshop, patch: Any) -> Words:
    return ["verify", shop.payload, "--index-sha256", "z" * 64]


# The system refuses.


@case("no such file to list", OS_ERROR, "extract", "nothing: No such file or directory")
def _(shop: Workshop, patch: Any) -> Words:
    return ["list", shop.path("nothing")]


@case("no such file to verify", OS_ERROR, "pack", "nothing: No such file or directory")
def _(shop: Workshop, patch: Any) -> Words:
    return ["verify", shop.path("nothing")]


@case("a directory to inspect", OS_ERROR, "pack", "product: not a regular file")
def _(shop: Workshop, patch: Any) -> Words:
    return ["inspect", shop.payload.parent]


@case("a FIFO to list", OS_ERROR, "extract", "fifo: not a regular file")
def _(shop: Workshop, patch: Any) -> Words:
    os.mkfifo(shop.path("fifo"))
    return ["list", shop.path("fifo")]


@case("no such host", OS_ERROR, "pack", "nothing: No such file or directory")
def _(shop: Workshop, patch: Any) -> Words:
    return embed_words(shop, shop.path("nothing"), *shop.components)


@case("no such component", OS_ERROR, "pack", "nothing: No such file or directory")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, f"server={shop.path('nothing')}")


@case("no such manifest", OS_ERROR, "pack", "nothing.toml: No such file or directory")
def _(shop: Workshop, patch: Any) -> Words:
    return ["pack", "--manifest", shop.path("nothing.toml")]


@case("no directory for the output", OS_ERROR, "pack", "nothing.*: No such file or directory")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, "--output", shop.path("nothing/out"), *shop.components)


@case("a target below a file", OS_ERROR, "extract", "payload/below: Not a directory")
def _(shop: Workshop, patch: Any) -> Words:
    return ["unpack", shop.payload, "--to", shop.payload / "below"]


@case("a home below a file", OS_ERROR, "extract", "payload/home: Not a directory")
def _(shop: Workshop, patch: Any) -> Words:
    return ["install", shop.payload, "--home", shop.payload / "home"]


# A bad payload.


@case("no payload to list", errors.NotAContainerError, "extract", "host: .*too short")
def _(shop: Workshop, patch: Any) -> Words:
    return ["list", shop.host]


@case("a payload cut off", errors.LostPayloadError, "pack", "cut: .*was packed, and lost")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("elf").write_bytes(elf())
    words = embed_words(shop, shop.path("elf"), *shop.components)
    assert commands.pack(*words, "--platform", "linux-amd64").status == 0
    shop.path("cut").write_bytes(shop.path("out").read_bytes()[: len(elf())])
    shop.path("out").unlink()
    return ["verify", shop.path("cut")]


@case("no payload to strip", errors.NotAContainerError, "pack", "long: no payload ends here")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("long").write_bytes(bytes(1000))
    return ["strip", shop.path("long"), "--output", shop.path("out")]


@case("an empty file", errors.NotAContainerError, "extract", "empty: too short")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("empty").write_bytes(b"")
    return ["unpack", shop.path("empty"), "--to", shop.path("t")]


@case("a payload without its beginning", errors.FormatError, "extract", "lost its beginning")
def _(shop: Workshop, patch: Any) -> Words:
    return ["list", shop.copy(shop.payload, "late", shop.payload.read_bytes()[1:])]


@case("an index that contradicts itself", errors.FormatError, "pack", "begins with its own")
def _(shop: Workshop, patch: Any) -> Words:
    index = tree_index([file_entry("tree", b"content")])
    shop.path("bad").write_bytes(seal(index, b""))
    return ["inspect", shop.path("bad")]


@case("a file that is cut while it is read", errors.TruncatedError, "extract", "too early")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    path = shop.copy(shop.payload, "shrinks")

    def open_and_cut(file: str) -> PayloadReader:
        reader = open_payload(file)
        os.truncate(file, 100)
        return reader

    patch.setattr(container_reader, "open_payload", open_and_cut)
    return ["unpack", path, "--to", shop.path("t")]


@case("a newer format", errors.UnsupportedVersionError, "extract", "found 2.0.*newer release")
def _(shop: Workshop, patch: Any) -> Words:
    data = shop.payload.read_bytes()
    parts = dissect(data)
    newer = parts.footer._replace(major=2)
    data = data[: -magic.FOOTER_BYTES] + codec.encode_footer(newer)
    return ["list", shop.copy(shop.payload, "newer", data)]


@case("an index beyond all bounds", errors.LimitExceededError, "pack", "size of the index")
def _(shop: Workshop, patch: Any) -> Words:
    parts = dissect(shop.payload.read_bytes())
    data = seal(parts.index_data, parts.frames, index_bytes=1 << 30)
    return ["verify", shop.copy(shop.payload, "huge", data)]


@case("a damaged frame", errors.IntegrityError, "extract", "frame 0: .*fetch it again")
def _(shop: Workshop, patch: Any) -> Words:
    data = bytearray(shop.payload.read_bytes())
    data[20] ^= 1
    return ["unpack", shop.copy(shop.payload, "damaged", bytes(data)), "--to", shop.path("t")]


@case("another build than the pinned one", errors.IntegrityError, "pack", "not the pinned one")
def _(shop: Workshop, patch: Any) -> Words:
    return ["verify", shop.payload, "--index-sha256", "00" * 32]


@case("a path that leads out", errors.UnsafePathError, "extract", "illegal path")
def _(shop: Workshop, patch: Any) -> Words:
    plain = b"content"
    stored = zstd_frame(plain)
    index = tree_index([file_entry("../../out", plain)], [frame_row(stored, len(plain))])
    shop.path("evil").write_bytes(seal(index, stored))
    return ["unpack", shop.path("evil"), "--to", shop.path("t")]


@case("a name that cannot be packed", errors.UnsafePathError, "pack", "runner: .*not portable")
def _(shop: Workshop, patch: Any) -> Words:
    (shop.tree / "a:b").write_bytes(b"")
    return pack_words(shop, f"runner={shop.tree}")


@case("a link that leads out", errors.UnsafePathError, "pack", "link leads out")
def _(shop: Workshop, patch: Any) -> Words:
    (shop.tree / "out").symlink_to("../../etc")
    return pack_words(shop, f"runner={shop.tree}")


@case("a component name with a slash", errors.UnsafePathError, "pack", "legal component name")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, f"a/b={shop.server}")


@case("an unknown component", errors.UnknownEntryError, "extract", "nothing: .*server, runner")
def _(shop: Workshop, patch: Any) -> Words:
    return ["unpack", shop.payload, "nothing", "--to", shop.path("t")]


# Inputs that cannot be packed.


@case("no components", errors.PackError, "pack", "no components.*give NAME=PATH")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop)


@case("not a component", errors.PackError, "pack", "NAME=PATH or NAME@VERSION=PATH, found 'x'")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, "x")


@case("an empty version", errors.PackError, "pack", "not a component.*'x@=y'")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, "x@=y")


@case("two of one name", errors.PackError, "pack", "server: two components of the same name")
def _(shop: Workshop, patch: Any) -> Words:
    return pack_words(shop, f"server={shop.server}", f"server={shop.tree}")


@case("no version", errors.PackError, "pack", "no product version; give --version")
def _(shop: Workshop, patch: Any) -> Words:
    words = ("pack", "--output", shop.path("out"), "--platform", "linux-amd64")
    return [*words, *shop.components]


@case("no platform", errors.PackError, "pack", "no platform.*give --platform")
def _(shop: Workshop, patch: Any) -> Words:
    words = ("pack", "--output", shop.path("out"), "--version", "1.0.0")
    return [*words, *shop.components]


@case("a script says no platform", errors.PackError, "pack", "no platform.*give --platform")
def _(shop: Workshop, patch: Any) -> Words:
    return embed_words(shop, shop.host, *shop.components)


@case("no output", errors.PackError, "pack", "no output file; give --output")
def _(shop: Workshop, patch: Any) -> Words:
    return ["pack", "--version", "1.0.0", *shop.components]


@case("no host", errors.PackError, "pack", "no host; give --host")
def _(shop: Workshop, patch: Any) -> Words:
    return ["embed", "--output", shop.path("out"), "--version", "1.0.0", *shop.components]


@case("an output that is a directory", errors.PackError, "pack", "t: the output is a directory")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("t").mkdir()
    return pack_words(shop, "--output", shop.path("t"), *shop.components)


@case("a host of another platform", errors.PackError, "pack", "host runs on another platform")
def _(shop: Workshop, patch: Any) -> Words:
    header = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00" + bytes(44)
    shop.path("elf").write_bytes(header)
    return embed_words(shop, shop.path("elf"), "--platform", "darwin-arm64", *shop.components)


@case("a device in a tree", errors.PackError, "pack", "neither a regular file")
def _(shop: Workshop, patch: Any) -> Words:
    os.mkfifo(shop.tree / "fifo")
    return pack_words(shop, f"runner={shop.tree}")


@case("a setuid program", errors.PackError, "pack", "setuid.*chmod u-s")
def _(shop: Workshop, patch: Any) -> Words:
    shop.server.chmod(0o4755)
    return pack_words(shop, f"server={shop.server}")


@case("a payload alone has no host", errors.PackError, "pack", "payload alone")
def _(shop: Workshop, patch: Any) -> Words:
    return ["strip", shop.payload, "--output", shop.path("out")]


@case("a source that changes", errors.SourceChangedError, "pack", "server: changed while")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    def prepare_and_touch(*arguments: Any, **keywords: Any) -> Any:
        plan = prepare(*arguments, **keywords)
        os.utime(shop.server, ns=(1, 1))
        return plan

    patch.setattr(options, "prepare", prepare_and_touch)
    return pack_words(shop, *shop.components)


@case("a Mach-O host", errors.UnsupportedHostError, "pack", "Mach-O host cannot take a payload")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("macho").write_bytes(b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + bytes(100))
    return embed_words(shop, shop.path("macho"), *shop.components)


@case("a packed host", errors.AlreadyPackedError, "pack", "carries a payload already.*--replace")
def _(shop: Workshop, patch: Any) -> Words:
    return embed_words(shop, shop.packed, "--platform", this_platform(), *shop.components)


# The target refuses.


@case("no space", errors.NoSpaceError, "extract", r"staging: not enough space.*found 0\)")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    class Full:
        f_bavail = 0
        f_frsize = 4096
        f_flag = 0

    words: Words = ["install", shop.payload, "--home", shop.path("home")]
    patch.setattr(os, "statvfs", lambda _path: Full)
    return words


@case("a lock that is held", errors.BusyError, "extract", "home: another process.*try again")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    def held(descriptor: int, operation: int) -> None:
        raise BlockingIOError(errno.EWOULDBLOCK, "Resource temporarily unavailable")

    words: Words = ["install", shop.payload, "--home", shop.path("home"), "--no-wait"]
    patch.setattr(fcntl, "flock", held)
    return words


@case("a noexec mount", errors.NotExecutableError, "extract", "mounted noexec; choose a home")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    access = os.access
    patch.setattr(os, "access", lambda path, mode: "probe-" not in path and access(path, mode))
    return ["install", shop.payload, "--home", shop.path("home")]


@case("a home that is a file", errors.UnsuitableHomeError, "extract", "home: not a directory")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("home").write_bytes(b"")
    return ["install", shop.payload, "--home", shop.path("home")]


@case("a home for all", errors.UnsuitableHomeError, "extract", "home: everybody can.*chmod o-w")
def _(shop: Workshop, patch: Any) -> Words:
    shop.path("home").mkdir()
    shop.path("home").chmod(0o777)
    return ["install", shop.payload, "--home", shop.path("home")]


@case("a newer version", errors.DowngradeError, "extract", "newer version.*at most 1.0.0.*--force")
def _(shop: Workshop, patch: Any) -> Words:
    home = shop.path("used")
    assert shop.pack("newer", "--version", "1.1.0").status == 0
    assert commands.extract("install", shop.path("newer"), "--home", home).status == 0
    return ["install", shop.payload, "--home", home]


def not_installed(*words: str) -> None:
    @case(f"nothing to {words[0]}", errors.NotInstalledError, "extract", "home: nothing is inst")
    def _(shop: Workshop, patch: Any) -> Words:
        return [*words, "--home", shop.path("home")]


for command in ("status", "verify", "rollback", "clean"):
    not_installed(command)


@case("nothing to go back to", errors.NotInstalledError, "extract", "no version to go back to")
def _(shop: Workshop, patch: Any) -> Words:
    assert commands.extract("install", shop.payload, "--home", shop.path("used")).status == 0
    return ["rollback", "--home", shop.path("used")]


@case("another version to verify", errors.NotInstalledError, "extract", "another version is in use")
def _(shop: Workshop, patch: Any) -> Words:
    assert commands.extract("install", shop.payload, "--home", shop.path("used")).status == 0
    assert shop.pack("newer", "--version", "1.1.0").status == 0
    return ["verify", shop.path("newer"), "--home", shop.path("used")]


@case("the disk fills up", errors.NoSpaceError, "extract", "no space left.*nothing was changed")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    words: Words = ["unpack", shop.payload, "--to", shop.path("t")]

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(os, "pwrite", full)
    return words


@case("a target of somebody else", errors.NotWritableError, "extract", "t: cannot be written to")
def _(shop: Workshop, patch: pytest.MonkeyPatch) -> Words:
    words: Words = ["unpack", shop.payload, "--to", shop.path("t")]

    def refuse(path: str, mode: int = 0o777) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    patch.setattr(os, "mkdir", refuse)
    return words


@case("another machine", errors.WrongPlatformError, "extract", "another platform.*fetch")
def _(shop: Workshop, patch: Any) -> Words:
    other = "darwin-arm64" if this_platform() != "darwin-arm64" else "linux-amd64"
    assert shop.pack("foreign", "--platform", other).status == 0
    return ["install", shop.path("foreign"), "--home", shop.path("home")]


@case("something stands there", errors.TargetExistsError, "extract", "t/server: stands where")
def _(shop: Workshop, patch: Any) -> Words:
    write_tree(shop.path("t"), {"server": File(b"mine")})
    return ["unpack", shop.payload, "--to", shop.path("t")]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_failure_has_its_exit_code_and_says_what_is_wrong(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    with monkeypatch.context() as patch:
        words = case.words(shop, patch)
        outcome = commands.run(case.program, *words)
    code = case.expected if isinstance(case.expected, int) else case.expected.exit_code
    assert outcome.status == code, outcome
    assert re.search(case.text, outcome.err, re.DOTALL), outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    if code != USAGE:
        last = outcome.err.splitlines()[-1]
        assert last.startswith("error: ")
    # Whatever failed, the output is not there, and neither is half of it.
    assert not shop.path("out").exists()
    assert not list(shop.root.glob(".out.*"))
    assert not shop.path("home").is_dir() or not os.path.lexists(shop.path("home/bin"))


def leaves(root: type[ContainerError]) -> Iterator[type[ContainerError]]:
    yield root
    for child in root.__subclasses__():
        yield from leaves(child)


def test_every_error_is_provoked_from_a_command_line_or_said_to_be_out_of_reach() -> None:
    provoked = {case.expected for case in CASES if not isinstance(case.expected, int)}
    others = NOT_REACHABLE.keys() | {error for root in ELSEWHERE for error in leaves(root)}
    assert provoked | others == set(leaves(ContainerError))
    assert provoked.isdisjoint(others)


class Damage(NamedTuple):
    """Bytes of a packed file that are not what they were."""

    name: str
    change: Callable[[bytes], bytes]
    opened: int
    """Exit code of what reads the index alone: list, inspect."""
    decoded: int
    """Exit code of what reads everything: verify, unpack."""


def flipped(data: bytes, offset: int) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= 1
    return bytes(changed)


def index_offset(data: bytes) -> int:
    return len(data) - dissect(data).footer.index_distance


DAMAGES = [
    Damage("the host", lambda data: flipped(data, 3), 0, 0),
    Damage("the padding in front of the payload", lambda data: flipped(data, 4000), 0, 0),
    Damage("bytes in front of the host", lambda data: b"more" + data, 0, 0),
    Damage("the first frame's magic", lambda data: flipped(data, 4096), 0, 15),
    Damage("the middle of a frame", lambda data: flipped(data, 4096 + 12), 0, 15),
    Damage(
        "the last byte of the frames", lambda data: flipped(data, index_offset(data) - 9), 0, 15
    ),
    Damage(
        "the index's skippable header", lambda data: flipped(data, index_offset(data) - 8), 11, 11
    ),
    Damage("the size in that header", lambda data: flipped(data, index_offset(data) - 4), 11, 11),
    Damage("the index's magic", lambda data: flipped(data, index_offset(data)), 15, 15),
    Damage("the last byte of the index", lambda data: flipped(data, len(data) - 65), 15, 15),
    Damage("the footer's skippable magic", lambda data: flipped(data, len(data) - 64), 15, 15),
    Damage("the footer's magic", lambda data: flipped(data, len(data) - 56), 10, 10),
    Damage("the major version", lambda data: flipped(data, len(data) - 48), 13, 13),
    Damage("the minor version", lambda data: flipped(data, len(data) - 46), 15, 15),
    Damage("a distance", lambda data: flipped(data, len(data) - 40), 15, 15),
    Damage("the footer's digest", lambda data: flipped(data, len(data) - 1), 15, 15),
    Damage("a byte appended", lambda data: data + b"\n", 10, 10),
    Damage("a byte lost at the end", lambda data: data[:-1], 10, 10),
    Damage("half of it lost", lambda data: data[: len(data) // 2], 10, 10),
    Damage("the footer alone", lambda data: data[-64:], 11, 11),
    Damage("line ends rewritten", lambda data: data.replace(b"\r\n", b"\n"), 10, 10),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.name for damage in DAMAGES])
def test_damage_is_found_at_every_place_by_whoever_reads_it(shop: Workshop, damage: Damage) -> None:
    data = shop.packed.read_bytes()
    assert dissect(data).footer.lead_bytes
    path = shop.copy(shop.packed, "damaged", damage.change(data))
    for words in (("list", path), ("list", path, "--json")):
        assert commands.extract(*words).status == damage.opened
    assert commands.pack("inspect", path).status == damage.opened
    assert commands.pack("verify", path).status == damage.decoded
    outcome = commands.extract("unpack", path, "--to", shop.path("target"))
    assert outcome.status == damage.decoded
    if damage.decoded:
        assert str(path) in outcome.err
        assert not shop.path("target").exists()


def test_a_file_that_no_longer_can_be_read_is_named(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.payload

    def fail(*arguments: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    for call in ("pread", "preadv"):
        monkeypatch.setattr(os, call, fail)
    outcome = commands.extract("list", path)
    assert outcome.status == OS_ERROR
    assert outcome.err == f"error: {path}: Input/output error\n"


def test_an_unreadable_file_is_a_matter_of_the_system(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser may read everything, so the refusal is put in by hand."""
    path = shop.payload

    def refuse(self: FileSource, file: str, descriptor: int | None = None) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr(FileSource, "__init__", refuse)
    assert commands.extract("list", path) == (
        OS_ERROR,
        "",
        f"error: {path}: Permission denied\n",
    )


def test_a_frame_that_is_not_what_the_index_says_is_refused(shop: Workshop) -> None:
    """Its digests are right, as a forger would have them; its zstd header is not."""
    stored = raw_frame(b"\x01\x00\x00", plain_bytes=9)
    entries = [directory_entry("tree"), file_entry("tree/x", b"content")]
    index = tree_index(entries, [frame_row(stored, 7)])
    shop.path("forged").write_bytes(seal(index, stored))
    outcome = commands.extract("unpack", shop.path("forged"), "--to", shop.path("t"))
    assert outcome.status == errors.FormatError.exit_code
    assert "the zstd frame contradicts the index" in outcome.err


def test_a_missing_output_directory_is_named_before_anything_is_packed(tmp_path: Path) -> None:
    output = tmp_path / "missing" / "out"
    words = ["pack", "--platform", "linux-amd64", "--version", "1", "--output", str(output)]
    done = commands.pack(*words, f"absent={tmp_path / 'absent'}")
    assert done.status == OS_ERROR
    assert done.err == f"error: {output.parent}: No such file or directory\n"
