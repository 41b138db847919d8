"""Reports as people read them, on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from container.units import human_bytes, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packer.report import Change


_SUMMED = ("files", "modules", "plain_bytes", "stored_bytes")
_LIGHT = 0.005
"""A share of a component below which a package is not shown by itself."""


def print_written(facts: dict[str, Any]) -> None:
    """What was packed, in one line."""
    click.echo(
        f"{facts['output']}: {human_bytes(facts['file_bytes'])}, of which payload "
        f"{human_bytes(facts['payload_bytes'])} "
        f"({ratio(facts['payload_bytes'], facts['plain_bytes'])} "
        f"of {human_bytes(facts['plain_bytes'])}); index sha256 {facts['index_sha256']}"
    )


def print_facts(facts: dict[str, Any], *, files: bool) -> None:
    """What ``report.describe`` found."""
    print_bare(facts)
    place = facts["file"]
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
    if "weights" in facts:
        click.echo()
        _print_weights(facts["weights"])


def print_bare(facts: dict[str, Any]) -> None:
    """A host without a payload."""
    place = facts["file"]
    click.echo(f"{place['path']}: {human_bytes(place['bytes'])}")
    print_host(facts["host"])


def print_host(host: dict[str, Any]) -> None:
    """What ``report.describe_host`` found, in one line; none of a payload alone."""
    if not host["host_bytes"]:
        return
    told = [" ".join([host["format"], *host["architectures"]])]
    if host["frozen"]:
        told.append("frozen by PyInstaller")
    if host["format"] in ("Mach-O", "PE"):
        told.append(f"signature: {host['signature']}")
    click.echo(f"  host      {', '.join(told)}, {human_bytes(host['host_bytes'])}")


def _print_weights(weights: Sequence[dict[str, Any]]) -> None:
    """Packages that make up nearly all of their component; what is left in one line."""
    rows = [("component", "package", "files", "modules", "plain", "stored", "share")]
    for name in dict.fromkeys(weight["component"] for weight in weights):
        group = [weight for weight in weights if weight["component"] == name]
        total = sum(weight["stored_bytes"] for weight in group)
        shown = [weight for weight in group if weight["stored_bytes"] >= _LIGHT * total]
        light = [weight for weight in group if weight not in shown]
        if light:
            sums = {key: sum(weight[key] for weight in light) for key in _SUMMED}
            shown.append({"package": f"({len(light)} lighter ones)", **sums})
        rows += [
            (
                name,
                weight["package"],
                str(weight["files"]),
                str(weight["modules"]),
                human_bytes(weight["plain_bytes"]),
                human_bytes(weight["stored_bytes"]),
                ratio(weight["stored_bytes"], total),
            )
            for weight in shown
        ]
    _print_table(rows)


def print_changes(changes: Sequence[Change]) -> None:
    """What differs between two payloads, a line each."""
    if not changes:
        click.echo("same contents")
    for change in changes:
        name = change.path or change.component
        click.echo(
            f"{change.what:8} {'  ' if change.path else ''}{name}  {change.detail}  "
            f"plain {_signed(change.plain_bytes)}, stored {_signed(change.stored_bytes)}"
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
    right = {"files", "modules", "plain", "stored", "ratio", "share"}
    for row in rows:
        cells = [
            cell.rjust(width) if head in right else cell.ljust(width)
            for cell, width, head in zip(row, widths, rows[0], strict=True)
        ]
        click.echo(("  " + "  ".join(cells)).rstrip())


def _signed(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{human_bytes(abs(size))}"
