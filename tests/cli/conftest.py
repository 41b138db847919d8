"""A workshop for the command lines: inputs, payloads and packed files, made when asked for."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from extractor.preflight import this_platform
from tests.support import commands
from tests.support.samples import product, write_payload
from tests.support.trees import Directory, File, Symlink, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Outcome

HOST = b"#!/bin/sh\necho host\n"


class Workshop:
    """Files below one directory, each made once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """A path that need not exist."""
        return self.root / name

    @cached_property
    def host(self) -> Path:
        """A script: no executable format, so it says no platform."""
        path = self.path("host")
        path.write_bytes(HOST)
        path.chmod(0o755)
        return path

    @cached_property
    def server(self) -> Path:
        """A program to be packed."""
        path = self.path("server")
        path.write_bytes(b"\x01program" * 500)
        path.chmod(0o755)
        return path

    @cached_property
    def tree(self) -> Path:
        """A tree to be packed."""
        return write_tree(
            self.path("runner"),
            {
                "runner": File(b"runs", 0o755),
                "data/file": File(b"data" * 100),
                "link": Symlink("runner"),
                "hollow": Directory(),
            },
        )

    @cached_property
    def components(self) -> tuple[str, str]:
        """Arguments that name both."""
        return f"server={self.server}", f"runner@2.0={self.tree}"

    def pack(self, output: str = "payload", *words: str | Path) -> Outcome:
        """Pack both components; further words override the ones given here."""
        return commands.pack(
            "pack",
            *("--output", self.path(output), "--version", "1.0.0", "--level", "1"),
            *("--platform", this_platform()),
            *words,
            *self.components,
        )

    def embed(self, output: str = "packed", *words: str | Path) -> Outcome:
        """Embed both components into the host."""
        return commands.pack(
            "embed",
            *("--host", self.host, "--output", self.path(output), "--version", "1.0.0"),
            *("--level", "1", "--platform", this_platform()),
            *words,
            *self.components,
        )

    @cached_property
    def payload(self) -> Path:
        """A payload alone, of ``product()``: several frames, every kind of entry."""
        directory = self.path("product")
        directory.mkdir()
        return write_payload(directory, product())

    @cached_property
    def packed(self) -> Path:
        """A host that carries both components."""
        assert self.embed("packed").status == 0
        return self.path("packed")

    def copy(self, source: Path, name: str, data: bytes | None = None) -> Path:
        """The same file under another name, with other bytes where they are given."""
        path = self.path(name)
        path.write_bytes(source.read_bytes() if data is None else data)
        path.chmod(os.stat(source).st_mode & 0o777)
        return path


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)
