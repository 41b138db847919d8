"""What is started, in which order and with which environment: pure, nothing is run here."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from extractor.home import PROGRAM_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from extractor.host.settings import Settings

TEMPORAL = "temporal"
"""Health-service name by which a runner tells whether it is connected to Temporal."""


MARK_VARIABLE = "STIGMER_RUN"
"""Which run of which host a service belongs to, for the next host where this one was killed."""


class Kind(NamedTuple):
    """One of the services that make up the product."""

    name: str
    program: str
    """Path below an installed version."""
    port_variable: str
    """Variable that tells the service on which port its health is asked."""
    uses_temporal: bool

    @property
    def override(self) -> str:
        """Variable that names another program, for developers."""
        return PROGRAM_VARIABLES[self.name]


KINDS = (
    Kind("stigmer-server", "stigmer-server", "GRPC_PORT", uses_temporal=False),
    Kind("workflow-runner", "workflow-runner", "WORKFLOW_RUNNER_GRPC_PORT", uses_temporal=True),
    Kind("agent-runner", "agent-runner/agent-runner", "AGENT_RUNNER_GRPC_PORT", uses_temporal=True),
)
NAMES = tuple(kind.name for kind in KINDS)


class Service(NamedTuple):
    """One program to run."""

    name: str
    program: str
    environment: Mapping[str, str]
    port: int
    """Where its health is asked, on 127.0.0.1."""
    log: str
    uses_temporal: bool


def overrides(environment: Mapping[str, str]) -> dict[str, str]:
    """Programs that the environment names, by service; the payload's are not used for these."""
    return {
        kind.name: os.path.abspath(environment[kind.override])
        for kind in KINDS
        if environment.get(kind.override)
    }


def mark(run: str, name: str) -> str:
    """Value of ``MARK_VARIABLE`` for a service of a run."""
    return f"{run}/{name}"


def stages(
    settings: Settings,
    version_dir: str,
    ports: Mapping[str, int],
    inherited: Mapping[str, str],
    run: str,
) -> tuple[tuple[Service, ...], ...]:
    """Groups of services; those of one group start together, when all before are ready.

    Args:
        settings: of this run.
        version_dir: of the installed programs; not used for those that are overridden.
        ports: by service.
        inherited: environment of this process: users put keys for their agents into it.
        run: no other run is called so.
    """
    chosen = overrides(inherited)
    common = own_environment(inherited) | {
        "STIGMER_DATA_DIR": settings.data_dir,
        "STIGMER_BACKEND_ENDPOINT": f"127.0.0.1:{ports[KINDS[0].name]}",
        "TEMPORAL_SERVICE_ADDRESS": settings.temporal_address,
    }
    common |= {kind.port_variable: str(ports[kind.name]) for kind in KINDS}
    made = [
        Service(
            kind.name,
            chosen.get(kind.name) or os.path.join(version_dir, kind.program),
            common | {MARK_VARIABLE: mark(run, kind.name)},
            ports[kind.name],
            settings.log_of(kind.name),
            kind.uses_temporal,
        )
        for kind in KINDS
    ]
    # The runners talk to the server, and not to each other.
    return tuple(made[:1]), tuple(made[1:])


def own_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment as the user has set it, without what PyInstaller's bootloader put in.

    The loader of a frozen host lets it find its own libraries first; a service would load them
    too. It keeps the user's value under another name.
    Source: PyInstaller manual, "Run-time Information", "LD_LIBRARY_PATH considerations".
    """
    environment = {name: value for name, value in inherited.items() if not name.startswith("_PYI_")}
    if getattr(sys, "frozen", False):
        variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
        environment.pop(variable, None)
        original = environment.pop(f"{variable}_ORIG", None)
        if original is not None:
            environment[variable] = original
    return environment
