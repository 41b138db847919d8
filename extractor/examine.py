"""Look at an installation: what is there, whether its contents are right, what would be in the way.

Nothing here changes a home; only the probe of ``diagnose`` writes a file, and removes it.
"""

from __future__ import annotations

import os
import stat

from container.errors import ContainerError, NotExecutableError, NotInstalledError, told
from container.model import EntryKind
from container.typed import TYPE_CHECKING, NamedTuple
from extractor import manifest as records
from extractor import preflight, reuse, upkeep, warm
from extractor.home import PROGRAM_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from container.model import Index
    from container.reader import PayloadReader
    from extractor.home import Home
    from extractor.manifest import Manifest


class Version(NamedTuple):
    """One installed version."""

    name: str
    path: str
    record: Manifest | None
    """None where it cannot be read."""


class Finding(NamedTuple):
    """One check of ``diagnose``, or one file of ``verify``."""

    subject: str
    problem: str
    """Empty where all is well."""
    exit_code: int = 0


def current(home: Home) -> tuple[str, Manifest]:
    """Directory and record of the version in use.

    Raises:
        NotInstalledError: there is none, or its record cannot be read.
    """
    name = home.current()
    if name is None:
        raise NotInstalledError(
            "nothing is installed there",
            home.path,
            remedy="install it with `install`",
        )
    root = home.version_path(name)
    record = records.read(root)
    if record is None:
        raise NotInstalledError(
            "the installation's record is missing or damaged",
            os.path.join(root, records.NAME),
            remedy="install it again with `install`",
        )
    return root, record


def is_copy(home: Home) -> bool:
    """The version in use was copied to where it is, so that times and inodes say nothing of it.

    Raises:
        NotInstalledError: nothing is installed.
    """
    root, record = current(home)
    return warm.is_copy(record, root)


def versions(home: Home) -> list[Version]:
    """All that is installed, whether in use or not.

    Raises:
        OSError: the home cannot be read.
    """
    return [
        Version(name, home.version_path(name), records.read(home.version_path(name)))
        for name in home.version_names()
    ]


def verify(home: Home, reader: PayloadReader | None = None) -> Iterator[Finding]:
    """Read every file of the version in use; one finding each, sound ones too.

    Args:
        home: where it is.
        reader: of the payload that it shall be; without one its own record is the measure, which
            finds damage, and not somebody who changes the record, too.
    Raises:
        NotInstalledError: nothing is installed, or another payload than the reader's.
    """
    root, record = current(home)
    if reader is not None and record.index_sha256 != reader.index_sha256.hex():
        raise NotInstalledError(
            "another version is in use",
            home.path,
            f"{reader.index.metadata.version} ({reader.index_sha256.hex()[:8]})",
            f"{record.version} ({record.index_sha256[:8]})",
            "install this one with `install`",
        )
    expected = _expected(reader.index) if reader is not None else _recorded(record)
    for path, (mode, digest) in expected.items():
        yield Finding(path, _problem(os.path.join(root, path), mode, digest))
    known = set(expected) | {records.NAME}
    for directory, below, names in os.walk(root):
        # To os.walk, a link to a directory is a directory.
        links = [name for name in below if os.path.islink(os.path.join(directory, name))]
        for name in (*links, *names):
            path = os.path.relpath(os.path.join(directory, name), root)
            if path not in known:
                yield Finding(path, "is not a part of this version")


def _recorded(record: Manifest) -> dict[str, tuple[int, str | None]]:
    return {
        path: (mode, None if stat.S_ISDIR(mode) else digest)
        for path, mode, digest in zip(record.paths, record.modes, record.digests, strict=True)
    }


_FILE_TYPES: dict[int, int] = {
    EntryKind.FILE: stat.S_IFREG,
    EntryKind.DIRECTORY: stat.S_IFDIR,
    EntryKind.SYMLINK: stat.S_IFLNK,
    EntryKind.HARDLINK: stat.S_IFREG,
}


def _expected(index: Index) -> dict[str, tuple[int, str | None]]:
    return {
        entry.path: (_FILE_TYPES[entry.kind] | entry.mode, reuse.digest(entry))
        for entry in index.entries
    }


