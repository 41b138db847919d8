"""Standard streams that are not there, that nobody reads, or that cannot be written."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Workshop

OUT, ERR = 1, 2
OWN_CODE_OF_PYTHON = 120
"""Of a standard output that could not be written out."""


class Ended(NamedTuple):
    """How a process ended; of a stream that is no pipe nothing is known."""

    status: int
    out: str
    err: str


def run(*words: str | Path, number: int, how: str) -> Ended:
    """``stigmer-extract`` with one of its streams closed, without a reader, or on a full disk."""
    argv, environment = commands.process_argv("stigmer-extract", *words)
    streams = {OUT: subprocess.PIPE, ERR: subprocess.PIPE}
    with contextlib.ExitStack() as stack:
        if how == "closed":
            # By a shell: the child of a process with threads must run no Python before its own.
            argv = ["/bin/sh", "-c", f'exec "$@" {number}>&-', "sh", *argv]
        elif how == "broken":
            reading, streams[number] = os.pipe()
            os.close(reading)
            stack.callback(os.close, streams[number])
        else:
            streams[number] = os.open("/dev/full", os.O_WRONLY)
            stack.callback(os.close, streams[number])
        done = subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=streams[OUT],
            stderr=streams[ERR],
            encoding="utf-8",
            timeout=commands.WATCHDOG_SECONDS,
            check=False,
        )
    return Ended(done.returncode, done.stdout or "", done.stderr or "")


needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
CLOSED, BROKEN, FULL = "closed", "broken", pytest.param("full", marks=needs_full)


@pytest.mark.parametrize("style", ["auto", "bar", "lines", "json", "none"])
def test_without_a_standard_error_nothing_is_shown_and_all_is_done(
    shop: Workshop, style: str
) -> None:
    words = ("unpack", shop.payload, "--to", shop.path("t"), "--progress", style)
    ended = run(*words, number=ERR, how=CLOSED)
    assert ended.status == 0
    assert ended.out.splitlines()[0] == f"server: {shop.path('t/server')}"
    assert (shop.path("t/server")).exists()


@pytest.mark.parametrize("how", [CLOSED, BROKEN, FULL])
def test_an_error_that_cannot_be_told_keeps_its_code(shop: Workshop, how: str) -> None:
    for words in (("install", shop.host), ("list", shop.host)):
        assert run(*words, number=ERR, how=how) == (10, "", "")


@pytest.mark.parametrize("style", ["bar", "lines", "json"])
def test_progress_that_nobody_reads_ends_it_and_leaves_nothing(shop: Workshop, style: str) -> None:
    words = ("unpack", shop.payload, "--to", shop.path("new/t"), "--progress", style)
    assert run(*words, number=ERR, how=BROKEN) == (1, "", "")
    assert not shop.path("new").exists()


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    ("how", "status", "told"),
    [
        (CLOSED, 0, ""),
        (BROKEN, 1, ""),
        pytest.param(
            "full", OWN_CODE_OF_PYTHON, "error: No space left on device\n", marks=needs_full
        ),
    ],
)
def test_a_result_that_cannot_be_printed_is_installed_all_the_same(
    shop: Workshop, as_json: list[str], how: str, status: int, told: str, warm: bool
) -> None:
    words = ("install", shop.payload, "--home", shop.path("home"), "--progress", "none")
    if warm:
        assert commands.extract(*words).status == 0
    ended = run(*words, *as_json, number=OUT, how=how)
    assert ended.status == status
    assert ended.err.startswith(told)
    assert bool(ended.err) == bool(told)
    assert "Traceback" not in ended.err
    assert "is installed" in commands.extract(*words).out
