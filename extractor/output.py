"""What the commands write to the standard streams, and how their process ends.

As ``click.echo`` does it, without click: for a stream that is not there, for a reader that has gone
away, and for text that the stream cannot show as it is. Imports only ``os`` and ``sys``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from typing import Any, NoReturn

_ESCAPE = "\x1b"


def say(text: str, *, err: bool = False) -> None:
    """Write a line to standard output, or standard error, at once.

    Raises:
        BrokenPipeError: nobody reads it any more.
        OSError: it cannot be written.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    if _ESCAPE in text or not (text.isascii() or stream.encoding == "utf-8"):
        # A path may hold an escape sequence, or letters that the stream's encoding does not.
        import click

        click.echo(text, err=err)
        return
    stream.write(f"{text}\n")
    stream.flush()


def print_json(facts: dict[str, Any]) -> None:
    """Print facts for machines."""
    import json  # 3 ms of every start that does not need it

    say(json.dumps(facts, indent=2))


def tell(error: BaseException) -> int:
    """Say on standard error how a command failed.

    Returns:
        Its exit code, as ``container.errors`` gives it.
    """
    from contextlib import suppress

    from container.errors import told

    text, status = told(error)
    if isinstance(error, (EOFError, KeyboardInterrupt)):
        # A terminal has shown ^C, and is still on that line.
        text = f"\n{text}"
    # A terminal that was closed does not change how this ends.
    with suppress(OSError):
        say(text, err=True)
    return status


def leave(status: int) -> NoReturn:
    """End the process at once, with what was printed written out.

    Taking the interpreter down frees, object by object, what the kernel takes back as a whole: 7 of
    8.5 ms that an extraction takes to end. What it would do besides has been done or is not wanted:
    files and stages are closed by those who opened them, and a worker that has not ended after an
    error has nothing more to say. For a program alone, never for a library.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        pass  # the command has told it by its exit code
    except (OSError, ValueError):
        # Python says that output is lost, and has an exit code for it.
        sys.exit(status)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        pass  # there is nowhere to say it
    os._exit(status)