def _problem(path: str, mode: int, digest: str | None) -> str:
    try:
        found = os.lstat(path).st_mode
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if stat.S_IFMT(found) != stat.S_IFMT(mode):
        return "is of another kind"
    # The system decides a symlink's permissions.
    if not stat.S_ISLNK(mode) and stat.S_IMODE(found) != stat.S_IMODE(mode):
        return f"has mode {stat.S_IMODE(found):04o}, not {stat.S_IMODE(mode):04o}"
    if digest is not None and not reuse.is_intact(path, found, digest):
        return "has other contents"
    return ""


def diagnose(home: Home, reader: PayloadReader | None) -> Iterator[Finding]:
    """Everything that an installation needs and a start relies on, each with its remedy."""
    index = reader.index if reader is not None else None
    platform = index.metadata.platform if index is not None else None
    for name, run in preflight.checks(home, platform, index):
        yield _checked(name, run)
    if os.path.isdir(home.staging) and os.access(home.staging, os.W_OK):
        yield _checked("runs programs", lambda: preflight.check_executable(home.staging))
    elif os.path.isdir(home.path) and _mounted_noexec(home.path):
        error = NotExecutableError(
            "programs cannot be run from there: the file system is mounted noexec",
            home.path,
            remedy="choose a home on another file system, with STIGMER_HOME",
        )
        yield Finding("runs programs", str(error), error.exit_code)
    if index is not None:
        place = home.path
        while not os.path.lexists(place):
            place = os.path.dirname(place)
        yield _checked(
            "space", lambda: preflight.check_space(place, index.plain_bytes, len(index.entries))
        )
    yield _checked("installation", lambda: _check_installed(home))
    for component, variable in PROGRAM_VARIABLES.items():
        path = os.environ.get(variable)
        if path and not (os.path.isfile(path) and os.access(path, os.X_OK)):
            problem = f"{path}: cannot be run as {component}; unset {variable}"
            yield Finding(variable, problem, NotExecutableError.exit_code)
    for place in _leftovers(home):
        yield Finding("leftovers", f"{place}: left behind; remove it: rm -r {place}")


def _mounted_noexec(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0))


def _check_installed(home: Home) -> None:
    root, record = current(home)
    bad = warm.damaged(record, root)
    if bad:
        raise NotInstalledError(
            f"{len(bad)} of {len(record.paths)} files are missing or changed, such as {bad[0]}",
            root,
            remedy="repair it with `verify --repair`",
        )


def _leftovers(home: Home) -> list[str]:
    """What an older program or a killed attempt left, and no start removes."""
    places = []
    if os.path.isdir(home.path):
        names = sorted(os.listdir(home.path))
        places = [os.path.join(home.path, name) for name in names if name.startswith("bin.old-")]
    return places


def _checked(subject: str, run: Callable[[], None]) -> Finding:
    try:
        run()
    except (ContainerError, OSError) as error:
        text, exit_code = told(error)
        return Finding(subject, text.removeprefix("error: "), exit_code)
    return Finding(subject, "")


def status(home: Home, reader: PayloadReader | None) -> dict[str, object]:
    """What is installed, as facts for people and machines.

    Raises:
        NotInstalledError: nothing is.
    """
    root, record = current(home)
    bad = warm.damaged(record, root)
    held = upkeep.held(home)
    names = {row.record.index_sha256: row.name for row in versions(home) if row.record is not None}
    return {
        "home": home.path,
        "path": root,
        "version": record.version,
        "platform": record.platform,
        "index_sha256": record.index_sha256,
        "components": record.components,
        "files": len(record.paths),
        "plain_bytes": sum(record.plain_bytes),
        "intact": not bad,
        "damaged": bad,
        "copied": warm.is_copy(record, root),
        "previous": record.previous,
        "held": sorted(names.get(digest, digest) for digest in held),
        "current": None if reader is None else record.index_sha256 == reader.index_sha256.hex(),
        "versions": [
            {
                "name": version.name,
                "version": version.record.version if version.record else None,
                "intact": version.record is not None
                and not warm.damaged(version.record, version.path),
            }
            for version in versions(home)
        ],
    }
