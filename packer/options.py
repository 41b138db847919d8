"""What ``embed``, ``pack`` and ``release`` ask of the one who calls, and what they make of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container import limits, names
from container.errors import PackError
from container.model import PLATFORMS
from packer import compress
from packer.manifest import Request, parse_component, read_manifest
from packer.packing import prepare
from packer.writer import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from packer.plan import Plan

FILE = click.Path(path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def packing_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that ``embed`` and ``pack`` share."""
    for decorate in reversed(
        [
            click.argument("components", nargs=-1, metavar="[NAME[@VERSION]=PATH]..."),
            click.option("--output", type=FILE, help="File to write."),
            click.option("--version", help="Version of the product, and of its components."),
            click.option("--platform", type=click.Choice(PLATFORMS), help="Default: the host's."),
            click.option(
                "--level",
                type=click.IntRange(1, 22),
                help=f"zstd level; default {compress.DEFAULT_LEVEL}, for releases.",
            ),
            click.option(
                "--frame-size",
                "frame_bytes",
                type=click.IntRange(compress.MIN_FRAME_BYTES, limits.MAX_FRAME_PLAIN_BYTES),
                metavar="BYTES",
                help="Upper bound of one frame's plain bytes: larger packs smaller and needs more "
                f"memory to extract; default {compress.DEFAULT_FRAME_BYTES}.",
            ),
            click.option(
                "--jobs",
                type=click.IntRange(min=1),
                help="Frames compressed at once; does not change the output. Default: all cores.",
            ),
            click.option(
                "--references/--no-references",
                default=None,
                help="Compress similar files against each other (default), or leave every frame "
                "readable by `zstd -d` alone.",
            ),
            click.option("--manifest", type=FILE, help="TOML file that says all of this."),
            JSON,
        ]
    ):
        command = decorate(command)
    return command


def read_request(host: Path | None, output: Path | None, given: dict[str, Any]) -> Request:
    """What the options and the manifest ask for; options win.

    Raises:
        PackError, OSError: as ``read_manifest`` and ``parse_component``.
    """
    manifest = read_manifest(given["manifest"]) if given["manifest"] else Request()
    components = {}
    for text in given["components"]:
        name, component = parse_component(text)
        if name in components:
            raise PackError("two components of the same name", name)
        components[name] = component
    return Request(
        given["version"],
        given["platform"],
        host,
        output,
        given["level"],
        given["frame_bytes"],
        given["references"],
        components,
    ).over(manifest)


def settings_of(request: Request, jobs: int | None, host_platforms: tuple[str, ...]) -> Settings:
    """Settings with defaults for what was not said.

    Raises:
        PackError: no platform or version, or a value out of bounds.
    """
    platform = request.platform
    if platform is None and len(host_platforms) == 1:
        platform = host_platforms[0]
    if platform is None:
        raise PackError(
            "no platform, and no host that tells one",
            None,
            ", ".join(PLATFORMS),
            None,
            "give --platform",
        )
    if platform not in PLATFORMS:
        raise PackError("unknown platform", None, ", ".join(PLATFORMS), platform)
    level = compress.DEFAULT_LEVEL if request.level is None else request.level
    if not 1 <= level <= 22:
        raise PackError("no such zstd level", None, "1 to 22", str(level))
    frame_bytes = request.frame_bytes
    if frame_bytes is None:
        frame_bytes = compress.DEFAULT_FRAME_BYTES
    if not compress.MIN_FRAME_BYTES <= frame_bytes <= limits.MAX_FRAME_PLAIN_BYTES:
        raise PackError(
            "frame size out of bounds",
            None,
            f"{compress.MIN_FRAME_BYTES} to {limits.MAX_FRAME_PLAIN_BYTES}",
            str(frame_bytes),
        )
    version = request.product_version()
    # The index says no to it, too, but only when everything has been compressed.
    names.check_label(version, "product version")
    return Settings(version, platform, level, frame_bytes, jobs or os.cpu_count() or 1)


def refuse_mismatch(platform: str, host_platforms: tuple[str, ...], host: str) -> None:
    """Refuse a payload for another platform than the host's.

    Raises:
        PackError: they differ.
    """
    if host_platforms and platform not in host_platforms:
        raise PackError(
            "the host runs on another platform than the payload is for",
            host,
            platform,
            ", ".join(host_platforms),
        )


def plan_of(request: Request, settings: Settings, *, quiet: bool) -> Plan:
    """Read the components, and decide how they are packed.

    Raises:
        ContainerError, OSError: as ``packer.packing.prepare``.
    """
    components = request.sources()
    if not quiet:
        click.echo(f"reading   {len(components)} components", err=True)
    return prepare(components, settings, references=request.references is not False)


def required_output(output: Path | None) -> Path:
    """The output, in a directory that exists.

    Raises:
        PackError: none was given.
        OSError: its directory is not there.
    """
    if output is None:
        raise PackError("no output file", remedy="give --output, or output in a manifest")
    # Said now, not when everything has been compressed.
    os.stat(output.parent)
    return output
