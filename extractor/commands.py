"""What ``install`` and ``unpack`` do, whoever has read their words: click, or ``words``.

Each takes what the click command of its name declares. Imports are late: an installation that is
there needs no reader, and no listener.
"""

from __future__ import annotations

import os
import time

from extractor import options
from extractor.output import print_json, say

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from typing import Any

    from extractor.events import Listener
    from extractor.home import Home


def install(
    *,
    file: str,
    home: str | None,
    force: bool,
    no_wait: bool,
    jobs: int | None,
    style: str | None,
    as_json: bool,
) -> None:
    """Make HOME/bin lead to the components of a file, and print what was done.

    Args:
        file: carries a payload, or is one.
        home: as ``Home`` takes it.
        force: also over a newer version, and after a rollback.
        no_wait: fail where another process is changing the installation.
        jobs: workers; None for as many as fit this machine.
        style: of the progress, one of ``words.STYLES``; None for what fits the output.
        as_json: print JSON.
    Raises:
        ContainerError, OSError: as ``extractor.install.install``.
    """
    from extractor.home import Home

    place = Home(home)
    facts = _find_installed(file, place)
    if facts is None:

        def run(listener: Listener) -> dict[str, Any]:
            from container.reader import open_payload
            from extractor.install import install

            workers = options.jobs_or_default(jobs)
            with open_payload(file) as reader:
                done = install(reader, place, workers, listener, wait=not no_wait, force=force)
            return done._asdict()

        facts = options.run_shown(run, options.progress_style(style, as_json=as_json))
    if as_json:
        print_json(facts)
    elif facts["held"]:
        say(held_text(facts))
    elif facts["already"]:
        say(f"{facts['version']} is installed: {facts['path']}")
    else:
        say(_installed_text(facts))


def _find_installed(file: str, home: Home) -> dict[str, Any] | None:
    """The facts of ``Installed`` where all is there: what most starts find, and all they need.

    Neither ``force`` nor what a rollback holds back changes anything for a version in use.
    """
    from extractor import warm

    began_ns = time.monotonic_ns()
    found = warm.installed(file, home)
    if found is None:
        return None
    path, record = found
    return {
        "path": path,
        "version": record.version,
        "already": True,
        "held": False,
        "plain_bytes": 0,
        "shared_bytes": 0,
        "seconds": (time.monotonic_ns() - began_ns) / 1e9,
    }


def _installed_text(facts: dict[str, Any]) -> str:
    from container.units import human_bytes

    shared = facts["shared_bytes"]
    return (
        f"installed {facts['version']}: {facts['path']} "
        f"({human_bytes(facts['plain_bytes'])}"
        + (f" and {human_bytes(shared)} unchanged" if shared else "")
        + f" in {facts['seconds']:.2f} s)"
    )


def held_text(facts: dict[str, Any]) -> str:
    """Why the version in use is not the one that the file carries."""
    return (
        f"{facts['version']} stays in use: {facts['path']} "
        "(`rollback` went back to it; `install --force` undoes that)"
    )


def unpack(
    *,
    file: str,
    components: tuple[str, ...],
    target: str,
    jobs: int | None,
    style: str | None,
    as_json: bool,
) -> None:
    """Write components of a file below a directory, and print where they are.

    Args:
        file: carries a payload, or is one.
        components: their names; none means all.
        target: the directory.
        jobs: workers; None for as many as fit this machine.
        style: of the progress, one of ``words.STYLES``; None for what fits the output.
        as_json: print JSON.
    Raises:
        ContainerError, OSError: as ``extractor.unpack.unpack``.
    """
    from container.reader import open_payload
    from container.units import human_bytes
    from extractor.unpack import unpack

    def run(listener: Listener) -> dict[str, Any]:
        with open_payload(file) as reader:
            done = unpack(reader, target, components, options.jobs_or_default(jobs), listener)
            root = reader.index.entries
            return {
                "target": target,
                "components": {
                    component.name: os.path.join(target, root[component.first_entry].path)
                    for component in done
                },
                "plain_bytes": sum(component.plain_bytes for component in done),
            }

    facts = options.run_shown(run, options.progress_style(style, as_json=as_json))
    if as_json:
        print_json(facts)
        return
    for name, path in facts["components"].items():
        say(f"{name}: {path}")
    say(f"{human_bytes(facts['plain_bytes'])} in {facts['seconds']:.2f} s")
