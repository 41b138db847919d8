"""``stigmer``: the program that users type. What only one command needs is imported late."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from container.errors import ContainerError, NotReadyError, NotRunningError
from extractor.host.settings import (
    DEFAULT_GRPC_PORT,
    DEFAULT_START_SECONDS,
    DEFAULT_STOP_SECONDS,
    DEFAULT_TEMPORAL_ADDRESS,
    Settings,
)
from extractor.output import leave, print_json, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from extractor.host.installation import Programs
    from extractor.host.record import Record

_CONTEXT = {"help_option_names": ["-h", "--help"]}
_DEFAULT_LINES = 20


# Of `stigmer-extract`; here FILE is this program.
_HOME_COMMANDS = {
    "install": "Install what this program carries, and start nothing.",
    "verify": "Read every installed file and compare its contents.",
    "doctor": "Check everything that an installation of this program needs.",
    "rollback": "Lead HOME/bin back to the version that was in use before.",
    "clean": "Remove old versions and what killed attempts have left.",
}


class _Group(click.Group):
    """Commands about the installation are made when they are asked for: they import the reader."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_HOME_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _HOME_COMMANDS:
            return _home_command(cmd_name)
        return super().get_command(ctx, cmd_name)


def _home_command(name: str) -> click.Command:
    from extractor import home_cli

    (original,) = (command for command in home_cli.COMMANDS if command.name == name)
    callback: Any = original.callback
    takes_file = any(parameter.name == "file" for parameter in original.params)

    def run(payload: str | None, **options: Any) -> Any:
        from extractor.host.installation import payload_file

        if takes_file:
            # Damage is told from the installation's own record: it may be of another version.
            own_record = name == "verify" and not options["repair"]
            options["file"] = None if own_record else payload_file(payload)
        return callback(**options)

    options = [parameter for parameter in original.params if parameter.name != "file"]
    chosen = click.Option(["--payload"], envvar="STIGMER_PAYLOAD", metavar="FILE", hidden=True)
    return click.Command(name, callback=run, params=[*options, chosen], help=_HOME_COMMANDS[name])


class _ServerGroup(click.Group):
    """``server`` and ``server --detach`` mean ``server start``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_help = bool(args) and args[0] in _CONTEXT["help_option_names"]
        if not args or (args[0].startswith("-") and not asks_help):
            args = ["start", *args]
        return super().parse_args(ctx, args)


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which host is meant."""
    for option in (
        click.option(
            "--data-dir",
            envvar="STIGMER_DATA_DIR",
            metavar="DIR",
            help="Data, logs and state. Default: HOME/data.",
        ),
        click.option(
            "--home",
            envvar="STIGMER_HOME",
            metavar="DIR",
            default="~/.stigmer",
            show_default=True,
            help="Where programs are installed.",
        ),
    ):
        command = option(command)
    return command


