"""The frozen program checks itself where nothing of the machine that froze it can help."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from container.errors import FreezeError, MissingImportError, SelfCheckError
from packer.freezing.missing import importers_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from packer.freezing.environment import Environment
    from packer.freezing.missing import Missing
    from packer.freezing.settings import FreezeSettings

TIMEOUT_SECONDS = 300.0
_SHOWN_LINES = 20
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
_NO_NAME = re.compile(r"ImportError: cannot import name '([^']+)' from '([^']+)'")
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)', re.MULTILINE)
# Frames of the machinery of imports, which stands between an importer and the error.
_MACHINERY = ("<frozen importlib", "pyimod02_importers.py", "importlib/__init__.py")


class Failure(NamedTuple):
    """An import that failed in a running program."""

    module: str
    name: str | None
    """That was to come from the module; None where the module itself is missing."""
    importer: str | None
    """``FILE line N``, where a traceback tells it."""


def prove(
    program: Path,
    settings: FreezeSettings,
    environment: Environment,
    missing: Sequence[Missing],
    elsewhere: Path,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Start the program with an empty environment, in an empty directory.

    Args:
        program: the executable, in a place that it was not built in.
        settings: the arguments of the self-check, and what may be to blame.
        environment: tells what could have been frozen.
        missing: what PyInstaller could not resolve.
        elsewhere: an empty directory to run in.
        timeout_seconds: the program is killed after that long.
    Raises:
        MissingImportError: a module is missing.
        SelfCheckError: the program failed in another way.
        FreezeError: it cannot be started at all.
    """
    shown = " ".join([program.name, *settings.selfcheck])
    try:
        done = subprocess.run(
            [program, *settings.selfcheck],
            cwd=elsewhere,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        limit = f"an end within {timeout_seconds:g} s"
        raise SelfCheckError("the self-check does not end", shown, limit) from None
    except OSError as error:
        raise FreezeError("the frozen program cannot be started", shown, found=str(error)) from None
    if done.returncode == 0:
        return
    failure = failed_import(done.stdout)
    if failure is not None:
        raise _missing(failure, settings, environment, missing)
    tail = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-_SHOWN_LINES:])
    raise SelfCheckError(
        "the frozen program does not pass its self-check",
        shown,
        "exit code 0",
        f"{_ended(done.returncode)}:\n{tail}\n",
        "run it from the unfrozen sources, too: if it passes there, the freeze lacks something",
    )


def failed_import(output: str) -> Failure | None:
    """The last failed import that a program's output tells of."""
    matches = [*_NO_MODULE.finditer(output), *_NO_NAME.finditer(output)]
    if not matches:
        return None
    last = max(matches, key=re.Match.start)
    frames = [
        f"{frame[1]} line {frame[2]}"
        for frame in _FRAME.finditer(output, 0, last.start())
        if not any(part in frame[1] for part in _MACHINERY)
    ]
    importer = frames[-1] if frames else None
    if last.re is _NO_MODULE:
        return Failure(last[1], None, importer)
    return Failure(last[2], last[1], importer)


def _missing(
    failure: Failure,
    settings: FreezeSettings,
    environment: Environment,
    missing: Sequence[Missing],
) -> MissingImportError:
    full = failure.module if failure.name is None else f"{failure.module}.{failure.name}"
    importer = failure.importer or ", ".join(importers_of(missing, full)) or None
    if failure.name is None:
        what = f"the frozen program lacks the module {full}"
    else:
        what = f"the frozen module {failure.module} has no {failure.name}"
    beside = settings.entry_script.parent
    if settings.is_excluded(full):
        remedy = f"take it out of excludes in {settings.origin}"
    elif environment.knows(full, beside):
        remedy = f'add to [freeze] in {settings.origin}: hidden-imports = ["{full}"]'
    elif failure.name is None:
        remedy = f"install what provides it: the environment of {environment.python} lacks it too"
    else:
        remedy = (
            f"see which distribution provides {failure.module} in the frozen program: "
            "[freeze.choose] takes another one"
        )
    return MissingImportError(what, importer, remedy=remedy)


def _ended(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    return f"signal {-returncode} ({signal.strsignal(-returncode)})"
