"""What ``stigmer-pack freeze`` asks of a frozen host: that nothing it needs was left out."""

from __future__ import annotations

import importlib
import os
import socket

# All that commands import late; what these import themselves comes with them.
_LATE = (
    "extractor.examine",
    "extractor.home_cli",
    "extractor.install",
    "extractor.progress",
    "extractor.upkeep",
    "extractor.host.console",
    "extractor.host.detached",
    "extractor.host.installation",
    "extractor.host.logs",
    "extractor.host.ports",
    "extractor.host.server",
    "extractor.host.supervisor",
    "packaging.version",
)


def check() -> None:
    """Import every module, and let each library do what it is there for.

    Raises:
        ImportError: a module is missing.
        RuntimeError: a library does not do it.
    """
    for name in _LATE:
        importlib.import_module(name)
    import xxhash
    import zstandard

    from container import digest, names
    from extractor import durability
    from extractor.host import health, processes

    data = bytes(1000)
    packed = zstandard.ZstdCompressor().compress(data)
    # One that takes the question and never answers.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = health.ask(listener.getsockname()[1], seconds=0.05)
    durability.flush_tree(os.curdir)
    works = {
        "zstandard": zstandard.ZstdDecompressor().decompress(packed) == data,
        # XXH3 and SHA-256 of nothing, from their specifications.
        "xxhash": xxhash.xxh3_64_intdigest(b"") == 0x2D06800538D394C2,
        "hashlib": digest.sha256(b"")[:4] == b"\xe3\xb0\xc4\x42",
        "unicodedata": names.collision_key("\u00c9") == names.collision_key("e\u0301"),
        "psutil": processes.alive(processes.this_process()),
        "h2": answer is health.Health.UNREACHABLE,
    }
    for library, well in works.items():
        if not well:
            raise RuntimeError(f"{library} does not work")
