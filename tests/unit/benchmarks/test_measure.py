import sys
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.measure import (
    Command,
    Contestant,
    Run,
    floor_seconds,
    interleave,
    middle,
    own_peak_bytes,
    paired_ratio,
    run,
    shown_peak,
    shown_seconds,
    turn,
)

_MIB = 1 << 20


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_drift_that_slows_everybody_does_not_change_the_ratio() -> None:
    assert paired_ratio([1.0, 2.0, 4.0], [2.0, 4.0, 8.0]) == 0.5


def test_the_ratio_is_the_median_of_the_quotients_not_the_quotient_of_the_medians() -> None:
    assert paired_ratio([1.0, 9.0, 3.0], [1.0, 3.0, 2.0]) == 1.5


def test_runs_of_different_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1.0, 2.0], [1.0])


def test_the_spread_is_the_middle_half_whatever_one_disturbed() -> None:
    assert middle([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)
    assert middle([5.0, 2.0, 3.0, 4.0, 100.0]) == (3.0, 5.0)
    assert middle([0.5]) == (0.5, 0.5)


def test_seconds_are_shown_with_their_spread() -> None:
    assert shown_seconds([0.1, 0.2, 0.3]) == "0.200 s (0.150-0.250)"
    assert shown_seconds([20.0]) == "20.0 s (20.0-20.0)"


def test_the_floor_spreads_all_cpu_over_all_cores() -> None:
    assert floor_seconds(0.44, 0.21, 2) == pytest.approx(0.325)


def test_every_other_round_goes_backwards_and_the_next_one_has_an_order_of_its_own() -> None:
    names = [str(number) for number in range(12)]
    orders = [turn(names, number) for number in range(8)]
    assert all(sorted(order) == sorted(names) for order in orders)
    assert all(orders[number + 1] == orders[number][::-1] for number in range(0, 8, 2))
    assert len({tuple(order) for order in orders}) == 8
    assert orders == [turn(names, number) for number in range(8)]


def test_a_pipeline_passes_bytes_on_and_counts_all_its_processes(tmp_path: Path) -> None:
    output = tmp_path / "output"
    burn = "import time\nwhile time.process_time() < 0.1: pass\n"
    took = run(
        Command(
            (
                _python(f"{burn}print('through')"),
                _python(f"{burn}print(input().upper())"),
            ),
            "shown",
            output=output,
        )
    )
    assert output.read_text() == "THROUGH\n"
    assert took.cpu_seconds >= 0.2
    assert took.wall_seconds >= 0.1


def test_variables_are_set_besides_those_of_this_process(tmp_path: Path) -> None:
    code = "import os; print(os.environ['GIVEN'], 'PATH' in os.environ)"
    output = tmp_path / "output"
    run(Command((_python(code),), "shown", output=output, variables={"GIVEN": "given"}))
    assert output.read_text() == "given True\n"


def test_the_peak_is_that_of_the_process() -> None:
    wanted = own_peak_bytes() + 64 * _MIB
    took = run(Command((_python(f"b'x' * {wanted}"),), "shown"))
    assert wanted <= took.peak_bytes <= wanted + 64 * _MIB


def test_a_peak_that_cannot_be_told_is_shown_as_a_bound() -> None:
    assert shown_peak([Run(1.0, 1.0, 24_000_000, 24_000_000)]) == "< 24.0 MB"
    assert shown_peak([Run(1.0, 1.0, 90_000_000, 24_000_000)]) == "90.0 MB"


@pytest.mark.parametrize("failing", [0, 1])
def test_any_failing_program_of_a_pipeline_fails_it_with_its_message(failing: int) -> None:
    argvs = [_python("pass"), _python("pass")]
    argvs[failing] = _python("import sys; sys.exit('what went wrong')")
    with pytest.raises(BenchmarkError, match=r"exit code .*: shown\n(.|\n)*what went wrong"):
        run(Command(tuple(argvs), "shown"))


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="cannot start: shown"):
        run(Command(([str(tmp_path / "absent")],), "shown"))


def test_everybody_runs_once_in_each_round_between_its_before_and_after() -> None:
    told: list[str] = []

    def contestant(name: str) -> Contestant:
        return Contestant(
            Command((_python("pass"),), name),
            before=lambda: told.append(f"before {name}"),
            after=lambda: told.append(f"after {name}"),
        )

    runs = interleave({name: contestant(name) for name in "ab"}, 2)
    assert {name: len(taken) for name, taken in runs.items()} == {"a": 2, "b": 2}
    assert [line for line in told if line.startswith("before")] == [
        f"before {name}" for name in "abba"
    ]
    assert told[::2] == [line.replace("after", "before") for line in told[1::2]]


def test_what_a_failing_contestant_wrote_is_taken_away() -> None:
    cleared: list[bool] = []
    failing = Contestant(
        Command((_python("raise SystemExit(3)"),), "failing"), after=lambda: cleared.append(True)
    )
    with pytest.raises(BenchmarkError, match="exit code 3"):
        interleave({"failing": failing}, 1)
    assert cleared == [True]
