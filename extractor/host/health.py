"""Ask a service how it is, by the standard health service of gRPC.

One unary call of two bytes each way: h2 carries it with a twelfth of a second and sixteen
megabytes less than grpcio, which would be the biggest part of the frozen host by far.
"""

from __future__ import annotations

import socket
import time
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from h2.connection import H2Connection

_PATH = "/grpc.health.v1.Health/Check"
_RECEIVE_BYTES = 1 << 14
# A health answer has 7 bytes; whoever sends more is no health service.
_MAX_ANSWER_BYTES = 1 << 10


class Health(Enum):
    """An answer, or what stands for one."""

    SERVING = "serving"
    NOT_SERVING = "not serving"
    UNKNOWN = "unknown"
    """The service does not know the name, or not yet."""
    UNREACHABLE = "unreachable"
    """Nobody answered in time, or not as a health service does."""


# HealthCheckResponse: field 1 is the status; a status of 0 is left out on the wire.
_ANSWERS = {
    b"\x08\x01": Health.SERVING,
    b"\x08\x02": Health.NOT_SERVING,
}


def ask(port: int, name: str = "", seconds: float = 1.0) -> Health:
    """Ask for the health of ``name`` on 127.0.0.1.

    Args:
        port: of the service.
        name: "" for the process as a whole.
        seconds: for the whole call.
    Source: grpc/health/v1/health.proto, and gRPC's "PROTOCOL-HTTP2".
    """
    from h2.exceptions import H2Error

    deadline = time.monotonic() + seconds
    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _call(connection, port, name, deadline)
    except (OSError, H2Error):
        return Health.UNREACHABLE


def _call(connection: socket.socket, port: int, name: str, deadline: float) -> Health:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import (
        ConnectionTerminated,
        DataReceived,
        ResponseReceived,
        StreamEnded,
        StreamReset,
        TrailersReceived,
    )

    talk = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    talk.initiate_connection()
    _send_request(talk, port, name)
    answer = bytearray()
    status = None
    while True:
        connection.sendall(talk.data_to_send())
        # Zero would mean "do not block" to the socket.
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        data = connection.recv(_RECEIVE_BYTES)
        if not data:
            return Health.UNREACHABLE
        for event in talk.receive_data(data):
            if isinstance(event, DataReceived):
                answer += event.data
                if len(answer) > _MAX_ANSWER_BYTES:
                    return Health.UNREACHABLE
            elif isinstance(event, ResponseReceived | TrailersReceived):
                status = _grpc_status(event.headers) or status
            elif isinstance(event, StreamEnded):
                return _meaning(status, bytes(answer))
            elif isinstance(event, StreamReset | ConnectionTerminated):
                return Health.UNREACHABLE
        if time.monotonic() > deadline:
            return Health.UNREACHABLE


def _send_request(talk: H2Connection, port: int, name: str) -> None:
    stream = talk.get_next_available_stream_id()
    talk.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", _PATH),
            (":authority", f"127.0.0.1:{port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ],
    )
    # HealthCheckRequest: field 1 is the name; names here are far below 128 bytes.
    text = name.encode()
    message = b"\x0a" + bytes([len(text)]) + text if text else b""
    talk.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)


def _grpc_status(headers: Iterable[tuple[str | bytes, str | bytes]]) -> str | None:
    for name, value in headers:
        if name == "grpc-status":
            return str(value)
    return None


def _meaning(status: str | None, answer: bytes) -> Health:
    if status == "5":  # NOT_FOUND
        return Health.UNKNOWN
    # In front of a message: a zero where it is not compressed, and its length.
    head = b"\0" + max(len(answer) - 5, 0).to_bytes(4, "big")
    if status != "0" or answer[:5] != head:
        return Health.UNREACHABLE
    return _ANSWERS.get(answer[5:], Health.UNKNOWN)
