"""What weighs how much, by package; the modules inside of a program count for theirs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from PyInstaller.archive.writers import CArchiveWriter, ZlibArchiveWriter

from container.reader import open_payload
from packer.weights import PROGRAM, REST, STANDARD, Weight, weigh
from tests.support import commands
from tests.support.samples import noise, write_payload
from tests.support.trees import File

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.payloads import Components

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
MODULES = {
    "alpha": "A = 1\n" * 50,
    "alpha.part": "B = 2\n" * 50,
    "spread.one": "C = 3\n" * 50,
    "json": "D = 4\n" * 50,
}
"""Of a Python archive; ``spread`` is a namespace package."""


def program(directory: Path) -> bytes:
    """The bytes of a frozen program: a loader, and PyInstaller's archive behind it."""
    codes = {name: compile(text, name, "exec") for name, text in MODULES.items()}
    sources = [(name, "__init__.py" if name == "alpha" else "x.py", "PYMODULE") for name in codes]
    python, archive = directory / "PYZ.pyz", directory / "small.pkg"
    ZlibArchiveWriter(str(python), [*sources, ("spread", "-", "PYMODULE")], codes)
    CArchiveWriter(str(archive), [("PYZ.pyz", str(python), False, "z")], "libpython.so")
    return b"\x7fELF" + noise(1, 400) + archive.read_bytes()


def weights_of(directory: Path, components: Components) -> list[Weight]:
    with open_payload(write_payload(directory, components)) as reader:
        return weigh(reader)


@pytest.fixture
def frozen(tmp_path: Path) -> Components:
    inside = f"_internal/{VERSION}/lib-dynload/math.so"
    return {
        "plain": File(b"not frozen" * 100, 0o755),
        "small": {
            "small": File(program(tmp_path), 0o755),
            "_internal/alpha/native.abi3.so": File(noise(2, 2000), 0o755),
            "_internal/alpha-1.0.dist-info/METADATA": File(b"Name: alpha", 0o644),
            "_internal/alpha.libs/libz.so": File(noise(3, 500), 0o755),
            "_internal/spread/two/native.so": File(noise(4, 1500), 0o755),
            "_internal/_alone.cpython-311-x86_64-linux-gnu.so": File(noise(5, 300), 0o755),
            "_internal/libother.so.1": File(noise(6, 200), 0o755),
            "_internal/base_library.zip": File(noise(7, 700), 0o644),
            inside: File(noise(8, 100), 0o755),
        },
    }


def test_packages_are_weighed_with_their_files_metadata_and_modules(
    frozen: Components, tmp_path: Path
) -> None:
    weights = weights_of(tmp_path, frozen)
    assert [weight.component for weight in weights if weight.package == PROGRAM] == [
        *("plain", "small"),
    ]
    small = {weight.package: weight for weight in weights if weight.component == "small"}
    counts = {name: (weight.files, weight.modules) for name, weight in small.items()}
    assert counts == {
        "alpha": (3, 2),
        "spread.one": (0, 1),
        "spread.two": (1, 0),
        STANDARD: (2, 1),
        REST: (1, 0),
        PROGRAM: (1, 0),
        "_alone": (1, 0),
    }
    assert small["spread.two"].plain_bytes == 1500
    # Noise does not compress, and is most of what alpha has.
    assert 2500 < small["alpha"].stored_bytes < small["alpha"].plain_bytes


def test_nothing_is_lost_or_counted_twice(frozen: Components, tmp_path: Path) -> None:
    weights = weights_of(tmp_path, frozen)
    with open_payload(tmp_path / "payload") as reader:
        for component in reader.index.components:
            mine = [weight for weight in weights if weight.component == component.name]
            assert sum(weight.plain_bytes for weight in mine) == component.plain_bytes
            stored_bytes = reader.index.stored_bytes_of(component)
            # Each file, and each package of a program, is rounded by itself.
            entries = len(reader.index.entries_of(component))
            assert abs(sum(w.stored_bytes for w in mine) - stored_bytes) <= entries + len(mine)
            assert mine == sorted(mine, key=lambda weight: -weight.stored_bytes)


def test_without_pyinstaller_a_program_counts_as_one(
    frozen: Components, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PyInstaller.archive.readers", None)
    weights = weights_of(tmp_path, frozen)
    assert sum(weight.modules for weight in weights) == 0
    sizes = {w.package: w.plain_bytes for w in weights if w.component == "small"}
    assert sizes[PROGRAM] == (tmp_path / "components/small/small").stat().st_size


def test_they_are_shown(frozen: Components, tmp_path: Path) -> None:
    path = write_payload(tmp_path, frozen)
    shown = commands.pack("inspect", path, "--weights")
    assert shown.status == 0, shown
    heads = [line.split() for line in shown.out.splitlines()]
    assert ["component", "package", "files", "modules", "plain", "stored", "share"] in heads
    assert any(words[:4] == ["small", "alpha", "3", "2"] for words in heads)
    listed = json.loads(commands.pack("inspect", path, "--weights", "--json").out)["weights"]
    with open_payload(path) as reader:
        assert listed == [weight._asdict() for weight in weigh(reader)]
    assert "weights" not in json.loads(commands.pack("inspect", path, "--json").out)
