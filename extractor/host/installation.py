"""From the file that carries the payload to installed programs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from container.errors import NotAContainerError
from extractor import warm
from extractor.home import Home
from extractor.host.services import KINDS, overrides

if TYPE_CHECKING:
    from extractor.events import Listener


class Programs(NamedTuple):
    """What is installed."""

    version: str
    directory: str
    held: bool = False
    """They are what ``rollback`` went back to, and not what this program carries."""


def payload_file(chosen: str | None) -> str:
    """The file that was chosen, or else this program itself.

    Raises:
        NotAContainerError: none was chosen, and this is no program of its own.
    """
    if chosen is None and not getattr(sys, "frozen", False):
        raise NotAContainerError(
            "carries no payload",
            "this program",
            remedy="run the packed one, or name a payload with STIGMER_PAYLOAD",
        )
    return chosen or sys.executable


def install_programs(chosen: str | None, home: str, listener: Listener) -> Programs:
    """Install what is not installed, and say where it is.

    Where the environment overrides all programs, no payload is needed.

    Raises:
        ContainerError, OSError: as ``extractor.install.install``.
    """
    if len(overrides(os.environ)) == len(KINDS):
        return Programs("(development)", "")
    file, place = payload_file(chosen), Home(home)
    found = warm.installed(file, place)
    if found is not None:
        path, manifest = found
        return Programs(manifest.version, path)
    from container.reader import open_payload
    from extractor.install import install
    from extractor.options import jobs_or_default

    with open_payload(file) as reader:
        done = install(reader, place, jobs_or_default(None), listener)
    return Programs(done.version, done.path, done.held)


def carried(chosen: str | None) -> tuple[str, dict[str, str]]:
    """Version of the payload, and of each of its components by name.

    Raises:
        ContainerError, OSError: as ``container.reader.open_payload``.
    """
    from container.reader import open_payload

    with open_payload(payload_file(chosen)) as reader:
        index = reader.index
    return index.metadata.version, {row.name: row.version for row in index.components}
