"""The bill of materials: which programs a release carries, and which libraries are in them.

What Go programs are made of is read from themselves. A frozen Python program does not say that
of itself, so its libraries are those of the lock file that it was frozen from.
Source: CycloneDX 1.6, written and read by its own library.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from cyclonedx.exception import CycloneDxException
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from container.errors import ArtefactError, ReleaseError
from packer.release import gobuild

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from container.reader import PayloadReader

SUFFIX = ".cdx.json"
_CONTENT = "stigmer:content-sha256"
_PLATFORM = "stigmer:platform"
_GO, _PYTHON = "golang", "pypi"
_GO_LIBRARY = "stdlib"
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
# Any fixed one: the number of a bill then depends on what it lists, and on nothing else.
_NAMESPACE = uuid.UUID("a1b1f1f2-5f0c-5d0e-9c53-7a2f0d6f4d10")


class Library(NamedTuple):
    """Something that a program was built from."""

    kind: str
    """As in package URLs: ``golang`` or ``pypi``."""
    name: str
    version: str


class Ingredient(NamedTuple):
    """One component of a release."""

    name: str
    version: str
    content_sha256: str
    libraries: tuple[Library, ...]
    """Sorted."""


class Bill(NamedTuple):
    """All of one platform's release."""

    product: str
    version: str
    platform: str
    ingredients: tuple[Ingredient, ...]
    """By name."""

    def python_libraries(self) -> dict[str, list[Library]]:
        """Those that were declared, by component."""
        return {
            ingredient.name: [row for row in ingredient.libraries if row.kind == _PYTHON]
            for ingredient in self.ingredients
        }


def carried(product: str, reader: PayloadReader, declared: Mapping[str, Iterable[Library]]) -> Bill:
    """The bill of a payload.

    Args:
        product: whose payload it is.
        reader: of the payload.
        declared: libraries that cannot be read from programs, by component.
    Raises:
        ReleaseError: libraries are declared for a component that is not there.
        ContainerError, OSError: the payload cannot be read.
    Memory: one program.
    """
    index = reader.index
    unknown = declared.keys() - {component.name for component in index.components}
    if unknown:
        raise ReleaseError(
            "libraries of a component that is not in the payload",
            ", ".join(sorted(unknown)),
            ", ".join(component.name for component in index.components),
        )
    ingredients = []
    for component in index.components:
        libraries = list(declared.get(component.name, ()))
        if component.entry_point is not None:
            program = b"".join(map(bytes, reader.read_entry(index.entries[component.entry_point])))
            libraries += go_libraries(program)
        ingredients.append(
            Ingredient(
                component.name,
                component.version,
                component.content_sha256.hex(),
                tuple(sorted(set(libraries))),
            )
        )
    metadata = index.metadata
    return Bill(product, metadata.version, metadata.platform, tuple(sorted(ingredients)))


def go_libraries(program: bytes) -> list[Library]:
    """What a Go program says that it was linked from; nothing for other programs."""
    build = gobuild.read(program)
    if build is None:
        return []
    return [
        Library(_GO, _GO_LIBRARY, build.go_version),
        *(Library(_GO, module.path, module.version) for module in build.modules),
    ]


def read_libraries(path: Path) -> list[Library]:
    """The libraries of a pip lock file, or of another bill.

    Raises:
        ReleaseError: the file names none.
        ArtefactError, OSError: it cannot be read.
    """
    if path.name.endswith(SUFFIX):
        found = [row for ingredient in read(path).ingredients for row in ingredient.libraries]
    else:
        text = path.read_text(encoding="utf-8")
        found = [Library(_PYTHON, *match) for match in _LOCKED.findall(text)]
    if not found:
        raise ReleaseError(
            "names no libraries", str(path), f"lines NAME==VERSION, or a bill NAME{SUFFIX}"
        )
    return found


def write(bill: Bill) -> bytes:
    """The bill as CycloneDX JSON: the same bytes for the same bill, without a time."""
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, repr(bill)))
    root = Component(
        name=bill.product,
        version=bill.version,
        type=ComponentType.APPLICATION,
        bom_ref=bill.product,
        properties=[Property(name=_PLATFORM, value=bill.platform)],
    )
    # Its type does not say that there may be none, as CycloneDX does.
    bom.metadata.timestamp = None  # type: ignore[assignment]
    # Not the bare name: a release of one component bears the same one.
    parts = [
        _component(ingredient, f"carried/{ingredient.name}") for ingredient in bill.ingredients
    ]
    bom.metadata.component = root
    bom.components.update(parts)
    bom.register_dependency(root, parts)
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return text.encode() + b"\n"


def read(path: Path) -> Bill:
    """Read a bill that ``write`` made.

    Raises:
        ArtefactError: it is none.
        OSError: it cannot be read.
    """
    try:
        document: Any = json.loads(path.read_bytes())
        # Added by a decorator that mypy does not see through.
        bom = Bom.from_json(document)  # type: ignore[attr-defined]
        root = bom.metadata.component if bom is not None else None
        if bom is None or root is None:
            raise _strange(path, "no main component")
        return Bill(
            root.name,
            root.version or "",
            _property(root, _PLATFORM),
            tuple(sorted(_ingredient(component) for component in bom.components)),
        )
    except (CycloneDxException, ValueError, TypeError, KeyError, AttributeError) as error:
        # The library lets whatever its parts raise pass.
        raise _strange(path, f"{type(error).__name__}: {error}") from None


def _component(ingredient: Ingredient, ref: str) -> Component:
    return Component(
        name=ingredient.name,
        version=ingredient.version,
        type=ComponentType.APPLICATION,
        bom_ref=ref,
        properties=[Property(name=_CONTENT, value=ingredient.content_sha256)],
        components=[_library(row, ref) for row in ingredient.libraries],
    )


def _library(row: Library, ref: str) -> Component:
    namespace, _, name = row.name.rpartition("/")
    url = PackageURL(row.kind, namespace or None, name, row.version)
    return Component(
        name=row.name,
        version=row.version,
        type=ComponentType.LIBRARY,
        # Two programs may be made of the same library.
        bom_ref=f"{ref}/{url}",
        purl=url,
    )


def _ingredient(component: Component) -> Ingredient:
    rows = [
        Library(row.purl.type if row.purl else "", row.name, row.version or "")
        for row in component.components
    ]
    return Ingredient(
        component.name,
        component.version or "",
        _property(component, _CONTENT),
        tuple(sorted(rows)),
    )


def _property(component: Component, name: str) -> str:
    found: Sequence[str] = [row.value or "" for row in component.properties if row.name == name]
    return found[0] if found else ""


def _strange(path: Path, found: str) -> ArtefactError:
    return ArtefactError(
        "not a bill of materials", str(path), "CycloneDX JSON", found, "make the release again"
    )
