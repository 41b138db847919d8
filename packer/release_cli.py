"""``stigmer-pack release``: what a release is made of, and the check of one that was made."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container.errors import PackError
from container.model import PLATFORMS
from container.source import FileSource
from container.units import human_bytes
from packer import embed, hosts, options
from packer.progress import StageProgress

if TYPE_CHECKING:
    from packer.release.bill import Library
    from packer.release.model import Part, Pin

# Late imports: the library of bills alone takes longer to load than `inspect` takes in all.

DIRECTORY = click.argument("directory", type=options.FILE)
_KINDS = click.Choice(["embedded", "lightweight"])
_INTO = click.option(
    "--into", type=options.FILE, required=True, help="Directory of the release; exists."
)
_REPOSITORY = click.option(
    "--repository", type=options.FILE, default=Path(), help="Sources; default: this directory."
)
_CHANGELOG = click.option(
    "--changelog", type=options.FILE, help="Default: CHANGELOG.md of the repository."
)


@click.group("release")
def release_group() -> None:
    """Make the files of a release, and check them.

    `platform` on each platform, then `assemble`, `formula` and `verify` once; docs/releasing.md
    tells the whole way. Exit codes 50-57 are these commands' own.
    """


@release_group.command("check")
@click.argument("tag")
@click.option("--tagged", is_flag=True, help="The tag stands, and names this commit.")
@_REPOSITORY
@_CHANGELOG
def check_command(tag: str, tagged: bool, repository: Path, changelog: Path | None) -> None:
    """Say whether TAG, v1.2.3 or agent-runner-v1.2.3, can be released from here.

    The tree is clean, the changelog has a section for the version, and the tag is new.
    """
    from packer.release import model, notes
    from packer.release import repository as sources

    product, version = model.parse_tag(tag)
    sources.check_clean(repository)
    notes.section_of(_changelog(repository, changelog), product, version)
    if tagged:
        sources.check_tagged(repository, tag)
    else:
        sources.check_new_tag(repository, tag)
    click.echo(f"{product} {version} can be released from {sources.commit_of(repository)}")


@release_group.command("platform")
@click.option("--host", type=options.FILE, help="The program that takes the payload.")
@_INTO
@click.option("--kind", type=_KINDS, default="embedded", show_default=True)
@click.option("--pin", "pin_file", type=options.FILE, help="Of agent-runner: see `release pin`.")
@click.option(
    "--libraries",
    multiple=True,
    metavar="COMPONENT=FILE",
    help="Lock file of pip, or bill of materials, with what is frozen inside of a component.",
)
@click.option("--license", "license_file", type=options.FILE, help="To put into the archive.")
@click.option("--sign", metavar="IDENTITY", help="Sign a Mach-O program by codesign, on macOS.")
@options.packing_options
def platform_command(
    host: Path | None,
    into: Path,
    kind: str,
    pin_file: Path | None,
    libraries: tuple[str, ...],
    license_file: Path | None,
    sign: str | None,
    output: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Write one platform's files of a release of stigmer, from built components.

    These are an archive with the packed program, its checksum, its bill of materials, and a part
    of the manifest for `release assemble`.
    """
    from packer.release import model, parts, pins

    if output is not None:
        raise click.UsageError("a release has names of its own: give --into, and no --output")
    request = options.read_request(host, None, given)
    bare = request.host
    if bare is None:
        raise PackError("no host", remedy="give --host, or host in a manifest")
    if not into.is_dir():
        raise PackError("no directory to release into", str(into), remedy="make it, empty")
    pin = _read_pin(pin_file)
    request = pins.apply(pin, request)
    declared = _libraries(libraries)
    signing = embed.Signing(sign)
    with FileSource(bare) as source:
        embed.check_host(source, replace=False, signing=signing)
        host_platforms = hosts.identify(source).platforms
    settings = options.settings_of(request, given["jobs"], host_platforms)
    options.refuse_mismatch(settings.platform, host_platforms, str(bare))
    model.check_version(settings.version)
    plan = options.plan_of(request, settings, quiet=as_json)
    found = {component.name: pins.Found.of(component) for component in plan.components}
    # Said now, not when everything has been compressed.
    pins.check(pin, found, settings.version, settings.platform)
    stem = model.stem("stigmer", settings.version, settings.platform)
    with tempfile.TemporaryDirectory(prefix=".platform.", dir=into.parent) as scratch:
        program, payload = bare, None
        with StageProgress(plan.content_bytes, quiet=as_json) as progress:
            if kind == "embedded":
                program = Path(scratch, "stigmer")
                made = embed.embed(
                    bare, program, plan, settings, signing=signing, progress=progress
                )
                for warning in made.warnings:
                    click.echo(f"warning: {warning}", err=True)
            else:
                payload = into / f"{stem}{parts.PAYLOAD_SUFFIX}"
                embed.write_alone(payload, plan, settings, progress)
        part = parts.make_stigmer(
            program, into, declared, payload=payload, pin=pin, license_file=license_file
        )
    _print_part(part, as_json=as_json)


