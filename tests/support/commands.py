"""Run the two command lines: in this process, as processes of their own, on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from extractor import main as extractor_main
from extractor import output
from packer import cli as packer_cli

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = {"stigmer-pack": packer_cli, "stigmer-extract": extractor_main}
WATCHDOG_SECONDS = 60
"""Nothing here takes a tenth of it; a test that hangs ends with an error instead."""


class Outcome(NamedTuple):
    """How a command line ended."""

    status: int
    out: str
    err: str


def run(program: str, *words: str | Path) -> Outcome:
    """Run a command line in this process; fast, and its parts can be replaced by the test."""
    out, err = io.StringIO(), io.StringIO()
    argv = [program, *map(str, words)]
    status: object = None
    with (
        mock.patch.object(sys, "argv", argv),
        # Leaving at once would take the tests along.
        mock.patch.object(output, "leave", sys.exit),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            PROGRAMS[program].main()
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int)
    return Outcome(status, out.getvalue(), err.getvalue())


def pack(*words: str | Path) -> Outcome:
    """Run ``stigmer-pack`` in this process."""
    return run("stigmer-pack", *words)


def extract(*words: str | Path) -> Outcome:
    """Run ``stigmer-extract`` in this process."""
    return run("stigmer-extract", *words)


def process_argv(
    program: str, *words: str | Path, before: str = ""
) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a process that runs this checkout's command line.

    Args:
        program: one of ``PROGRAMS``.
        words: its arguments.
        before: Python statements that are executed first, to prepare a fault.
    """
    module = PROGRAMS[program].__name__
    code = f"import sys; sys.argv[0] = {program!r}\nfrom {module} import main\n{before}\nmain()"
    # Only what a command line needs, so that the caller's settings do not decide the outcome.
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(REPOSITORY)}
    return [sys.executable, "-c", code, *map(str, words)], environment


def start(
    program: str,
    *words: str | Path,
    before: str = "",
    cwd: Path | None = None,
) -> subprocess.Popen[str]:
    """Start a command line as a process, with pipes on all three streams."""
    argv, environment = process_argv(program, *words, before=before)
    return subprocess.Popen(
        argv,
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a process that was started."""
    try:
        out, err = process.communicate(timeout=WATCHDOG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, out, err)


def run_process(
    program: str,
    *words: str | Path,
    before: str = "",
    cwd: Path | None = None,
) -> Outcome:
    """Run a command line as a process."""
    return finish(start(program, *words, before=before, cwd=cwd))


def run_on_terminal(
    program: str, *words: str | Path, columns: int = 80, before: str = ""
) -> Outcome:
    """Run a command line whose standard error is a terminal; its output is a pipe."""
    argv, environment = process_argv(program, *words, before=before)
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            argv,
            env=environment | {"TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=slave,
            encoding="utf-8",
        )
    finally:
        os.close(slave)
    shown = _read_terminal(master)
    return Outcome(*finish(process)[:2], shown)


def _read_terminal(master: int) -> str:
    """Everything up to the end; Linux reports a terminal that all have left as an error."""
    chunks: list[bytes] = []
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 1 << 16):
            chunks.append(chunk)
    os.close(master)
    return b"".join(chunks).decode()
