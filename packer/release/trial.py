"""Start a released program once, in a fresh home, as its first user will."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container.errors import ArtefactError, TrialError
from packer.release import archive
from packer.release.parts import PROGRAM_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from packer.release.model import Part

_LIMIT_SECONDS = 120
# Nobody listens there, and the answer comes at once: the services wait for Temporal.
_NO_TEMPORAL = "127.0.0.1:1"


def try_out(
    directory: Path, part: Part, say: Callable[[str], object] = lambda _: None
) -> dict[str, Any]:
    """Unpack the archive, start the program, ask its services, and stop it.

    Args:
        directory: of the release; the archive is compared with the part first.
        part: for the platform of this machine.
        say: is told each step.
    Returns:
        What ``server status --json`` said.
    Raises:
        ArtefactError: the archive is not the one of the part.
        TrialError: the program does not start, or runs other versions than it should.
        OSError: the archive cannot be read.
    """
    if archive.describe(directory / part.archive.name) != part.archive:
        raise ArtefactError("not the archive of this part", str(directory / part.archive.name))
    with tempfile.TemporaryDirectory(prefix="stigmer-trial.") as root:
        archive.unpack(directory / part.archive.name, Path(root))
        environment = _environment(Path(root, "home"))
        if part.payload is not None and part.payload.file is not None:
            payload = directory.absolute() / part.payload.file.name
            environment["STIGMER_PAYLOAD"] = str(payload)
        program = Path(root, PROGRAM_NAME)
        say(f"{part.archive.name}: stigmer version")
        _check_versions(_run(program, environment, "version"), part)
        say(f"{part.archive.name}: first start in a fresh home")
        try:
            _run(
                *(program, environment, "server", "start", "--detach", "--grpc-port", "0"),
                *("--temporal-address", _NO_TEMPORAL),
            )
            status: dict[str, Any] = json.loads(
                _run(program, environment, "server", "status", "--json")
            )
        finally:
            _run(program, environment, "server", "stop")
    if not status["healthy"] or status["version"] != part.version:
        raise TrialError(
            "the services are not in order",
            part.archive.name,
            f"version {part.version}, all healthy",
            json.dumps(status),
        )
    return status


def _environment(home: Path) -> dict[str, str]:
    """The least that a program can be started with, so that this machine does not help it."""
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "LANG") if key in os.environ}
    return kept | {"HOME": str(home.parent), "STIGMER_HOME": str(home)}


def _check_versions(shown: str, part: Part) -> None:
    lines = [line.strip() for line in shown.splitlines()]
    expected = [f"stigmer {part.version}"]
    expected += [f"{name} {component.version}" for name, component in part.components.items()]
    missing = [line for line in expected if line not in lines]
    if missing:
        raise TrialError(
            "`stigmer version` says otherwise",
            part.archive.name,
            ", ".join(missing),
            ", ".join(lines),
        )


def _run(program: Path, environment: dict[str, str], *words: str) -> str:
    shown = " ".join((PROGRAM_NAME, *words))
    try:
        done = subprocess.run(
            [program, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TrialError(f"does not end within {_LIMIT_SECONDS} s", shown) from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise TrialError("the program failed", shown, "exit code 0", f"{done.returncode}: {said}")
    return done.stdout
