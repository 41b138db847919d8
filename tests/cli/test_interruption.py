"""Interrupts, and readers that go away: a short text, the right code, nothing left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from extractor.preflight import this_platform
from tests.support import commands

if TYPE_CHECKING:
    from tests.cli.conftest import Workshop

# The child signals itself from inside the work, so no clock decides when the interrupt comes.
# Python ignores the signal in a child whose parent does.
INTERRUPT = """
import os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
import {module}
real = {module}.{name}
def interrupt(*arguments, **keywords):
    if not interrupt.done:
        interrupt.done = True
        os.kill(os.getpid(), signal.SIGINT)
    return real(*arguments, **keywords)
interrupt.done = False
{module}.{name} = interrupt
"""
IN_EXTRACTION = INTERRUPT.format(
    module="extractor.destinations", name="DirectoryDestination.create_file"
)
IN_COMPRESSION = INTERRUPT.format(module="packer.compress", name="Compressor.compress")
IN_VERIFYING = INTERRUPT.format(module="container.reader", name="check_file")
HANDLED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def check_interrupted(outcome: commands.Outcome) -> None:
    assert outcome.status == 130, outcome
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_installation_leaves_the_old_version_and_no_stage(
    shop: Workshop, jobs: str
) -> None:
    home = shop.path("home")
    assert shop.pack("old").status == 0
    assert commands.extract("install", shop.path("old"), "--home", home).status == 0
    before = os.readlink(home / "bin")
    words = ("install", shop.payload, "--home", home, "--jobs", jobs)
    check_interrupted(commands.run_process("stigmer-extract", *words, before=IN_EXTRACTION))
    assert os.readlink(home / "bin") == before
    assert len(os.listdir(home / "versions")) == 1
    assert os.listdir(home / "staging") == []
    assert commands.extract(*words).status == 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_unpacking_leaves_nothing(shop: Workshop, jobs: str) -> None:
    words = ("unpack", shop.payload, "--to", shop.path("new/target"), "--jobs", jobs)
    check_interrupted(commands.run_process("stigmer-extract", *words, before=IN_EXTRACTION))
    assert not shop.path("new").exists()


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("moment", [IN_COMPRESSION, IN_VERIFYING], ids=["packing", "verifying"])
def test_an_interrupted_packing_leaves_nothing(shop: Workshop, jobs: str, moment: str) -> None:
    (shop.path("dist")).mkdir()
    words = (
        *("embed", "--host", shop.host, "--output", shop.path("dist/out"), "--version", "1"),
        *("--platform", this_platform(), "--jobs", jobs),
    )
    outcome = commands.run_process("stigmer-pack", *words, *shop.components, before=moment)
    check_interrupted(outcome)
    assert os.listdir(shop.path("dist")) == []


def test_an_interrupt_ends_the_wait_for_the_lock(shop: Workshop) -> None:
    home = shop.path("home")
    home.mkdir()
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ("install", shop.payload, "--home", home)
        process = commands.start("stigmer-extract", *words, before=HANDLED)
        assert process.stderr is not None
        # It says so when it has found the lock taken: from then on it can only wait.
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        outcome = commands.finish(process)
    assert said == f"waiting for another installation into {home}\n"
    check_interrupted(outcome)
    assert sorted(os.listdir(home)) == [".lock", "staging", "versions"]
    assert commands.extract(*words).status == 0


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("stigmer-extract", ("list",)),
        ("stigmer-extract", ("list", "--json")),
        ("stigmer-pack", ("inspect", "--files")),
        ("stigmer-pack", ("inspect", "--json")),
    ],
)
def test_a_reader_that_goes_away_is_no_reason_for_a_traceback(
    shop: Workshop, program: str, words: tuple[str, ...]
) -> None:
    argv, environment = commands.process_argv(program, *words, shop.payload)
    # Closed before the first byte is written: what ``| head -1`` does sooner or later.
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=commands.WATCHDOG_SECONDS,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert 0 < done.returncode < 128


def test_a_full_disk_behind_standard_output_is_told(shop: Workshop) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    argv, environment = commands.process_argv("stigmer-extract", "list", shop.payload)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            argv,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=commands.WATCHDOG_SECONDS,
            check=False,
        )
    # Not 4: Python has a code of its own for an output that cannot be flushed at the end.
    assert done.returncode != 0
    assert done.stderr.startswith("error: No space left on device\n")
    assert "Traceback" not in done.stderr
