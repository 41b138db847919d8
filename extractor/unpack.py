"""Plain extraction of components into any directory."""

from __future__ import annotations

import os

from container.errors import TargetExistsError
from container.typed import TYPE_CHECKING
from extractor import events
from extractor.destinations import DirectoryDestination
from extractor.pipeline import Extraction, make_directories
from extractor.plan import make_plan, select
from extractor.staging import made, move, staged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container.model import Component
    from container.reader import PayloadReader
    from extractor.events import Listener


def unpack(
    reader: PayloadReader,
    target: str,
    component_names: Sequence[str] = (),
    jobs: int = 1,
    listener: Listener = events.ignore,
) -> tuple[Component, ...]:
    """Write components below a directory; each appears whole and verified, or not at all.

    Args:
        reader: of the payload.
        target: made if it is not there; other files in it are left alone.
        component_names: which ones; none means all.
        jobs: workers, > 0.
        listener: is told how it goes.
    Returns:
        The components written, in payload order.
    Raises:
        UnknownEntryError: there is no component of a name.
        TargetExistsError: something stands where a component would go; nothing is written.
        ContainerError, OSError: as ``Extraction.run``; nothing is left behind.
    Memory: as ``Extraction``.
    """
    components = select(reader.index, component_names)
    roots = [reader.index.entries[component.first_entry].path for component in components]
    for root in roots:
        _refuse_existing(os.path.join(target, root))
    plan = make_plan(reader.index, components)
    with made(target), staged(target, ".stigmer-unpack-") as stage:
        listener(events.started(plan))
        destination = DirectoryDestination(stage)
        make_directories(plan, destination)
        Extraction(
            reader,
            plan,
            destination,
            jobs,
            lambda *advanced: listener(events.Advanced(*advanced)),
        ).run()
        for root in roots:
            _refuse_existing(os.path.join(target, root))
            move(os.path.join(stage, root), os.path.join(target, root))
    return components


def _refuse_existing(path: str) -> None:
    if os.path.lexists(path):
        raise TargetExistsError(
            "stands where a component would go",
            path,
            remedy="move it away, or choose another directory",
        )
