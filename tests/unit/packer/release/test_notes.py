"""Which section of a changelog belongs to a release, and which tag came before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from container.errors import ReleaseError
from packer.release import notes, repository
from tests.support.releases import Studio, git

if TYPE_CHECKING:
    from pathlib import Path

    from packer.release.model import Product

CHANGELOG = """# Changelog

## Unreleased

- Not yet.

## agent-runner 1.0.0

- Agents.

## [1.1.0] - 2026-01-31

- More.

### Fixed
- Less.

## v1.0.0

- First.

## 0.9.0
"""


@pytest.mark.parametrize(
    ("product", "version", "expected"),
    [
        ("agent-runner", "1.0.0", "- Agents."),
        ("stigmer", "1.1.0", "- More.\n\n### Fixed\n- Less."),
        ("stigmer", "1.0.0", "- First."),
    ],
)
def test_a_section_is_found(tmp_path: Path, product: Product, version: str, expected: str) -> None:
    path = tmp_path / "CHANGELOG.md"
    path.write_text(CHANGELOG)
    assert notes.section_of(path, product, version) == expected


@pytest.mark.parametrize(
    ("product", "version"),
    [("stigmer", "0.9.0"), ("stigmer", "1.1"), ("stigmer", "1.1.1"), ("agent-runner", "1.1.0")],
)
def test_an_empty_or_missing_section_is_refused(
    tmp_path: Path, product: Product, version: str
) -> None:
    path = tmp_path / "CHANGELOG.md"
    path.write_text(CHANGELOG)
    with pytest.raises(ReleaseError, match="no notes for this version"):
        notes.section_of(path, product, version)


def test_commits_count_from_the_last_tag_of_the_same_product(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    last, commits = repository.commits_since_last(studio.sources, "v1.0.0")
    assert (last, [commit.subject for commit in commits]) == (None, ["Begin"])
    studio.tag("v1.0.0")
    studio.tag("voyage")
    studio.commit("Second")
    studio.tag("agent-runner-v2.0.0")
    studio.commit("Third")
    studio.tag("v1.1.0")
    last, commits = repository.commits_since_last(studio.sources, "v1.1.0")
    assert (last, [commit.subject for commit in commits]) == ("v1.0.0", ["Third", "Second"])
    assert commits[0].sha == git(studio.sources, "rev-parse", "--short=10", "HEAD")
    last, _ = repository.commits_since_last(studio.sources, "agent-runner-v2.1.0")
    assert last == "agent-runner-v2.0.0"


def test_what_git_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReleaseError, match=r"git rev-parse failed .*not a git repository"):
        repository.commit_of(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseError, match="git is not installed"):
        repository.commit_of(tmp_path)
