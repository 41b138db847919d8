"""The frozen agent-runner as a tree that is installed once, beside one file that unpacks itself."""

from __future__ import annotations

import shutil
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.inputs import tree_bytes
from benchmarks.measure import Command, Contestant, cpus, interleave, paired_ratio, run, walls
from benchmarks.peers import Stigmer, tool
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes
from fixtures import provide_agent_runner, provide_onefile, provide_untrimmed_onefile

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_PLATFORM = "linux-amd64"
_START_LIMIT = 0.35
_SIZE_LIMIT = 0.50
_QUICK_LEVEL = 3
_INSTALLED, _ONEFILE, _UNTRIMMED = "installed tree", "onefile", "onefile, untrimmed"


def measure(workspace: Workspace) -> Result:
    """Start both for ``--version``; then the size of a release, beside shipping it without us."""
    onefiles = {_ONEFILE: provide_onefile(), _UNTRIMMED: provide_untrimmed_onefile()}
    programs = {_INSTALLED: _installed(workspace)} | onefiles
    runs = interleave(
        {
            name: Contestant(Command(([str(path), "--version"],), f"{name} --version"))
            for name, path in programs.items()
        },
        workspace.rounds,
        workspace.say,
    )
    ratios = {name: paired_ratio(walls(runs[_INSTALLED]), walls(runs[name])) for name in onefiles}
    tree = workspace.release(_PLATFORM)
    payload_bytes = workspace.archive(Stigmer(), tree).stat().st_size
    go_bytes = tree_bytes(tree) - tree_bytes(tree / "agent-runner")
    old_bytes = {name: go_bytes + path.stat().st_size for name, path in onefiles.items()}
    return Result(
        "frozen",
        [
            Table(
                "Start of agent-runner --version:",
                ["program", "wall", "CPU", "the installed one's wall, of it"],
                [
                    [
                        name,
                        seconds(median(walls(taken))),
                        seconds(median(cpus(taken))),
                        f"{ratios[name]:.3f}" if name in ratios else "",
                    ]
                    for name, taken in runs.items()
                ],
            ),
            Table(
                f"The release for {_PLATFORM}, {human_bytes(payload_bytes)} as a payload:",
                ["the old way: programs as they are, and", "bytes", "the payload is, of it"],
                [
                    [name, human_bytes(size), f"{payload_bytes / size:.3f}"]
                    for name, size in old_bytes.items()
                ],
            ),
        ],
        [
            Target("agent-runner --version, installed, of onefile", ratios[_ONEFILE], _START_LIMIT),
            Target(
                "payload, of programs and untrimmed onefile",
                payload_bytes / old_bytes[_UNTRIMMED],
                _SIZE_LIMIT,
            ),
        ],
        ["untrimmed: with symbols, and without the excludes of freeze.toml"],
        {
            "starts": {name: [one._asdict() for one in taken] for name, taken in runs.items()},
            "files": sum(path.is_file() for path in programs[_INSTALLED].parent.rglob("*")),
            "payload_bytes": payload_bytes,
            "go_bytes": go_bytes,
            "onefile_bytes": {name: path.stat().st_size for name, path in onefiles.items()},
        },
    )


def _installed(workspace: Workspace) -> Path:
    """The program as a user has it: from a payload, in a home."""
    tree = workspace.tree("agent-runner", _stage)
    payload = workspace.archive(Stigmer(_QUICK_LEVEL), tree)
    home = workspace.root / "agent-runner.home"
    command = [tool("stigmer-extract"), "install", str(payload), "--home", str(home)]
    run(Command((command,), "stigmer-extract install"))
    return home / "bin" / "agent-runner" / "agent-runner"


def _stage(target: Path) -> None:
    """The tree is one component, so it lies below the directory of components."""
    target.mkdir()
    shutil.copytree(provide_agent_runner(_PLATFORM), target / "agent-runner", symlinks=True)
