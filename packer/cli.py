"""``stigmer-pack``: the build side's command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from container.errors import ContainerError, LostPayloadError, NotAContainerError, PackError, told
from container.hosts import OTHER
from container.reader import PayloadReader
from container.source import FileSource
from container.units import human_bytes
from packer import embed, hosts, options, page, report, tables
from packer.embed.publish import published
from packer.freeze_cli import freeze_command
from packer.progress import StageProgress
from packer.release_cli import release_group
from packer.weights import weigh

if TYPE_CHECKING:
    from pathlib import Path


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stigmer-payload")
def cli() -> None:
    """Pack programs and trees into one executable, and look at what was packed.

    Exit codes: 0 done; 2 wrong usage; 4 the system refused; 10-18 a bad payload;
    20-29 bad inputs; 50-57 a release; 130 interrupted. README.md
    lists all.
    """


@cli.command("embed")
@click.option("--host", type=options.FILE, help="Executable to copy and to put the payload into.")
@click.option("--replace", is_flag=True, help="Swap the payload that the host carries.")
@click.option("--sign", metavar="IDENTITY", help="Sign a Mach-O output by codesign, on macOS.")
@click.option("--no-sign", is_flag=True, help="Leave a darwin-amd64 output without a signature.")
@options.packing_options
def embed_command(
    host: Path | None,
    replace: bool,
    sign: str | None,
    no_sign: bool,
    output: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write OUTPUT: a copy of HOST that carries the components.

    A component is a file, or a directory tree. OUTPUT appears whole and verified, or not at all.
    A Mach-O gets an ad-hoc signature, unless --sign or --no-sign asks for something else.
    """
    request = options.read_request(host, output, given)
    if request.host is None:
        raise PackError("no host", remedy="give --host, or use `pack` for a payload alone")
    target = options.required_output(request.output)
    signing = embed.Signing(sign, no_sign)
    with FileSource(request.host) as source:
        _, location = embed.check_host(source, replace=replace, signing=signing)
        host_platforms = hosts.identify(source, location).platforms
    settings = options.settings_of(request, given["jobs"], host_platforms)
    options.refuse_mismatch(settings.platform, host_platforms, str(request.host))
    plan = options.plan_of(request, settings, quiet=as_json)
    with StageProgress(plan.content_bytes, quiet=as_json) as progress:
        made = embed.embed(
            request.host,
            target,
            plan,
            settings,
            replace=replace,
            signing=signing,
            progress=progress,
        )
    _warn(made.warnings)
    facts = report.describe_written(
        target, made.written, made.file_bytes, made.host_bytes, made.warnings
    )
    _print_written(facts | {"replaced": made.replaced}, as_json=as_json)


@cli.command("pack")
@options.packing_options
def pack_command(output: Path | None, as_json: bool, **given: Any) -> None:
    """Write OUTPUT: the payload as a file of its own, without a host.

    It is the same payload that `embed` would put into an executable.
    """
    request = options.read_request(None, output, given)
    target = options.required_output(request.output)
    platforms: tuple[str, ...] = ()
    if request.host is not None:
        with FileSource(request.host) as source:
            platforms = hosts.identify(source).platforms
    settings = options.settings_of(request, given["jobs"], platforms)
    plan = options.plan_of(request, settings, quiet=as_json)
    with StageProgress(plan.content_bytes, quiet=as_json) as progress:
        written = embed.write_alone(target, plan, settings, progress)
    facts = report.describe_written(target, written, written.payload_bytes)
    _print_written(facts, as_json=as_json)


@cli.command("inspect")
@click.argument("file", type=options.FILE)
@click.option("--files", is_flag=True, help="List every file, too.")
@click.option(
    "--weights",
    is_flag=True,
    help="Weigh packages, too, those inside of frozen programs as well: decodes the programs.",
)
@click.option(
    "--html", type=options.FILE, metavar="FILE", help="Draw what weighs how much as a page."
)
@options.JSON
def inspect_command(
    file: Path, files: bool, weights: bool, html: Path | None, as_json: bool
) -> None:
    """Show what FILE carries and where it sits; by default nothing is decoded."""
    with FileSource(file) as source:
        try:
            reader = PayloadReader(source)
        except (LostPayloadError, NotAContainerError):
            _print_bare(source, as_json=as_json)
            raise
        facts = report.describe(reader, hosts.identify(source, reader.location))
        if weights:
            facts["weights"] = [weight._asdict() for weight in weigh(reader)]
    if html is not None:
        _write_page(html, file, facts)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        tables.print_facts(facts, files=files)
        if html is not None:
            click.echo(f"\n{html}: what weighs how much, as a page")


@cli.command("verify")
@click.argument("file", type=options.FILE)
@click.option("--index-sha256", help="Also require this index digest: a pinned build.")
@options.JSON
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
@click.argument("file", type=options.FILE)
@click.option("--output", type=options.FILE, required=True, help="File to write the host to.")
def strip_command(file: Path, output: Path) -> None:
    """Give back the host of FILE without the payload: byte for byte, or signed ad hoc again."""
    stripped = embed.strip(file, output)
    _warn(stripped.warnings)
    click.echo(f"{output}: {human_bytes(stripped.host_bytes)}, the host without its payload")


@cli.command("diff")
@click.argument("old", type=options.FILE)
@click.argument("new", type=options.FILE)
@options.JSON
def diff_command(old: Path, new: Path, as_json: bool) -> None:
    """Show which components and files differ between two packed files, and by how much."""
    with FileSource(old) as old_source, FileSource(new) as new_source:
        changes = report.compare(PayloadReader(old_source).index, PayloadReader(new_source).index)
    if as_json:
        click.echo(json.dumps([change._asdict() for change in changes], indent=2))
        return
    tables.print_changes(changes)


cli.add_command(freeze_command)
cli.add_command(release_group)


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


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _print_bare(source: FileSource, *, as_json: bool) -> None:
    """What can be told of a file that is no executable with a payload: nothing of other files."""
    host = hosts.identify(source)
    if host.format == OTHER:
        return
    facts = {
        "file": {"path": source.name, "bytes": source.size},
        "host": report.describe_host(host),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        tables.print_bare(facts)


def _write_page(output: Path, inspected: Path, facts: dict[str, Any]) -> None:
    """Write the page of ``--html``; an older one is replaced in one step.

    Raises:
        PackError: it would replace the file that it is about.
        OSError: it cannot be written.
    """
    if output.exists() and output.samefile(inspected):
        raise PackError(
            "the page would replace the file that it is about",
            str(output),
            remedy="name another file",
        )
    with published(output, 0o644) as stream:
        stream.write(page.render(facts).encode())


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
