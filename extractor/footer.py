"""The last bytes of an executable's payload, wherever the executable's format has them.

Without the reader: a start of an installed program reads the footer and no index. Where the
format is one whose files end with their payload, not even this module is needed.
"""

import os

from container import hosts, magic


def read(executable: str) -> bytes:
    """The bytes where a footer stands, if the executable carries a payload; unchecked.

    Args:
        executable: its head is read, and of a Mach-O its load commands, too.
    Returns:
        ``FOOTER_BYTES``, of which FORMAT.md section 5 tells.
    Raises:
        ContainerError: the file is too short for a footer, or has no place for one.
        OSError: it cannot be read.
    """
    descriptor = os.open(executable, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        source = _Source(executable, descriptor)
        footer_offset = hosts.payload_end(source) - magic.FOOTER_BYTES
        return source.read_at(max(footer_offset, 0), magic.FOOTER_BYTES)
    finally:
        os.close(descriptor)


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
