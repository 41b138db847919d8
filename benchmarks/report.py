"""Results as values, and those as JSON, text or Markdown. Tables come from JSON alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from container.units import human_bytes


@dataclass(frozen=True)
class Target:
    """A figure that this project promises to stay at or below."""

    what: str
    value: float
    limit: float
    unit: str = ""

    def line(self) -> str:
        """As ``met: what: 0.931 (at most 1.00)``."""
        met = "met" if self.value <= self.limit else "MISSED"
        if not self.unit:
            return f"{met}: {self.what}: {self.value:.3f} (at most {self.limit:.2f})"
        return f"{met}: {self.what}: {self.value:.1f} {self.unit} (at most {self.limit:g})"


@dataclass(frozen=True)
class Table:
    """Rows of text below a head."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """Without its title."""
        alignment = ["---"] + ["---:"] * (len(self.columns) - 1)
        lines = [self.columns, alignment, *self.rows]
        # A bar within a cell would end it.
        escaped = ([cell.replace("|", r"\|") for cell in cells] for cells in lines)
        return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)

    def text(self) -> str:
        """Without its title, in columns of one width."""
        lines = [self.columns, *self.rows]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
            for cells in lines
        )


@dataclass(frozen=True)
class Result:
    """Of one scenario.

    Attributes:
        scenario: its name on the command line.
        runs: every single measurement, by contestant; the tables are made of these.
    """

    scenario: str
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    runs: dict[str, Any] = field(default_factory=dict)


def document(machine: dict[str, Any], settings: dict[str, Any], results: list[Result]) -> Any:
    """Everything of one run of the benchmarks, ready for JSON."""
    return {
        "format": 1,
        "settings": settings,
        "machine": machine,
        "results": [asdict(result) for result in results],
    }


def render(facts: dict[str, Any], *, markdown: bool = False) -> str:
    """All tables and targets of a document, for a terminal or for a Markdown file."""
    blocks = [_machine(facts)]
    for fields in facts["results"]:
        heading = "## {}" if markdown else "== {} =="
        blocks.append(heading.format(fields["scenario"]))
        for table in [Table(**table) for table in fields["tables"]]:
            drawn = table.markdown() if markdown else table.text()
            blocks.append(f"{table.title}\n\n{drawn}")
        lines = [Target(**target).line() for target in fields["targets"]] + fields["notes"]
        if lines:
            blocks.append("\n".join(f"- {line}" for line in lines))
    return "\n\n".join(blocks)


def seconds(value: float) -> str:
    """As ``0.312 s`` or, from ten seconds on, ``45.7 s``."""
    return f"{value:.3f} s" if value < 9.9995 else f"{value:.1f} s"


def _machine(facts: dict[str, Any]) -> str:
    machine, settings = facts["machine"], facts["settings"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    tools = ", ".join(f"{name} {version or 'absent'}" for name, version in machine["tools"].items())
    used = f"{machine['cpu']}, {machine['cores_used']} of {machine['cores']} cores"
    memory = human_bytes(machine["memory_bytes"])
    lines = [
        f"{used}, {memory} memory, {machine['filesystem']}, {machine['system']}",
        f"load before: {machine['load_before']}; cache: {machine['cache']}",
        f"Python {machine['python']}, libzstd {machine['libzstd']}, {libraries}",
        tools,
        f"commit {machine['commit']}, {settings['rounds']} rounds, {settings['when']}",
    ]
    if settings["tiny"]:
        lines.append("TINY INPUTS: this run tries the benchmarks and measures nothing.")
    return "\n".join(f"- {line}" for line in lines)
