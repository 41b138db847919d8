"""How many instructions the hot paths take: a figure that a busy machine does not change.

Counted by valgrind, which runs all threads of a process one after the other: two counts of one
path differ by less than a percent. The same path takes other instructions with another Python or
another libzstd, so a count is compared only with one from a machine that has the same.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError
from benchmarks.inputs import stage_many
from benchmarks.installing import CHECKOUT, QUICK_LEVEL
from benchmarks.measure import answer
from benchmarks.peers import Stigmer
from fixtures import provide_go

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.workspace import Workspace

_ENTRIES = 1_100
_SHOWN_CHARACTERS = 2000
_CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
# Each is a whole process; that of an interpreter without a program is taken off. In this order:
# what the first start installs is what the warm check finds.
_PATHS = {
    "first start": """
import sys
from container.reader import open_payload
from extractor.home import Home
from extractor.install import install
with open_payload(sys.argv[1]) as reader:
    assert not install(reader, Home(sys.argv[2]), 1).already
""",
    "warm check": """
import sys
from extractor.home import Home
from extractor.warm import installed
assert installed(sys.argv[1], Home(sys.argv[2]))
""",
    "open and list": """
import sys
from container.reader import open_payload
with open_payload(sys.argv[1]) as reader:
    print("\\n".join(f"{entry.plain_bytes:>12} {entry.path}" for entry in reader.index.entries))
""",
}


class NoCounterError(BenchmarkError):
    """Nothing here counts instructions."""


def machine(facts: dict[str, Any]) -> dict[str, str]:
    """What a count depends on besides this project.

    Args:
        facts: of ``machine.describe``.
    Raises:
        NoCounterError: there is no valgrind, or it cannot run this Python.
    """
    if shutil.which(_CALLGRIND[0]) is None:
        raise NoCounterError("there is no valgrind here (apt install valgrind)")
    try:
        _count("", [])
    except BenchmarkError as error:
        raise NoCounterError(f"valgrind does not work here: {error}") from error
    return {
        "architecture": platform.machine(),
        "python": f"{facts['python']}, {platform.python_compiler()}",
        "libc": " ".join(platform.libc_ver()),
        "libzstd": facts["libzstd"],
        "zstandard": facts["libraries"]["zstandard"],
        "xxhash": facts["libraries"]["xxhash"],
        "counter": answer([_CALLGRIND[0], "--version"]).strip(),
    }


def count(workspace: Workspace) -> dict[str, int]:
    """Instructions of each hot path on one worker, beyond those of an empty interpreter.

    Raises:
        BenchmarkError: a path fails.
    """
    payload = workspace.archive(Stigmer(QUICK_LEVEL), workspace.tree("counted", _stage))
    home = workspace.root / "home-counted"
    counts = {}
    # Bytecode is there only after a first run, and compiling it would be counted.
    for counted in (False, True):
        workspace.clear(home)
        for name, script in _PATHS.items():
            words = [str(payload), str(home)]
            if counted:
                counts[name] = _count(script, words)
            else:
                _run([], script, words)
    empty = _count("", [])
    return {name: instructions - empty for name, instructions in counts.items()}


def _stage(target: Path) -> None:
    """Files whose bytes are the same on every machine: small ones, and a program of some size."""
    target.mkdir()
    stage_many(target / "packages", _ENTRIES)
    shutil.copy(provide_go("linux-amd64")["gofmt"], target / "program")


def _count(script: str, words: list[str]) -> int:
    found = re.search(r"Collected : (\d+)", _run(_CALLGRIND, script, words))
    if found is None:
        raise BenchmarkError(f"{_CALLGRIND[0]} tells no count")
    return int(found[1])


def _run(before: list[str], script: str, words: list[str]) -> str:
    """What is said on standard error."""
    # The order of sets depends on the seed, and the start of a process on all its variables.
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*before, sys.executable, "-s", "-c", script, *words],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"exit code {done.returncode}:\n{done.stderr[-_SHOWN_CHARACTERS:]}")
    return done.stderr
