"""The same inputs give the same bytes: threads, umask, clock and order do not show."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.trees import Directory, File, Node, Symlink, Tree, write_tree

REPOSITORY = Path(__file__).resolve().parents[2]

# Told how to build and what; prints the digest of what it has built.
BUILD = """
import hashlib, os, sys
from pathlib import Path
from packer.embed import embed
from packer.packing import prepare
from packer.sources import ComponentSource
from packer.writer import Settings

umask, jobs, host, output, *components = sys.argv[1:]
os.umask(int(umask, 8))
settings = Settings("1.0.0", "linux-amd64", 3, 65536, int(jobs))
sources = [ComponentSource(Path(path).name, "1.0.0", Path(path)) for path in components]
embed(Path(host), Path(output), prepare(sources, settings), settings)
print(hashlib.sha256(Path(output).read_bytes()).hexdigest())
"""

SHARED = random.Random(10).randbytes(300_000)
TREE: Tree = {
    **{f"d{number % 7}/f{number:03}": File(SHARED[: number * 90]) for number in range(60)},
    "large": File(SHARED[::-1]),
    "like-prog": File(SHARED + b"!"),
    "empty": Directory(0o711),
    "link": Symlink("large"),
}


def build(root: Path, *, seed: int, umask: str, jobs: int, hash_seed: str) -> str:
    """Write the inputs in an order and at times of their own, and pack them elsewhere."""
    rng = random.Random(seed)
    nodes: list[tuple[str, Node]] = list(TREE.items())
    rng.shuffle(nodes)
    write_tree(root / "in" / "tree", dict(nodes))
    write_tree(root / "in" / "second", {"b": File(b"b"), "a": File(SHARED[:5000])})
    for name in ("prog", "host"):
        (root / "in" / name).write_bytes(SHARED if name == "prog" else b"#!/bin/sh\n")
        (root / "in" / name).chmod(0o755)
    for place in sorted((root / "in").rglob("*")):
        moment = rng.randrange(10**9, 10**10)
        os.utime(place, (moment, moment), follow_symlinks=False)
    components = [str(root / "in" / name) for name in ("prog", "second", "tree")]
    rng.shuffle(components)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            BUILD,
            umask,
            str(jobs),
            str(root / "in" / "host"),
            str(root / "out"),
            *components,
        ],
        env={"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": hash_seed, "TZ": f"UTC{seed}"},
        cwd=root,
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stdout.strip()


VARIANTS = [
    {"seed": 2, "umask": "077", "jobs": 1, "hash_seed": "1"},
    {"seed": 3, "umask": "000", "jobs": 4, "hash_seed": "2"},
    {"seed": 4, "umask": "022", "jobs": 7, "hash_seed": "3"},
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("first")
    return build(root, seed=1, umask="022", jobs=2, hash_seed="0")


@pytest.mark.parametrize("variant", VARIANTS)
def test_another_machine_builds_the_same_bytes(
    tmp_path: Path, first: str, variant: dict[str, int | str]
) -> None:
    assert len(first) == hashlib.sha256().digest_size * 2
    assert build(tmp_path, **variant) == first  # type: ignore[arg-type]
