"""Release notes: the changelog's section, what is carried, and the commits since the last one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from container.errors import ReleaseError
from container.units import human_bytes
from packer.release.model import SUMS_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from packer.release.model import Manifest, Product
    from packer.release.repository import Commit

_SECTION = re.compile(r"^## +(.+?) *$", re.MULTILINE)


def section_of(changelog: Path, product: Product, version: str) -> str:
    """The changelog's text below the heading of a version, without the heading.

    A heading is ``## 1.2.3``, ``## [1.2.3] - 2026-01-31`` or ``## agent-runner 1.2.3``.

    Raises:
        ReleaseError: there is no such section, or nothing in it.
        OSError: the changelog cannot be read.
    """
    text = changelog.read_text(encoding="utf-8")
    named = rf"{product} +" if product != "stigmer" else r"(?:stigmer +)?"
    wanted = re.compile(rf"{named}\[?v?{re.escape(version)}\]?(?: .*)?")
    headings = list(_SECTION.finditer(text))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if wanted.fullmatch(heading[1]):
            section = text[heading.end() : following.start() if following else None].strip()
            if section:
                return section
    label = version if product == "stigmer" else f"{product} {version}"
    raise ReleaseError(
        "no notes for this version",
        str(changelog),
        f"a section `## {label}` that says something",
        remedy="rename `## Unreleased` to it, and commit that",
    )


def compose(manifest: Manifest, section: str, last: str | None, commits: Sequence[Commit]) -> str:
    """The notes as Markdown.

    Args:
        manifest: of the release.
        section: of the changelog.
        last: the tag before; None for the first release.
        commits: since then, the newest first.
    """
    lines = [f"# {manifest.product} {manifest.version}", "", section, "", "## Downloads", ""]
    lines += ["| platform | archive | download | installed |", "|---|---|---:|---:|"]
    for platform, part in sorted(manifest.platforms.items()):
        installed = sum(component.plain_bytes for component in part.components.values())
        lines.append(
            f"| {platform} | {part.archive.name} | {human_bytes(part.archive.file_bytes)} "
            f"| {human_bytes(installed)} |"
        )
    lines += ["", "## Components", ""]
    for name, version in sorted(versions_of(manifest).items()):
        lines.append(f"- {name} {version}")
    pin = next(iter(manifest.platforms.values())).pin
    if pin is not None:
        lines += ["", f"agent-runner is that of the release {pin.tag}."]
    lines += ["", "## Check what you have downloaded", "", "```sh"]
    lines += [f"sha256sum --check --ignore-missing {SUMS_NAME}", "stigmer-pack release verify ."]
    lines += ["```", "", f"## Commits since {last}" if last else "## Commits", ""]
    lines += [f"- {commit.subject} ({commit.sha})" for commit in commits] or ["- none"]
    return "\n".join(lines) + "\n"


def versions_of(manifest: Manifest) -> dict[str, str]:
    """Version of each component; the same on all platforms of a manifest that was checked."""
    part = next(iter(manifest.platforms.values()))
    return {name: component.version for name, component in part.components.items()}