@release_group.command("agent-runner")
@click.argument("tree", type=options.FILE)
@click.option("--version", required=True, help="Of the release.")
@click.option("--platform", type=click.Choice(PLATFORMS), required=True)
@click.option("--libraries", type=options.FILE, required=True, help="Lock file it was frozen from.")
@_INTO
@options.JSON
def agent_runner_command(
    tree: Path, version: str, platform: str, libraries: Path, into: Path, as_json: bool
) -> None:
    """Write one platform's files of a release of agent-runner, from the frozen TREE."""
    from packer.release import bill, parts

    found = bill.read_libraries(libraries)
    part = parts.make_agent_runner(tree, version, platform, into, found)
    _print_part(part, as_json=as_json)


@release_group.command("assemble")
@DIRECTORY
@click.option("--tag", required=True, help="Of the release: v1.2.3 or agent-runner-v1.2.3.")
@click.option("--url", required=True, help="Where the files will be, each below it by its name.")
@click.option("--homepage", required=True, help="Of the product.")
@click.option(
    "--platform",
    "platforms",
    type=click.Choice(PLATFORMS),
    multiple=True,
    help="That must be there; default: darwin-arm64, darwin-amd64, linux-amd64.",
)
@_REPOSITORY
@_CHANGELOG
@options.JSON
def assemble_command(
    directory: Path,
    tag: str,
    url: str,
    homepage: str,
    platforms: tuple[str, ...],
    repository: Path,
    changelog: Path | None,
    as_json: bool,
) -> None:
    """Put together what DIRECTORY has of each platform: manifest, notes, checksums."""
    from packer.release import model
    from packer.release.assembling import PLATFORMS as REQUIRED
    from packer.release.assembling import assemble

    manifest = assemble(
        directory,
        tag,
        repository,
        _changelog(repository, changelog),
        url,
        homepage,
        platforms or REQUIRED,
    )
    if as_json:
        click.echo(model.encode(manifest), nl=False)
        return
    click.echo(f"{directory}: {manifest.product} {manifest.version}, {manifest.kind}")
    for part in manifest.platforms.values():
        _print_part(part, as_json=False)


@release_group.command("formula")
@DIRECTORY
@click.option("--kind", type=_KINDS, default="embedded", show_default=True)
@click.option("--output", type=options.FILE, help="Default: in DIRECTORY, by Homebrew's name.")
def formula_command(directory: Path, kind: Any, output: Path | None) -> None:
    """Write the Homebrew formula of the release in DIRECTORY, from its manifest."""
    from packer.release import formula, model

    manifest = model.read(directory / model.MANIFEST_NAME, model.Manifest)
    target = output or directory / formula.name_of(kind)
    target.write_text(formula.write(manifest, kind), encoding="utf-8")
    click.echo(f"{target}: the {kind} formula of {manifest.tag}")


@release_group.command("verify")
@DIRECTORY
@click.option("--formula", "formula_file", type=options.FILE, help="As it is in the tap.")
@options.JSON
def verify_command(directory: Path, formula_file: Path | None, as_json: bool) -> None:
    """Check the release in DIRECTORY from its files alone, as a stranger would."""
    from packer.release import model
    from packer.release.verify import verify

    manifest = verify(directory, formula_file, _say(quiet=as_json))
    if as_json:
        click.echo(model.encode(manifest), nl=False)
    else:
        click.echo(
            f"{directory}: {manifest.product} {manifest.version} is what it says, "
            f"for {', '.join(sorted(manifest.platforms))}"
        )


