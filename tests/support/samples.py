"""One small product in two versions: every kind of entry, files over frames, a shared file."""

from __future__ import annotations

import os
import random
import stat
from typing import TYPE_CHECKING

from container.reader import open_payload
from extractor.preflight import this_platform
from packer.packing import prepare
from packer.writer import Settings
from tests.support.payloads import pack_plan, write_components
from tests.support.trees import Directory, File, Found, Hardlink, Symlink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from container.reader import PayloadReader
    from packer.plan import Plan
    from tests.support.trees import Node

FRAME_BYTES = 1024


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def akin(reference: bytes, seed: int, size: int) -> bytes:
    """Bytes half of which are the reference's, all over: every frame of them packs against it."""
    own = noise(seed, size)
    pieces = []
    for offset in range(0, size, 256):
        shared = offset % 512 and reference[offset % (len(reference) - 128) :][:256]
        pieces.append(shared or own[offset : offset + 256])
    return b"".join(pieces).ljust(size, b".")[:size]


def product(seed: int = 1) -> dict[str, File | dict[str, Node]]:
    """A program over several frames, and a tree with one of everything.

    Args:
        seed: of the programs' bytes; everything else is the same in all versions.
    """
    return {
        "server": File(noise(seed, 5000), 0o755),
        "runner": {
            "runner": File(akin(noise(seed, 5000), seed + 1, 2500), 0o755),
            "alias": Hardlink("runner"),
            "lib/first.so": File(noise(90, 1500), 0o644),
            "lib/same.so": File(noise(90, 1500), 0o600),
            "lib/link.so": Symlink("first.so"),
            "lib/up": Symlink("../runner"),
            "data/small": File(b"small", 0o444),
            "data/empty": File(b"", 0o640),
            "hollow": Directory(0o750),
            "closed/inside": File(b"behind a directory that nobody may write to", 0o400),
            "closed": Directory(0o555),
        },
    }


def settings(
    version: str = "1.0.0", platform: str | None = None, frame_bytes: int = FRAME_BYTES
) -> Settings:
    """Of a payload for this machine, unless another is asked for."""
    return Settings(version, platform or this_platform(), 1, frame_bytes, 1)


def plan_of(
    root: Path,
    components: Mapping[str, File | Mapping[str, Node]],
    references: Mapping[str, str] | None = None,
    wanted: Settings | None = None,
) -> Plan:
    """A packing plan, with references that are chosen by the test.

    Args:
        root: where the components are written first.
        components: as for ``payloads.write_components``.
        references: path of the reference, by path of a file whose every frame shall use it,
            where that makes it smaller: see ``akin``.
        wanted: default: ``settings()``.
    """
    plan = prepare(write_components(root, components), wanted or settings(), references=False)
    if not references:
        return plan
    numbers = {entry.path: number for number, entry in enumerate(plan.entries)}
    chosen: list[int | None] = []
    for frame in plan.frames:
        named = None
        for path, reference in references.items():
            entry = plan.entries[numbers[path]]
            if (
                entry.content_offset < frame.content_offset + frame.plain_bytes
                and frame.content_offset < entry.content_offset + entry.plain_bytes
            ):
                named = numbers[reference]
        chosen.append(named)
    return plan.with_references(chosen)


def write_payload(
    root: Path,
    components: Mapping[str, File | Mapping[str, Node]] | None = None,
    wanted: Settings | None = None,
    references: Mapping[str, str] | None = None,
) -> Path:
    """A payload file below ``root``, of ``product()`` if nothing else is asked for."""
    wanted = wanted or settings()
    plan = plan_of(root / "components", components or product(), references, wanted)
    path = root / "payload"
    path.write_bytes(pack_plan(plan, wanted))
    return path


def open_product(
    root: Path, version: str = "1.0.0", seed: int = 1, platform: str | None = None
) -> PayloadReader:
    """A reader of a payload of ``product(seed)``; its files are in ``root / "components"``."""
    root.mkdir(parents=True, exist_ok=True)
    return open_payload(write_payload(root, product(seed), settings(version, platform)))


def look(root: Path) -> dict[str, Found]:
    """Everything below ``root``, by its path; unlike ``read_tree`` it changes no mode or time."""
    found: dict[str, Found] = {}
    first: dict[int, str] = {}
    for place in sorted(root.rglob("*")):
        path = place.relative_to(root).as_posix()
        status = place.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if place.is_symlink():
            found[path] = Found("symlink", 0, b"", os.readlink(place), path)
        elif place.is_dir():
            found[path] = Found("directory", mode, b"", "", path)
        else:
            shared = first.setdefault(status.st_ino, path)
            found[path] = Found("file", mode, place.read_bytes(), "", shared)
    return found


def sources_of(root: Path) -> dict[str, Found]:
    """What an extraction of a payload from ``write_payload`` must give."""
    return look(root / "components")
