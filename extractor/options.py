"""What the commands of ``stigmer-extract`` share: options, progress, and JSON."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from extractor.progress import STYLES, EventPrinter

if TYPE_CHECKING:
    from collections.abc import Callable

    from extractor.events import Listener

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Frames decoded at once. Default: all cores, at most 8.",
)
PROGRESS = click.option(
    "--progress",
    "style",
    type=click.Choice(STYLES),
    help="On standard error. Default: a bar on a terminal, lines otherwise; none with --json.",
)

# Each worker holds a frame, plain and stored; beyond 8 the file system is what is waited for.
_MAX_DEFAULT_JOBS = 8


def jobs_or_default(jobs: int | None) -> int:
    """How many workers, > 0."""
    return jobs or min(os.cpu_count() or 1, _MAX_DEFAULT_JOBS)


def progress_style(style: str | None, *, as_json: bool) -> str:
    """What is asked for, or fits what is printed."""
    return style or ("none" if as_json else "auto")


def print_json(facts: dict[str, Any]) -> None:
    """Print facts for machines."""
    import json  # 3 ms of every start that does not need it

    click.echo(json.dumps(facts, indent=2))


def run_shown(run: Callable[[Listener], dict[str, Any]], style: str) -> dict[str, Any]:
    """What ``run`` returns, and how long it took, in seconds; its events are shown."""
    start_ns = time.monotonic_ns()
    printer = EventPrinter(style)
    try:
        facts = run(printer)
    finally:
        printer.end()
    return facts | {"seconds": (time.monotonic_ns() - start_ns) / 1e9}
