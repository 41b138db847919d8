"""Where things are in a home, and who decides it: arguments, then ``STIGMER_*``, then defaults.

::

    HOME/bin -> versions/v1.4.0-3f9c2a1b      replaced by one atomic rename
    HOME/versions/v1.4.0-3f9c2a1b/            the components, and .manifest
    HOME/staging/                             one directory for each attempt
    HOME/held                                 what ``rollback`` went back from
    HOME/.lock                                held by the kernel: a dead process frees it

Imports only ``os``, and no ``__future__``: a warm start pays for it.
"""

import os

HOME_VARIABLE = "STIGMER_HOME"

PROGRAM_VARIABLES = {
    "stigmer-server": "STIGMER_SERVER_BIN",
    "workflow-runner": "STIGMER_WORKFLOW_RUNNER_BIN",
    "agent-runner": "STIGMER_AGENT_RUNNER_BIN",
}
"""Run this program instead of the installed component's."""


class Home:
    """The paths of one home.

    Args:
        path: as given; by default ``STIGMER_HOME``, else ``~/.stigmer``.
    """

    def __init__(self, path: str | None = None) -> None:
        given = path or os.environ.get(HOME_VARIABLE) or os.path.join("~", ".stigmer")
        self.path = os.path.abspath(os.path.expanduser(given))
        self.bin = os.path.join(self.path, "bin")
        self.versions = os.path.join(self.path, "versions")
        self.staging = os.path.join(self.path, "staging")
        self.held = os.path.join(self.path, "held")
        self.lock = os.path.join(self.path, ".lock")

    def version_path(self, name: str) -> str:
        """Directory of a version."""
        return os.path.join(self.versions, name)

    def current(self) -> str | None:
        """Name of the version that ``bin`` leads to; None where it leads nowhere we know."""
        try:
            target = os.readlink(self.bin)
        except OSError:
            return None
        directory, name = os.path.split(target)
        return name if directory == "versions" and name not in ("", ".", "..") else None

    def version_names(self) -> list[str]:
        """All that is there, in alphabetical order.

        Raises:
            OSError: the directory cannot be read.
        """
        try:
            return sorted(os.listdir(self.versions))
        except FileNotFoundError:
            return []
