"""What the commands of ``stigmer-extract`` share: options, workers, and progress.

click is imported where an option is declared: a command that is read without it declares none.
"""

from __future__ import annotations

import os
import time

from extractor.words import STYLES

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from extractor.events import Listener

# Each worker holds a frame, plain and stored; beyond 8 the file system is what is waited for.
_MAX_DEFAULT_JOBS = 8


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare ``--json``, the parameter ``as_json``."""
    import click

    option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
    return option(command)


def jobs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare ``--jobs``; its parameter goes through ``jobs_or_default``."""
    import click

    option = click.option(
        "--jobs",
        type=click.IntRange(min=1),
        help="Frames decoded at once. Default: all cores, at most 8.",
    )
    return option(command)


def progress_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare ``--progress``; its parameter ``style`` goes through ``progress_style``."""
    import click

    option = click.option(
        "--progress",
        "style",
        type=click.Choice(STYLES),
        help="On standard error. Default: a bar on a terminal, lines otherwise; none with --json.",
    )
    return option(command)


def jobs_or_default(jobs: int | None) -> int:
    """How many workers, > 0."""
    return jobs or min(os.cpu_count() or 1, _MAX_DEFAULT_JOBS)


def progress_style(style: str | None, *, as_json: bool) -> str:
    """What is asked for, or fits what is printed."""
    return style or ("none" if as_json else "auto")


def run_shown(run: Callable[[Listener], dict[str, Any]], style: str) -> dict[str, Any]:
    """What ``run`` returns, and how long it took, in seconds; its events are shown."""
    from extractor.progress import EventPrinter

    start_ns = time.monotonic_ns()
    printer = EventPrinter(style)
    try:
        facts = run(printer)
    finally:
        printer.end()
    return facts | {"seconds": (time.monotonic_ns() - start_ns) / 1e9}
