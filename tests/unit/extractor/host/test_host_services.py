import sys

import pytest

from extractor.host import services
from extractor.host.settings import Settings

SETTINGS = Settings("/h", "/h/data", 7234, "temporal.example:7233")
PORTS = {"stigmer-server": 7234, "workflow-runner": 1001, "agent-runner": 1002}


def test_the_server_comes_first_and_the_runners_together() -> None:
    made = services.stages(SETTINGS, "/h/versions/v1", PORTS, {}, "r")
    assert [[one.name for one in stage] for stage in made] == [
        ["stigmer-server"],
        ["workflow-runner", "agent-runner"],
    ]
    assert [one.program for stage in made for one in stage] == [
        "/h/versions/v1/stigmer-server",
        "/h/versions/v1/workflow-runner",
        "/h/versions/v1/agent-runner/agent-runner",
    ]
    assert [one.port for stage in made for one in stage] == [7234, 1001, 1002]
    assert made[0][0].log == "/h/data/logs/stigmer-server.log"


def test_services_get_what_stigmer_passes_and_the_users_own_variables() -> None:
    inherited = {"ANTHROPIC_API_KEY": "k", "GRPC_PORT": "9"}
    made = services.stages(SETTINGS, "/v", PORTS, inherited, "r")
    for stage in made:
        for one in stage:
            assert one.environment == {
                "ANTHROPIC_API_KEY": "k",
                "STIGMER_DATA_DIR": "/h/data",
                "STIGMER_BACKEND_ENDPOINT": "127.0.0.1:7234",
                "TEMPORAL_SERVICE_ADDRESS": "temporal.example:7233",
                "GRPC_PORT": "7234",
                "WORKFLOW_RUNNER_GRPC_PORT": "1001",
                "AGENT_RUNNER_GRPC_PORT": "1002",
                "STIGMER_RUN": f"r/{one.name}",
            }


@pytest.mark.parametrize("kind", services.KINDS)
def test_the_environment_names_another_program(kind: services.Kind) -> None:
    inherited = {kind.override: "/elsewhere/program"}
    made = services.stages(SETTINGS, "/v", PORTS, inherited, "r")
    programs = {one.name: one.program for stage in made for one in stage}
    assert [name for name, path in programs.items() if path == "/elsewhere/program"] == [kind.name]
    assert services.overrides({kind.override: ""}) == {}


def test_what_the_loader_of_a_frozen_host_put_in_is_taken_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inherited = {
        "PATH": "/bin",
        "_PYI_ARCHIVE_FILE": "/stigmer",
        "LD_LIBRARY_PATH": "/tmp/_MEI1",
        "LD_LIBRARY_PATH_ORIG": "/users/own",
    }
    monkeypatch.setattr(sys, "platform", "linux")
    assert services.own_environment(inherited)["LD_LIBRARY_PATH"] == "/tmp/_MEI1"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert services.own_environment(inherited) == {"PATH": "/bin", "LD_LIBRARY_PATH": "/users/own"}
    del inherited["LD_LIBRARY_PATH_ORIG"]
    assert services.own_environment(inherited) == {"PATH": "/bin"}
