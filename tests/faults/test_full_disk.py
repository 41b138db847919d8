"""A real file system that gets full: every page and every inode of an installation once the last.

It is a tmpfs of its own, in a mount namespace of its own; errors come from the kernel.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from container.errors import NoSpaceError
from container.reader import open_payload
from extractor import preflight
from extractor.home import Home
from extractor.install import install
from tests.support.commands import REPOSITORY
from tests.support.transactions import Releases

if TYPE_CHECKING:
    from pathlib import Path

_NAMESPACE = ["unshare", "--map-root-user", "--mount"]


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_NAMESPACE, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="this system makes no mount namespaces for us")
@pytest.mark.parametrize(("name", "least"), [("first", 25), ("upgrade", 12), ("repair", 10)])
def test_a_disk_that_gets_full_anywhere(tmp_path: Path, name: str, least: int) -> None:
    done = subprocess.run(
        [*_NAMESPACE, sys.executable, "-m", "tests.support.small_disk", tmp_path, name],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    attempts = [json.loads(line) for line in done.stdout.splitlines()]
    for kind in ("pages", "inodes"):
        wheres = [attempt["where"] for attempt in attempts if attempt["kind"] == kind]
        # All but the last are refused, and that one is not.
        assert wheres[-1] is None
        assert None not in wheres[:-1]
    places = {re.sub("[0-9a-f]{16}", "", attempt["where"] or "") for attempt in attempts}
    assert len(attempts) >= least
    assert len(places) >= least // 2


def test_a_disk_without_space_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases, home = Releases(tmp_path / "releases"), Home(str(tmp_path / "home"))
    monkeypatch.setattr(preflight, "_SPACE_MARGIN_BYTES", 1 << 60)
    with (
        open_payload(releases.payloads["1.0.0"]) as reader,
        pytest.raises(NoSpaceError, match="not enough space; nothing was written"),
    ):
        install(reader, home)
    assert sorted(path.name for path in (tmp_path / "home").rglob("*")) == [
        ".lock",
        "staging",
        "versions",
    ]
