"""What to pack, as a release repository keeps it: a TOML file, or arguments, or both.

::

    version = "1.4.0"
    platform = "linux-amd64"      # default: as the host says
    host = "build/stigmer"
    output = "dist/stigmer"
    level = 19
    frame-size = 16777216
    references = true

    [components.agent-runner]
    path = "dist/agent-runner"
    version = "1.1.0"             # default: the product's
    entry-point = "agent-runner"  # default: the file named like the component

Paths are relative to the manifest's own directory.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.errors import PackError
from packer.sources import ComponentSource


@dataclass(frozen=True)
class Request:
    """Everything that was asked for; None where nothing was said."""

    version: str | None = None
    platform: str | None = None
    host: Path | None = None
    output: Path | None = None
    level: int | None = None
    frame_bytes: int | None = None
    references: bool | None = None
    components: dict[str, ComponentRequest] = field(default_factory=dict)

    def over(self, other: Request) -> Request:
        """This request where it says something, the other one elsewhere."""
        return Request(
            self.version if self.version is not None else other.version,
            self.platform if self.platform is not None else other.platform,
            self.host if self.host is not None else other.host,
            self.output if self.output is not None else other.output,
            self.level if self.level is not None else other.level,
            self.frame_bytes if self.frame_bytes is not None else other.frame_bytes,
            self.references if self.references is not None else other.references,
            other.components | self.components,
        )

    def sources(self) -> list[ComponentSource]:
        """The components, each with a version.

        Raises:
            PackError: no component, or no product version.
        """
        if not self.components:
            raise PackError(
                "no components to pack", remedy="give NAME=PATH, or a manifest with [components]"
            )
        version = self.product_version()
        return [
            ComponentSource(name, request.version or version, request.path, request.entry_point)
            for name, request in self.components.items()
        ]

    def product_version(self) -> str:
        """The product's version.

        Raises:
            PackError: none was given.
        """
        if self.version is None:
            raise PackError("no product version", remedy="give --version, or version in a manifest")
        return self.version


@dataclass(frozen=True)
class ComponentRequest:
    """One component that was asked for."""

    path: Path
    version: str | None = None
    entry_point: str | None = None


_KEYS: dict[str, type] = {
    "version": str,
    "platform": str,
    "host": str,
    "output": str,
    "level": int,
    "frame-size": int,
    "references": bool,
    "components": dict,
}
_COMPONENT_KEYS: dict[str, type] = {"path": str, "version": str, "entry-point": str}


def read_manifest(path: Path) -> Request:
    """Read a manifest.

    Raises:
        PackError: it is not TOML, or has an unknown key or a value of the wrong type.
        OSError: it cannot be read.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError("not a TOML file", str(path), found=str(error)) from None
    _check_keys(table, _KEYS, str(path))
    root = path.parent
    components = {}
    for name, value in table.get("components", {}).items():
        where = f"{path}: components.{name}"
        if not isinstance(value, dict):
            raise PackError("wrong type", where, "a table", type(value).__name__)
        _check_keys(value, _COMPONENT_KEYS, where)
        if "path" not in value:
            raise PackError("a component needs a path", where)
        components[name] = ComponentRequest(
            root / value["path"], value.get("version"), value.get("entry-point")
        )
    return Request(
        table.get("version"),
        table.get("platform"),
        root / table["host"] if "host" in table else None,
        root / table["output"] if "output" in table else None,
        table.get("level"),
        table.get("frame-size"),
        table.get("references"),
        components,
    )


def _check_keys(table: dict[str, Any], known: dict[str, type], where: str) -> None:
    for key, value in table.items():
        if key not in known:
            raise PackError("unknown key", f"{where}: {key}", "one of " + ", ".join(known))
        # A boolean is an int to isinstance, and no level.
        if type(value) is not known[key]:
            raise PackError(
                "wrong type", f"{where}: {key}", known[key].__name__, type(value).__name__
            )


def parse_component(text: str) -> tuple[str, ComponentRequest]:
    """Read ``NAME=PATH`` or ``NAME@VERSION=PATH``.

    Raises:
        PackError: it is neither.
    """
    label, equals, path = text.partition("=")
    name, at, version = label.partition("@")
    if not (name and equals and path) or (at and not version):
        raise PackError("not a component", None, "NAME=PATH or NAME@VERSION=PATH", repr(text))
    return name, ComponentRequest(Path(path), version or None)
