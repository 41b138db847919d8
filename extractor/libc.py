"""Calls of the C library that Python does not offer; all of them can be absent."""

from __future__ import annotations

from container.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

# Of malloc.h.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def function(name: str) -> Any:
    """A function of the C library; None where there is none of that name."""
    import ctypes  # 3 ms, of a first start only

    return getattr(ctypes.CDLL(None, use_errno=True), name, None)


def give_back_large_blocks() -> None:
    """From now on freed memory of 1 MiB and more goes back to the system at once.

    glibc keeps it for each thread once such a block has been freed: an extraction of 1 GB with
    many references took 122 to 147 MiB at its peak so, and takes 96 to 98 MiB, in the same time.
    Holds for the whole process. Nothing is done where the C library has no such call.
    Source: mallopt(3), M_MMAP_THRESHOLD and its dynamic adjustment.
    """
    call = function("mallopt")
    if call is not None:
        call(_M_MMAP_THRESHOLD, _LARGE_BYTES)
