"""The whole way from paths to a plan: scan, digest, order, choose references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container import digest
from packer.plan import make_plan
from packer.references import choose_references
from packer.sources import read_digests, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from packer.plan import Plan
    from packer.sources import ComponentSource
    from packer.writer import Settings


def prepare(
    components: Sequence[ComponentSource],
    settings: Settings,
    *,
    references: bool = True,
    progress: Callable[[str, int], object] = lambda _stage, _bytes: None,
) -> Plan:
    """Read the components once and decide everything but the stored bytes.

    Args:
        components: what to pack; their order does not matter.
        settings: version, platform, frame size.
        references: False leaves every frame independent, so that ``zstd -d`` reads them all.
        progress: called with ``read`` and the plain bytes just read.
    Raises:
        PackError, UnsafePathError, OSError: as ``scan``, ``read_digests`` and ``make_plan``.
    """
    windows = settings.platform.startswith("windows-")
    scanned = [scan(component, windows=windows) for component in components]
    digests = read_digests(
        scanned, settings.jobs, lambda plain_bytes: progress("read", plain_bytes)
    )
    file_sha256 = {path: found.sha256 for path, found in digests.items()}
    content_sha256 = {
        component.source.name: digest.content_sha256(component.entries, file_sha256)
        for component in scanned
    }
    plan = make_plan(scanned, digests, content_sha256, settings.frame_bytes)
    return choose_references(plan) if references else plan
