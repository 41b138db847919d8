"""Ports on loopback: which are free, and whether the one that was asked for is."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

from container.errors import PortInUseError


def choose(wanted: int, more: int) -> list[int]:
    """The wanted port, and as many free ones.

    All are held until the last is found, so that no two are the same.

    Args:
        wanted: 0 means any free one.
        more: how many others.
    Raises:
        PortInUseError: somebody listens on the wanted port.
        OSError: it may not be used.
    """
    with ExitStack() as held:
        return [_bound(held, port) for port in (wanted, *[0] * more)]


def _bound(held: ExitStack, port: int) -> int:
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # As the services do: a connection that has just ended does not keep the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                "another program listens on it",
                f"port {port}",
                remedy="stop that program, or choose another port with --grpc-port (0: any)",
            ) from None
        raise OSError(error.errno, error.strerror, f"port {port}") from error
    bound: int = listener.getsockname()[1]
    return bound
