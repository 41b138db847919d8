"""All commands of ``stigmer-extract``, with click: what ``main`` does not run without it."""

from __future__ import annotations

from typing import Any

import click

from container.errors import ContainerError
from container.model import ENTRY_KINDS, EntryKind
from container.reader import open_payload
from container.units import human_bytes
from extractor import commands, home_cli, options, output

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
@options.json_option
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
                            "kind": ENTRY_KINDS[entry.kind],
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
        output.print_json(facts)
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
@options.jobs_option
@options.progress_option
@options.json_option
def unpack_command(**parameters: Any) -> None:
    """Write COMPONENTs of FILE, or all of them, below DIR.

    Each appears whole and verified, or not at all. Nothing that exists is overwritten.
    """
    commands.unpack(**parameters)


for command in home_cli.COMMANDS:
    cli.add_command(command)


def run() -> int:
    """Run the command line.

    Returns:
        The exit code that ``container.errors`` gives.
    Raises:
        SystemExit: where a command or click ends it.
    """
    try:
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (ContainerError, OSError, click.Abort) as error:
        return output.tell(error)
