"""FORMAT.md as data: its tables and its fenced blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import container

# Taken from the package, so that an installed copy of the text is the one that is tested.
PATH = Path(container.__file__).with_name("FORMAT.md")


class Table(NamedTuple):
    section: str
    """Number of the section, such as ``6.1``."""
    caption: str
    """The line above, where it is one of the form ``**Footer**, 64 bytes:``; else empty."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def text() -> str:
    return PATH.read_text(encoding="utf-8")


def tables() -> list[Table]:
    found: list[Table] = []
    section = caption = ""
    pending: list[tuple[str, ...]] = []
    # A picture in a fenced block can look like a table.
    prose = re.sub(r"^```.*?^```$", "", text(), flags=re.MULTILINE | re.DOTALL)
    for line in [*prose.splitlines(), ""]:
        if line.startswith("|"):
            pending.append(tuple(cell.strip() for cell in line.strip("|").split(" | ")))
            continue
        if pending:
            header, _, *rows = pending
            assert all(len(row) == len(header) for row in rows), f"ragged table in {section}"
            found.append(Table(section, caption, header, tuple(rows)))
            pending, caption = [], ""
        if heading := re.match(r"#+ (\d+(?:\.\d+)?) ", line):
            section = heading.group(1)
        elif re.fullmatch(r"\*\*.+\*\*, \d+ bytes:", line):
            caption = line
    return found


def tables_with(*header: str) -> list[Table]:
    """Tables of that header; there is at least one, or the text has lost it."""
    found = [table for table in tables() if table.header == header]
    assert found, f"no table {header} in FORMAT.md"
    return found


def fenced(language: str) -> str:
    """The only block of that language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)
    return str(block)
