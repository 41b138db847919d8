"""Whether what an executable carries is installed and undamaged: asked at every start.

By metadata alone: no lock, no write, no frame or index read, and no import beyond ``os``, since
each of zstandard, construct, click, typing and json would cost more than all of the check.
"""

from __future__ import annotations

import os

from container import hosts, magic
from extractor import manifest as records

TYPE_CHECKING = False  # the one of typing costs its import
if TYPE_CHECKING:
    from extractor.home import Home
    from extractor.manifest import Manifest

_INDEX_XXH3 = slice(48, 56)
"""Of a footer; FORMAT.md section 5."""


def installed(executable: str, home: Home) -> tuple[str, Manifest] | None:
    """What ``bin`` leads to, where that is what the executable carries, complete and undamaged.

    Args:
        executable: carries a payload, or is one.
        home: where to look.
    Returns:
        The version's directory and its record. None in every other case, also where a file cannot
        be read: the installation that follows finds out why, and says it.
    """
    try:
        xxh3 = payload_xxh3(executable)
    except Exception as error:
        from container.errors import ContainerError  # a fifth of the whole check, elsewhere

        if isinstance(error, (OSError, ContainerError)):
            return None
        raise
    name = home.current()
    if name is None:
        return None
    root = home.version_path(name)
    record = records.read(root)
    if record is None or record.index_xxh3 != xxh3 or damaged(record, root):
        return None
    return root, record


def payload_xxh3(executable: str) -> int:
    """The digest of the index that the executable's payload has in its footer.

    Raises:
        ContainerError: there is no payload.
        OSError: the file cannot be read.
    """
    descriptor = os.open(executable, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        source = _Source(executable, descriptor)
        footer_offset = hosts.payload_end(source) - magic.FOOTER_BYTES
        footer = source.read_at(max(footer_offset, 0), magic.FOOTER_BYTES)
    finally:
        os.close(descriptor)
    return int.from_bytes(footer[_INDEX_XXH3], "little")


class _Source:
    """As ``container.source.FileSource``, whose module imports ``typing``."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor

    def read_at(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        if len(data) != size:
            from container.errors import TruncatedError

            raise TruncatedError("ends too early", self.name, f"{size} bytes", str(len(data)))
        return data


def is_copy(record: Manifest, root: str) -> bool:
    """The installation was copied to where it is: an image layer, or a restored backup."""
    return os.lstat(os.path.join(root, records.NAME)).st_ino != record.inode


def damaged(record: Manifest, root: str) -> list[str]:
    """Paths of files that are missing, or whose size, time, inode or mode differ.

    In a copy all inodes differ, and times have lost what an image layer does not keep: there only
    sizes and modes are compared.
    """
    bad = []
    prefix = os.path.join(root, "")
    lstat = os.lstat
    try:
        copied = is_copy(record, root)
    except OSError:
        return list(record.paths)
    for path, mode, inode, size, mtime_ns in zip(
        record.paths,
        record.modes,
        record.inodes,
        record.plain_bytes,
        record.mtimes_ns,
        strict=True,
    ):
        try:
            status = lstat(prefix + path)
        except (OSError, ValueError):
            bad.append(path)
            continue
        # A directory's row has no inode: only its mode counts.
        if status.st_mode != mode or (
            inode
            and (
                status.st_size != size
                or (not copied and (status.st_ino != inode or status.st_mtime_ns != mtime_ns))
            )
        ):
            bad.append(path)
    return bad
