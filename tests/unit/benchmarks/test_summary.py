"""The tables of a document: the newest of each scenario, and no text of anybody else's lost."""

from typing import Any

import pytest

from benchmarks import __main__ as command_line
from benchmarks import found, summary
from benchmarks.errors import BenchmarkError
from tests.support.commands import REPOSITORY


def document(when: str, **figures: str) -> dict[str, Any]:
    return {
        "settings": {"rounds": 9, "when": when, "tiny": False},
        "machine": {
            "commit": "abc",
            "cpu": "a cpu",
            "cores": 4,
            "cores_used": 2,
            "filesystem": "ext4",
            "load_before": [0.5, 1, 2],
        },
        "results": [
            {
                "scenario": scenario,
                "tables": [{"title": "T:", "columns": ["a", "b"], "rows": [["x | y", figure]]}],
                "targets": [{"what": "it", "value": 2.0, "limit": 1.0, "unit": ""}],
                "notes": ["a note"],
                "runs": {},
            }
            for scenario, figure in figures.items()
        ],
    }


DOCUMENTS = [document("2026-01-01", size="old", first="kept"), document("2026-02-01", size="new")]


def test_the_newest_of_each_scenario_stands_between_the_marks() -> None:
    text = f"before\n{summary.BEGIN}\nstale\n{summary.END}\nafter\n"
    written = summary.replace(text, DOCUMENTS, ["size", "first", "again"])
    assert written.startswith(f"before\n{summary.BEGIN}\n")
    assert written.endswith(f"\n{summary.END}\nafter\n")
    assert "stale" not in written
    assert "old" not in written
    assert r"| x \| y | new |" in written
    assert r"| x \| y | kept |" in written
    origin = "9 rounds, 2026-02-01, commit abc; a cpu, 2 of 4 cores, ext4, load before 0.5."
    assert origin in written
    assert "- MISSED: it: 2.000 (at most 1.00)\n- a note" in written
    assert "No result is kept of `again`." in written
    assert summary.replace(written, DOCUMENTS, ["size", "first", "again"]) == written


@pytest.mark.parametrize("text", ["", summary.BEGIN, f"{summary.END}\n{summary.BEGIN}"])
def test_a_document_without_the_marks_is_refused(text: str) -> None:
    with pytest.raises(BenchmarkError, match="to write the results between"):
        summary.replace(text, DOCUMENTS, ["size"])


def test_the_kept_tables_show_the_kept_results() -> None:
    """Where this fails: python -m benchmarks --summary BENCHMARKS.md."""
    kept = (REPOSITORY / "BENCHMARKS.md").read_text("utf-8")
    documents = found.read(command_line._RESULTS)
    assert kept == summary.replace(kept, documents, command_line._SCENARIOS)
