import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.peers import (
    GoEmbed,
    Makeself,
    Nuitka,
    OneFile,
    ScieJump,
    SevenZip,
    SquashFs,
    Start,
    Stigmer,
    TarZstd,
    Wrappe,
    Zip,
    compile_modules,
    others,
    stigmer,
)
from benchmarks.peers.extracting import SelfExtractor

_START = Start("bin/program", ("--word",))
_ARCHIVE, _TARGET = Path("/archive"), Path("/target")


def _argv(peer: SelfExtractor) -> list[str]:
    command = peer.unpack(_ARCHIVE, _TARGET, 2)
    assert command is not None
    (argv,) = command.argvs
    return argv


@pytest.mark.parametrize("quick", [False, True])
def test_everybody_is_told_apart_by_name_and_archive(quick: bool) -> None:
    peers = [Stigmer(quick=quick), *others(quick=quick)]
    assert len({peer.name for peer in peers}) == len(peers)
    suffixes = [peer.suffix for peer in peers if peer.suffix]
    assert len(set(suffixes)) == len(peers) - 1
    assert Wrappe(verification="none").suffix != Wrappe(verification="checksum").suffix


def test_a_quick_archive_says_so_in_its_name() -> None:
    named = (TarZstd, Zip, SquashFs, SevenZip, Makeself, Wrappe, Nuitka, GoEmbed)
    for kind in named:
        assert kind(quick=True).name != kind(quick=False).name


@pytest.mark.parametrize(
    ("peer", "line"),
    [
        (Zip(), "absent: unzip, zip (apt install unzip zip)"),
        (SquashFs(), "absent: mksquashfs, unsquashfs (apt install squashfs-tools)"),
        (SevenZip(), "absent: 7z (apt install p7zip-full)"),
        (Makeself(), "absent: makeself, zstd (apt install makeself zstd)"),
        (Wrappe(), "absent: cargo (rustup toolchain install stable; it then builds wrappe)"),
        (OneFile(), "absent: objdump (apt install binutils)"),
        (Nuitka(), "absent: gcc, patchelf (apt install gcc patchelf)"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_peer_that_lacks_its_tools_says_what_brings_them(
    monkeypatch: pytest.MonkeyPatch, peer: SelfExtractor, line: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert peer.absent() == line


def test_a_7z_without_its_module_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/somewhere")
    monkeypatch.setattr(SevenZip, "module", tmp_path / "7zCon.sfx")
    assert SevenZip().absent() == "absent: 7zCon.sfx (apt install p7zip-full)"
    (tmp_path / "7zCon.sfx").touch()
    assert SevenZip().absent() is None


def test_onefile_without_pyinstaller_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert OneFile().absent() == "absent: PyInstaller (pip install '.[freeze]')"


def test_what_has_no_recipe_is_always_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/somewhere")
    assert ScieJump().absent() == "absent: on no registry (gh release download --repo a-scie/jump)"
    assert ScieJump().pack(_ARCHIVE, _TARGET, 2) is None


def test_those_that_must_start_something_start_the_same_below_the_target() -> None:
    assert _argv(Wrappe(_START)) == ["/archive", "--word"]
    packed = Wrappe(_START).pack(Path("/tree"), _ARCHIVE, 2)
    assert packed.argvs[0][-6:-4] == ["--program", "bin/program"]
    for peer in (OneFile(_START), Nuitka(_START)):
        assert _argv(peer) == ["/archive", "bin/program", "--word"]
    for each in (Wrappe(_START), OneFile(_START), Nuitka(_START)):
        command = each.unpack(_ARCHIVE, _TARGET, 2)
        assert command.variables == {"TMPDIR": "/target"}


def test_what_is_removed_at_the_end_is_moved_aside_to_be_compared() -> None:
    command = OneFile(_START).keep(_ARCHIVE, _TARGET, 2)
    assert command.argvs == (["/archive"],)
    assert command.variables["KEEP"] == str(OneFile().written(_TARGET))


def test_who_keeps_what_it_wrote_can_be_started_without_its_check() -> None:
    bare = Wrappe(_START).bare(_TARGET)
    assert bare.argvs == (["/target/release/1.0.0/bin/program", "--word"],)
    assert Nuitka(_START).bare(_TARGET).argvs[0][1:] == ["bin/program", "--word"]
    assert OneFile(_START).bare(_TARGET) is None


def test_who_starts_again_says_what_it_looks_at() -> None:
    for peer in (Stigmer(), *others()):
        again = peer.again(_ARCHIVE, _TARGET, 2)
        assert (again is not None) == bool(peer.checks), peer.name
    assert Wrappe(verification="checksum").checks == "every byte: XXH64"
    assert Wrappe(verification="existence").checks == "that each file exists"


def test_modules_are_compiled_as_an_installer_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, monkeypatch, "value = 1\n")
    compile_modules()
    compiled = tmp_path / "pretended" / "__pycache__" / f"one.{sys.implementation.cache_tag}.pyc"
    assert compiled.is_file()


def test_a_module_that_cannot_be_compiled_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, monkeypatch, "value =\n")
    with pytest.raises(BenchmarkError, match="exit code 1"):
        compile_modules()


def _package(root: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    (root / "pretended").mkdir()
    (root / "pretended" / "__init__.py").touch()
    (root / "pretended" / "one.py").write_text(source)
    monkeypatch.setattr(stigmer, "_CHECKOUT", root)
    monkeypatch.setattr(stigmer, "_PACKAGES", ("pretended",))
