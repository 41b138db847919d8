"""Put a formula into the clone of a Homebrew tap, as one commit that somebody pushes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from container.errors import TagExistsError
from packer.release import formula, repository

if TYPE_CHECKING:
    from pathlib import Path

    from packer.release.formula import FormulaKind
    from packer.release.model import Manifest

_DIRECTORY = "Formula"
_VERSION = re.compile(r'^  version "([^"]+)"$', re.MULTILINE)


def update(tap: Path, manifest: Manifest, kind: FormulaKind) -> str:
    """Write the formula and commit it.

    Args:
        tap: a clone of the tap, without changes.
        manifest: of the release that people are to get.
        kind: of the formula.
    Returns:
        The new commit.
    Raises:
        TagExistsError: the tap has another formula for this version already.
        DirtyTreeError: the clone has changes.
        ReleaseError: as ``formula.write``, or git refuses.
        OSError: the formula cannot be written.
    """
    repository.check_clean(tap)
    text = formula.write(manifest, kind)
    path = tap / _DIRECTORY / formula.name_of(kind)
    if path.exists():
        old = path.read_text(encoding="utf-8")
        if old == text:
            return repository.commit_of(tap)
        found = _VERSION.search(old)
        if found is not None and found[1] == manifest.version:
            raise TagExistsError(
                "the tap has this version with other files",
                str(path),
                remedy="release the next version; what has been downloaded must not change",
            )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    repository.git(tap, "add", "--", str(path.relative_to(tap)))
    repository.git(tap, "commit", "--quiet", "--message", f"{path.stem} {manifest.version}")
    return repository.commit_of(tap)
