"""From the parts of all platforms to one release: manifest, notes, checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container.errors import (
    ArtefactError,
    MissingPlatformError,
    PinMismatchError,
    ReleaseError,
    VersionMismatchError,
)
from packer.release import archive, checksums, model, notes, repository
from packer.release.model import Manifest, Part
from packer.release.parts import part_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from packer.release.model import Product

PLATFORMS = ("darwin-arm64", "darwin-amd64", "linux-amd64")
"""A release is for these at least."""
FORMULA_SUFFIX = ".rb"


def assemble(
    directory: Path,
    tag: str,
    sources: Path,
    changelog: Path,
    url: str,
    homepage: str,
    platforms: Sequence[str] = PLATFORMS,
) -> Manifest:
    """Put a release together in the directory that holds its parts.

    Args:
        directory: with the parts of all platforms, and nothing else that is to be released.
        tag: of the release.
        sources: the repository, with the released commit checked out.
        changelog: with a section for the version.
        url: where the files will be, each below it by its name.
        homepage: of the product.
        platforms: that must be there.
    Raises:
        MissingPlatformError: a platform is not there.
        VersionMismatchError: the tag, the platforms or their components differ in version.
        PinMismatchError: the platforms carry different releases of agent-runner.
        DirtyTreeError: the sources are not those of the commit.
        ReleaseError: the tag names another commit, or the changelog says nothing.
        ArtefactError, OSError: a part cannot be read.
    """
    product, version = model.parse_tag(tag)
    repository.check_clean(sources)
    repository.check_tagged(sources, tag)
    section = notes.section_of(changelog, product, version)
    found = read_parts(directory, product)
    check_agreement(found, platforms, version)
    kind = next(iter(found.values())).kind
    manifest = Manifest(
        model.SCHEMA,
        product,
        kind,
        version,
        tag,
        repository.commit_of(sources),
        url.rstrip("/"),
        homepage,
        found,
    )
    last, commits = repository.commits_since_last(sources, tag)
    text = notes.compose(manifest, section, last, commits)
    (directory / model.NOTES_NAME).write_text(text, encoding="utf-8")
    (directory / model.MANIFEST_NAME).write_text(model.encode(manifest), encoding="utf-8")
    files = map(archive.describe, released_files(directory))
    (directory / model.SUMS_NAME).write_text(checksums.lines(files))
    return manifest


def read_parts(directory: Path, product: Product) -> dict[str, Part]:
    """The parts in a directory, by platform.

    Raises:
        ArtefactError: one has the wrong name or cannot be read.
        VersionMismatchError: two are for one platform.
        OSError: reading failed.
    """
    found: dict[str, Part] = {}
    for path in sorted(directory.glob(f"{product}-*.json")):
        if path.name.endswith(".cdx.json"):
            continue
        part = model.read(path, Part)
        if path.name != part_name(part):
            raise ArtefactError("a part under another name", str(path), part_name(part))
        if part.platform in found:
            raise VersionMismatchError(
                "two versions of one platform",
                str(directory),
                found[part.platform].version,
                part.version,
                "remove the files of the one that is not to be released",
            )
        found[part.platform] = part
    return found


def require(parts: Mapping[str, Part], platforms: Iterable[str]) -> None:
    """Refuse a release that lacks a platform.

    Raises:
        MissingPlatformError: it does.
    """
    missing = [platform for platform in platforms if platform not in parts]
    if missing or not parts:
        raise MissingPlatformError(
            "the release is not complete",
            None,
            ", ".join(platforms) or "a platform",
            ", ".join(sorted(parts)) or "none",
            f"make the part of {', '.join(missing)}: `stigmer-pack release --help`",
        )


def check_agreement(parts: Mapping[str, Part], platforms: Iterable[str], version: str) -> None:
    """Refuse platforms that are missing, or that do not belong together.

    Raises:
        MissingPlatformError, VersionMismatchError, PinMismatchError, ReleaseError: as ``assemble``.
    """
    require(parts, platforms)
    first_platform, first = next(iter(sorted(parts.items())))
    wanted = {name: component.version for name, component in first.components.items()}
    for platform, part in sorted(parts.items()):
        if part.version != version:
            raise VersionMismatchError(
                "a platform of another version",
                platform,
                version,
                part.version,
                "make its part from the same commit",
            )
        if part.kind != first.kind:
            raise ReleaseError("a platform of another kind", platform, first.kind, part.kind)
        versions = {name: component.version for name, component in part.components.items()}
        if versions != wanted:
            raise VersionMismatchError(
                f"other components than on {first_platform}",
                platform,
                _told(wanted),
                _told(versions),
                "make all parts from the same inputs",
            )
        if part.pin != first.pin:
            raise PinMismatchError(
                f"another release of agent-runner is pinned than on {first_platform}",
                platform,
                first.pin.tag if first.pin else "none",
                part.pin.tag if part.pin else "none",
                "make all parts with the same pin",
            )


def released_files(directory: Path) -> list[Path]:
    """The files that ``SHA256SUMS`` vouches for: all but itself, and formulas, made from the rest.

    Raises:
        ArtefactError: there is a directory among them.
        OSError: listing failed.
    """
    found = []
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            raise ArtefactError(
                "not a file of a release", str(path), remedy="move it out of the directory"
            )
        if path.name != model.SUMS_NAME and path.suffix != FORMULA_SUFFIX:
            found.append(path)
    return found


def _told(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
