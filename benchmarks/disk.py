"""What the disk and its cache are made to be for a measurement, where the system allows it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_GROUPS = Path("/sys/fs/cgroup/blkio")


def make_cold(files: list[Path]) -> str:
    """Forget what is cached: of everything where that is allowed, else of some files.

    Returns:
        What was forgotten, for readers.
    """
    os.sync()
    try:
        _DROP_CACHES.write_text("3")
    except OSError:
        for path in files:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
        return "the payload's pages alone"
    return "all of the page cache, names and inodes too: drop_caches"


class Throttle:
    """A control group whose processes write so fast, and no faster.

    Writes that a process begins itself, as ``sync_file_range`` does, are held to it; what the
    kernel's own threads write is not, and is not counted.
    """

    def __init__(self, group: Path, device: str) -> None:
        self.group = group
        self._device = device

    def written_bytes(self) -> int:
        """By processes of the group, so far, held to the limit."""
        text = (self.group / "blkio.throttle.io_service_bytes").read_text()
        rows = [line.split() for line in text.splitlines()]
        return sum(int(row[2]) for row in rows if row[:2] == [self._device, "Write"])


@contextmanager
def throttled(place: Path, bytes_per_second: int) -> Iterator[Throttle]:
    """Hold the disk below ``place`` to a speed, for processes that join the group.

    Raises:
        BenchmarkError: this system has no such limit, or does not let us set it.
    """
    device = os.stat(place).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    block = Path("/sys/dev/block") / number
    if (block / "partition").exists():
        number = (block.resolve().parent / "dev").read_text().strip()
    group = _GROUPS / f"stigmer-benchmarks-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise BenchmarkError(f"cannot throttle the disk: {error}") from error
    try:
        try:
            limit = group / "blkio.throttle.write_bps_device"
            limit.write_text(f"{number} {bytes_per_second}")
        except OSError as error:
            raise BenchmarkError(f"cannot throttle device {number}: {error}") from error
        yield Throttle(group, number)
    finally:
        group.rmdir()
