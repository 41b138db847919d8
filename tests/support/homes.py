"""Homes to install into, what is in them, and what would show that something was written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from extractor import manifest as records
from tests.support.samples import look, sources_of

if TYPE_CHECKING:
    from container.reader import PayloadReader
    from extractor.home import Home
    from tests.support.trees import Found

REPOSITORY = Path(__file__).resolve().parents[2]
WATCHDOG_SECONDS = 60


class Trace(NamedTuple):
    """What would show that something was written."""

    inode: int
    mtime_ns: int
    ctime_ns: int


def traces(root: Path) -> dict[str, Trace]:
    """Of a directory and everything below it."""
    found = {str(place): place.lstat() for place in (root, *root.rglob("*"))}
    return {
        path: Trace(status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        for path, status in found.items()
    }


def installed_tree(home: Home) -> dict[str, Found]:
    """What ``bin`` leads to, without the record."""
    found = look(Path(home.bin).resolve())
    del found[records.NAME]
    return found


def check_home(home: Home, leads_to: PayloadReader, sources: Path) -> None:
    """``bin`` leads to exactly that, undamaged, and no attempt has left anything."""
    version = leads_to.index.metadata.version
    assert os.readlink(home.bin).startswith(f"versions/v{version}-")
    assert installed_tree(home) == sources_of(sources)
    assert os.listdir(home.staging) == []


def record_of(home: Home) -> tuple[Path, records.Manifest]:
    """Directory and record of the version in use."""
    name = home.current()
    assert name is not None
    root = home.version_path(name)
    record = records.read(root)
    assert record is not None
    return Path(root), record


def in_namespace(
    script: str, *words: str | Path, python: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a shell script as the root of user and mount namespaces of its own.

    Args:
        script: may mount what it likes; ``$PYTHON`` runs this interpreter, ``$CODE`` is ``python``.
        words: ``$1`` and so on.
        python: a program for ``$PYTHON -c "$CODE"``.
    """
    return subprocess.run(
        ["unshare", "-rm", "sh", "-euc", script, "sh", *map(str, words)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHON": sys.executable,
            "PYTHONPATH": str(REPOSITORY),
            "CODE": python,
        },
        capture_output=True,
        encoding="utf-8",
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
