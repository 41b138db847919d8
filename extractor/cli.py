"""``stigmer-extract``: the run side's command line."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from container.errors import ContainerError, told
from container.model import EntryKind
from container.reader import open_payload
from container.units import human_bytes
from extractor import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from extractor.events import Listener

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
_JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Frames decoded at once. Default: all cores, at most 8.",
)
# Each worker holds a frame, plain and stored; beyond 8 the file system is what is waited for.
_MAX_DEFAULT_JOBS = 8
_TYPES: dict[int, str] = {
    EntryKind.FILE: "-",
    EntryKind.DIRECTORY: "d",
    EntryKind.SYMLINK: "l",
    EntryKind.HARDLINK: "h",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stigmer-payload")
def cli() -> None:
    """Take components out of a packed executable, verified, in parallel.

    Exit codes: 0 done; 2 wrong usage; 4 the system refused; 10-17 a bad payload;
    30-36 the target refuses; 130 interrupted. README.md lists all.
    """


@cli.command("list")
@click.argument("file")
@_JSON
def list_command(file: str, as_json: bool) -> None:
    """List the components and files of FILE; nothing is decoded."""
    with open_payload(file) as reader:
        index = reader.index
    if as_json:
        facts = {
            "version": index.metadata.version,
            "platform": index.metadata.platform,
            "components": [
                {
                    "name": component.name,
                    "version": component.version,
                    "plain_bytes": component.plain_bytes,
                    "stored_bytes": index.stored_bytes_of(component),
                    "entries": [
                        {
                            "path": entry.path,
                            "kind": EntryKind(entry.kind).name.lower(),
                            "mode": f"{entry.mode:04o}",
                            "plain_bytes": entry.plain_bytes,
                            "link": entry.link or None,
                        }
                        for entry in index.entries_of(component)
                    ],
                }
                for component in index.components
            ],
        }
        _print_json(facts)
        return
    # One write: a line each costs more than everything before it, for 10,000 entries.
    lines = [
        f"{_TYPES[entry.kind]}{entry.mode:04o} {entry.plain_bytes:>12} {entry.path}"
        + (f" -> {entry.link}" if entry.link else "")
        for entry in index.entries
    ]
    lines += [
        f"{component.name} {component.version}: {component.entry_count} entries, "
        f"{human_bytes(component.plain_bytes)}"
        for component in index.components
    ]
    click.echo("\n".join(lines))


@cli.command("unpack")
@click.argument("file")
@click.argument("components", nargs=-1, metavar="[COMPONENT]...")
@click.option("--to", "target", required=True, metavar="DIR", help="Directory to write below.")
@_JOBS
@_JSON
def unpack_command(
    file: str, components: tuple[str, ...], target: str, jobs: int | None, as_json: bool
) -> None:
    """Write COMPONENTs of FILE, or all of them, below DIR.

    Each appears whole and verified, or not at all. Nothing that exists is overwritten.
    """
    from extractor.unpack import unpack

    def run(listener: Listener) -> dict[str, Any]:
        with open_payload(file) as reader:
            done = unpack(reader, target, components, _jobs(jobs), listener)
            root = reader.index.entries
            return {
                "target": target,
                "components": {
                    component.name: os.path.join(target, root[component.first_entry].path)
                    for component in done
                },
                "plain_bytes": sum(component.plain_bytes for component in done),
            }

    facts = _timed(run, quiet=as_json)
    if as_json:
        _print_json(facts)
    else:
        for name, path in facts["components"].items():
            click.echo(f"{name}: {path}")
        click.echo(f"{human_bytes(facts['plain_bytes'])} in {facts['seconds']:.2f} s")


@cli.command("install")
@click.argument("file")
@click.option("--home", required=True, metavar="DIR", help="As ~/.stigmer; made if not there.")
@_JOBS
@_JSON
def install_command(file: str, home: str, jobs: int | None, as_json: bool) -> None:
    """Make DIR/bin lead to the components of FILE.

    They are staged, verified and published by one rename; a second run finds them installed and
    writes nothing. What was installed before keeps running.
    """
    from extractor.install import install

    def run(listener: Listener) -> dict[str, Any]:
        with open_payload(file) as reader:
            return install(reader, home, _jobs(jobs), listener)._asdict()

    facts = _timed(run, quiet=as_json)
    if as_json:
        _print_json(facts)
    elif facts["already"]:
        click.echo(f"{facts['version']} is installed: {facts['path']}")
    else:
        click.echo(
            f"installed {facts['version']}: {facts['path']} "
            f"({human_bytes(facts['plain_bytes'])} in {facts['seconds']:.2f} s)"
        )


def _print_json(facts: dict[str, Any]) -> None:
    import json  # 3 ms of every start that does not need it

    click.echo(json.dumps(facts, indent=2))


def _jobs(jobs: int | None) -> int:
    return jobs or min(os.cpu_count() or 1, _MAX_DEFAULT_JOBS)


def _timed(run: Callable[[Listener], dict[str, Any]], *, quiet: bool) -> dict[str, Any]:
    """What ``run`` returns, and how long it took, in seconds."""
    start_ns = time.monotonic_ns()
    if quiet:
        facts = run(events.ignore)
    else:
        from extractor.progress import EventPrinter

        printer = EventPrinter()
        try:
            facts = run(printer)
        finally:
            printer.end()
    return facts | {"seconds": (time.monotonic_ns() - start_ns) / 1e9}


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
