"""What a command must not load: each of these costs the frozen host some of its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[4]
HEAVY = {"asyncio", "construct", "grpc", "logging", "ssl", "zstandard", "zstandard.backend_c"}


def loaded_by(home: Path, *words: str) -> set[str]:
    code = (
        "import sys\n"
        "from extractor.host.cli import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={"PYTHONPATH": str(REPOSITORY), "STIGMER_HOME": str(home)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("server", "status"), {"subprocess", "h2", "psutil"}),
        (("server", "stop"), {"subprocess", "h2", "psutil"}),
    ],
)
def test_what_finds_nothing_running_stays_light(
    words: tuple[str, ...], more: set[str], tmp_path: Path
) -> None:
    assert loaded_by(tmp_path, *words) & (HEAVY | more) == set()


def test_the_version_needs_neither_decoder_nor_supervisor(tmp_path: Path) -> None:
    vector = REPOSITORY / "tests" / "vectors" / "tree.payload"
    loaded = loaded_by(tmp_path, "version", "--payload", str(vector))
    assert "container.codec" in loaded
    assert loaded & (HEAVY | {"subprocess", "h2", "psutil", "json"}) == set()
