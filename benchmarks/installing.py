"""What a first start costs: durable beside not durable, and where disk, cache or cores are poor."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.disk import Throttle, make_cold, throttled
from benchmarks.errors import BenchmarkError
from benchmarks.inputs import stage_many
from benchmarks.measure import Command, Contestant, Run, interleave, paired_ratio, shown_peak, walls
from benchmarks.peers import Stigmer
from benchmarks.report import Result, Table, Target, seconds
from container.units import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.workspace import Workspace

CHECKOUT = Path(__file__).resolve().parent.parent
QUICK_LEVEL = 3
_DURABLE_RATIO = 1.3
_FIRST_START_SECONDS = 5
_PEAK_MIB = 128
_SMALL_FILES = 7_000
_THROTTLED_BYTES = 100_000_000


class InstallProbe:
    """One of ``benchmarks.install_probes``, installing into a home that is new each time.

    Args:
        workspace: for the home, and what the probe prints.
        label: tells it from others.
        words: ``WHAT``, and options.
        payload: to be installed.
        names: of components.

    Attributes:
        answers: what it printed, one for each round.
    """

    def __init__(
        self,
        workspace: Workspace,
        label: str,
        words: list[str],
        payload: Path,
        names: tuple[str, ...] = (),
    ) -> None:
        self.answers: list[dict[str, Any]] = []
        self.home = workspace.root / f"home-{label.replace(' ', '-')}"
        self._workspace = workspace
        self._output = workspace.root / f"{self.home.name}.json"
        argv = [sys.executable, "-m", "benchmarks.install_probes", *words]
        self.command = Command(
            ([*argv, str(payload), str(self.home), *names],),
            f"python -m benchmarks.install_probes {words[0]}",
            CHECKOUT,
            self._output,
        )

    def contestant(self, before: Callable[[], object] = lambda: None) -> Contestant:
        """To be run in rounds with others; ``before`` runs when the old home is gone."""

        def clear_then() -> None:
            self._workspace.put_aside(self.home)
            before()

        return Contestant(self.command, clear_then, self._keep)

    def seconds(self) -> list[float]:
        """That the library took, of each round."""
        return [answer["seconds"] for answer in self.answers]

    def _keep(self) -> None:
        text = self._output.read_text()
        # A probe that failed has printed nothing; the failure itself is reported by the run.
        if text:
            self.answers.append(json.loads(text))
        self._workspace.put_aside(self.home)


def measure(workspace: Workspace) -> Result:
    """Everybody installs the release, or a tree of many small files, into a new home."""
    release = workspace.archive(Stigmer(), workspace.release())
    many = workspace.archive(
        Stigmer(QUICK_LEVEL), workspace.tree(f"{_SMALL_FILES} files", _stage_many)
    )
    cold: set[str] = set()
    with ExitStack() as stack:
        notes: list[str] = []
        throttle = _throttle(stack, workspace, notes)
        probes = {
            "durable": InstallProbe(workspace, "durable", ["durable"], release),
            "not durable": InstallProbe(workspace, "volatile", ["volatile"], release),
            "cold cache": InstallProbe(workspace, "cold", ["durable"], release),
            "one core": InstallProbe(workspace, "one", ["durable", "--cores=1"], release),
            "7,000 small files": InstallProbe(workspace, "many", ["durable"], many),
            "7,000 small files, not durable": InstallProbe(
                workspace, "many-volatile", ["volatile"], many
            ),
        }
        contestants = {name: probe.contestant() for name, probe in probes.items()}
        contestants["cold cache"] = probes["cold cache"].contestant(
            lambda: cold.add(make_cold([release]))
        )
        if throttle is not None:
            probes["disk of 100 MB/s"] = InstallProbe(
                workspace, "slow", ["durable", f"--group={throttle.group}"], release
            )
            contestants["disk of 100 MB/s"] = probes["disk of 100 MB/s"].contestant()
        runs = interleave(contestants, workspace.rounds, workspace.say)
        held_bytes = 0 if throttle is None else throttle.written_bytes() // workspace.rounds
    return _result(workspace, probes, runs, held_bytes, [*notes, f"cold cache: {min(cold)}"])


def _throttle(stack: ExitStack, workspace: Workspace, notes: list[str]) -> Throttle | None:
    try:
        return stack.enter_context(throttled(workspace.root, _THROTTLED_BYTES))
    except BenchmarkError as error:
        notes.append(f"not measured: {error}")
        return None


def _result(
    workspace: Workspace,
    probes: dict[str, InstallProbe],
    runs: dict[str, list[Run]],
    held_bytes: int,
    notes: list[str],
) -> Result:
    rows = [
        [
            name,
            seconds(median(probe.seconds())),
            seconds(median(walls(runs[name]))),
            seconds(max(walls(runs[name]))),
            shown_peak(runs[name]),
        ]
        for name, probe in probes.items()
    ]
    durable, volatile = probes["durable"], probes["not durable"]
    facts = durable.answers[-1]
    ratio = paired_ratio(durable.seconds(), volatile.seconds())
    wall_ratio = paired_ratio(walls(runs["durable"]), walls(runs["not durable"]))
    many_ratio = paired_ratio(
        probes["7,000 small files"].seconds(), probes["7,000 small files, not durable"].seconds()
    )
    if held_bytes:
        notes.append(
            "disk of 100 MB/s: blkio.throttle.write_bps_device of the probe's control group; "
            f"{human_bytes(held_bytes)} of each round were held to it"
        )
    starts = [name for name in probes if "not durable" not in name]
    return Result(
        "durable",
        [
            Table(
                f"First start of {facts['files']} entries, {human_bytes(facts['plain_bytes'])}, "
                f"{workspace.cores} cores, {workspace.rounds} rounds:",
                ["first start", "library", "process", "slowest process", "peak memory"],
                rows,
            )
        ],
        [
            Target("durable, of not durable, in the library", ratio, _DURABLE_RATIO),
            Target("durable, of not durable, whole process", wall_ratio, _DURABLE_RATIO),
            *(
                Target(
                    f"slowest first start, {name}",
                    max(walls(runs[name])),
                    _FIRST_START_SECONDS,
                    "s",
                )
                for name in starts
            ),
            Target(
                "peak memory of an installation",
                max(run.peak_bytes for name in starts for run in runs[name]) / (1 << 20),
                _PEAK_MIB,
                "MiB",
            ),
        ],
        [*notes, f"7,000 small files: durable is {many_ratio:.2f} of not durable"],
        {
            "processes": {name: [run._asdict() for run in taken] for name, taken in runs.items()},
            "library": {name: probe.answers for name, probe in probes.items()},
        },
    )


def _stage_many(target: Path) -> None:
    target.mkdir()
    # And the hundred directories that they are in, and the one around those.
    stage_many(target / "packages", _SMALL_FILES + 101)
