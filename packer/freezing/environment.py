"""The environment that a program is frozen from: its interpreter, and what is installed in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from container.errors import FreezeError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Isolated: no PYTHONPATH, no user's packages and not this directory decide what is found.
_ASK = """
import json, sys
from importlib import metadata
try:
    pyinstaller = metadata.version("pyinstaller")
except metadata.PackageNotFoundError:
    pyinstaller = None
print(json.dumps([sys.version.split()[0], sys.path, pyinstaller]))
"""
_FIND = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
try:
    sys.exit(importlib.util.find_spec(sys.argv[2]) is None)
except ImportError:
    sys.exit(1)
"""
_OLDEST_PYINSTALLER = 6


class Environment(NamedTuple):
    """An interpreter with packages."""

    python: Path
    python_version: str
    pyinstaller_version: str
    directories: tuple[str, ...]
    """Where it looks for modules, first to last."""

    def knows(self, module: str, beside: Path) -> bool:
        """Whether the interpreter finds a module, in ``beside`` too."""
        argv: list[str | Path] = [self.python, "-I", "-c", _FIND, beside, module]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0


class InstalledFile(NamedTuple):
    """One file of an installed distribution."""

    distribution: str
    directory: Path
    """The one of the search path that holds it."""
    path: PurePosixPath
    """Below that directory."""
    sha256: str | None
    """As the installer recorded it: URL-safe base64 without padding."""

    @property
    def file(self) -> Path:
        """Where it is."""
        return self.directory / self.path


def examine(directory: Path | None) -> Environment:
    """Ask an environment what it is.

    Args:
        directory: of a virtual environment; None is the one that this process runs in.
    Raises:
        FreezeError: it has no interpreter that works, or no PyInstaller.
    """
    python = Path(sys.executable) if directory is None else Path(directory, "bin", "python")
    # Not resolved: the link's own place tells the interpreter which environment it belongs to.
    python = Path(os.path.abspath(python))
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ASK], capture_output=True, encoding="utf-8", check=True
        )
        version, directories, pyinstaller = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise FreezeError(
            "no Python that works",
            str(python),
            "an interpreter",
            str(error),
            "give --environment the directory of a virtual environment",
        ) from error
    wanted = f"at least {_OLDEST_PYINSTALLER}"
    remedy = "add pyinstaller to its locked requirements and install them"
    if pyinstaller is None or int(pyinstaller.split(".")[0]) < _OLDEST_PYINSTALLER:
        found = pyinstaller or "none"
        raise FreezeError("no PyInstaller that can be used", str(python), wanted, found, remedy)
    return Environment(python, version, pyinstaller, tuple(path for path in directories if path))


def installed_files(environment: Environment) -> Iterator[InstalledFile]:
    """All files of all distributions, as their installers recorded them."""
    for directory in environment.directories:
        for distribution in metadata.distributions(path=[directory]):
            for path in distribution.files or ():
                recorded = path.hash if path.hash and path.hash.mode == "sha256" else None
                yield InstalledFile(
                    normalised(distribution.metadata["Name"]),
                    Path(directory),
                    PurePosixPath(path),
                    recorded.value if recorded else None,
                )


def normalised(distribution: str) -> str:
    """The name as package indexes compare it.

    Source: the name normalization of the Python packaging specifications.
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()
