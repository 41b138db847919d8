"""``SHA256SUMS`` and the ``.sha256`` beside each archive, as ``sha256sum --check`` reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from container.errors import ArtefactError
from packer.release.archive import describe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packer.release.model import File

SUFFIX = ".sha256"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\s]+)")


def lines(files: Iterable[File]) -> str:
    """One line for each file, in the order of their names."""
    return "".join(
        f"{file.sha256}  {file.name}\n" for file in sorted(files, key=lambda file: file.name)
    )


def write_beside(directory: Path, file: File) -> None:
    """Write ``NAME.sha256``.

    Raises:
        OSError: it cannot be written.
    """
    (directory / f"{file.name}{SUFFIX}").write_text(lines([file]))


def check(sums: Path) -> dict[str, File]:
    """Compare every file that is listed with its digest.

    Returns:
        The files, by name.
    Raises:
        ArtefactError: a file is missing or differs, or a line is not of that form.
        OSError: a file cannot be read.
    """
    found: dict[str, File] = {}
    for number, line in enumerate(_text(sums).splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise ArtefactError(
                "not a line of checksums", f"{sums}: line {number}", "SHA256  NAME", repr(line)
            )
        path = sums.parent / match[2]
        if not path.is_file():
            raise ArtefactError("a file is missing", str(path), remedy="fetch all of the release")
        file = describe(path)
        if file.sha256 != match[1]:
            raise ArtefactError(
                "SHA-256 differs from the one in " + sums.name,
                str(path),
                match[1],
                file.sha256,
                "fetch it again; do not use it",
            )
        found[file.name] = file
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise ArtefactError("not a list of checksums", str(path)) from None
    except FileNotFoundError:
        raise ArtefactError(
            "a file is missing", str(path), remedy="fetch all of the release"
        ) from None
