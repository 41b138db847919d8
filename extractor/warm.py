"""Whether what an executable carries is installed and undamaged: asked at every start.

By metadata alone: no lock, no write, no frame or index read, and no import beyond ``os``, since
each of zstandard, construct, click, typing and json would cost more than all of the check.
"""

import os

from extractor import manifest as records

TYPE_CHECKING = False  # the one of typing costs its import, and so does __future__
if TYPE_CHECKING:
    from extractor.home import Home
    from extractor.manifest import Manifest

_INDEX_XXH3 = slice(-16, -8)
"""Of a footer, and of its last 16 bytes; FORMAT.md section 5."""

_ENDING_WITH_THEIR_PAYLOAD = (b"\x7fELF", b"\x28\xb5\x2f\xfd")
"""How files begin whose end is that of their payload: ELF, and a payload alone, which is zstd.

Source: FORMAT.md sections 3.1 and 4.1.
"""


def installed(executable: str, home: "Home") -> "tuple[str, Manifest] | None":
    """What ``bin`` leads to, where that is what the executable carries, complete and undamaged.

    Args:
        executable: carries a payload, or is one.
        home: where to look.
    Returns:
        The version's directory and its record. None in every other case, also where a file cannot
        be read: the installation that follows finds out why, and says it.
    """
    name = home.current()
    if name is None:
        return None
    root = home.version_path(name)
    record = records.read(root)
    if record is None:
        return None
    try:
        carried = _carries(executable, record.index_xxh3)
    except Exception as error:
        from container.errors import ContainerError  # a fifth of the whole check, elsewhere

        if isinstance(error, (OSError, ContainerError)):
            return None
        raise
    return (root, record) if carried and not damaged(record, root) else None


def _carries(executable: str, xxh3: int) -> bool:
    """Whether the footer of the executable's payload has that digest of its index.

    A file that ends with it needs no closer look, if its format has the payload there. Behind what
    patchelf has appended to an ELF, and of all other formats, ``footer`` finds the place; its
    imports cost a quarter of the whole check.

    Raises:
        ContainerError, OSError: as ``footer.read``.
    """
    descriptor = os.open(executable, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if os.pread(descriptor, 4, 0) in _ENDING_WITH_THEIR_PAYLOAD:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if _index_xxh3(os.pread(descriptor, 16, end - 16)) == xxh3:
                return True
    finally:
        os.close(descriptor)
    from extractor import footer

    return _index_xxh3(footer.read(executable)) == xxh3


def _index_xxh3(footer: bytes) -> int:
    """As the last bytes of a footer have it."""
    return int.from_bytes(footer[_INDEX_XXH3], "little")


def is_copy(record: "Manifest", root: str) -> bool:
    """The installation was copied to where it is: an image layer, or a restored backup."""
    return os.lstat(os.path.join(root, records.NAME)).st_ino != record.inode


def damaged(record: "Manifest", root: str) -> list[str]:
    """Paths of files that are missing, or whose size, time, inode or mode differ.

    In a copy all inodes differ, and times have lost what an image layer does not keep: there only
    sizes and modes are compared.
    """
    bad = []
    stat = os.stat
    try:
        copied = is_copy(record, root)
        # Linux asks no right to list the directory for this; elsewhere there is no such flag.
        path_only = getattr(os, "O_PATH", os.O_RDONLY)
        # From there the kernel has a shorter way than from "/": 0.9 of the time.
        directory = os.open(root, path_only | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return list(record.paths)
    try:
        for path, mode, inode, size, mtime_ns in zip(
            record.paths,
            record.modes,
            record.inodes,
            record.plain_bytes,
            record.mtimes_ns,
            strict=True,
        ):
            try:
                status = stat(path, dir_fd=directory, follow_symlinks=False)
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
    finally:
        os.close(directory)
    return bad
