"""A service that obeys the conventions of the real ones, or breaks one of them.

It answers grpc.health.v1 with h2's server side, so that no test of the host needs grpcio.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from extractor.host.services import KINDS
from tests.support.watchdog import SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

SERVING = b"\x08\x01"
NOT_SERVING = b"\x08\x02"
_REPOSITORY = Path(__file__).resolve().parents[2]


class Behaviour(StrEnum):
    """What a fake does."""

    OBEY = "obey"
    CONNECTED = "connected"
    """As ``OBEY``, and it has found Temporal."""
    CRASH = "crash"
    """It writes twenty lines and ends with code 3 before it listens."""
    MUTE = "mute"
    """It never listens."""
    SICK = "sick"
    """It answers that it is not in order."""
    HANG = "hang"
    """It does not end when it is asked to."""
    PARENT = "parent"
    """It leaves a program behind that ignores everything and holds its output."""


def write_fake(path: Path, name: str, behaviour: Behaviour = Behaviour.OBEY) -> Path:
    """Write an executable that plays a service.

    Args:
        path: of the new file; its directory is made.
        name: of the service, which decides what it reads from its environment.
        behaviour: of the fake.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\n"
        f"import sys; sys.path.insert(0, {str(_REPOSITORY)!r})\n"
        f"from tests.support.fake_service import main\n"
        f"main({name!r}, {str(behaviour)!r})\n"
    )
    path.chmod(0o755)
    return path


def main(name: str, behaviour: str) -> None:
    """Play a service until SIGTERM."""
    (kind,) = (kind for kind in KINDS if kind.name == name)
    port = int(os.environ[kind.port_variable])

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        print(f"{name} stopping", flush=True)
        if behaviour != Behaviour.HANG:
            os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    print(f"{name} starting in {os.environ['STIGMER_DATA_DIR']}", flush=True)
    if behaviour == Behaviour.CRASH:
        for number in range(20):
            print(f"line {number}", flush=True)
        sys.exit(3)
    if behaviour == Behaviour.MUTE:
        while True:
            signal.pause()
    if behaviour == Behaviour.PARENT:
        # It ends by itself where a test that fails would leave it running.
        code = (
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            f"signal.alarm({SECONDS}); signal.pause()"
        )
        subprocess.Popen([sys.executable, "-c", code])
    answers = {"": NOT_SERVING if behaviour == Behaviour.SICK else SERVING}
    if kind.uses_temporal:
        answers["temporal"] = SERVING if behaviour == Behaviour.CONNECTED else NOT_SERVING
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            with listener.accept()[0] as connection:
                answer_health(connection, answers)


def answer_health(connection: socket.socket, answers: Mapping[str, bytes]) -> None:
    """Answer one call, and wait until the caller has gone.

    Args:
        connection: of the caller.
        answers: bytes of a HealthCheckResponse, by name.
    """
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, RequestReceived, StreamEnded

    talk = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    talk.initiate_connection()
    asked = b""
    headers: dict[str, str] = {}
    try:
        connection.sendall(talk.data_to_send())
        while data := connection.recv(1 << 14):
            for event in talk.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = {str(name): str(value) for name, value in event.headers}
                elif isinstance(event, DataReceived):
                    asked += event.data
                elif isinstance(event, StreamEnded):
                    assert headers[":path"] == "/grpc.health.v1.Health/Check", headers
                    assert headers["content-type"] == "application/grpc", headers
                    assert int.from_bytes(asked[1:5], "big") == len(asked) - 5, asked
                    answer = answers.get(asked[7:].decode())
                    begin = [(":status", "200"), ("content-type", "application/grpc")]
                    if answer is None:
                        begin.append(("grpc-status", "5"))
                        talk.send_headers(event.stream_id, begin, end_stream=True)
                    else:
                        talk.send_headers(event.stream_id, begin)
                        message = b"\0" + len(answer).to_bytes(4, "big") + answer
                        talk.send_data(event.stream_id, message)
                        end = [("grpc-status", "0")]
                        talk.send_headers(event.stream_id, end, end_stream=True)
            connection.sendall(talk.data_to_send())
    except OSError:
        # The caller has gone without a word.
        return
