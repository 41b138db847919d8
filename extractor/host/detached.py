"""A host that outlives the command that started it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOW = b"S"
_READY = b"R"


def spawn(words: Sequence[str]) -> int:
    """Start this program again in a session of its own, and wait until it is ready.

    Until then it shows its progress on this process's standard error.

    Args:
        words: its arguments; ``--ready-fd NUMBER`` is added.
    Returns:
        0, or the exit code of a host that could not get ready.
    Raises:
        KeyboardInterrupt: by the user; the host has ended.
        OSError: it cannot be started.
    """
    from tempfile import TemporaryFile

    ours, theirs = socket.socketpair()
    # The loader of a frozen host lives as long as the host: whatever it inherits stays open, and
    # whoever waits for the end of that would wait as long. So it gets a file, and the host itself
    # gets standard error by a message.
    with ours, TemporaryFile() as messages:
        with theirs:
            socket.send_fds(ours, [_SHOW], [2])
            process = subprocess.Popen(
                [*_this_program(), *words, "--ready-fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                # Its loader must unpack again: what this process uses is removed at its end.
                # Source: PyInstaller manual, "Independent Subprocess".
                env=os.environ | {"PYINSTALLER_RESET_ENVIRONMENT": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            # One that ends before it has read the message resets the connection.
            with suppress(ConnectionResetError):
                if ours.recv(len(_READY)) == _READY:
                    return 0
            status = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        messages.seek(0)
        os.write(2, messages.read())
        return status


def _this_program() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-m", "extractor.host"]


def show_there(ready_fd: int) -> None:
    """Write to the standard error of the command that waits in ``spawn``.

    Raises:
        OSError: that command has gone.
    """
    os.set_inheritable(ready_fd, False)  # noqa: FBT003 - by position only
    with socket.socket(fileno=os.dup(ready_fd)) as talk:
        _, descriptors, _, _ = socket.recv_fds(talk, len(_SHOW), 1)
    for descriptor in descriptors:
        os.dup2(descriptor, 2)
        os.close(descriptor)


def let_go(ready_fd: int, log: str) -> None:
    """Tell the command that waits in ``spawn``, and write to a log from here on.

    Raises:
        OSError: the log cannot be opened.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    # Whoever has waited may have been killed.
    with suppress(BrokenPipeError):
        os.write(ready_fd, _READY)
    os.close(ready_fd)
