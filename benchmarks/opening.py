"""How long it takes to open and list a payload, and to find one behind a host of any size."""

from __future__ import annotations

import os
import shutil
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.inputs import stage_many
from benchmarks.measure import Command, Contestant, interleave, walls
from benchmarks.peers import Stigmer, tool
from benchmarks.probing import Probe
from benchmarks.report import Result, Table, Target
from container.units import human_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_ENTRIES = 10_000
_OPEN_LIMIT_MS = 30
_HOSTS = {"1 MB": 10**6, "100 MB": 10**8, "1 GB": 10**9}
# Two medians of the same call differ by as much as this.
_SAME_RATIO = 1.25
_QUICK_LEVEL = 3


def measure(workspace: Workspace) -> Result:
    """Both in fresh processes; the imports and the interpreter are told apart."""
    tree = workspace.tree(f"{_ENTRIES} entries", _stage)
    payload = workspace.archive(Stigmer(_QUICK_LEVEL), tree)
    listing = Command(([tool("stigmer-extract"), "list", str(payload)],), "stigmer-extract list")
    probes = {
        "interpreter": Probe(workspace, "nothing"),
        "imports": Probe(workspace, "imports_list"),
        "opening": Probe(workspace, "opening", payload),
    }
    hosts = {name: _hidden_behind(workspace, payload, size) for name, size in _HOSTS.items()}
    locating = {name: Probe(workspace, "locating", path) for name, path in hosts.items()}
    runs = interleave(
        {"list": Contestant(listing)}
        | {name: probe.contestant() for name, probe in probes.items()}
        | {f"locating {name}": probe.contestant() for name, probe in locating.items()},
        workspace.rounds,
        workspace.say,
    )
    opening = probes["opening"]
    open_list = [
        1000 * (opened + listed)
        for opened, listed in zip(
            opening.values("open_seconds"), opening.values("list_seconds"), strict=True
        )
    ]
    command_beyond = [
        1000 * (whole - start)
        for whole, start in zip(walls(runs["list"]), walls(runs["imports"]), strict=True)
    ]
    rows = [
        ["interpreter start", _ms(walls(runs["interpreter"]))],
        ["imports of the reader", _ms(opening.values("imports_seconds"))],
        ["open: locate, read, check and decode the index", _ms(opening.values("open_seconds"))],
        ["list: all entries as text", _ms(opening.values("list_seconds"))],
        ["open and list, CPU", _ms(opening.values("open_list_cpu_seconds"))],
        ["stigmer-extract list, whole command", _ms(walls(runs["list"]))],
        ["its interpreter and imports", _ms(walls(runs["imports"]))],
        ["what is left of it", f"{median(command_beyond):.1f} ms"],
    ]
    located = {name: median(probe.values("locate_seconds")) for name, probe in locating.items()}
    located_rows = [
        [
            name,
            f"{1e6 * located[name]:.1f} us",
            f"{probe.answers[-1]['reads']}",
            f"{probe.answers[-1]['read_bytes']}",
        ]
        for name, probe in locating.items()
    ]
    names = list(_HOSTS)
    return Result(
        "opening",
        [
            Table(
                f"A payload of {opening.answers[-1]['entries']} entries, "
                f"{human_bytes(payload.stat().st_size)}, medians of {workspace.rounds} rounds:",
                ["part", "time"],
                rows,
            ),
            Table(
                "Open a file, find its payload, close it; hosts are sparse:",
                ["host", "time", "reads", "bytes read"],
                located_rows,
            ),
        ],
        [
            Target("open and list 10,000 entries", median(open_list), _OPEN_LIMIT_MS, "ms"),
            Target(
                f"finding the payload behind {names[-1]}, of behind {names[0]}",
                located[names[-1]] / located[names[0]],
                _SAME_RATIO,
            ),
        ],
        [],
        {
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
            "opening": opening.answers,
            "locating": {name: probe.answers for name, probe in locating.items()},
        },
    )


def _stage(target: Path) -> None:
    """The tree is one component, so it lies below the directory of components."""
    target.mkdir()
    stage_many(target / "packages", _ENTRIES)


def _hidden_behind(workspace: Workspace, payload: Path, host_bytes: int) -> Path:
    """A file of so many zeros that take no space, with the payload behind them."""
    path = workspace.root / f"host-{host_bytes}"
    with open(path, "wb") as stream, open(payload, "rb") as read:
        os.ftruncate(stream.fileno(), host_bytes)
        stream.seek(host_bytes)
        shutil.copyfileobj(read, stream)
    return path


def _ms(values: list[float]) -> str:
    return f"{1000 * median(values):.1f} ms"
