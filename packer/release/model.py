"""What a release says of itself: ``release.json``, the part of each platform, and a pin.

Unknown fields and wrong types are refused: who checks a release must not overlook anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

from container.errors import ArtefactError, ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1
MANIFEST_NAME = "release.json"
SUMS_NAME = "SHA256SUMS"
NOTES_NAME = "RELEASE-NOTES.md"
AGENT_RUNNER: Final = "agent-runner"

Product = Literal["stigmer", "agent-runner"]
Kind = Literal["embedded", "lightweight", "component"]
"""``embedded`` and ``lightweight`` are stigmer's, ``component`` is agent-runner's."""

_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?")
_PREFIXES: dict[Product, str] = {"stigmer": "v", "agent-runner": "agent-runner-v"}


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that is written as JSON."""


class File(Record, frozen=True):
    """A file of the release's directory."""

    name: str
    file_bytes: int
    sha256: str


class Program(Record, frozen=True):
    """The packed command line program inside an archive."""

    name: str
    file_bytes: int
    sha256: str
    host_format: str


class Payload(Record, frozen=True):
    """What the program carries, or what a lightweight one installs."""

    index_sha256: str
    payload_bytes: int
    file: File | None
    """None: it is inside the program."""


class Component(Record, frozen=True):
    """One component, as its payload's index has it."""

    version: str
    plain_bytes: int
    stored_bytes: int
    content_sha256: str
    """FORMAT.md section 8.2: over paths, permissions, links and contents."""


class Pin(Record, frozen=True):
    """One release of agent-runner, which releases of stigmer are to carry."""

    version: str
    tag: str
    commit: str
    content_sha256: dict[str, str]
    """By platform."""
    archives: dict[str, File]
    """By platform."""


class Part(Record, frozen=True):
    """The release for one platform."""

    product: Product
    kind: Kind
    version: str
    platform: str
    archive: File
    bill: File
    """The bill of materials, CycloneDX."""
    components: dict[str, Component]
    program: Program | None = None
    payload: Payload | None = None
    pin: Pin | None = None
    """None: agent-runner was frozen together with the program."""


class Manifest(Record, frozen=True):
    """The whole release."""

    schema: int
    product: Product
    kind: Kind
    version: str
    tag: str
    commit: str
    url: str
    """Where each file is, below it by its name."""
    homepage: str
    platforms: dict[str, Part]


_Record = TypeVar("_Record", bound=Record)


def encode(record: Record) -> str:
    """JSON with a fixed order of fields, for people and machines."""
    compact = msgspec.json.encode(record, order="sorted")
    return msgspec.json.format(compact, indent=2).decode() + "\n"


def read(path: Path, kind: type[_Record]) -> _Record:
    """Read a record from a file.

    Raises:
        ArtefactError: it is not what this version writes.
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        raise ArtefactError(
            "cannot be understood",
            str(path),
            f"the JSON of a {kind.__name__.lower()}",
            str(error),
            "fetch it again, or use the version of stigmer-pack that made it",
        ) from None


def tag_of(product: Product, version: str) -> str:
    """The tag of a release: ``v1.0.0``, or ``agent-runner-v1.0.0``."""
    return _PREFIXES[product] + version


def parse_tag(tag: str) -> tuple[Product, str]:
    """Product and version of a tag.

    Raises:
        ReleaseError: it is not the tag of a release.
    """
    for product, prefix in _PREFIXES.items():
        if tag.startswith(prefix) and _VERSION.fullmatch(tag.removeprefix(prefix)):
            return product, tag.removeprefix(prefix)
    raise ReleaseError("not the tag of a release", tag, "v1.2.3 or agent-runner-v1.2.3", repr(tag))


def check_version(version: str) -> str:
    """The version, where it can be released under a tag.

    Raises:
        ReleaseError: it is not of the form 1.2.3 or 1.2.3-rc.1.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError("not a version to release", None, "1.2.3 or 1.2.3-rc.1", repr(version))
    return version


def stem(product: Product, version: str, platform: str) -> str:
    """How the names of one platform's files begin."""
    return f"{product}-{version}-{platform}"
