"""Calls of the C library, and what becomes of freed memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from extractor import libc

BLOCK_BYTES = 16 << 20
# The first block that is freed decides where the next ones come from. What lies above one in the
# heap keeps it there: the end of a heap is given back anyway.
PROGRAM = f"""
import os
import sys
from extractor import libc

if sys.argv[1] == "give back":
    libc.give_back_large_blocks()


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


before = resident_bytes()
above = []
for _ in range(3):
    block = b"x" * {BLOCK_BYTES}
    above.append(b"y" * 4096)
    del block
print(resident_bytes() - before)
"""


def kept_bytes(how: str) -> int:
    argv = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(argv, capture_output=True, check=True, text=True).stdout)


def test_a_function_is_found_by_name() -> None:
    assert callable(libc.function("getpid"))
    assert libc.function("no_such_function_in_any_libc") is None


@pytest.mark.skipif(libc.function("mallopt") is None, reason="only glibc has mallopt")
def test_large_blocks_are_given_back() -> None:
    assert kept_bytes("keep") >= BLOCK_BYTES
    assert kept_bytes("give back") < BLOCK_BYTES // 4


def test_a_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(libc, "function", asked.append)
    libc.give_back_large_blocks()
    assert asked == ["mallopt"]
