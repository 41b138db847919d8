"""The real Go services under ``stigmer server``; a fake stands for agent-runner."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from extractor.host import health
from extractor.host.health import Health
from fixtures.services import provide_services
from tests.support.hosts import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with closing(Host(tmp_path)) as one:
        use(one, "1.0.0")
        yield one


def use(host: Host, version: str) -> None:
    built = provide_services("linux-amd64", version)
    host.environment["STIGMER_SERVER_BIN"] = str(built.stigmer_server)
    host.environment["STIGMER_WORKFLOW_RUNNER_BIN"] = str(built.workflow_runner)


def test_three_services_are_healthy_and_wait_for_temporal(host: Host) -> None:
    # Port 1 of loopback: nobody listens there, and the answer comes at once.
    assert host.run("--detach", "--temporal-address", "127.0.0.1:1").status == 0
    found = host.status()
    assert found["healthy"] is True
    ports = {service["name"]: service["port"] for service in found["services"]}
    # Asked here too, and not only through the host.
    assert health.ask(ports["stigmer-server"], "", 10) is Health.SERVING
    assert health.ask(ports["stigmer-server"], "temporal", 10) is Health.UNKNOWN
    assert health.ask(ports["workflow-runner"], "", 10) is Health.SERVING
    assert health.ask(ports["workflow-runner"], "temporal", 10) is Health.NOT_SERVING
    assert host.run("stop").status == 0
    for name in ("stigmer-server", "workflow-runner"):
        # Each was asked to end, and did so in order.
        last = (host.data / "logs" / f"{name}.log").read_text().splitlines()[-1]
        assert last.endswith("level=INFO msg=stopped")
    for port in ports.values():
        assert health.ask(port) is Health.UNREACHABLE


def test_data_survive_a_stop_a_kill_and_an_upgrade(host: Host) -> None:
    assert host.run("--detach").status == 0
    host.kill()
    assert host.run("--detach").status == 0
    use(host, "1.1.0")
    assert host.run("restart").status == 0
    assert host.run("stop").status == 0
    log = (host.data / "logs" / "stigmer-server.log").read_text()
    assert re.findall(r"version=(\S+)", log) == ["1.0.0", "1.0.0", "1.1.0"]
    assert re.findall(r"starts=(\d+)", log) == ["1", "2", "3"]
