"""``stigmer-pack``: the build side's command line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container import limits, names
from container.errors import (
    ContainerError,
    PackError,
    told,
)
from container.model import PLATFORMS
from container.reader import PayloadReader
from container.source import FileSource
from container.units import human_bytes
from packer import compress, embed, hosts, report, tables
from packer.manifest import Request, parse_component, read_manifest
from packer.packing import prepare
from packer.progress import StageProgress
from packer.writer import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from packer.plan import Plan

FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stigmer-payload")
def cli() -> None:
    """Pack programs and trees into one executable, and look at what was packed.

    Exit codes: 0 done; 2 wrong usage; 4 the system refused; 10-17 a bad payload;
    20-23 inputs that cannot be packed; 130 interrupted. README.md lists all.
    """


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
            _JSON,
        ]
    ):
        command = decorate(command)
    return command


@cli.command("embed")
@click.option("--host", type=FILE, help="Executable to copy and to put the payload into.")
@click.option("--replace", is_flag=True, help="Swap the payload that the host carries.")
@packing_options
def embed_command(
    host: Path | None, replace: bool, output: Path | None, as_json: bool, **given: Any
) -> None:
    """Write OUTPUT: a copy of HOST that carries the components.

    A component is a file, or a directory tree. OUTPUT appears whole and verified, or not at all.
    """
    request = _request(host, output, given)
    if request.host is None:
        raise PackError("no host", remedy="give --host, or use `pack` for a payload alone")
    target = _required(request.output)
    with FileSource(request.host) as source:
        embed.check_host(source, replace=replace)
        host_platform = hosts.identify(source).platform
    settings = _settings(request, given["jobs"], host_platform)
    _refuse_mismatch(settings.platform, host_platform, str(request.host))
    plan = _prepare(request, settings, quiet=as_json)
    with StageProgress(plan.content_bytes, quiet=as_json) as progress:
        made = embed.embed(request.host, target, plan, settings, replace=replace, progress=progress)
    facts = report.describe_written(target, made.written, made.file_bytes, made.host_bytes)
    _print_written(facts | {"replaced": made.replaced}, as_json=as_json)


@cli.command("pack")
@packing_options
def pack_command(output: Path | None, as_json: bool, **given: Any) -> None:
    """Write OUTPUT: the payload as a file of its own, without a host.

    It is the same payload that `embed` would put into an executable.
    """
    request = _request(None, output, given)
    target = _required(request.output)
    platform = None
    if request.host is not None:
        with FileSource(request.host) as source:
            platform = hosts.identify(source).platform
    settings = _settings(request, given["jobs"], platform)
    plan = _prepare(request, settings, quiet=as_json)
    with StageProgress(plan.content_bytes, quiet=as_json) as progress:
        written = embed.write_alone(target, plan, settings, progress)
    facts = report.describe_written(target, written, written.payload_bytes)
    _print_written(facts, as_json=as_json)


@cli.command("inspect")
@click.argument("file", type=FILE)
@click.option("--files", is_flag=True, help="List every file, too.")
@_JSON
def inspect_command(file: Path, files: bool, as_json: bool) -> None:
    """Show what FILE carries and where it sits; nothing is decoded."""
    with FileSource(file) as source:
        reader = PayloadReader(source)
        facts = report.describe(reader, hosts.identify(source).format.value)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        tables.print_facts(facts, files=files)


@cli.command("verify")
@click.argument("file", type=FILE)
@click.option("--index-sha256", help="Also require this index digest: a pinned build.")
@_JSON
def verify_command(file: Path, index_sha256: str | None, as_json: bool) -> None:
    """Check every digest of FILE's payload against every byte of it."""
    with FileSource(file) as source:
        reader = PayloadReader(source, _digest(index_sha256))
        with StageProgress(reader.index.content_bytes, quiet=as_json) as progress:
            reader.verify(lambda plain_bytes: progress("verify", plain_bytes))
        index = reader.index
        facts = {
            "intact": True,
            "index_sha256": reader.index_sha256.hex(),
            "frames": len(index.frames),
            "entries": len(index.entries),
            "plain_bytes": index.plain_bytes,
        }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(
            f"{file}: intact: {len(index.frames)} frames, {len(index.entries)} entries, "
            f"{human_bytes(index.plain_bytes)}; index sha256 {facts['index_sha256']}"
        )


@cli.command("strip")
@click.argument("file", type=FILE)
@click.option("--output", type=FILE, required=True, help="File to write the host to.")
def strip_command(file: Path, output: Path) -> None:
    """Give back the host of FILE, byte for byte, without the payload."""
    host_bytes = embed.strip(file, output)
    click.echo(f"{output}: {human_bytes(host_bytes)}, the host without its payload")


@cli.command("diff")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@_JSON
def diff_command(old: Path, new: Path, as_json: bool) -> None:
    """Show which components and files differ between two packed files, and by how much."""
    with FileSource(old) as old_source, FileSource(new) as new_source:
        changes = report.compare(PayloadReader(old_source).index, PayloadReader(new_source).index)
    if as_json:
        click.echo(json.dumps([change._asdict() for change in changes], indent=2))
        return
    tables.print_changes(changes)


def _request(host: Path | None, output: Path | None, given: dict[str, Any]) -> Request:
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


def _settings(request: Request, jobs: int | None, host_platform: str | None) -> Settings:
    platform = request.platform or host_platform
    if platform is None:
        raise PackError(
            "no platform, and no host that tells it",
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


def _refuse_mismatch(platform: str, host_platform: str | None, host: str) -> None:
    if host_platform not in (None, platform):
        raise PackError(
            "the host runs on another platform than the payload is for",
            host,
            platform,
            host_platform,
        )


def _prepare(request: Request, settings: Settings, *, quiet: bool) -> Plan:
    components = request.sources()
    if not quiet:
        click.echo(f"reading   {len(components)} components", err=True)
    return prepare(components, settings, references=request.references is not False)


def _required(output: Path | None) -> Path:
    if output is None:
        raise PackError("no output file", remedy="give --output, or output in a manifest")
    # Said now, not when everything has been compressed.
    os.stat(output.parent)
    return output


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise click.BadParameter("64 hexadecimal digits are needed", param_hint="--index-sha256")
    return digest


def _print_written(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        tables.print_written(facts)


def main() -> None:
    """Run the command line and exit with the code that ``container.errors`` gives."""
    try:
        status = cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (ContainerError, OSError, click.Abort) as error:
        text, status = told(error)
        click.echo(text, err=True)
    sys.exit(status)
