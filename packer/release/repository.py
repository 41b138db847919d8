"""What git knows: the commit that is released, its tags, and what happened since the last one."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from container.errors import DirtyTreeError, ReleaseError, TagExistsError
from packer.release.model import parse_tag, tag_of

if TYPE_CHECKING:
    from pathlib import Path

    from packer.release.model import Product


_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


class Commit(NamedTuple):
    """One line of a log."""

    sha: str
    subject: str


def git(repository: Path, *words: str) -> str:
    """Run git in a repository; return what it prints, without the last line's end.

    Raises:
        ReleaseError: git is not there, or refuses.
    """
    # A caller in a hook has variables that name another repository.
    environment = {k: v for k, v in os.environ.items() if k not in _PLACES}
    try:
        done = subprocess.run(
            ["git", "-C", repository, *words],
            env=environment | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise ReleaseError("git is not installed", remedy="install git") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise ReleaseError(f"git {words[0]} failed", str(repository), found=said)
    return done.stdout.rstrip("\n")


def commit_of(repository: Path) -> str:
    """The commit that is checked out, 40 hexadecimal digits.

    Raises:
        ReleaseError: this is not a repository, or it has no commit.
    """
    return git(repository, "rev-parse", "--verify", "HEAD")


def check_clean(repository: Path) -> None:
    """Refuse sources that are not those of the commit.

    Raises:
        DirtyTreeError: a file was changed, or is not known to git.
        ReleaseError: as ``git``.
    """
    changed = git(repository, "status", "--porcelain").splitlines()
    if changed:
        shown = ", ".join(line[3:] for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise DirtyTreeError(
            "files differ from the commit that would be released",
            str(repository),
            "a clean tree",
            shown + more,
            "commit them, or `git stash --include-untracked`",
        )


def check_new_tag(repository: Path, tag: str) -> None:
    """Refuse a tag that stands already, here or where the repository was cloned from.

    Raises:
        TagExistsError: it does.
        ReleaseError: as ``git``.
    """
    if git(repository, "tag", "--list", tag):
        raise _exists(tag, str(repository))
    for remote in git(repository, "remote").splitlines():
        if git(repository, "ls-remote", "--tags", remote, f"refs/tags/{tag}"):
            raise _exists(tag, f"{repository}: remote {remote}")


def check_tagged(repository: Path, tag: str) -> None:
    """Refuse to release another commit than the one that the tag names.

    Raises:
        ReleaseError: the tag does not exist, or names another commit.
    """
    commit = commit_of(repository)
    if not git(repository, "tag", "--list", tag):
        raise ReleaseError(
            "no such tag", f"{repository}: {tag}", remedy=f"git tag --annotate {tag}, and push it"
        )
    tagged = git(repository, "rev-parse", f"{tag}^{{commit}}")
    if tagged != commit:
        remedy = f"git checkout {tag}"
        raise ReleaseError(
            "the tag names another commit", f"{repository}: {tag}", tagged, commit, remedy
        )


def commits_since_last(repository: Path, tag: str) -> tuple[str | None, list[Commit]]:
    """The tag of the same product's release before, and the commits that came after it.

    Only history that leads to what is checked out counts; the newest commit stands first.

    Raises:
        ReleaseError: as ``git``.
    """
    product, _ = parse_tag(tag)
    merged = git(repository, "tag", "--merged", "HEAD", "--sort=-version:refname")
    earlier = [name for name in merged.splitlines() if name != tag and _is_of(product, name)]
    last = earlier[0] if earlier else None
    words = [] if last is None else [f"{last}..HEAD"]
    log = git(repository, "log", "--no-merges", "--format=%h%x09%s", "--abbrev=10", *words)
    return last, [Commit(*line.split("\t", 1)) for line in log.splitlines()]


def _is_of(product: Product, tag: str) -> bool:
    try:
        found, version = parse_tag(tag)
    except ReleaseError:
        return False
    return found == product and tag_of(product, version) == tag


def _exists(tag: str, where: str) -> TagExistsError:
    return TagExistsError(
        "this version has been released",
        f"{where}: {tag}",
        remedy="release the next version; what has been downloaded must not change",
    )