def _how(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how services are run."""
    for option in (
        click.option("--ready-fd", type=int, hidden=True),
        click.option(
            "--payload",
            envvar="STIGMER_PAYLOAD",
            metavar="FILE",
            help="Install from FILE. Default: this program.",
        ),
        click.option(
            "--stop-timeout",
            envvar="STIGMER_STOP_TIMEOUT",
            type=click.FloatRange(min=0),
            default=DEFAULT_STOP_SECONDS,
            show_default=True,
            metavar="SECONDS",
            help="Kill a service that has not ended by then.",
        ),
        click.option(
            "--start-timeout",
            envvar="STIGMER_START_TIMEOUT",
            type=click.FloatRange(min=0),
            default=DEFAULT_START_SECONDS,
            show_default=True,
            metavar="SECONDS",
            help="Give up when a service is not ready by then.",
        ),
        click.option(
            "--temporal-address",
            envvar="TEMPORAL_SERVICE_ADDRESS",
            metavar="HOST:PORT",
            help=f"A Temporal server; it may come later. Default: {DEFAULT_TEMPORAL_ADDRESS}.",
        ),
        click.option(
            "--grpc-port",
            envvar="GRPC_PORT",
            type=click.IntRange(0, 65535),
            help=f"Of stigmer-server; 0 means any free one. Default: {DEFAULT_GRPC_PORT}.",
        ),
        click.option("--detach", is_flag=True, help="Return when all is ready; keep it running."),
    ):
        command = option(command)
    return command


@click.group(context_settings=_CONTEXT, cls=_Group)
def cli() -> None:
    """Run Stigmer on this machine: what it needs is in this program.

    Exit codes: 0 done; 2 wrong usage; 4 the system refused; 10-18 a bad payload; 30-39 the
    home refuses; 40-45 the services; 130 interrupted. README.md lists all.
    """


@cli.command("version")
@click.option("--payload", envvar="STIGMER_PAYLOAD", metavar="FILE", hidden=True)
def version_command(payload: str | None) -> None:
    """Print the version of this program and of what it carries."""
    from extractor.host.installation import carried

    version, components = carried(payload)
    rows = [f"stigmer {version}", *(f"  {name} {own}" for name, own in components.items())]
    click.echo("\n".join(rows))


@cli.command("selfcheck", hidden=True)
def selfcheck_command() -> None:
    """Say whether all that this program needs was frozen into it."""
    from extractor.host import selfcheck

    selfcheck.check()
    click.echo("all is there")


@cli.group("server", cls=_ServerGroup)
def server_group() -> None:
    """Start, stop and look at the services. Without a command: start."""


@server_group.command("start")
@_how
@_where
def start_command(**options: Any) -> int:
    """Install what is needed, start all services, and stay until Ctrl-C or `stop`."""
    return _start(_settings(options), options)


@server_group.command("restart")
@_how
@_where
def restart_command(**options: Any) -> int:
    """Stop what runs, and start this program's services, with the same settings.

    This program's are installed before anything is stopped.
    """
    settings = _settings(options)
    _install(settings, options["payload"])
    stopped = _stop(settings)
    if stopped is not None:
        if options["grpc_port"] is None:
            settings = settings._replace(grpc_port=stopped.grpc_port)
        if options["temporal_address"] is None:
            settings = settings._replace(temporal_address=stopped.temporal_address)
        options["detach"] = options["detach"] or stopped.detached
    return _start(settings, options)


@server_group.command("stop")
@_where
def stop_command(**options: Any) -> None:
    """End all services, in reverse order, and what a host that died has left."""
    if _stop(_settings(options)) is None:
        click.echo("nothing is running", err=True)


@server_group.command("status")
@_where
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def status_command(as_json: bool, **options: Any) -> int:
    """Ask all services how they are; exit code 42: nothing runs, 44: not all are healthy."""
    from extractor.host import processes, record, server

    settings = _settings(options)
    found = record.read(settings.run_dir)
    if found is None or not processes.alive(found.host):
        if as_json:
            print_json({"running": False, "ended": found.ended if found else ""})
            return NotRunningError.exit_code
        click.echo("not running")
        if found is not None and found.ended:
            click.echo(f"the last run ended: {found.ended}")
        for name, process in server.orphans(found) if found is not None else ():
            click.echo(
                f"{name} still runs as pid {process.pid}, left by a host that died; "
                "`stigmer server stop` ends it"
            )
        return NotRunningError.exit_code
    rows = server.conditions(found)
    healthy = found.ready and all(row.healthy for row in rows)
    if as_json:
        print_json(
            {
                "running": True,
                "ready": found.ready,
                "healthy": healthy,
                "version": found.version,
                "pid": found.host.pid,
                "detached": found.detached,
                "temporal_address": found.temporal_address,
                "services": [
                    row._asdict()
                    | {
                        "health": row.health.value,
                        "temporal": row.temporal and row.temporal.value,
                    }
                    for row in rows
                ],
            }
        )
    else:
        from extractor.host.console import condition_text

        state = "running" if found.ready else "starting"
        click.echo(f"stigmer {found.version} is {state}, pid {found.host.pid}")
        for row in rows:
            click.echo(condition_text(row))
        click.echo(f"temporal: {found.temporal_address}")
        click.echo(f"data: {settings.data_dir}")
    return 0 if healthy else NotReadyError.exit_code


@server_group.command("logs")
@_where
@click.option("--follow", "-f", is_flag=True, help="Go on as lines are written, until Ctrl-C.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(min=0),
    default=_DEFAULT_LINES,
    show_default=True,
    help="How many of the last lines of each log.",
)
@click.argument("service", required=False)
def logs_command(follow: bool, lines: int, service: str | None, **options: Any) -> None:
    """Show the end of the log of SERVICE, or of all services."""
    from extractor.host import logs, services

    if service is not None and service not in services.NAMES:
        raise click.UsageError(f"no service {service!r}; there are {', '.join(services.NAMES)}")
    settings = _settings(options)
    names = services.NAMES if service is None else (service,)
    paths = {name: settings.log_of(name) for name in names}
    width = 0 if service else max(map(len, names))

    def show(name: str, line: str) -> None:
        click.echo(f"{name:{width}}  {line}" if width else line)

    # Followed from here on, so that no line is lost between the two.
    coming = logs.Follower(paths)
    for name, path in paths.items():
        for line in logs.tail(path, lines):
            show(name, line)
    if follow:
        # Ctrl-C is how one leaves, and no failure.
        with suppress(KeyboardInterrupt):
            for name, line in coming.lines():
                show(name, line)


def _settings(options: dict[str, Any]) -> Settings:
    home = os.path.abspath(os.path.expanduser(options["home"]))
    data_dir = options["data_dir"]
    defaults = Settings(
        home,
        os.path.abspath(os.path.expanduser(data_dir)) if data_dir else os.path.join(home, "data"),
    )
    chosen = {
        "grpc_port": options.get("grpc_port"),
        "temporal_address": options.get("temporal_address"),
        "start_seconds": options.get("start_timeout"),
        "stop_seconds": options.get("stop_timeout"),
    }
    return defaults._replace(**{key: value for key, value in chosen.items() if value is not None})


def _start(settings: Settings, options: dict[str, Any]) -> int:
    from extractor.host import detached, server
    from extractor.host.console import Console

    if options["detach"] and options["ready_fd"] is None:
        return detached.spawn(_words(settings, options["payload"]))
    ready_fd = options["ready_fd"]
    if ready_fd is not None:
        detached.show_there(ready_fd)
    console = Console(settings.temporal_address)

    def install() -> Programs:
        programs = _install(settings, options["payload"])
        if programs.held:
            console.say(
                f"{programs.version} stays in use: `stigmer rollback` went back to it; "
                "`stigmer install --force` undoes that"
            )
        console.say(f"starting stigmer {programs.version}")
        return programs

    def ready() -> None:
        # On a line of its own: with the other one it would not fit into 80 columns.
        console.say(f"logs: {settings.logs_dir}")
        if ready_fd is None:
            console.say("stigmer is up; Ctrl-C stops it")
        else:
            console.say("stigmer is up; `stigmer server stop` stops it")
            detached.let_go(ready_fd, settings.log_of("stigmer"))

    try:
        done = server.serve(
            settings,
            install,
            console,
            ready,
            detached=ready_fd is not None,
        )
    finally:
        console.end()
    if not done:
        raise click.Abort
    return 0


def _words(settings: Settings, payload: str | None) -> list[str]:
    """Arguments of a detached host with the same settings."""
    words = ["server", "start", "--home", settings.home, "--data-dir", settings.data_dir]
    words += ["--grpc-port", str(settings.grpc_port)]
    words += ["--temporal-address", settings.temporal_address]
    words += ["--start-timeout", str(settings.start_seconds)]
    words += ["--stop-timeout", str(settings.stop_seconds)]
    return words if payload is None else [*words, "--payload", os.path.abspath(payload)]


def _install(settings: Settings, payload: str | None) -> Programs:
    from extractor.host.installation import install_programs
    from extractor.progress import EventPrinter

    printer = EventPrinter()
    try:
        return install_programs(payload, settings.home, printer)
    finally:
        printer.end()


def _stop(settings: Settings) -> Record | None:
    from extractor.host import server
    from extractor.host.console import Console

    console = Console(settings.temporal_address)
    running = server.running_host(settings)
    if running is not None:
        console.say(f"stopping stigmer {running.version}, pid {running.host.pid}")
    stopped = server.stop(settings, console)
    if stopped is not None:
        console.say("stopped")
    return stopped


def main() -> NoReturn:
    """Run the command line, and leave the process with the code that ``container.errors`` gives.

    Raises:
        SystemExit: where click ends it, or output cannot be written.
    """
    try:
        status = cli.main(prog_name="stigmer", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (ContainerError, OSError, click.Abort) as error:
        status = tell(error)
    leave(status)
