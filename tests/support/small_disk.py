"""A disk that gets full at every place of an installation: ``python -m tests.support.small_disk``.

Run in a mount namespace of its own, with an empty directory as its argument. Prints one line of
JSON for each attempt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from container.errors import NoSpaceError
from extractor import preflight, upkeep
from extractor.home import Home
from tests.support.transactions import TRANSACTIONS, Releases

if TYPE_CHECKING:
    from tests.support.transactions import Transaction

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MOST_ATTEMPTS = 200


def _mount(point: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", point], check=True)


def _attempt(transaction: Transaction, point: Path, kind: str, spare: int) -> dict[str, object]:
    """One transaction on a disk with so little to spare, then one after the disk is emptied."""
    _mount(point, "size=64m,nr_inodes=10000")
    try:
        home = Home(str(point / "home"))
        transaction.prepare(home)
        status = os.statvfs(point)
        if kind == "pages":
            used = status.f_blocks - status.f_bfree
            # A size of 0 would mean no limit.
            _mount(point, f"remount,size={max(used + spare, 1) * _PAGE_BYTES}")
        else:
            _mount(point, f"remount,nr_inodes={status.f_files - status.f_ffree + spare}")
        where = None
        try:
            transaction.act(home)
        except NoSpaceError as error:
            where = error.where
        transaction.check_broken(home)
        _mount(point, "remount,size=64m,nr_inodes=10000")
        transaction.start(home)
        transaction.check_done(home)
    finally:
        subprocess.run(["umount", point], check=True)
    return {"kind": kind, "spare": spare, "where": where}


def main(root: Path, name: str) -> None:
    """Sweep what is to spare, from nothing until it suffices."""
    # Somebody else takes the space when it has been looked at already.
    preflight.check_space = lambda *_: None
    upkeep._used_paths = list
    point = root / "disk"
    point.mkdir()
    transaction = TRANSACTIONS[name](Releases(root / "releases"))
    for kind in ("pages", "inodes"):
        for spare in range(_MOST_ATTEMPTS):
            outcome = _attempt(transaction, point, kind, spare)
            print(json.dumps(outcome), flush=True)
            if outcome["where"] is None:
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
