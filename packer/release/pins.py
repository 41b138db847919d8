"""Two products, versioned apart: a release of stigmer carries one release of agent-runner.

Which one is said by a pin, a file in the repository. What is packed is compared with it by
content, so that another build under the same version is refused as well.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container.errors import MissingPlatformError, PinMismatchError, TargetExistsError
from packer.release import archive
from packer.release.model import AGENT_RUNNER, Component, Pin

if TYPE_CHECKING:
    from collections.abc import Mapping

    import container.model
    from packer.manifest import Request
    from packer.release.model import Manifest


def make(manifest: Manifest) -> Pin:
    """Pin a release of agent-runner that has been verified.

    Raises:
        PinMismatchError: it is a release of something else.
    """
    if manifest.product != AGENT_RUNNER:
        raise PinMismatchError(
            "only releases of agent-runner are pinned", manifest.tag, AGENT_RUNNER, manifest.product
        )
    parts = manifest.platforms
    return Pin(
        manifest.version,
        manifest.tag,
        manifest.commit,
        {name: part.components[AGENT_RUNNER].content_sha256 for name, part in parts.items()},
        {name: part.archive for name, part in parts.items()},
    )


def take(directory: Path, pin: Pin, platform: str, output: Path) -> None:
    """Unpack agent-runner of a release, where it is the pinned one.

    Args:
        directory: of the release, whole or with this platform's archive alone.
        pin: what is expected.
        platform: whose archive.
        output: the tree's directory; must not exist. Appears complete or not at all.
    Raises:
        MissingPlatformError: the pinned release has nothing for this platform.
        PinMismatchError: the archive is another one.
        TargetExistsError: there is something at ``output``.
        ArtefactError, OSError: it cannot be read, or not be written.
    """
    if platform not in pin.archives:
        raise _without_platform(pin, platform)
    if output.exists() or output.is_symlink():
        remedy = "remove it, or give another --output"
        raise TargetExistsError("there is something already", str(output), remedy=remedy)
    wanted = pin.archives[platform]
    found = archive.describe(directory / wanted.name)
    if found != wanted:
        raise PinMismatchError(
            f"not the pinned {AGENT_RUNNER} {pin.version}",
            str(directory / wanted.name),
            f"SHA-256 {wanted.sha256}",
            found.sha256,
            f"fetch it from the release {pin.tag}",
        )
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.absolute().parent) as at:
        archive.unpack(directory / wanted.name, Path(at))
        shutil.move(Path(at, AGENT_RUNNER), output)


class Found(NamedTuple):
    """What is packed under one name, as far as a pin says something of it."""

    version: str
    content_sha256: str

    @classmethod
    def of(cls, component: container.model.Component) -> Found:
        """Take it from an index, or from a plan."""
        return cls(component.version, component.content_sha256.hex())


def apply(pin: Pin | None, request: Request) -> Request:
    """The request, in which agent-runner has the pinned version where it has none of its own."""
    asked = request.components.get(AGENT_RUNNER)
    if pin is None or asked is None or asked.version is not None:
        return request
    pinned = {AGENT_RUNNER: replace(asked, version=pin.version)}
    return replace(request, components=request.components | pinned)


def check(
    pin: Pin | None, components: Mapping[str, Found | Component], version: str, platform: str
) -> None:
    """Refuse a mix of two products that nobody has asked for.

    Args:
        pin: None: agent-runner is built together with the program, and has its version.
        components: what is packed.
        version: of the program.
        platform: that it is packed for.
    Raises:
        PinMismatchError: agent-runner is not the pinned one, or of another version without a pin.
        MissingPlatformError: the pinned release has nothing for this platform.
    """
    found = components.get(AGENT_RUNNER)
    if pin is None:
        if found is not None and found.version != version:
            raise PinMismatchError(
                f"{AGENT_RUNNER} has a version of its own, and nothing pins it",
                f"stigmer {version} for {platform}",
                version,
                found.version,
                f"pin its release: `stigmer-pack release pin DIRECTORY`, then --pin FILE; or give "
                f"it the version {version}",
            )
        return
    if platform not in pin.content_sha256:
        raise _without_platform(pin, platform)
    where = f"stigmer {version} for {platform}"
    remedy = f"take it from the release {pin.tag}: `stigmer-pack release take`; or change the pin"
    if found is None or found.version != pin.version:
        raise PinMismatchError(
            f"{AGENT_RUNNER} is not of the pinned version",
            where,
            pin.version,
            found.version if found else "none",
            remedy,
        )
    if found.content_sha256 != pin.content_sha256[platform]:
        raise PinMismatchError(
            f"{AGENT_RUNNER} {pin.version} is another build than the pinned one",
            where,
            pin.content_sha256[platform],
            found.content_sha256,
            remedy,
        )


def _without_platform(pin: Pin, platform: str) -> MissingPlatformError:
    return MissingPlatformError(
        f"the pinned {AGENT_RUNNER} is not there for this platform",
        platform,
        ", ".join(sorted(pin.archives)),
        remedy=f"release {AGENT_RUNNER} for it, too, and pin that release",
    )
