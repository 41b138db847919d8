"""The commands of ``stigmer-extract`` that work on an installation."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from container.errors import IntegrityError, NotInstalledError
from container.reader import open_payload
from container.units import human_bytes
from extractor import commands, options
from extractor.home import Home
from extractor.output import print_json

if TYPE_CHECKING:
    from container.reader import PayloadReader
    from extractor.events import Listener
    from extractor.examine import Finding

_HOME = click.option(
    "--home", metavar="DIR", help="Default: STIGMER_HOME, else ~/.stigmer. Made by `install`."
)
_NO_WAIT = click.option(
    "--no-wait", is_flag=True, help="Fail where another process is changing the installation."
)
_SHOWN_DAMAGED = 10


@click.command("install")
@click.argument("file")
@_HOME
@click.option(
    "--force", is_flag=True, help="Also over a newer version, and after `rollback` held this one."
)
@_NO_WAIT
@options.jobs_option
@options.progress_option
@options.json_option
def install_command(**parameters: Any) -> None:
    """Make HOME/bin lead to the components of FILE.

    They are staged, verified, made durable and published by one rename; a second run finds them
    installed and writes nothing. What was installed before keeps running, and stays for `rollback`.
    """
    commands.install(**parameters)


@click.command("status")
@click.argument("file", required=False)
@_HOME
@options.json_option
def status_command(file: str | None, home: str | None, as_json: bool) -> None:
    """Say what is installed, and whether it is intact by size and time of its files.

    With FILE, also whether it is what FILE carries.
    """
    from extractor import examine

    if file is None:
        facts = examine.status(Home(home), None)
    else:
        with open_payload(file) as reader:
            facts = examine.status(Home(home), reader)
    if as_json:
        print_json(facts)
        return
    click.echo(f"{facts['version']} for {facts['platform']}: {facts['path']}")
    components: Any = facts["components"]
    for name, version in components.items():
        click.echo(f"  {name} {version}")
    damaged: Any = facts["damaged"]
    copied = ", a copy: compared by size and mode" if facts["copied"] else ""
    if damaged:
        click.echo(f"damaged: {len(damaged)} of {facts['files']} files{copied}")
        for path in damaged[:_SHOWN_DAMAGED]:
            click.echo(f"  {path}")
    else:
        click.echo(f"intact: {facts['files']} files{copied}")
    if facts["current"] is not None:
        click.echo(f"{file} carries {'this' if facts['current'] else 'another'} version")
    if facts["held"]:
        held: Any = facts["held"]
        click.echo(f"held back: {', '.join(held)}")
    click.echo(f"rollback goes to: {facts['previous'] or 'nothing'}")


@click.command("verify")
@click.argument("file", required=False)
@_HOME
@click.option("--repair", is_flag=True, help="Extract what is bad again; needs FILE.")
@options.jobs_option
@options.progress_option
@options.json_option
def verify_command(
    file: str | None,
    home: str | None,
    repair: bool,
    jobs: int | None,
    style: str | None,
    as_json: bool,
) -> None:
    """Read every installed file and compare its contents.

    Without FILE with the installation's own record, which finds damage; with FILE with what FILE
    carries. A repair makes a new directory from what is sound, and leads HOME/bin to it.
    """
    from extractor import examine
    from extractor.install import install

    if repair and file is None:
        raise click.UsageError("--repair needs FILE: the program that carries the components")
    place = Home(home)
    with open_payload(file) if file is not None else nullcontext() as reader:
        findings = _verify(place, reader, repair=repair)
        bad = [finding for finding in findings if finding.problem]
        facts: dict[str, Any] = {
            "home": place.path,
            "files": len(findings),
            "bad": {finding.subject: finding.problem for finding in bad},
            "repaired": False,
        }
        if reader is not None and repair and (bad or examine.is_copy(place)):

            def run(listener: Listener) -> dict[str, Any]:
                workers = options.jobs_or_default(jobs)
                return install(reader, place, workers, listener, distrust=True)._asdict()

            done = options.run_shown(run, options.progress_style(style, as_json=as_json))
            facts |= done | {"repaired": not done["held"]}
    if as_json:
        print_json(facts)
    else:
        for finding in bad:
            click.echo(f"{finding.subject}: {finding.problem}")
        if not bad:
            click.echo(f"intact: {len(findings)} files")
        if facts.get("held"):
            click.echo(commands.held_text(facts))
        elif facts["repaired"]:
            click.echo(f"repaired: {facts['path']} ({human_bytes(facts['plain_bytes'])} extracted)")
    if bad and not repair:
        raise IntegrityError(
            "the installation is damaged",
            place.path,
            "0 bad files",
            str(len(bad)),
            "repair it with `verify --repair`",
        )


def _verify(home: Home, reader: PayloadReader | None, *, repair: bool) -> list[Finding]:
    from extractor import examine

    try:
        return list(examine.verify(home, reader))
    except NotInstalledError as error:
        if not repair:
            raise
        return [examine.Finding(home.path, error.what, error.exit_code)]


@click.command("doctor")
@click.argument("file", required=False)
@_HOME
@options.json_option
def doctor_command(file: str | None, home: str | None, as_json: bool) -> None:
    """Check everything that an installation needs; with FILE, what FILE needs.

    Ends with the exit code of the first problem.
    """
    from extractor import examine

    if file is None:
        findings = list(examine.diagnose(Home(home), None))
    else:
        with open_payload(file) as reader:
            findings = list(examine.diagnose(Home(home), reader))
    if as_json:
        print_json(
            {
                "home": Home(home).path,
                "checks": [
                    {"check": row.subject, "ok": not row.problem, "problem": row.problem or None}
                    for row in findings
                ],
            }
        )
    else:
        for row in findings:
            click.echo(f"{row.subject}: {row.problem or 'ok'}")
    failed = next((row for row in findings if row.exit_code), None)
    if failed is not None:
        raise SystemExit(failed.exit_code)


@click.command("rollback")
@_HOME
@_NO_WAIT
@options.json_option
def rollback_command(home: str | None, no_wait: bool, as_json: bool) -> None:
    """Lead HOME/bin back to the version that was in use before.

    The present one stays installed, and is held back: `install --force` brings it back.
    """
    from extractor.progress import EventPrinter
    from extractor.upkeep import rollback

    printer = EventPrinter("none" if as_json else "lines")
    done = rollback(Home(home), printer, wait=not no_wait)
    if as_json:
        print_json(done._asdict())
    else:
        click.echo(f"went back from {done.from_version} to {done.version}: {done.path}")


@click.command("clean")
@_HOME
@click.option("--all", "everything", is_flag=True, help="Also the version `rollback` goes back to.")
@_NO_WAIT
@options.json_option
def clean_command(home: str | None, everything: bool, no_wait: bool, as_json: bool) -> None:
    """Remove old versions and what killed attempts have left; never what a process runs from."""
    from extractor import events
    from extractor.upkeep import clean

    place = Home(home)
    told: list[events.Event] = []

    def listen(event: events.Event) -> None:
        told.append(event)
        if isinstance(event, events.Waiting):
            click.echo(f"waiting for another process in {event.home}", err=True)

    clean(place, listen, wait=not no_wait, all_but_current=everything)
    removed = [event.path for event in told if isinstance(event, events.Removed)]
    kept = {event.path: event.reason for event in told if isinstance(event, events.Kept)}
    if as_json:
        print_json({"home": place.path, "removed": removed, "kept": kept})
        return
    for path in removed:
        click.echo(f"removed {path}")
    for path, reason in kept.items():
        click.echo(f"{path} stays: {reason}")
    if not removed and not kept:
        click.echo("nothing to remove")


COMMANDS = (
    install_command,
    status_command,
    verify_command,
    doctor_command,
    rollback_command,
    clean_command,
)
