"""What a payload costs its host: the start of a frozen program, and the signature of a Mach-O."""

from __future__ import annotations

import random
import shutil
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Command, Contestant, cpus, interleave, paired_ratio, run, walls
from benchmarks.peers import tool
from benchmarks.probing import Probe
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes
from fixtures.hosts import provide_host

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workspace import Workspace

_CARRIED_BYTES = 100_000_000
_TINY_BYTES = 1_000_000
_MACHO_LIMIT = 1.5
# Two medians of the same program differ by as much as this.
_NOISE = 1.05


def measure(workspace: Workspace) -> Result:
    """100 MB that do not compress, so that what is embedded is as large as what is carried."""
    carried = workspace.root / "carried"
    carried.write_bytes(
        random.Random(0).randbytes(_TINY_BYTES if workspace.tiny else _CARRIED_BYTES)
    )
    starting, start_target, start_runs = _starting(workspace, carried)
    signing, sign_target, sign_runs = _signing(workspace, carried)
    return Result(
        "hosts", [starting, signing], [start_target, sign_target], [], start_runs | sign_runs
    )


def _starting(workspace: Workspace, carried: Path) -> tuple[Table, Target, dict[str, object]]:
    bare = _copied(workspace, "frozen-linux-amd64")
    packed = workspace.root / "frozen-packed"
    run(_embed(bare, packed, carried, "linux-amd64"))
    # What everybody does first: bytes behind a program that ends with an archive.
    appended = workspace.root / "frozen-appended"
    shutil.copy(bare, appended)
    with open(appended, "ab") as stream, open(carried, "rb") as read:
        shutil.copyfileobj(read, stream)
    programs = {"bare": bare, "packed": packed, "bytes appended behind": appended}
    runs = interleave(
        {name: Contestant(Command(([str(path)],), path.name)) for name, path in programs.items()},
        workspace.rounds,
        workspace.say,
    )
    rows = [
        [
            name,
            human_bytes(programs[name].stat().st_size),
            seconds(median(walls(taken))),
            f"{paired_ratio(walls(taken), walls(runs['bare'])):.3f}",
            f"{paired_ratio(cpus(taken), cpus(runs['bare'])):.3f}",
        ]
        for name, taken in runs.items()
    ]
    ratio = paired_ratio(walls(runs["packed"]), walls(runs["bare"]))
    return (
        Table(
            f"Start and end of a PyInstaller onefile, medians of {workspace.rounds} rounds:",
            ["program", "size", "wall", "of bare", "CPU, of bare"],
            rows,
        ),
        Target(f"start of a frozen host that carries {_size(carried)}, of the bare", ratio, _NOISE),
        {"starting": {name: [one._asdict() for one in taken] for name, taken in runs.items()}},
    )


def _signing(workspace: Workspace, carried: Path) -> tuple[Table, Target, dict[str, object]]:
    """The step alone takes a payload that is packed; the commands pack it, verify it, sync it."""
    host = _copied(workspace, "go-darwin-arm64")
    packed, output = workspace.root / "macho-packed", workspace.root / "macho-output"
    run(_embed(host, packed, carried, "darwin-arm64"))
    copying = f"cp {packed.name} copy && sha256sum copy"
    syncing = f"cp {packed.name} copy && sync copy && sha256sum copy"
    step = Probe(workspace, "resigning", packed)
    payload = workspace.root / "alone.payload"

    def clear(*paths: Path) -> None:
        for path in paths:
            workspace.clear(path)

    def shell(line: str) -> Contestant:
        copy = workspace.root / "copy"
        command = Command((["sh", "-c", line],), line, directory=workspace.root)
        return Contestant(command, after=lambda: clear(copy))

    probe = step.contestant()
    names = "cp, sha256sum", "cp, sync, sha256sum", "copy and sign anew", "embed", "pack alone"
    runs = interleave(
        {
            names[0]: shell(copying),
            names[1]: shell(syncing),
            names[2]: probe,
            names[3]: Contestant(
                _embed(host, output, carried, "darwin-arm64"), after=lambda: clear(output)
            ),
            names[4]: Contestant(_pack(payload, carried), after=lambda: clear(payload)),
        },
        workspace.rounds,
        workspace.say,
    )
    floor = walls(runs[names[0]])
    took = {name: walls(taken) for name, taken in runs.items()}
    # Of the process of the step its interpreter and imports are left out.
    took[names[2]] = step.values("resign_seconds")
    rows = [
        [name, seconds(median(values)), f"{paired_ratio(values, floor):.2f}"]
        for name, values in took.items()
    ]
    added = [whole - alone for whole, alone in zip(took[names[3]], took[names[4]], strict=True)]
    rows.append(["embed without pack", seconds(median(added)), f"{paired_ratio(added, floor):.2f}"])
    return (
        Table(
            f"A Mach-O of {human_bytes(packed.stat().st_size)} that carries {_size(carried)}, "
            f"medians of {workspace.rounds} rounds; `embed` and `pack` are whole commands, which "
            "also compress, digest, verify and sync:",
            ["what", "wall", f"of {names[0]}"],
            rows,
        ),
        Target(
            f"copying a Mach-O that carries {_size(carried)} and signing it, of cp and sha256sum",
            paired_ratio(took[names[2]], floor),
            _MACHO_LIMIT,
        ),
        {
            "signing": {name: [one._asdict() for one in taken] for name, taken in runs.items()},
            "resigning": step.answers,
        },
    )


def _size(carried: Path) -> str:
    return human_bytes(carried.stat().st_size)


def _copied(workspace: Workspace, name: str) -> Path:
    """On the file system that is measured, not on that of the cache."""
    path = workspace.root / name
    shutil.copy(provide_host(name), path)
    return path


def _embed(host: Path, output: Path, carried: Path, platform: str) -> Command:
    argv = [tool("stigmer-pack"), "embed", "--host", str(host), "--output", str(output)]
    return Command((_finish(argv, carried, platform),), "stigmer-pack embed --level 1")


def _pack(output: Path, carried: Path) -> Command:
    argv = [tool("stigmer-pack"), "pack", "--output", str(output)]
    return Command((_finish(argv, carried, "darwin-arm64"),), "stigmer-pack pack --level 1")


def _finish(argv: list[str], carried: Path, platform: str) -> list[str]:
    words = ["--version", "1.0.0", "--level", "1", "--platform", platform]
    return [*argv, *words, f"carried={carried}"]
