import json
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.report import Result, Table, Target, document, render, seconds

_MACHINE: dict[str, Any] = {
    "cpu": "a processor",
    "cores_used": 2,
    "cores": 8,
    "memory_bytes": 16_000_000_000,
    "filesystem": "ext4",
    "system": "Linux",
    "load_before": [0.1, 0.2, 0.3],
    "cache": "warm",
    "python": "3.11",
    "libzstd": "1.5.7",
    "libraries": {"zstandard": "0.25.0"},
    "tools": {"zstd": None},
    "commit": "0123456789ab",
}
_RESULT = Result(
    "size",
    [Table("Sizes:", ["archive", "stored"], [["ours", "1 B"], ["theirs", "20 B"]])],
    [Target("ours of theirs", 0.05, 1.0), Target("peak", 200.0, 128.0, "MiB")],
    ["a note"],
)


def _document(*, tiny: bool = False) -> Any:
    settings = {"rounds": 3, "when": "today", "tiny": tiny}
    return json.loads(json.dumps(document(_MACHINE, settings, [_RESULT])))


def test_a_target_says_whether_it_is_met() -> None:
    assert Target("x", 1.0, 1.0).line() == "met: x: 1.000 (at most 1.00)"
    assert Target("x", 1.01, 1.0).line() == "MISSED: x: 1.010 (at most 1.00)"
    assert Target("x", 5.0, 30.0, "ms").line() == "met: x: 5.0 ms (at most 30)"


def test_text_aligns_columns() -> None:
    assert "archive  stored\nours        1 B\ntheirs     20 B" in render(_document())


def test_markdown_has_the_same_rows_targets_and_notes() -> None:
    text = render(_document(), markdown=True)
    assert "## size\n" in text
    assert "| archive | stored |\n| --- | ---: |\n| ours | 1 B |" in text
    assert "- MISSED: peak: 200.0 MiB (at most 128)\n- a note" in text
    assert "zstd absent" in text


def test_a_run_on_tiny_inputs_says_so() -> None:
    assert "TINY" in render(_document(tiny=True))
    assert "TINY" not in render(_document())


@pytest.mark.parametrize(
    ("value", "text"), [(0.3124, "0.312 s"), (9.9994, "9.999 s"), (9.9996, "10.0 s")]
)
def test_seconds_keep_three_digits(value: float, text: str) -> None:
    assert seconds(value) == text


def test_markdown_of_a_file_is_printed(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(_document()))
    assert main(["--markdown", "--json", str(path)]) == 0
    assert "## size" in capsys.readouterr().out


def test_an_unknown_scenario_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["speed"])
    assert "no scenario speed" in capsys.readouterr().err
