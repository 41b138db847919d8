"""Small Python programs to be frozen, and environments with distributions made of literals."""

from __future__ import annotations

import base64
import hashlib
import site
import sys
import venv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Modules that a small program does not need, so that the freeze is over soon.
LEAN = 'excludes = ["ssl", "unittest", "pydoc", "multiprocessing", "sqlite3", "email", "xml"]'


def write_program(directory: Path, files: Mapping[str, str], freeze: str = LEAN) -> Path:
    """Write a program whose entry script is ``main.py``; return its settings file.

    Args:
        directory: made.
        files: texts by path.
        freeze: further lines of the section [freeze], and sections below it.
    """
    directory.mkdir(parents=True)
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings = directory / "freeze.toml"
    settings.write_text(
        '[freeze]\nname = "small"\nentry-script = "main.py"\nselfcheck = ["--selfcheck"]\n'
        f"{freeze}\n"
    )
    return settings


def make_environment(
    directory: Path, distributions: Mapping[str, Mapping[str, str]] | None = None
) -> Path:
    """Make a virtual environment that sees this one's packages, PyInstaller among them.

    Args:
        directory: made.
        distributions: files by path, by distribution; a later one overwrites an earlier one's.
    """
    make_bare_environment(directory)
    packages = site_packages(directory)
    # Behind its own packages, as an installation of both into one directory would be.
    (packages / "others.pth").write_text(f"{site.getsitepackages()[0]}\n")
    for name, files in (distributions or {}).items():
        install(packages, name, files)
    return directory


def make_bare_environment(directory: Path) -> Path:
    """Make a virtual environment with nothing in it."""
    venv.create(directory, symlinks=True, with_pip=False)
    return directory


def site_packages(environment: Path) -> Path:
    """Where an environment has its packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return environment / "lib" / version / "site-packages"


def install(packages: Path, name: str, files: Mapping[str, str]) -> None:
    """Install a distribution: its files, and a record with the digest of each."""
    lines = []
    for path, text in files.items():
        target = packages / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(text)}\n")
    information = packages / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines.append(f"{information.name}/RECORD,,\n")
    (information / "RECORD").write_text("".join(lines))
