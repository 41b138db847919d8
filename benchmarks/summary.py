"""The results of a document: the newest tables and targets of each scenario, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import found
from benchmarks.errors import BenchmarkError
from benchmarks.report import Table, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.found import Document, Found

BEGIN = "<!-- results: written by python -m benchmarks --summary FILE -->"
END = "<!-- end of results -->"


def replace(text: str, documents: Sequence[Document], scenarios: Iterable[str]) -> str:
    """The text with what stands between its two marks written anew.

    Args:
        text: with one ``BEGIN`` and one ``END``, each a line.
        documents: all results.
        scenarios: in this order; those that were never measured are named.
    Raises:
        BenchmarkError: the marks are not there.
    """
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise BenchmarkError(f"no lines {BEGIN} and {END} to write the results between")
    blocks = [BEGIN]
    missing = []
    for scenario in scenarios:
        newest = found.newest(documents, scenario)
        if newest is None or newest.result["scenario"] != scenario:
            missing.append(f"`{scenario}`")
        else:
            blocks += _scenario(scenario, newest)
    if missing:
        blocks.append(f"No result is kept of {', '.join(missing)}.")
    return before + "\n\n".join([*blocks, END]) + after


def _scenario(name: str, newest: Found) -> Iterator[str]:
    load = newest.document["machine"]["load_before"][0]
    yield f"### `{name}`"
    yield f"{newest.run}; {newest.machine}, load before {load}."
    for fields in newest.result["tables"]:
        table = Table(**fields)
        yield f"{table.title}\n\n{table.markdown()}"
    lines = [Target(**target).line() for target in newest.result["targets"]]
    lines += newest.result["notes"]
    if lines:
        yield "\n".join(f"- {line}" for line in lines)
