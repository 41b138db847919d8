"""What a start of ``stigmer`` costs, as the one file that users have, beside a frozen print."""

from __future__ import annotations

import shutil
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Command, Contestant, cpus, interleave, paired_ratio, run, walls
from benchmarks.peers import tool
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes
from fixtures.host import (
    NATIVE,
    provide_default_host,
    provide_host,
    provide_host_tree,
    provide_packed,
    provide_print,
)

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_VERSION = "1.0.0"
_LEAN, _DEFAULT = "lean", "PyInstaller's defaults"
_BARE, _TREE = "print", "stigmer version, a tree, not one file"
_VERSION_COMMAND, _STATUS_COMMAND = "stigmer version", "stigmer server status, all healthy"
_LIMIT = 0.75
# Short runs: more of them than of others.
_MORE_ROUNDS = 3


def measure(workspace: Workspace) -> Result:
    """Start each with the services up, so that ``status`` asks three of them."""
    prints = {_LEAN: provide_print(lean=True), _DEFAULT: provide_print(lean=False)}
    packed = {_LEAN: provide_packed(_VERSION), _DEFAULT: _packed_default(workspace)}
    home = str(workspace.root / "start.home")
    where = ["--home", home]
    start = ["server", "start", "--detach", "--grpc-port", "0", *where]
    tree = [str(provide_host_tree()), "version", "--payload", str(packed[_LEAN])]
    argvs = {_name(_TREE, _LEAN): tree}
    for kind, program in packed.items():
        argvs |= {
            _name(_BARE, kind): [str(prints[kind])],
            _name(_VERSION_COMMAND, kind): [str(program), "version"],
            _name(_STATUS_COMMAND, kind): [str(program), "server", "status", *where],
        }
    host = str(packed[_LEAN])
    run(Command(([host, *start],), "stigmer server start --detach"))
    try:
        runs = interleave(
            {name: Contestant(Command((argv,), name)) for name, argv in argvs.items()},
            workspace.rounds * _MORE_ROUNDS,
        )
    finally:
        run(Command(([host, "server", "stop", *where],), "stigmer server stop"))
    bare = walls(runs[_name(_BARE, _DEFAULT)])
    ratios = {name: paired_ratio(walls(taken), bare) for name, taken in runs.items()}
    sizes = {
        **{_name(_BARE, kind): path.stat().st_size for kind, path in prints.items()},
        _name(_VERSION_COMMAND, _LEAN): provide_host().stat().st_size,
        _name(_VERSION_COMMAND, _DEFAULT): provide_default_host().stat().st_size,
    }
    return Result(
        "start",
        [
            Table(
                f"Starts of frozen programs, medians of {len(bare)} rounds:",
                ["program", "its own bytes", "wall", "CPU", "of the default print"],
                [
                    [
                        name,
                        human_bytes(sizes[name]) if name in sizes else "",
                        seconds(median(walls(taken))),
                        seconds(median(cpus(taken))),
                        f"{ratios[name]:.2f}",
                    ]
                    for name, taken in runs.items()
                ],
            )
        ],
        [
            Target(f"{command}, of a print with {_DEFAULT}", ratios[_name(command, _LEAN)], _LIMIT)
            for command in (_VERSION_COMMAND, _STATUS_COMMAND)
        ],
        [
            "all but the tree are one file each, which unpacks itself at every start",
            "lean: extractor/host/freeze.toml; stored, stripped, and without what it cannot reach",
        ],
        {
            "starts": {name: [one._asdict() for one in taken] for name, taken in runs.items()},
            "own_bytes": sizes,
        },
    )


def _name(what: str, kind: str) -> str:
    return f"{what} ({kind})"


def _packed_default(workspace: Workspace) -> Path:
    """The payload of the lean one in the host that PyInstaller makes by itself."""
    lean, output = provide_packed(_VERSION), workspace.root / "stigmer-default"
    target = workspace.root / "start.components"
    run(Command(([tool("stigmer-extract"), "unpack", str(lean), "--to", str(target)],), "unpack"))
    components = [f"{path.name}={path}" for path in sorted(target.iterdir())]
    words = ["--output", str(output), "--version", _VERSION, "--level", "3", "--platform", NATIVE]
    argv = [tool("stigmer-pack"), "embed", "--host", str(provide_default_host()), *words]
    run(Command(([*argv, *components],), "stigmer-pack embed --level 3"))
    shutil.rmtree(target)
    return output
