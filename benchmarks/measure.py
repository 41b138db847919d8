"""Whole processes, timed in interleaved rounds: wall clock, CPU and peak memory by ``wait4``.

Absolute times drift by a factor of two on a shared machine, so contestants take turns and are
compared within one round; what counts is the median of those quotients.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.errors import BenchmarkError
from benchmarks.report import seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# Linux counts ru_maxrss in kibibytes, macOS in bytes.
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_SHOWN_CHARACTERS = 2000

Argv = list[str]


@dataclass(frozen=True)
class Command:
    """One program, or several joined by pipes.

    Attributes:
        argvs: the programs, first to last.
        shown: for readers: without paths of this machine.
        directory: to run in.
        output: file that the last one writes to; by default its output is thrown away.
        variables: of the environment, besides those of this process.
    """

    argvs: tuple[Argv, ...]
    shown: str
    directory: Path | None = None
    output: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class Run(NamedTuple):
    """What one execution took."""

    wall_seconds: float
    cpu_seconds: float
    """User and system time of all its processes."""
    peak_bytes: int
    """Resident memory; of a pipeline the sum of its programs' peaks."""
    unseen_bytes: int
    """Peaks below this cannot be told: Linux lets a child begin with the peak of the process that
    starts it. So this process stays small, and reads no inputs."""


@dataclass(frozen=True)
class Contestant:
    """Something that is run once in each round.

    Attributes:
        command: what is timed.
        before: untimed, right before.
        after: untimed, right after: takes away what was written.
    """

    command: Command
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None


def run(command: Command) -> Run:
    """Run a command to its end.

    Raises:
        BenchmarkError: it cannot be started, or one of its programs fails; with its messages.
    """
    with ExitStack() as stack:
        messages = stack.enter_context(TemporaryFile())
        output: int = subprocess.DEVNULL
        if command.output is not None:
            output = stack.enter_context(open(command.output, "wb")).fileno()
        began_ns = time.monotonic_ns()
        processes = _start(command, output, messages.fileno())
        ended = [_wait(process) for process in processes]
        wall_seconds = (time.monotonic_ns() - began_ns) / 1e9
        if any(process.returncode for process in processes):
            messages.seek(0)
            text = messages.read().decode(errors="replace")[-_SHOWN_CHARACTERS:]
            codes = ", ".join(str(process.returncode) for process in processes)
            raise BenchmarkError(f"exit code {codes}: {command.shown}\n{text}")
    return Run(
        wall_seconds,
        sum(usage.ru_utime + usage.ru_stime for usage in ended),
        sum(usage.ru_maxrss for usage in ended) * _MAXRSS_BYTES,
        len(ended) * own_peak_bytes(),
    )


def own_peak_bytes() -> int:
    """Resident memory of this process at its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES


def shown_peak(runs: Sequence[Run]) -> str:
    """The median peak as text; a peak that cannot be told as the bound that it is below."""
    peak_bytes = median(run.peak_bytes for run in runs)
    unseen_bytes = median(run.unseen_bytes for run in runs)
    if peak_bytes <= unseen_bytes:
        return f"< {human_bytes(unseen_bytes)}"
    return human_bytes(peak_bytes)


def middle(values: Sequence[float]) -> tuple[float, float]:
    """The quartiles that half of all values lie between: their spread, whatever one disturbed."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def shown_seconds(values: Sequence[float]) -> str:
    """The median and the middle half, as ``0.312 s (0.301-0.330)``."""
    low, high = (seconds(value).removesuffix(" s") for value in middle(values))
    return f"{seconds(median(values))} ({low}-{high})"


def _start(command: Command, output: int, messages: int) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []
    upstream = None
    for number, argv in enumerate(command.argvs, 1):
        last = number == len(command.argvs)
        try:
            process = subprocess.Popen(
                argv,
                stdin=upstream or subprocess.DEVNULL,
                stdout=output if last else subprocess.PIPE,
                stderr=messages,
                cwd=command.directory,
                env=os.environ | command.variables,
            )
        except OSError as error:
            raise BenchmarkError(f"cannot start: {command.shown}\n{error}") from error
        finally:
            if upstream is not None:
                # Only the programs hold the pipe now: one that ends early stops the one before.
                upstream.close()
        upstream = process.stdout
        processes.append(process)
    return processes


def _wait(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def answer(argv: Argv) -> str:
    """What a program prints on standard output.

    Raises:
        BenchmarkError: it cannot be started or fails.
    """
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise BenchmarkError(f"cannot start {argv[0]}: {error}") from error
    if done.returncode:
        text = done.stderr.decode(errors="replace")[-_SHOWN_CHARACTERS:]
        raise BenchmarkError(f"exit code {done.returncode}: {argv[0]}\n{text}")
    return done.stdout.decode()


def interleave(
    contestants: Mapping[str, Contestant],
    rounds: int,
    say: Callable[[str], object] = lambda _: None,
) -> dict[str, list[Run]]:
    """Let everybody run once in each round, in the order of ``turn``.

    Before each run what earlier ones wrote is brought to disk, so that nobody pays for it.

    Args:
        contestants: by name.
        rounds: > 0.
        say: is told what runs now.
    Returns:
        Runs of each by name; the nth of everybody belong to the same round.
    Raises:
        BenchmarkError: as ``run``.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name in turn(list(contestants), number):
            contestant = contestants[name]
            say(f"round {number + 1} of {rounds}: {name}")
            contestant.before()
            os.sync()
            try:
                runs[name].append(run(contestant.command))
            finally:
                contestant.after()
    return runs


def turn(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: drawn anew for every second one, and then run backwards once.

    Whoever runs before decides which free memory is at hand, so no neighbours stay together: with
    one order, forwards and backwards, the same command took 0.3 s and 0.5 s in turn. Seeded by the
    number of the round, so that a run can be repeated.
    """
    order = list(names)
    random.Random(number // 2).shuffle(order)
    return order if number % 2 == 0 else order[::-1]


def walls(runs: Sequence[Run]) -> list[float]:
    """Wall-clock seconds of each run."""
    return [run.wall_seconds for run in runs]


def cpus(runs: Sequence[Run]) -> list[float]:
    """CPU seconds of each run."""
    return [run.cpu_seconds for run in runs]


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the quotients, each within one round: a drift of the machine cancels out."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def floor_seconds(decode_cpu: float, copy_cpu: float, cores: int) -> float:
    """The least wall time that decoding and writing could take, perfectly spread."""
    return (decode_cpu + copy_cpu) / cores
