"""One platform's files: an archive, its checksum, its bill of materials, and what they are.

Everything that a part says is read from the finished archive, so that whoever checks a release
finds it in the same way.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from container import digest
from container.errors import ArtefactError
from container.model import EntryKind
from container.reader import PayloadReader
from container.source import FileSource
from packer import hosts
from packer.release import archive, bill, checksums, model, pins
from packer.release.archive import Root
from packer.release.bill import Bill, Ingredient
from packer.release.model import AGENT_RUNNER, Component, File, Part, Payload, Pin, Program
from packer.sources import ComponentSource, read_digests, scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from container.model import Index
    from packer.release.bill import Library

PROGRAM_NAME = "stigmer"
LICENSE_NAME = "LICENSE"
PAYLOAD_SUFFIX = ".payload"


def make_stigmer(
    program: Path,
    directory: Path,
    declared: Mapping[str, Iterable[Library]],
    *,
    payload: Path | None = None,
    pin: Pin | None = None,
    license_file: Path | None = None,
) -> Part:
    """Write the files of one platform of a release of stigmer.

    Args:
        program: the packed program; of a lightweight release, the program without a payload.
        directory: of the release; files of the same names are replaced.
        declared: libraries of components that do not tell them, by component.
        payload: of a lightweight release; already in the directory, by its name there.
        pin: see ``pins.check``.
        license_file: to be put into the archive.
    Raises:
        PinMismatchError, MissingPlatformError: as ``pins.check``.
        ContainerError, OSError: the payload cannot be read, or a file not be written.
    """
    with open_carried(program, payload) as reader:
        metadata = reader.index.metadata
        model.check_version(metadata.version)
        pins.check(pin, components_of(reader.index), metadata.version, metadata.platform)
        listed = bill.carried("stigmer", reader, declared)
    stem = model.stem("stigmer", listed.version, listed.platform)
    roots = [Root(PROGRAM_NAME, program, 0o755)]
    if license_file is not None:
        roots.append(Root(LICENSE_NAME, license_file, 0o644))
    packed = archive.write(roots, directory / f"{stem}{archive.SUFFIX}")
    written = _write_bill(directory, stem, listed)
    return _finish(directory, describe_stigmer(program, packed, written, payload, pin))


def make_agent_runner(
    tree: Path, version: str, platform: str, directory: Path, libraries: Iterable[Library]
) -> Part:
    """Write the files of one platform of a release of agent-runner.

    Args:
        tree: frozen; its executable is named agent-runner.
        version: of the release.
        platform: that it was frozen for; its executable must be of it.
        directory: of the release; files of the same names are replaced.
        libraries: what was frozen.
    Raises:
        ContainerError: the tree holds what a payload cannot.
        OSError: a file cannot be read or written.
    """
    model.check_version(version)
    stem = model.stem(AGENT_RUNNER, version, platform)
    packed = archive.write([Root(AGENT_RUNNER, tree)], directory / f"{stem}{archive.SUFFIX}")
    component = _scan_tree(tree, version, packed)
    ingredient = Ingredient(
        AGENT_RUNNER, version, component.content_sha256, tuple(sorted(set(libraries)))
    )
    written = _write_bill(directory, stem, Bill(AGENT_RUNNER, version, platform, (ingredient,)))
    return _finish(directory, describe_agent_runner(tree, version, platform, packed, written))


def describe_stigmer(
    program: Path,
    packed: File,
    listed: File,
    payload: Path | None,
    pin: Pin | None,
) -> Part:
    """What a program and its payload are.

    Raises:
        ArtefactError: the program is for another platform than its payload.
        ContainerError, OSError: as ``make_stigmer``.
    """
    with open_carried(program, payload) as reader, FileSource(program) as source:
        index = reader.index
        host = hosts.identify(source, reader.location if payload is None else None)
        if index.metadata.platform not in host.platforms:
            raise ArtefactError(
                "the program is for another platform than what it carries",
                str(program),
                index.metadata.platform,
                ", ".join(host.platforms) or f"{host.format}, of no platform",
            )
        found = archive.describe(program)
        return Part(
            product="stigmer",
            kind="embedded" if payload is None else "lightweight",
            version=index.metadata.version,
            platform=index.metadata.platform,
            archive=packed,
            bill=listed,
            components=components_of(index),
            program=Program(PROGRAM_NAME, found.file_bytes, found.sha256, host.format),
            payload=Payload(
                reader.index_sha256.hex(),
                reader.location.payload_bytes,
                None if payload is None else archive.describe(payload),
            ),
            pin=pin,
        )


def describe_agent_runner(
    tree: Path, version: str, platform: str, packed: File, listed: File
) -> Part:
    """What a frozen tree is.

    Raises:
        ArtefactError: it has no executable, or one for another platform.
        ContainerError, OSError: as ``make_agent_runner``.
    """
    executable = tree / AGENT_RUNNER
    if not os.access(executable, os.X_OK):
        raise ArtefactError("no executable in the tree", str(executable))
    with FileSource(executable) as source:
        platforms = hosts.identify(source).platforms
    if platforms and platform not in platforms:
        raise ArtefactError(
            "the executable is for another platform",
            str(executable),
            platform,
            ", ".join(platforms),
        )
    return Part(
        product=AGENT_RUNNER,
        kind="component",
        version=version,
        platform=platform,
        archive=packed,
        bill=listed,
        components={AGENT_RUNNER: _scan_tree(tree, version, packed)},
    )


@contextmanager
def open_carried(program: Path, payload: Path | None) -> Iterator[PayloadReader]:
    """The payload in a program, or beside it.

    Raises:
        ContainerError, OSError: as ``PayloadReader``.
    """
    with ExitStack() as stack:
        yield PayloadReader(stack.enter_context(FileSource(payload or program)))


def components_of(index: Index) -> dict[str, Component]:
    """The components of a payload, by name."""
    return {
        component.name: Component(
            component.version,
            component.plain_bytes,
            index.stored_bytes_of(component),
            component.content_sha256.hex(),
        )
        for component in index.components
    }


def part_name(part: Part) -> str:
    """Name of the file that a part is written to, for the release to be put together from."""
    return f"{model.stem(part.product, part.version, part.platform)}.json"


def _scan_tree(tree: Path, version: str, packed: File) -> Component:
    """The same facts that the packer will find when it packs the tree."""
    scanned = scan(ComponentSource(AGENT_RUNNER, version, tree))
    found = read_digests([scanned], os.cpu_count() or 1)
    content = digest.content_sha256(
        scanned.entries, {path: digests.sha256 for path, digests in found.items()}
    )
    plain_bytes = sum(
        entry.source.plain_bytes
        for entry in scanned.entries
        if entry.kind == EntryKind.FILE and entry.source is not None
    )
    return Component(version, plain_bytes, packed.file_bytes, content.hex())


def _write_bill(directory: Path, stem: str, listed: Bill) -> File:
    path = directory / f"{stem}{bill.SUFFIX}"
    path.write_bytes(bill.write(listed))
    return archive.describe(path)


def _finish(directory: Path, part: Part) -> Part:
    """Checksum and part: the last files, so that a part stands for a platform that is complete."""
    checksums.write_beside(directory, part.archive)
    (directory / part_name(part)).write_text(model.encode(part), encoding="utf-8")
    return part
