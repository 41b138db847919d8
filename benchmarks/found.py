"""Results of earlier runs, by scenario; what is drawn is read from them here."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

TIMED = {
    "first": "First start, beside the peers",
    "again": "Warm start, beside the peers",
    "component": "One component of three",
    "small": "Many small files",
    "gigabyte": "A gigabyte",
}
"""Scenarios that time whole processes, with what they show."""

_UNPACK = "unpack"
_TITLES = {
    "size": "Size, beside the peers",
    "stages": "Where a first start spends its time",
    _UNPACK: "Unpacking, not durable, beside the peers",
    **TIMED,
}
# Of results that name no commands, and so do not tell who does the whole job.
_NO_PEERS = ("decode frames, write nothing", "start and imports alone")

Document = dict[str, Any]
"""One file of results."""

Rounds = list[dict[str, float]]
"""Runs of one contestant."""


class Found(NamedTuple):
    """The result of one scenario, with what it depends on."""

    document: Document
    result: dict[str, Any]

    @property
    def title(self) -> str:
        """What it shows."""
        return _TITLES[self.result["scenario"]]

    @property
    def run(self) -> str:
        """Rounds, date and commit."""
        commit, settings = self.document["machine"]["commit"], self.document["settings"]
        return f"{settings['rounds']} rounds, {settings['when'][:10]}, commit {commit}"

    @property
    def machine(self) -> str:
        """What it was measured on."""
        machine = self.document["machine"]
        used = f"{machine['cores_used']} of {machine['cores']} cores"
        return f"{machine['cpu']}, {used}, {machine['filesystem']}"

    @property
    def runs(self) -> dict[str, Any]:
        """Everything that was measured; of sizes by platform those of the first one."""
        runs: dict[str, Any] = self.result["runs"]
        if self.result["scenario"] == "size" and "stored_bytes" not in runs:
            return dict(next(iter(runs.values())))
        return runs

    @property
    def commands(self) -> dict[str, str]:
        """Of contestants, for readers; older results have none."""
        return dict(self.runs.get("shown", {}))

    @property
    def stored_bytes(self) -> dict[str, int]:
        """Of each archive, the smallest first."""
        return dict(sorted(self.runs["stored_bytes"].items(), key=lambda item: int(item[1])))

    def processes(self, key: str = "processes") -> dict[str, Rounds]:
        """Those that do the whole job, the quickest first."""
        runs = self.runs[key]
        wanted = self.commands or runs.keys() - set(_NO_PEERS)
        return quickest_first({name: taken for name, taken in runs.items() if name in wanted})


def read(directory: Path) -> list[Document]:
    """All results that measure something, oldest first.

    Raises:
        BenchmarkError: there is none, or a file is no result.
        OSError: a file cannot be read.
    """
    documents = []
    for path in sorted(directory.glob("*.json")):
        try:
            document = json.loads(path.read_text())
            if not document["settings"]["tiny"]:
                documents.append(document)
        except (ValueError, KeyError, TypeError) as error:
            raise BenchmarkError(f"{path}: not a result: {error!r}") from error
    if not documents:
        raise BenchmarkError(f"no results in {directory}: run python -m benchmarks first")
    return sorted(documents, key=lambda document: str(document["settings"]["when"]))


def newest(documents: Sequence[Document], scenario: str) -> Found | None:
    """The last result of a scenario, or of what was measured in its place."""
    for document in reversed(documents):
        for result in document["results"]:
            if result["scenario"] == scenario:
                return Found(document, result)
    return newest(documents, _UNPACK) if scenario == "first" else None


def quickest_first(processes: dict[str, Rounds]) -> dict[str, Rounds]:
    """By their medians."""
    return dict(sorted(processes.items(), key=lambda item: median(walls(item[1]))))


def walls(rounds: Rounds) -> list[float]:
    """Wall-clock seconds of each run."""
    return [one["wall_seconds"] for one in rounds]


def our_name(names: Iterable[str]) -> str | None:
    """This project among contestants; the shortest name: others are variants."""
    return min(filter(is_ours, names), key=len, default=None)


def is_ours(name: str) -> bool:
    """A contestant is this project."""
    return name.startswith("stigmer")
