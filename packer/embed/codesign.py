"""Sign a program with an identity: macOS's own ``codesign`` does it, where there is one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from container.errors import PackError
from container.hosts import MACHO

if TYPE_CHECKING:
    from pathlib import Path

_ADHOC = "-"


def check_can_sign(host_format: str, host: str) -> None:
    """Refuse to sign what cannot be signed here, before anything is packed.

    Raises:
        PackError: no Mach-O host, or no macOS.
    """
    if host_format != MACHO:
        raise PackError(
            "--sign is for Mach-O hosts",
            host,
            MACHO,
            host_format,
            "sign the output of embed with the tools of its platform",
        )
    if sys.platform != "darwin":
        raise PackError(
            "--sign needs macOS's codesign",
            host,
            "darwin",
            sys.platform,
            "embed here without it, and sign the output with codesign on a Mac or with rcodesign",
        )


def codesign(path: Path, identity: str, identifier: str) -> None:
    """Sign a file in place, with the hardened runtime, as notarization requires it.

    Args:
        path: of the file; codesign may replace it.
        identity: name of a certificate in the keychain, or its digest; ``-`` signs ad hoc.
        identifier: the program's name to the system.
    Raises:
        PackError: codesign failed; with what it said.
        OSError: it could not be started.
    """
    timestamp = "--timestamp=none" if identity == _ADHOC else "--timestamp"
    words = ["codesign", "--force", "--sign", identity, "--identifier", identifier]
    done = subprocess.run(
        [*words, "--options", "runtime", timestamp, str(path)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise PackError(
            "codesign failed",
            expected="exit code 0",
            found=f"{done.returncode}: {done.stderr.strip()}",
            remedy="`security find-identity -v -p codesigning` lists the identities",
        )
