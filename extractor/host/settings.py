"""What a user may choose about the services, and where their traces lie."""

from __future__ import annotations

import os
from typing import NamedTuple

DEFAULT_GRPC_PORT = 7234
DEFAULT_TEMPORAL_ADDRESS = "127.0.0.1:7233"
# agent-runner imports for several seconds on a slow disk.
DEFAULT_START_SECONDS = 60.0
DEFAULT_STOP_SECONDS = 10.0


class Settings(NamedTuple):
    """Of one run of the services."""

    home: str
    """Where programs are installed, as ``~/.stigmer``."""
    data_dir: str
    """Of the services; one host at a time."""
    grpc_port: int = DEFAULT_GRPC_PORT
    """Of stigmer-server, on 127.0.0.1; 0 means any free one."""
    temporal_address: str = DEFAULT_TEMPORAL_ADDRESS
    """HOST:PORT of a Temporal server, which need not be there."""
    start_seconds: float = DEFAULT_START_SECONDS
    """How long a service may take until it is ready."""
    stop_seconds: float = DEFAULT_STOP_SECONDS
    """How long a service may take to end when it is asked to; then it is killed."""

    @property
    def run_dir(self) -> str:
        """Lock and record of the host that runs."""
        return os.path.join(self.data_dir, "run")

    @property
    def logs_dir(self) -> str:
        """A log file for each service, and what is left of older ones."""
        return os.path.join(self.data_dir, "logs")

    def log_of(self, name: str) -> str:
        """Path of a service's log file."""
        return os.path.join(self.logs_dir, f"{name}.log")
