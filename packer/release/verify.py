"""Check a release from its files alone, as somebody who has just downloaded them.

Everything that the manifest says is found out again from the archives, and compared. Who replaces
all of it, manifest and checksums included, is found out by what lies elsewhere only: the formula
in the tap, and the attestation of the build.
"""

from __future__ import annotations

import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from container.errors import ArtefactError, ContainerError
from packer.release import archive, assembling, bill, checksums, formula, model, parts, pins
from packer.release.bill import Bill, Ingredient
from packer.release.model import AGENT_RUNNER, Manifest, Part

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 200
_FETCH = "fetch the release again; if that does not help, do not use it"


def verify(
    directory: Path,
    formula_file: Path | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> Manifest:
    """Check everything that can be checked.

    Args:
        directory: of the release.
        formula_file: as it is in the tap; None: the one in the directory, where there is one.
        say: is told each step.
    Returns:
        What the release says of itself, which is true.
    Raises:
        MissingPlatformError, VersionMismatchError, PinMismatchError: as ``assemble``.
        ArtefactError: a file is missing, differs, or is not vouched for.
        ContainerError, OSError: a payload is damaged, or a file cannot be read.
    """
    say(f"checksums of {directory}")
    listed = checksums.check(directory / model.SUMS_NAME)
    for path in assembling.released_files(directory):
        if path.name not in listed:
            raise ArtefactError(
                "a file that nobody vouches for", str(path), remedy="remove it; do not use it"
            )
    manifest = model.read(directory / model.MANIFEST_NAME, Manifest)
    _check_manifest(directory, manifest)
    expected = {model.MANIFEST_NAME, model.NOTES_NAME}
    for platform, part in sorted(manifest.platforms.items()):
        say(f"archive of {platform}")
        _check_part(directory, manifest, platform, part)
        expected |= _names_of(part)
    if listed.keys() != expected:
        strange = sorted(listed.keys() ^ expected)[0]
        raise ArtefactError(
            "the manifest and the checksums name different files",
            str(directory / strange),
            remedy=_FETCH,
        )
    _check_formulas(directory, manifest, formula_file)
    return manifest


def _check_manifest(directory: Path, manifest: Manifest) -> None:
    where = str(directory / model.MANIFEST_NAME)
    if manifest.schema != model.SCHEMA:
        raise ArtefactError(
            "a manifest of another schema",
            where,
            str(model.SCHEMA),
            str(manifest.schema),
            "use the version of stigmer-pack that made it",
        )
    _same(where, "tag", model.tag_of(manifest.product, manifest.version), manifest.tag)
    platforms = assembling.PLATFORMS if manifest.product == "stigmer" else manifest.platforms
    assembling.check_agreement(manifest.platforms, platforms, manifest.version)


def _check_part(directory: Path, manifest: Manifest, platform: str, part: Part) -> None:
    where = f"{directory / model.MANIFEST_NAME}: {platform}"
    for field in ("product", "version", "kind"):
        _same(where, field, getattr(manifest, field), getattr(part, field))
    _same(where, "platform", platform, part.platform)
    _same(
        str(directory / parts.part_name(part)),
        "part",
        part,
        model.read(directory / parts.part_name(part), Part),
    )
    packed = checksums.check(directory / f"{part.archive.name}{checksums.SUFFIX}")
    _same(where, "archive", packed.get(part.archive.name), part.archive)
    with tempfile.TemporaryDirectory(prefix="stigmer-release.") as name:
        tree = Path(name)
        archive.unpack(directory / part.archive.name, tree)
        look = _agent_runner if manifest.product == AGENT_RUNNER else _stigmer
        try:
            found, made = look(directory, part, tree)
        except ContainerError as error:
            # Its own place is a directory that is gone by then.
            raise error.at(str(directory / part.archive.name)) from None
    for field in part.__struct_fields__:
        _same(where, field, getattr(found, field), getattr(part, field))
    _same(
        str(directory / part.bill.name),
        "bill of materials",
        made,
        bill.read(directory / part.bill.name),
    )


def _stigmer(directory: Path, part: Part, tree: Path) -> tuple[Part, Bill]:
    strange = {path.name for path in tree.iterdir()} - {parts.PROGRAM_NAME, parts.LICENSE_NAME}
    if strange:
        raise ArtefactError(
            "a file that does not belong there",
            f"{directory / part.archive.name}: {sorted(strange)[0]}",
            remedy=_FETCH,
        )
    program = tree / parts.PROGRAM_NAME
    beside = part.payload.file if part.payload else None
    payload = None if beside is None else directory / beside.name
    found = parts.describe_stigmer(
        program, part.archive, archive.describe(directory / part.bill.name), payload, part.pin
    )
    pins.check(part.pin, found.components, found.version, found.platform)
    declared = bill.read(directory / part.bill.name).python_libraries()
    with parts.open_carried(program, payload) as reader:
        reader.verify()
        return found, bill.carried("stigmer", reader, declared)


def _agent_runner(directory: Path, part: Part, tree: Path) -> tuple[Part, Bill]:
    found = parts.describe_agent_runner(
        tree / AGENT_RUNNER,
        part.version,
        part.platform,
        part.archive,
        archive.describe(directory / part.bill.name),
    )
    declared = bill.read(directory / part.bill.name).python_libraries()
    libraries = tuple(sorted(declared.get(AGENT_RUNNER, ())))
    content = found.components[AGENT_RUNNER].content_sha256
    ingredient = Ingredient(AGENT_RUNNER, part.version, content, libraries)
    return found, Bill(AGENT_RUNNER, part.version, part.platform, (ingredient,))


def _names_of(part: Part) -> set[str]:
    """The files of one platform."""
    names = {part.archive.name, f"{part.archive.name}{checksums.SUFFIX}", part.bill.name}
    names.add(parts.part_name(part))
    if part.payload is not None and part.payload.file is not None:
        names.add(part.payload.file.name)
    return names


def _check_formulas(directory: Path, manifest: Manifest, formula_file: Path | None) -> None:
    """A formula is made from the manifest, so that it is the same text or a wrong one."""
    for path in sorted(directory.glob(f"*{assembling.FORMULA_SUFFIX}")):
        _check_formula(path, manifest)
    if formula_file is not None:
        _check_formula(formula_file, manifest)


def _check_formula(path: Path, manifest: Manifest) -> None:
    if manifest.kind == "component":
        raise ArtefactError("a formula for a release that has none", str(path), remedy="remove it")
    made = formula.write(manifest, manifest.kind).splitlines()
    found = path.read_text(encoding="utf-8").splitlines()
    for number, (wanted, line) in enumerate(zip_longest(made, found), 1):
        if wanted != line:
            raise ArtefactError(
                "the formula is not that of this release",
                f"{path}: line {number}",
                repr(wanted),
                repr(line),
                "write it again: `stigmer-pack release formula`",
            )


def _same(where: str, what: str, expected: object, found: object) -> None:
    if expected != found:
        raise ArtefactError(
            f"{what} is not what was found out from the files",
            where,
            _short(expected),
            _short(found),
            _FETCH,
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
