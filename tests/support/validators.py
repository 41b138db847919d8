"""Programs and libraries of other people that judge what was embedded, and run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import apple_platform
import lief

WATCHDOG_SECONDS = 120
"""A bound on a hang, never a delay."""

_PACKAGES = {
    "eu-elflint": "elfutils",
    "openssl": "openssl",
    "osslsigncode": "osslsigncode",
    "patchelf": "patchelf",
    "qemu-aarch64": "qemu-user",
    "readelf": "binutils",
    "strip": "binutils",
    "wine64": "wine64",
}
_WINE_PLACES = ("/usr/lib/wine/wine64", "/usr/lib/x86_64-linux-gnu/wine/wine64")
# The libraries of arm64 programs that are not static, where Debian's cross packages put them.
_ARM64_ROOT = Path("/usr/aarch64-linux-gnu")
# Of rcodesign, for a signature that names nobody: there is nothing to be verified about it.
_ADHOC_REMARKS = (
    "no cryptographic signature present",
    "CMS error: missing further values (at position 0)",
)
_UNSIGNED_REMARK = "Mach-O signature data not found"


class MissingToolError(AssertionError):
    """A program that the tests need is not installed; the message tells how to get it."""


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    out: str
    err: str


def tool(name: str) -> str:
    """The path of a program.

    Raises:
        MissingToolError: with the command that brings it.
    """
    found = shutil.which(name)
    if found is None and name == "wine64":
        names = [shutil.which("wine64-stable"), *filter(os.path.exists, _WINE_PLACES)]
        found = next(filter(None, names), None)
    if found is None:
        package = _PACKAGES.get(name, name)
        raise MissingToolError(
            f"{name} is not installed: run `make tools`, or `apt-get install {package}`"
        )
    return found


def run(*argv: str | Path, environment: dict[str, str] | None = None) -> Ended:
    """Run a program to its end, with next to no environment, from the root directory."""
    ended = subprocess.run(
        [str(word) for word in argv],
        cwd="/",
        env={"PATH": os.environ.get("PATH", "")} | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def done(*argv: str | Path) -> str:
    """What a program prints; it must end well."""
    ended = run(*argv)
    assert ended.status == 0, ended
    return ended.out


def arm64_runner() -> list[str]:
    """The words in front of a linux-arm64 program.

    Raises:
        MissingToolError: the emulator or its libraries are not there.
    """
    if not (_ARM64_ROOT / "lib" / "libgcc_s.so.1").exists():
        raise MissingToolError(
            "no libraries for arm64: run `make tools`, or "
            "`apt-get install libc6-arm64-cross libgcc-s1-arm64-cross`"
        )
    return [tool("qemu-aarch64"), "-L", str(_ARM64_ROOT)]


def rcodesign_problems(path: Path) -> list[str]:
    """What rcodesign finds wrong with the signatures that a Mach-O file has."""
    found = [problem["description"] for problem in apple_platform.verify_macho(path)]
    remarks = (*_ADHOC_REMARKS, _UNSIGNED_REMARK)
    return [line for line in found if re.sub(r"^@\d+: ", "", line) not in remarks]


def rcodesign_unsigned_slices(path: Path) -> int:
    """How many slices rcodesign finds no signature in."""
    found = [problem["description"] for problem in apple_platform.verify_macho(path)]
    return sum(line.endswith(_UNSIGNED_REMARK) for line in found)


def lief_macho_problems(path: Path) -> list[str]:
    """What lief finds wrong with the layout of each slice."""
    lief.logging.disable()
    # Held by a name: its slices do not outlive it.
    universal = lief.MachO.parse(str(path))
    if universal is None:
        return ["no Mach-O file"]
    checked = [lief.MachO.check_layout(binary) for binary in universal]
    return [message for holds, message in checked if not holds]


def lief_pe_digest_holds(path: Path) -> bool:
    """Whether the Authenticode digest that is signed is that of the file, as lief computes it."""
    lief.logging.disable()
    image = lief.PE.parse(str(path))
    if image is None or not image.has_signatures:
        return False
    flags = image.verify_signature(lief.PE.Signature.VERIFICATION_CHECKS.HASH_ONLY)
    return flags == lief.PE.Signature.VERIFICATION_FLAGS.OK


def lief_pe_overlay(path: Path) -> int:
    """Where the overlay begins, as lief sees it."""
    lief.logging.disable()
    image = lief.PE.parse(str(path))
    assert image is not None
    return image.overlay_offset


def elflint_remarks(path: Path) -> Counter[str]:
    """What eu-elflint says about a file; linkers of Go and Rust leave some things for it to say."""
    ended = run(tool("eu-elflint"), "--gnu-ld", path)
    return Counter((ended.out + ended.err).splitlines())


def readelf(path: Path) -> list[str]:
    """All tables that readelf prints: headers, segments, sections, dynamic section, notes.

    Warnings and errors come first.
    """
    ended = run(tool("readelf"), "--wide", "-h", "-l", "-S", "-d", "-n", path)
    return ended.err.splitlines() + ended.out.splitlines()


class Signer(NamedTuple):
    """A certificate that signs itself, and its key; made for one test run."""

    certificate: Path
    key: Path

    def sign_pe(self, source: Path, target: Path) -> None:
        """Sign a PE image as Authenticode does."""
        words = ("-certs", self.certificate, "-key", self.key, "-h", "sha256")
        done(tool("osslsigncode"), "sign", *words, "-in", source, "-out", target)

    def verify_pe(self, path: Path) -> Ended:
        """Let osslsigncode verify a signature against this certificate."""
        return run(tool("osslsigncode"), "verify", "-CAfile", self.certificate, "-in", path)


def make_signer(directory: Path) -> Signer:
    """A fresh key with a certificate for code signing."""
    signer = Signer(directory / "certificate.pem", directory / "key.pem")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    words += ["-addext", "keyUsage=critical,digitalSignature"]
    words += ["-addext", "extendedKeyUsage=codeSigning"]
    done(tool("openssl"), *words, "-keyout", signer.key, "-out", signer.certificate)
    return signer
