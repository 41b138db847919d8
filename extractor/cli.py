"""``stigmer-extract``: the run side's command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from container.errors import ContainerError, told
from container.model import EntryKind
from container.reader import open_payload
from container.units import human_bytes
from extractor import home_cli, options

if TYPE_CHECKING:
    from extractor.events import Listener

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

    Exit codes: 0 done; 2 wrong usage; 4 the system refused; 10-18 a bad payload;
    30-39 the target refuses; 130 interrupted. README.md lists all.
    """


@cli.command("list")
@click.argument("file")
@options.JSON
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
        options.print_json(facts)
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
@options.JOBS
@options.PROGRESS
@options.JSON
def unpack_command(
    file: str,
    components: tuple[str, ...],
    target: str,
    jobs: int | None,
    style: str | None,
    as_json: bool,
) -> None:
    """Write COMPONENTs of FILE, or all of them, below DIR.

    Each appears whole and verified, or not at all. Nothing that exists is overwritten.
    """
    from extractor.unpack import unpack

    def run(listener: Listener) -> dict[str, Any]:
        with open_payload(file) as reader:
            done = unpack(reader, target, components, options.jobs_or_default(jobs), listener)
            root = reader.index.entries
            return {
                "target": target,
                "components": {
                    component.name: os.path.join(target, root[component.first_entry].path)
                    for component in done
                },
                "plain_bytes": sum(component.plain_bytes for component in done),
            }

    facts = options.run_shown(run, options.progress_style(style, as_json=as_json))
    if as_json:
        options.print_json(facts)
    else:
        for name, path in facts["components"].items():
            click.echo(f"{name}: {path}")
        click.echo(f"{human_bytes(facts['plain_bytes'])} in {facts['seconds']:.2f} s")


for command in home_cli.COMMANDS:
    cli.add_command(command)


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
