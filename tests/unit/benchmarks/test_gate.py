"""The gate can fail: for a slow start, for a ratio, for instructions, and in a real run."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import gate, instructions
from benchmarks.errors import BenchmarkError
from benchmarks.gate import Baseline, Bound, Figures, growth, hold, read_bounds
from benchmarks.workspace import Workspace

Scenario = Callable[[Workspace], Figures]
REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = REPOSITORY / "benchmarks" / "bounds.toml"
START, RATIO = "first start, slowest", "payload, of tar + zstd -9 --long=27"
COUNT = "instructions, warm check"
KIND = {"architecture": "x86_64", "python": "3.11.7"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, rounds=1, cores=1, platforms=[], tiny=True)


def scenario(*rounds: Figures) -> Scenario:
    """Measures what it is told to, one after the other, and then no more."""
    left = iter(rounds)
    return lambda _: next(left)


def failed(scenarios: list[Scenario], workspace: Workspace, bounds: dict[str, Bound]) -> list[str]:
    return [target.what for target in hold(scenarios, workspace, bounds)]


@pytest.mark.parametrize(("name", "good", "bad"), [(START, 4.9, 5.1), (RATIO, 1.03, 1.06)])
def test_a_figure_beyond_its_shipped_bound_fails(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], name: str, good: float, bad: float
) -> None:
    bounds = read_bounds(SHIPPED)
    assert failed([scenario({name: good})], workspace, bounds) == []
    assert f"met: {name}" in capsys.readouterr().out
    assert failed([scenario({name: bad}, {name: bad})], workspace, bounds) == [name]
    assert f"MISSED: {name}: {bad}" in capsys.readouterr().out


def test_more_instructions_than_the_stated_share_fail(workspace: Workspace) -> None:
    bounds = read_bounds(SHIPPED)
    baseline = [
        Baseline(KIND | {"python": "3.13.0"}, {"warm check": 1}),
        Baseline(KIND, {"warm check": 1_000_000}),
    ]
    for counted, beyond in {1_040_000: [], 900_000: [], 1_060_000: [COUNT]}.items():
        figures = growth({"warm check": counted}, KIND, baseline)
        assert figures == {COUNT: counted / 1_000_000}
        assert failed([scenario(figures, figures)], workspace, bounds) == beyond


def test_counts_of_another_machine_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    baseline = [Baseline(KIND, {"warm check": 1})]
    assert growth({"warm check": 5}, KIND | {"python": "3.13.0"}, baseline) == {}
    out = capsys.readouterr().out
    assert "no baseline for this machine" in out
    assert "this: architecture x86_64, python 3.13.0" in out
    assert "known: architecture x86_64, python 3.11.7" in out


def test_a_path_that_the_baseline_does_not_know_is_not_passed_over() -> None:
    with pytest.raises(BenchmarkError, match=r"no count of warm check: .*--write-baseline"):
        growth({"warm check": 5}, KIND, [Baseline(KIND, {"open and list": 1})])


def test_a_disturbed_scenario_is_repeated_once_and_says_so(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds = {"a": Bound(1.0, "why"), "b": Bound(1.0, "why")}
    # Each of the two figures held once: the better of each counts.
    disturbed = scenario({"a": 1.5, "b": 0.5}, {"a": 0.5, "b": 1.5})
    assert failed([disturbed], workspace, bounds) == []
    assert "again, once, for: a" in capsys.readouterr().out
    assert failed([scenario({"a": 1.5}, {"a": 1.2})], workspace, bounds) == ["a"]


def test_a_failure_does_not_hide_the_next_one(workspace: Workspace) -> None:
    bounds = {"a": Bound(1.0, "why"), "b": Bound(1.0, "why")}
    slow = [scenario({name: 2.0}, {name: 2.0}) for name in bounds]
    assert failed(slow, workspace, bounds) == ["a", "b"]


def test_what_is_not_a_number_does_not_hold(workspace: Workspace) -> None:
    unknown = {"a": float("nan")}
    assert failed([scenario(unknown, unknown)], workspace, {"a": Bound(1.0, "why")}) == ["a"]


def test_a_figure_without_a_bound_is_refused(workspace: Workspace) -> None:
    with pytest.raises(BenchmarkError, match="no bound for mispelled"):
        hold([scenario({"mispelled": 1.0})], workspace, read_bounds(SHIPPED))


@pytest.mark.parametrize(
    "text", ["[a]\nlimit = 1\n", '[a]\nwhy = "?"\n', '[a]\nlimit = "1"\nwhy = "?"\n', "[a", "a = 1"]
)
def test_a_bound_without_limit_or_reason_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bounds.toml"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"bounds\.toml"):
        read_bounds(path)


def test_bounds_that_cannot_be_read_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.main(["--bounds", str(tmp_path / "absent.toml")]) == 1
    assert "absent.toml" in capsys.readouterr().err


def test_without_a_counter_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(instructions.NoCounterError, match="apt install valgrind"):
        instructions.machine({})


@pytest.mark.real
@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the gate starts programs of linux-amd64",
)
def test_a_real_run_with_impossible_bounds_fails_for_each_and_says_why(tmp_path: Path) -> None:
    names = read_bounds(SHIPPED)
    bounds = tmp_path / "bounds.toml"
    bounds.write_text(
        "".join(f'[{json.dumps(name)}]\nlimit = 0\nwhy = "no less than {name}"\n' for name in names)
    )
    words = ["--tiny", "--rounds=1", f"--bounds={bounds}", f"--work={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gate", *words],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    # There a gate says that it could not measure.
    assert "bench-gate" not in done.stderr, done.stderr
    if "instructions not compared" in done.stdout:
        names = {name: bound for name, bound in names.items() if "instructions" not in name}
    for name in names:
        missed = rf"MISSED: {re.escape(name)}: \d+\.\d+ \(at most 0\.00\)"
        # Measured, once again, and in the end with its reason.
        assert len(re.findall(rf"^bench-gate: {missed}$", done.stdout, re.M)) == 2, done.stdout
        assert re.search(
            rf"^bench-gate:   {missed}: no less than {re.escape(name)}$", done.stdout, re.M
        )
    assert "bench-gate: FAILED, in" in done.stdout
    assert list(tmp_path.iterdir()) == [bounds]
