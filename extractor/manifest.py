"""The record that an installation leaves beside its files: what it holds, and how to know it again.

Text, one line for a column of all files, because every warm start reads it. Numbers are 64 bits in
hex, as memory has them: decimal ones take 1.7 times as long to read, and JSON 1.5 ms to import.
Imports only ``os``.
"""

import os

NAME = ".manifest"
_TITLE = "stigmer-manifest 3"
_NONE = "-"

_NUMBER_MASK = (1 << 64) - 1


class Manifest:
    """What one version's directory holds: files, symlinks and empty directories.

    The columns have one item for each of them, in the same order.
    """

    def __init__(self) -> None:
        self.version = ""
        """Of the product."""
        self.platform = ""
        """As in ``container.model.PLATFORMS``."""
        self.index_sha256 = ""
        """Of the payload's index, in hex: the payload's identity."""
        self.index_xxh3 = 0
        """Of the same index, as the footer has it: what a warm start compares."""
        self.previous: str | None = None
        """Name of the version that ``bin`` led to when this one was installed."""
        self.inode = 0
        """Of the manifest itself. A copied installation shows in it: all its inodes differ."""
        self.components: dict[str, str] = {}
        """Version of each component, by name."""
        self.paths: list[str] = []
        """Below the version's directory."""
        self.modes: list[int] = []
        """Type and permissions, as ``st_mode``."""
        self.inodes: list[int] = []
        """0 for a directory, of which only the mode is compared."""
        self.plain_bytes: list[int] = []
        """As ``st_size``."""
        self.mtimes_ns: list[int] = []
        self.digest_line = ""
        """The digests as a record has them, until somebody asks: no warm start does."""
        self._digests: list[str] = []

    @property
    def digests(self) -> list[str]:
        """XXH3-128 of the contents, or of a symlink's target, in hex; ``-`` for a directory."""
        if self.digest_line:
            self._digests = self.digest_line.split(" ")
            self.digest_line = ""
        return self._digests

    def add(self, path: str, status: os.stat_result, digest: str | None) -> None:
        """Describe one more file, symlink, or directory (which has no digest)."""
        directory = digest is None
        self.paths.append(path)
        self.modes.append(status.st_mode)
        self.inodes.append(0 if directory else status.st_ino)
        self.plain_bytes.append(0 if directory else status.st_size)
        self.mtimes_ns.append(0 if directory else status.st_mtime_ns)
        self.digests.append(digest or _NONE)

    def encode(self) -> bytes:
        """As text; legal names hold no control characters, so line ends part them."""
        lines = [
            _TITLE,
            self.version,
            self.platform,
            self.index_sha256,
            f"{self.index_xxh3:016x}",
            self.previous or _NONE,
            str(self.inode),
            str(len(self.components)),
            *(line for component in self.components.items() for line in component),
            str(len(self.paths)),
            *map(_hex, (self.modes, self.inodes, self.plain_bytes, self.mtimes_ns)),
            " ".join(self.digests),
            *self.paths,
            "",
        ]
        return "\n".join(lines).encode()


def decode(data: bytes) -> Manifest:
    """Read what ``encode`` wrote.

    Raises:
        ValueError: it is something else, or only a part of it.
    """
    lines = data.decode().split("\n")
    manifest = Manifest()
    try:
        title, manifest.version, manifest.platform, manifest.index_sha256, xxh3 = lines[:5]
        previous, inode, component_count = lines[5:8]
        if title != _TITLE:
            raise ValueError("another kind of record")
        manifest.index_xxh3 = int(xxh3, 16)
        manifest.previous = None if previous == _NONE else previous
        manifest.inode = int(inode)
        columns = 8 + 2 * int(component_count)
        manifest.components = dict(zip(lines[8:columns:2], lines[9:columns:2], strict=True))
        row_count = int(lines[columns])
        manifest.modes = _numbers(lines[columns + 1])
        manifest.inodes = _numbers(lines[columns + 2])
        manifest.plain_bytes = _numbers(lines[columns + 3])
        manifest.mtimes_ns = _numbers(lines[columns + 4], signed=True)
        manifest.digest_line = digests = lines[columns + 5]
    except IndexError as error:
        raise ValueError("the record ends too early") from error
    # The last line is empty: a record that was cut lacks it, or paths.
    manifest.paths = lines[columns + 6 : -1]
    columns_found = (
        manifest.paths,
        manifest.modes,
        manifest.inodes,
        manifest.plain_bytes,
        manifest.mtimes_ns,
    )
    digest_count = digests.count(" ") + 1 if digests else 0
    if (
        lines[-1]
        or digest_count != row_count
        or any(len(column) != row_count for column in columns_found)
    ):
        raise ValueError("the record is not whole")
    return manifest


def _hex(numbers: list[int]) -> str:
    """A time beyond the year 2262 becomes another one: to the next start its file is damaged."""
    import struct  # no part of a warm start

    return struct.pack(f"={len(numbers)}Q", *(number & _NUMBER_MASK for number in numbers)).hex()


def _numbers(line: str, *, signed: bool = False) -> list[int]:
    data = memoryview(bytes.fromhex(line))
    try:
        return (data.cast("q") if signed else data.cast("Q")).tolist()
    except TypeError as error:
        raise ValueError("a number of the record is not whole") from error


def read(root: str) -> Manifest | None:
    """The record of the version at ``root``; None where there is none that can be read whole.

    A version without a sound record is not installed: it is written again, not guessed at.
    """
    # O_NONBLOCK: a FIFO in its place is no reason to wait.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(os.path.join(root, NAME), flags)
        try:
            data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        finally:
            os.close(descriptor)
        return decode(data)
    except (OSError, ValueError):
        return None


def write(manifest: Manifest, root: str) -> None:
    """Put the record beside the files; it learns its own inode.

    Raises:
        OSError: it cannot be written.
    """
    os.close(_write(manifest, os.path.join(root, NAME), copied=False))


def replace(manifest: Manifest, root: str, beside: str) -> None:
    """Put another record in the place of a version's, in one step and durable.

    Args:
        manifest: what it shall say. That of a copy goes on telling that it is one.
        root: of the version.
        beside: a path on the same file system, for the moment.
    Raises:
        OSError: it cannot be written.
    """
    from extractor import durability  # no part of a warm start

    copied = os.lstat(os.path.join(root, NAME)).st_ino != manifest.inode
    descriptor = _write(manifest, beside, copied=copied)
    try:
        durability.flush(descriptor)
    finally:
        os.close(descriptor)
    os.replace(beside, os.path.join(root, NAME))


def _write(manifest: Manifest, path: str, *, copied: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o644)
    try:
        # No file has inode 0.
        manifest.inode = 0 if copied else os.fstat(descriptor).st_ino
        data = manifest.encode()
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], written)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
