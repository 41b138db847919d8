"""The one rename that puts a version into use."""

from __future__ import annotations

import os

from container.typed import TYPE_CHECKING
from extractor import durability
from extractor.destinations import explained
from extractor.staging import move

if TYPE_CHECKING:
    from extractor.home import Home


def publish(home: Home, name: str) -> None:
    """Let ``bin`` lead to a version, by one rename that is durable when this returns.

    Raises:
        NoSpaceError, NotWritableError, OSError: the file system refuses.
    """
    beside = os.path.join(home.staging, f"bin-{os.urandom(8).hex()}")
    try:
        os.symlink(os.path.join("versions", name), beside)
        try:
            if os.path.lexists(home.bin) and not os.path.islink(home.bin):
                # An older program wrote into it directly; its files are somebody's: they are kept.
                move(home.bin, f"{home.bin}.old-{os.urandom(4).hex()}")
            os.replace(beside, home.bin)
        except BaseException:
            os.unlink(beside)
            raise
        durability.flush_directory(home.path)
    except OSError as error:
        raise explained(error, home.bin) from error
