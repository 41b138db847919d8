"""One first start, timed by stage: ``python -m benchmarks.stage_probe PAYLOAD HOME --jobs N``.

The extractor has no hooks for it: the functions of ``SEAMS`` are replaced by timed ones, in this
process only. Prints one JSON object. A stage's time is its own: what another stage takes inside of
it is not counted twice. With several workers it includes waiting for the interpreter's lock.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import threading
import time
from collections import Counter, defaultdict
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_DESTINATION = "extractor.destinations:DirectoryDestination"
_HASHER = "xxhash:xxh3_128"
_WRITE_BACK = "extractor.durability:write_back_starter"

SEAMS = {
    "container.reader:locate": "locate",
    "container.reader:PayloadReader.__init__": "index",
    "container.codec:decode_index": "index",
    "container.reader:PayloadReader.read_stored": "read",
    "container.frames:Reference.__init__": "decode",
    "container.frames:FrameDecoder.decode": "decode",
    "xxhash:xxh3_64_intdigest": "hash",
    "xxhash:xxh3_128_digest": "hash",
    _HASHER: "hash",
    f"{_DESTINATION}.make_directory": "write",
    f"{_DESTINATION}.create_file": "write",
    f"{_DESTINATION}.write": "write",
    f"{_DESTINATION}.write_file": "write",
    f"{_DESTINATION}.close_file": "write",
    f"{_DESTINATION}.make_symlink": "write",
    f"{_DESTINATION}.make_hardlink": "write",
    f"{_DESTINATION}.finish_directory": "write",
    _WRITE_BACK: "make durable",
    "extractor.durability:flush_tree": "make durable",
    "extractor.durability:flush_directory": "make durable",
    "extractor.install:move": "publish",
    "extractor.install:publish": "publish",
}
"""Stage of each function. A name is looked up where it is called: in the module that imports it."""

STAGES = tuple(dict.fromkeys(SEAMS.values()))


class _Thread(threading.local):
    """What one thread has spent."""

    def __init__(self) -> None:
        self.inner_ns = 0
        """In timed functions below the one that runs now."""
        self.spent_ns: Counter[str] | None = None


class _Hasher:
    """In place of one that is written in C, whose methods cannot be replaced."""

    def __init__(self, hasher: Any, timed: Callable[[Callable[..., Any]], Any]) -> None:
        self.update = timed(hasher.update)
        self.digest = timed(hasher.digest)


class Stopwatch:
    """Adds up what the timed functions take, by thread and stage."""

    def __init__(self) -> None:
        self.threads: dict[int, Counter[str]] = defaultdict(Counter)
        """Nanoseconds by stage, of each thread by its number."""
        self.hits: Counter[str] = Counter()
        """Calls by seam."""
        self._thread = _Thread()

    def timed(self, seam: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that does the same and is counted."""
        stage, thread = SEAMS[seam], self._thread

        def run(*arguments: Any, **named: Any) -> Any:
            if thread.spent_ns is None:
                thread.spent_ns = self.threads[threading.get_ident()]
            outer_ns, thread.inner_ns = thread.inner_ns, 0
            self.hits[seam] += 1
            began_ns = time.perf_counter_ns()
            try:
                return function(*arguments, **named)
            finally:
                took_ns = time.perf_counter_ns() - began_ns
                thread.spent_ns[stage] += took_ns - thread.inner_ns
                thread.inner_ns = outer_ns + took_ns

        return run

    def install(self) -> None:
        """Replace every function of ``SEAMS``.

        Raises:
            AttributeError, ImportError: one of them is not there any more.
        """
        for seam in SEAMS:
            module, _, path = seam.partition(":")
            owner, _, name = path.rpartition(".")
            place = pkgutil.resolve_name(f"{module}:{owner}" if owner else module)
            function = getattr(place, name)
            if seam == _HASHER:
                replaced = self._hasher(function)
            elif seam == _WRITE_BACK:
                replaced = self._write_back(function)
            else:
                replaced = self.timed(seam, function)
            setattr(place, name, replaced)

    def _hasher(self, make: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: _Hasher(make(), partial(self.timed, _HASHER))

    def _write_back(self, start: Callable[[], Any]) -> Callable[[], Any]:
        """What counts is what it returns, which is called behind each write."""
        return lambda: self.timed(_WRITE_BACK, start())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("payload")
    parser.add_argument("home")
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--untimed", action="store_true", help="replace nothing, for comparison")
    words = parser.parse_args()
    # Before the clock starts: importing is a stage of its own, told by what the process takes.
    for name in ("container.reader", "container.frames", "extractor.home", "extractor.install"):
        import_module(name)
    from container.reader import open_payload
    from extractor.home import Home
    from extractor.install import install

    stopwatch = Stopwatch()
    if not words.untimed:
        stopwatch.install()
    began_ns = time.perf_counter_ns()
    with open_payload(words.payload) as reader:
        install(reader, Home(words.home), words.jobs)
        wall_ns = time.perf_counter_ns() - began_ns
    main_ns = stopwatch.threads.pop(threading.get_ident(), Counter())
    others_ns = sum(stopwatch.threads.values(), Counter())
    print(
        json.dumps(
            {"wall_ns": wall_ns, "main": main_ns, "others": others_ns, "hits": stopwatch.hits}
        )
    )


if __name__ == "__main__":
    main()
