"""Releases made of literals: small hosts and components, a repository, and every command."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.support import commands
from tests.support.executables import AMD64, ARM64, ELF_ARM64, elf, macho

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Outcome

PLATFORMS = ("darwin-arm64", "darwin-amd64", "linux-amd64")
HOSTS = {
    "darwin-arm64": macho(cpu=ARM64),
    "darwin-amd64": macho(cpu=AMD64),
    "linux-amd64": elf(),
    "linux-arm64": elf(machine=ELF_ARM64),
}
URL = "https://releases.invalid/v1.0.0"
HOMEPAGE = "https://stigmer.invalid/"
_WHEN = "2026-01-01T00:00:00+00:00"


def git(repository: Path, *words: str | Path) -> str:
    """Run git as somebody with a name, at a fixed time."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "LC_ALL": "C"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "Test", f"GIT_{who}_EMAIL": "test@invalid"}
        environment[f"GIT_{who}_DATE"] = _WHEN
    argv = ["git", "-C", str(repository), *map(str, words)]
    return subprocess.check_output(argv, env=environment, encoding="utf-8").strip()


def release(*words: str | Path) -> Outcome:
    """Run ``stigmer-pack release`` in this process."""
    return commands.pack("release", *words)


def done(*words: str | Path) -> str:
    """Run ``stigmer-pack release``, which must succeed; return what it prints."""
    outcome = release(*words)
    assert outcome.status == 0, outcome
    return outcome.out


class Studio:
    """A repository with releases in the making.

    Args:
        root: an existing, empty directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = root / "sources"
        self.dist = self.directory("dist")
        git(root, "init", "--quiet", "--initial-branch=main", self.sources)
        self.changelog = self.sources / "CHANGELOG.md"
        self.changelog.write_text(
            "# Changelog\n\n## Unreleased\n\n## agent-runner 1.1.0\n\n- Runs more.\n\n"
            "## [1.0.0] - 2026-01-01\n\n### Added\n- All of it.\n\n## 0.9.0\n\n- Little.\n"
        )
        self.commit("Begin")

    def directory(self, name: str) -> Path:
        """A new directory."""
        path = self.root / name
        path.mkdir()
        return path

    def file(self, name: str, data: bytes, mode: int = 0o644) -> Path:
        """A file, written again where it exists."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def commit(self, message: str) -> None:
        """Commit all that has changed, or nothing."""
        git(self.sources, "add", "--all")
        git(self.sources, "commit", "--quiet", "--allow-empty", "--message", message)

    def tag(self, tag: str) -> None:
        """Put a tag on what is checked out."""
        git(self.sources, "tag", "--annotate", tag, "--message", tag)

    def host(self, platform: str) -> Path:
        """A program without a payload."""
        return self.file(f"host-{platform}", HOSTS[platform], 0o755)

    def tree(self, platform: str, text: bytes = b"one") -> Path:
        """A frozen agent-runner, as far as anybody looks at it."""
        name = f"tree-{text.decode()}-{platform}"
        self.file(f"{name}/agent-runner", HOSTS[platform], 0o755)
        self.file(f"{name}/_internal/library", text)
        (self.root / name / "_internal" / "link").unlink(missing_ok=True)
        (self.root / name / "_internal" / "link").symlink_to("library")
        return self.root / name

    def lock(self) -> Path:
        """What agent-runner was frozen from."""
        return self.file(
            "requirements.txt", b"aiohttp==3.13.2 \\\n    --hash=sha256:00\nh2==4.3.0\n"
        )

    def part_words(
        self, platform: str, *words: str | Path, version: str = "1.0.0", into: Path | None = None
    ) -> list[str | Path]:
        """Arguments of ``release platform``; the last words may name another agent-runner."""
        server = self.file("server", b"a server" * 100, 0o755)
        chosen = words or (f"agent-runner={self.tree(platform)}",)
        return [
            *("platform", "--host", self.host(platform), "--version", version, "--level", "1"),
            *("--into", into or self.dist, "--libraries", f"agent-runner={self.lock()}"),
            *(f"stigmer-server={server}", *chosen),
        ]

    def make_parts(self, *words: str | Path, version: str = "1.0.0") -> None:
        """The parts of all platforms."""
        for platform in PLATFORMS:
            done(*self.part_words(platform, *words, version=version))

    def assemble_words(
        self, directory: Path | None = None, tag: str = "v1.0.0"
    ) -> list[str | Path]:
        """Arguments of ``release assemble``."""
        return [
            *("assemble", directory or self.dist, "--tag", tag, "--url", URL),
            *("--homepage", HOMEPAGE, "--repository", self.sources),
        ]

    def make_release(self) -> Path:
        """A whole release of stigmer, with a formula."""
        self.tag("v1.0.0")
        self.make_parts()
        done(*self.assemble_words())
        done("formula", self.dist)
        return self.dist

    def make_agent_runner(self, text: bytes = b"one", name: str = "agent-dist") -> Path:
        """A whole release 1.1.0 of agent-runner."""
        into = self.directory(name)
        if "agent-runner-v1.1.0" not in git(self.sources, "tag", "--list").split():
            self.tag("agent-runner-v1.1.0")
        for platform in PLATFORMS:
            done(
                *("agent-runner", self.tree(platform, text), "--version", "1.1.0"),
                *("--platform", platform, "--libraries", self.lock(), "--into", into),
            )
        done(*self.assemble_words(into, "agent-runner-v1.1.0"))
        return into

    def make_pin(self, directory: Path) -> Path:
        """Pin a release of agent-runner."""
        pin = self.root / "pin.json"
        done("pin", directory, "--output", pin)
        return pin
