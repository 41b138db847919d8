"""What a result depends on besides this project: the machine, the tools, the libraries."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.measure import answer
from fixtures.peers.tools import WRAPPE_VERSION, nuitka_version

if TYPE_CHECKING:
    from pathlib import Path

_LIBRARIES = ("stigmer-payload", "zstandard", "xxhash", "click", "construct")
# Asked of another process: what is imported here counts in every peak (see measure.Run).
_LIBZSTD = "import zstandard; print(*zstandard.ZSTD_VERSION, sep='.')"
# What makes a tool tell its version; each prints it somewhere in its first lines.
_TOOLS = {
    "tar": ["tar", "--version"],
    "zstd": ["zstd", "--version"],
    "gzip": ["gzip", "--version"],
    "xz": ["xz", "--version"],
    "unzip": ["unzip", "-v"],
    "unsquashfs": ["unsquashfs", "-version"],
    "cp": ["cp", "--version"],
    "7z": ["7z"],
    "makeself": ["makeself", "--version"],
    "go": ["go", "version"],
    "gcc": ["gcc", "--version"],
}
# Peers that fixtures bring, where what builds them is here.
_BUILT = {"cargo": ("wrappe", WRAPPE_VERSION), "patchelf": ("nuitka", nuitka_version())}


def pin_cores(wanted: int) -> int:
    """Keep this process and all that it starts on so many cores; returns how many it got.

    Where the system offers no way to do so, the count is that of all cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, usable[:wanted])
    return min(wanted, len(usable))


def describe(work: Path, cores: int) -> dict[str, Any]:
    """Facts to print beside every result; no names of machines or paths.

    Args:
        work: where the measured files lie.
        cores: how many the measured processes may use.
    """
    return {
        "cpu": _cpu(),
        "cores_used": cores,
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "filesystem": _filesystem(work),
        "cache": "warm where nothing else is said: inputs were read by an untimed run; sync before "
        "each timed one",
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "libzstd": answer([sys.executable, "-c", _LIBZSTD]).strip(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "tools": {name: _version(argv) for name, argv in _TOOLS.items()}
        | {name: version if shutil.which(by) else None for by, (name, version) in _BUILT.items()}
        | {"pyinstaller": _distribution("pyinstaller")},
        "commit": _commit(),
    }


def _cpu() -> str:
    if sys.platform == "darwin":
        return _first_line(["sysctl", "-n", "machdep.cpu.brand_string"])
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _filesystem(work: Path) -> str:
    """Type of the file system with the longest mount point above ``work``."""
    place = os.path.realpath(work)
    best, found = "", "unknown"
    try:
        with open("/proc/self/mounts", encoding="utf-8") as stream:
            for line in stream:
                point, kind = line.split(" ")[1:3]
                above = point == place or place.startswith(point.rstrip("/") + "/")
                if above and len(point) >= len(best):
                    best, found = point, kind
    except OSError:
        pass
    return found


def _distribution(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _version(argv: list[str]) -> str | None:
    if shutil.which(argv[0]) is None:
        return None
    found = re.search(r"\d+(\.\d+)+", _first_line(argv))
    return found[0] if found else "unknown"


def _first_line(argv: list[str]) -> str:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip("* ") if lines else "unknown"


def _commit() -> str:
    """Of the checkout these files lie in; a ``+`` tells of changes since."""
    here = os.path.dirname(os.path.abspath(__file__))
    git = ["git", "-C", here]
    if shutil.which("git") is None:
        return "unknown"
    commit = _first_line([*git, "rev-parse", "--short=12", "HEAD"])
    if " " in commit:
        return "unknown"
    changed = _first_line([*git, "status", "--porcelain", "--untracked-files=no"])
    return commit if changed == "unknown" else f"{commit}+"
