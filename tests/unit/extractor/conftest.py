"""Payloads of one product, and a home that nothing is installed in yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from extractor.home import Home
from tests.support.samples import open_product

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from container.reader import PayloadReader


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


@pytest.fixture
def old(tmp_path: Path) -> Iterator[PayloadReader]:
    with open_product(tmp_path / "old", "1.0.0", 1) as reader:
        yield reader


@pytest.fixture
def new(tmp_path: Path) -> Iterator[PayloadReader]:
    """Other programs than ``old`` has; all else is the same."""
    with open_product(tmp_path / "new", "1.1.0", 2) as reader:
        yield reader


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[PayloadReader]:
    with open_product(tmp_path / "newest", "1.2.0", 4) as reader:
        yield reader
