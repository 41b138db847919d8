"""Installations in a fresh process: ``python -m benchmarks.install_probes WHAT PAYLOAD TARGET``.

Prints one JSON object, with the seconds that the library took, without interpreter and imports.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from importlib import import_module
from typing import TYPE_CHECKING

from container.reader import open_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from container.reader import PayloadReader


def durable(reader: PayloadReader, target: str, jobs: int) -> None:
    """As users have it."""
    from extractor.home import Home
    from extractor.install import install

    if install(reader, Home(target), jobs).already:
        raise SystemExit("it was installed before: nothing is measured")


def volatile(reader: PayloadReader, target: str, jobs: int) -> None:
    """The same, and nothing of it is brought to the disk."""
    durability = import_module("extractor.durability")
    for name in ("flush_tree", "flush_directory", "flush"):
        setattr(durability, name, lambda _: None)
    durability.__dict__["write_back_starter"] = lambda: lambda *_: None
    durable(reader, target, jobs)


def unpacked(reader: PayloadReader, target: str, jobs: int, *names: str) -> None:
    """Some components alone, below a new directory: not durable, and without a home around it."""
    from extractor.unpack import unpack

    unpack(reader, target, names, jobs)


_PROBES: dict[str, Callable[..., None]] = {
    probe.__name__: probe for probe in (durable, volatile, unpacked)
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=_PROBES)
    parser.add_argument("payload")
    parser.add_argument("target")
    parser.add_argument("names", nargs="*", help="of components, for unpacked")
    parser.add_argument("--cores", type=int, help="use so many; by default all that are allowed")
    parser.add_argument("--group", help="control group to run in")
    words = parser.parse_args()
    if words.group:
        with open(os.path.join(words.group, "cgroup.procs"), "w", encoding="ascii") as stream:
            stream.write(str(os.getpid()))
    cores = sorted(os.sched_getaffinity(0))[: words.cores]
    os.sched_setaffinity(0, cores)
    # Outside of the clock, as an interpreter's start is; a cold start pays for it in its wall time.
    for name in ("install", "unpack"):
        import_module(f"extractor.{name}")
    with open_payload(words.payload) as reader:
        began_ns = time.monotonic_ns()
        _PROBES[words.what](reader, words.target, len(cores), *words.names)
        took_ns = time.monotonic_ns() - began_ns
        facts = {
            "seconds": took_ns / 1e9,
            "files": len(reader.index.entries),
            "plain_bytes": reader.index.plain_bytes,
        }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
