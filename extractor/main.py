"""The program ``stigmer-extract``: plain words at once, all others by way of click.

Imports only ``os`` and ``sys``: a warm start pays for it.
"""

from __future__ import annotations

import os
import sys

from extractor import output, words

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from typing import Any, NoReturn

# Of a shell that asks click for completions, whatever name the program was started by.
_COMPLETION_SUFFIX = "_COMPLETE"
# What click ends with when the reader of standard output has gone away.
_BROKEN_PIPE_EXIT_CODE = 1


def main() -> NoReturn:
    """Run the command line, and leave the process with its exit code.

    Raises:
        SystemExit: where click ends it, or output cannot be written.
    """
    output.leave(run())


def run() -> int:
    """Run the command line.

    Returns:
        The exit code that ``container.errors`` gives.
    Raises:
        SystemExit: where click ends it.
    """
    plain = None if _completes() else words.read(sys.argv[1:])
    if plain is None:
        from extractor import cli

        return cli.run()
    return _run_plain(*plain)


def _completes() -> bool:
    return any(name.endswith(_COMPLETION_SUFFIX) for name in os.environ)


def _run_plain(name: str, parameters: dict[str, Any]) -> int:
    """Run a command, and end as click would."""
    try:
        from extractor import commands

        command = commands.install if name == "install" else commands.unpack
        command(**parameters)
    except (EOFError, KeyboardInterrupt) as error:
        return output.tell(error)
    except BrokenPipeError:
        return _BROKEN_PIPE_EXIT_CODE
    except Exception as error:
        from container.errors import ContainerError

        if isinstance(error, (OSError, ContainerError)):
            return output.tell(error)
        raise
    return 0
