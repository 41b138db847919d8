import socket

import pytest

from container.errors import PortInUseError
from extractor.host import ports


def test_the_wanted_port_and_free_ones() -> None:
    (wanted,) = ports.choose(0, 0)
    found = ports.choose(wanted, 5)
    assert found[0] == wanted
    assert len(set(found)) == 6
    assert 0 not in found


def test_a_port_that_somebody_listens_on_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"^port {port}: .*--grpc-port"):
            ports.choose(port, 2)
    assert ports.choose(port, 2)[0] == port