@release_group.command("try")
@DIRECTORY
@click.option("--platform", type=click.Choice(PLATFORMS), required=True, help="Of this machine.")
@options.JSON
def try_command(directory: Path, platform: str, as_json: bool) -> None:
    """Unpack a part of DIRECTORY, and start its program in a fresh home, as a first user does."""
    from packer.release import assembling
    from packer.release.trial import try_out

    found = assembling.read_parts(directory, "stigmer")
    assembling.require(found, [platform])
    status = try_out(directory, found[platform], _say(quiet=as_json))
    if as_json:
        click.echo(json.dumps(status, indent=2))
    else:
        names = ", ".join(service["name"] for service in status["services"])
        click.echo(f"stigmer {status['version']} starts and stops: {names}")


@release_group.command("pin")
@DIRECTORY
@click.option("--output", type=options.FILE, required=True, help="File that keeps the pin.")
def pin_command(directory: Path, output: Path) -> None:
    """Pin the release of agent-runner in DIRECTORY, after verifying it."""
    from packer.release import model, pins
    from packer.release.verify import verify

    pin = pins.make(verify(directory, None, _say(quiet=False)))
    output.write_text(model.encode(pin), encoding="utf-8")
    click.echo(f"{output}: {pin.tag}, for {', '.join(sorted(pin.archives))}")


@release_group.command("pinned")
@click.argument("pin_file", metavar="PIN", type=options.FILE)
def pinned_command(pin_file: Path) -> None:
    """Print the tag of the release of agent-runner that the file PIN names."""
    from packer.release import model

    click.echo(model.read(pin_file, model.Pin).tag)


@release_group.command("take")
@DIRECTORY
@click.option("--pin", "pin_file", type=options.FILE, required=True)
@click.option("--platform", type=click.Choice(PLATFORMS), required=True)
@click.option("--output", type=options.FILE, required=True, help="Directory of the tree to make.")
def take_command(directory: Path, pin_file: Path, platform: str, output: Path) -> None:
    """Unpack agent-runner from the archive in DIRECTORY, where it is the pinned one."""
    from packer.release import model, pins

    pin = model.read(pin_file, model.Pin)
    pins.take(directory, pin, platform, output)
    click.echo(f"{output}: agent-runner {pin.version} for {platform}, as pinned")


@release_group.command("tap")
@DIRECTORY
@click.option("--kind", type=_KINDS, default="embedded", show_default=True)
@click.option("--tap", type=options.FILE, required=True, help="Its clone; nothing is pushed.")
def tap_command(directory: Path, kind: Any, tap: Path) -> None:
    """Commit the formula of the release in DIRECTORY to the clone of a Homebrew tap."""
    from packer.release import model
    from packer.release import tap as taps

    manifest = model.read(directory / model.MANIFEST_NAME, model.Manifest)
    commit = taps.update(tap, manifest, kind)
    click.echo(f"{tap}: {commit} has {manifest.tag}; push it")


def _changelog(repository: Path, chosen: Path | None) -> Path:
    return chosen or repository / "CHANGELOG.md"


def _read_pin(path: Path | None) -> Pin | None:
    from packer.release import model

    return None if path is None else model.read(path, model.Pin)


def _libraries(words: tuple[str, ...]) -> dict[str, list[Library]]:
    from packer.release import bill

    found = {}
    for word in words:
        component, equals, path = word.partition("=")
        if not (component and equals and path):
            raise PackError("not libraries of a component", None, "COMPONENT=FILE", repr(word))
        found[component] = bill.read_libraries(Path(path))
    return found


def _say(*, quiet: bool) -> Any:
    return lambda line: None if quiet else click.echo(f"checking  {line}", err=True)


def _print_part(part: Part, *, as_json: bool) -> None:
    from packer.release import model

    if as_json:
        click.echo(model.encode(part), nl=False)
        return
    carried = ", ".join(f"{name} {row.version}" for name, row in sorted(part.components.items()))
    click.echo(f"{part.archive.name}: {human_bytes(part.archive.file_bytes)}, with {carried}")
