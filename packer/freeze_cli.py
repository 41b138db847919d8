"""``stigmer-pack freeze``: a Python program as a tree for a payload, proven to run."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import click

from container.units import human_bytes
from packer.freezing.freeze import Frozen, freeze
from packer.freezing.settings import read_settings

FILE = click.Path(path_type=Path)


@click.command("freeze")
@click.argument("settings", type=FILE)
@click.option("--output", type=FILE, required=True, help="Directory of the tree to make.")
@click.option(
    "--environment",
    type=FILE,
    help="Virtual environment with the program's packages and PyInstaller; default: this one.",
)
@click.option("--onefile", is_flag=True, help="One file, which unpacks itself at every start.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def freeze_command(
    settings: Path, *, output: Path, environment: Path | None, onefile: bool, as_json: bool
) -> None:
    """Freeze the Python program that SETTINGS, a TOML file, has in its section [freeze].

    OUTPUT appears when the program has passed its self-check from another directory, with an
    empty environment; or not at all.
    """
    asked = read_settings(settings)
    if onefile:
        asked = replace(asked, onefile=True)
    # Said now, not when everything has been frozen.
    os.stat(output.absolute().parent)
    frozen = freeze(
        asked,
        output,
        environment,
        say=lambda line: None if as_json else click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(frozen._asdict(), indent=2))
    else:
        _print(frozen)


def _print(frozen: Frozen) -> None:
    click.echo(
        f"{frozen.output}: {frozen.files} files, {human_bytes(frozen.plain_bytes)}; it passes its "
        f"self-check; sha256 {frozen.sha256}"
    )
    for name, distribution in frozen.chosen.items():
        click.echo(f"  {name} is that of {distribution}")
    for path in frozen.names_build_paths:
        click.echo(f"  {path} names a directory of this build: it differs elsewhere")
