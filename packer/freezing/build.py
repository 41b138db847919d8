"""Running PyInstaller, the same way each time, and reading what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container.errors import FreezeError, MissingImportError
from packer.freezing.missing import Missing, read_warnings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packer.freezing.environment import Environment
    from packer.freezing.settings import FreezeSettings

_SHOWN_LINES = 20
_HIDDEN = re.compile(r"Hidden import ['\"]([^'\"]+)['\"] not found")
_FIXED = {
    # The order of sets goes into compiled modules.
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    # PyInstaller writes the time of day into programs for Windows only; here against surprises.
    "SOURCE_DATE_EPOCH": "1700000000",
}


class Built(NamedTuple):
    """What PyInstaller made."""

    program: Path
    """The tree's directory, or the one file."""
    missing: list[Missing]
    """Imports that it could not resolve, harmless ones among them."""


def build(
    settings: FreezeSettings, environment: Environment, hooks: Path | None, scratch: Path
) -> Built:
    """Run PyInstaller in a directory of its own.

    Raises:
        MissingImportError: a hidden import does not exist.
        FreezeError: PyInstaller failed, or a tool that it needs is absent.
    """
    if settings.strip and shutil.which("strip") is None:
        raise FreezeError(
            "no program strip on PATH",
            f"{settings.origin}: freeze.strip",
            remedy="install binutils, or set strip = false",
        )
    argv = [
        *(environment.python, "-m", "PyInstaller", "--noconfirm", "--noupx", "--clean"),
        *("--name", settings.name, "--onefile" if settings.onefile else "--onedir"),
        *("--distpath", scratch / "dist", "--workpath", scratch / "work", "--specpath", scratch),
        *_options(settings, hooks),
        os.path.abspath(settings.entry_script),
    ]
    done = subprocess.run(
        argv,
        cwd=scratch,
        env=_process_environment(settings, scratch),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        umask=0o022,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-_SHOWN_LINES:])
        raise FreezeError(
            f"PyInstaller {environment.pyinstaller_version} failed",
            str(settings.entry_script),
            found=f"exit code {done.returncode}:\n{tail}\n",
        )
    for name in _HIDDEN.findall(done.stdout):
        if name in settings.hidden_imports:
            raise MissingImportError(
                f"no module {name} in the environment",
                f"{settings.origin}: freeze.hidden-imports",
                remedy="correct the name, or install what provides it",
            )
    warnings = scratch / "work" / settings.name / f"warn-{settings.name}.txt"
    return Built(
        scratch / "dist" / settings.name,
        read_warnings(warnings.read_text(encoding="utf-8", errors="replace")),
    )


def _options(settings: FreezeSettings, hooks: Path | None) -> Iterable[str | Path]:
    if settings.strip:
        yield "--strip"
    for option, values in (
        ("--hidden-import", settings.hidden_imports),
        ("--exclude-module", settings.excludes),
        ("--copy-metadata", settings.copy_metadata),
        # The choices come first: PyInstaller takes the first hook of a name.
        ("--additional-hooks-dir", ([hooks] if hooks else []) + list(settings.hooks)),
    ):
        for value in values:
            yield option
            yield value.absolute() if isinstance(value, Path) else value
    for source, place in settings.data.items():
        yield "--add-data"
        yield f"{source.absolute()}{os.pathsep}{place}"


def _process_environment(settings: FreezeSettings, scratch: Path) -> dict[str, str]:
    # PYTHONPATH and its like would let this machine's packages into the tree.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    fixed = _FIXED | {"PYINSTALLER_CONFIG_DIR": str(scratch / "config")}
    if not settings.compress:
        # Stored: zstd sees the real bytes of a tree, and one file starts without inflating itself.
        fixed["PYINSTALLER_ZLIB_COMPRESSION_LEVEL"] = "0"
    return kept | fixed
