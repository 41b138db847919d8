"""``stigmer-pack``: the build side's command line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container import limits
from container.errors import (
    ContainerError,
    PackError,
    told,
)
from container.model import PLATFORMS
from container.reader import PayloadReader
from container.source import FileSource
from container.units import human_bytes, ratio
from packer import compress, embed, hosts, report
from packer.manifest import Request, parse_component, read_manifest
from packer.packing import prepare
from packer.progress import StageProgress
from packer.writer import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from packer.plan import Plan
    from packer.writer import Written

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
    extra = {
        "host_bytes": made.host_bytes,
        "file_bytes": made.file_bytes,
        "replaced": made.replaced,
    }
    _print_written(target, made.written, extra, as_json=as_json)


@cli.command("pack")
@packing_options
def pack_command(output: Path | None, as_json: bool, **given: Any) -> None:
    """Write OUTPUT: the payload as a file of its own, without a host.

    It is the same payload that `embed` would put into an executable.
    """
    request = _request(None, output, given)
    target = _required(request.output)
    settings = _settings(request, given["jobs"], None)
    plan = _prepare(request, settings, quiet=as_json)
    with StageProgress(plan.content_bytes, quiet=as_json) as progress:
        written = embed.write_alone(target, plan, settings, progress)
    _print_written(target, written, {"file_bytes": written.payload_bytes}, as_json=as_json)


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
        _print_facts(facts, files=files)


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
    if not changes:
        click.echo("same contents")
    for change in changes:
        name = change.path or change.component
        click.echo(
            f"{change.what:8} {'  ' if change.path else ''}{name}  {change.detail}  "
            f"plain {_signed(change.plain_bytes)}, stored {_signed(change.stored_bytes)}"
        )


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
    frame_bytes = request.frame_bytes or compress.DEFAULT_FRAME_BYTES
    if not compress.MIN_FRAME_BYTES <= frame_bytes <= limits.MAX_FRAME_PLAIN_BYTES:
        raise PackError(
            "frame size out of bounds",
            None,
            f"{compress.MIN_FRAME_BYTES} to {limits.MAX_FRAME_PLAIN_BYTES}",
            str(frame_bytes),
        )
    return Settings(
        request.product_version(), platform, level, frame_bytes, jobs or os.cpu_count() or 1
    )


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


def _print_written(output: Path, written: Written, extra: dict[str, Any], *, as_json: bool) -> None:
    index = written.payload_index
    if as_json:
        facts = {
            "output": str(output),
            **extra,
            "payload_bytes": written.payload_bytes,
            "plain_bytes": index.plain_bytes,
            "stored_bytes": index.stored_bytes,
            "index_sha256": written.index_sha256.hex(),
            "components": {
                component.name: {
                    "version": component.version,
                    "plain_bytes": component.plain_bytes,
                    "stored_bytes": index.stored_bytes_of(component),
                    "content_sha256": component.content_sha256.hex(),
                }
                for component in index.components
            },
        }
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(
        f"{output}: {human_bytes(extra['file_bytes'])}, of which payload "
        f"{human_bytes(written.payload_bytes)} ({ratio(written.payload_bytes, index.plain_bytes)} "
        f"of {human_bytes(index.plain_bytes)}); index sha256 {written.index_sha256.hex()}"
    )


def _print_facts(facts: dict[str, Any], *, files: bool) -> None:
    place = facts["file"]
    click.echo(f"{place['path']}: {human_bytes(place['bytes'])}")
    if place["host_bytes"]:
        click.echo(f"  host      {place['host_format']}, {human_bytes(place['host_bytes'])}")
    click.echo(
        f"  payload   {human_bytes(place['payload_bytes'])} at offset {place['payload_offset']}; "
        f"index {human_bytes(place['index_bytes'])} at {place['index_offset']}; "
        f"footer at {place['footer_offset']}"
    )
    click.echo(
        f"  product   {facts['version']} for {facts['platform']}; format {facts['format']}, "
        f"zstd {facts['zstd_version']} level {facts['level']}, "
        f"{len(facts['frames'])} frames of at most {human_bytes(facts['frame_bytes'])}"
    )
    click.echo(f"  index     sha256 {facts['index_sha256']}")
    rows = [("component", "version", "files", "plain", "stored", "ratio", "compressed against")]
    for component in facts["components"]:
        references = sorted(
            {
                frame["reference"]
                for frame in _frames_of(facts, component)
                if frame["reference"] is not None
            }
        )
        rows.append(
            (
                component["name"],
                component["version"],
                str(component["files"]),
                human_bytes(component["plain_bytes"]),
                human_bytes(component["stored_bytes"]),
                ratio(component["stored_bytes"], component["plain_bytes"]),
                ", ".join(references) or "-",
            )
        )
    rows.append(
        (
            "total",
            "",
            str(sum(component["files"] for component in facts["components"])),
            human_bytes(facts["plain_bytes"]),
            human_bytes(facts["stored_bytes"]),
            ratio(facts["stored_bytes"], facts["plain_bytes"]),
            "",
        )
    )
    click.echo()
    _print_table(rows)
    if files:
        click.echo()
        _print_table(
            [("mode", "plain", "stored", "path")]
            + [
                (
                    entry["mode"],
                    human_bytes(entry["plain_bytes"]),
                    human_bytes(entry["stored_bytes"]),
                    entry["path"] + (f" -> {entry['link']}" if entry["link"] else ""),
                )
                for component in facts["components"]
                for entry in component["entries"]
            ]
        )


def _frames_of(facts: dict[str, Any], component: dict[str, Any]) -> list[dict[str, Any]]:
    first = 0
    for other in facts["components"]:
        if other is component:
            break
        first += other["frames"]
    frames: list[dict[str, Any]] = facts["frames"]
    return frames[first : first + component["frames"]]


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns of text; those that hold sizes are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {"files", "plain", "stored", "ratio"}
    for row in rows:
        cells = [
            cell.rjust(width) if head in right else cell.ljust(width)
            for cell, width, head in zip(row, widths, rows[0], strict=True)
        ]
        click.echo(("  " + "  ".join(cells)).rstrip())


def _signed(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{human_bytes(abs(size))}"


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
