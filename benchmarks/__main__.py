"""Side by side with the obvious alternatives, as ratios from one run.

``python -m benchmarks`` measures; ``--markdown`` prints the tables of an earlier run, ``--page``
and ``--picture`` draw all of them. Read BENCHMARKS.md before quoting a number.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    again,
    component,
    first,
    frozen,
    hosts,
    installing,
    machine,
    memory,
    opening,
    packing,
    report,
    sets,
    size,
    stages,
    starting,
    upgrading,
    warming,
)
from benchmarks.errors import BenchmarkError
from benchmarks.peers import compile_modules
from benchmarks.workspace import Workspace
from fixtures import PLATFORMS, FixtureError

if TYPE_CHECKING:
    from collections.abc import Callable

_RESULTS = Path(__file__).parent / "results"
_SCENARIOS: dict[str, Callable[[Workspace], report.Result]] = {
    "size": size.measure,
    "first": first.measure,
    "again": again.measure,
    "component": component.measure,
    "small": sets.measure_small,
    "gigabyte": sets.measure_gigabyte,
    "memory": memory.measure,
    "opening": opening.measure,
    "packing": packing.measure,
    "frozen": frozen.measure,
    "start": starting.measure,
    "hosts": hosts.measure,
    "durable": installing.measure,
    "stages": stages.measure,
    "warm": warming.measure,
    "upgrade": upgrading.measure,
}


def main(words: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 1 where something cannot be measured.

    A target that is missed is reported and is no failure: a benchmark is not a test.
    """
    arguments = _parse(words)
    try:
        if arguments.markdown:
            chosen = arguments.json or _latest()
            print(report.render(json.loads(chosen.read_text()), markdown=True))
            return 0
        if arguments.page or arguments.picture or arguments.summary:
            _draw(arguments)
            return 0
        return _measure(arguments)
    except (BenchmarkError, FixtureError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = ", ".join(_SCENARIOS)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {known}; all")
    parser.add_argument("--rounds", type=int, default=9, help="of each timed scenario (9)")
    parser.add_argument("--cores", type=int, default=2, help="for everybody (2)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="file system to measure on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write here, or read with -m")
    parser.add_argument(
        "--platforms", action="store_true", help="sizes for macOS, too: minutes more"
    )
    parser.add_argument("--tiny", action="store_true", help="try all this in some minutes")
    parser.add_argument("-m", "--markdown", action="store_true", help="print an earlier run")
    parser.add_argument("--page", type=Path, metavar="FILE", help="draw the newest results as HTML")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="and FILE-narrow.svg: the main figures"
    )
    parser.add_argument(
        "--summary", type=Path, metavar="FILE.md", help="write the newest tables between its marks"
    )
    arguments = parser.parse_args(words)
    for scenario in arguments.scenarios:
        if scenario not in _SCENARIOS:
            parser.error(f"no scenario {scenario}; there are {known}")
    if min(arguments.rounds, arguments.cores) < 1:
        parser.error("--rounds and --cores: at least 1")
    return arguments


def _draw(arguments: argparse.Namespace) -> None:
    """Write what was asked for.

    Raises:
        BenchmarkError: a result is missing, or is none.
        OSError: a file cannot be read or written.
    """
    # Late: a process that measures stays small.
    from benchmarks import found, page, picture, summary

    documents = found.read(_RESULTS)
    drawn: dict[Path, str] = {}
    if arguments.page:
        drawn[arguments.page] = page.render(documents)
    if arguments.picture:
        beside = arguments.picture.with_stem(f"{arguments.picture.stem}-narrow")
        drawn |= {
            arguments.picture: picture.render(documents, columns=2),
            beside: picture.render(documents, columns=1),
        }
    if arguments.summary:
        text = arguments.summary.read_text("utf-8")
        drawn[arguments.summary] = summary.replace(text, documents, _SCENARIOS)
    for path, text in drawn.items():
        path.write_text(text, encoding="utf-8")
        print(f"written: {os.path.relpath(path)}")


def _measure(arguments: argparse.Namespace) -> int:
    # What cp -r and tar write depends on it; every output is compared with its modes.
    os.umask(0o022)
    compile_modules()
    cores = machine.pin_cores(arguments.cores)
    platforms = PLATFORMS if arguments.platforms else PLATFORMS[:1]
    when = datetime.now(UTC)
    results: list[report.Result] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="stigmer-benchmarks-", dir=arguments.work) as work:
        facts = machine.describe(Path(work), cores)
        workspace = Workspace(Path(work), arguments.rounds, cores, platforms, tiny=arguments.tiny)
        for scenario in arguments.scenarios or _SCENARIOS:
            print(f"{scenario}:", file=sys.stderr, flush=True)
            try:
                results.append(_SCENARIOS[scenario](workspace))
            except BenchmarkError as error:
                # What took minutes to measure is not lost for a scenario that cannot be.
                failed.append(scenario)
                print(f"benchmarks: {scenario}: {error}", file=sys.stderr)
    if not results:
        return 1
    settings = {
        "scenarios": [result.scenario for result in results],
        "rounds": arguments.rounds,
        "tiny": arguments.tiny,
        "when": when.isoformat(timespec="minutes"),
    }
    document = report.document(facts, settings, results)
    output = arguments.json or _RESULTS / f"{when:%Y-%m-%dT%H%M%SZ}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document, indent=1) + "\n")
    print(report.render(document))
    print(f"\nwritten: {os.path.relpath(output)}")
    if failed:
        print(f"benchmarks: not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _latest() -> Path:
    """The newest result.

    Raises:
        BenchmarkError: there is none.
    """
    found = sorted(_RESULTS.glob("*.json"))
    if not found:
        raise BenchmarkError("no results yet: run python -m benchmarks first, or give --json FILE")
    return found[-1]


if __name__ == "__main__":
    sys.exit(main())
