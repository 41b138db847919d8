from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from extractor.host.health import Health, ask
from tests.support.fake_service import NOT_SERVING, SERVING, answer_health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWERS = {
    "": SERVING,
    "temporal": NOT_SERVING,
    "unset": b"",
    "newer": b"\x08\x09",
    "chatty": b"x" * 5000,
}


@contextmanager
def served(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port on which one connection is served, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", Health.SERVING),
        ("temporal", Health.NOT_SERVING),
        ("unset", Health.UNKNOWN),
        ("newer", Health.UNKNOWN),
        ("nobody", Health.UNKNOWN),
        ("chatty", Health.UNREACHABLE),
    ],
)
def test_answers(name: str, expected: Health) -> None:
    with served(lambda connection: answer_health(connection, ANSWERS)) as port:
        assert ask(port, name, 10) is expected


def test_nobody_listens() -> None:
    with socket.socket() as held:
        # Bound, not listening: nobody else can take the port meanwhile.
        held.bind(("127.0.0.1", 0))
        assert ask(held.getsockname()[1]) is Health.UNREACHABLE


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\0\0\0", b"\xff" * 4000],
    ids=["hangs up", "HTTP/1.1", "cut", "noise"],
)
def test_whoever_is_no_health_service_is_unreachable(answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(answer)

    with served(serve) as port:
        assert ask(port, seconds=10) is Health.UNREACHABLE


def test_silence_ends_the_call_after_its_time() -> None:
    with served(lambda connection: connection.recv(1 << 16) and connection.recv(1)) as port:
        assert ask(port, seconds=0.05) is Health.UNREACHABLE
