"""``stigmer-pack inspect --html``: a page beside what it prints anyway."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from tests.support import commands

if TYPE_CHECKING:
    from tests.cli.conftest import Workshop


def test_the_help_names_the_option() -> None:
    assert "--html FILE" in commands.pack("inspect", "--help").out


def test_the_page_is_written_beside_the_report(shop: Workshop) -> None:
    page = shop.path("page.html")
    outcome = commands.pack("inspect", shop.packed, "--html", page)
    report = commands.pack("inspect", shop.packed).out
    assert outcome == (0, f"{report}\n{page}: what weighs how much, as a page\n", "")
    text = page.read_text("utf-8")
    assert "runner/data/file" in text
    assert '<svg class="narrow"' in text
    assert stat.S_IMODE(page.stat().st_mode) == 0o644
    assert [path.name for path in shop.root.iterdir() if "page" in path.name] == ["page.html"]


def test_json_stays_json(shop: Workshop) -> None:
    page = shop.path("page.html")
    outcome = commands.pack("inspect", shop.payload, "--html", page, "--json")
    assert json.loads(outcome.out)["file"]["path"] == str(shop.payload)
    assert page.exists()


def test_weights_come_into_the_page(shop: Workshop) -> None:
    page = shop.path("page.html")
    commands.pack("inspect", shop.payload, "--html", page)
    assert "packages" not in page.read_text("utf-8")
    commands.pack("inspect", shop.payload, "--html", page, "--weights")
    assert "heaviest packages" in page.read_text("utf-8")


def test_an_older_page_is_replaced_with_the_same_bytes(shop: Workshop) -> None:
    """As an output of ``pack`` and ``embed`` is."""
    page = shop.path("page.html")
    page.write_text("older")
    commands.pack("inspect", shop.payload, "--html", page)
    first = page.read_bytes()
    assert commands.pack("inspect", shop.payload, "--html", page).status == 0
    assert page.read_bytes() == first != b"older"


def test_the_file_that_is_inspected_is_never_replaced(shop: Workshop) -> None:
    before = shop.packed.read_bytes()
    alias = shop.path("alias")
    alias.symlink_to(shop.packed)
    for page in (shop.packed, alias):
        outcome = commands.pack("inspect", shop.packed, "--html", page)
        assert (outcome.status, outcome.out) == (20, "")
        assert outcome.err == (
            f"error: {page}: the page would replace the file that it is about; name another file\n"
        )
    assert shop.packed.read_bytes() == before


def test_a_page_that_cannot_be_written_is_an_error_of_the_system(shop: Workshop) -> None:
    outcome = commands.pack("inspect", shop.payload, "--html", shop.path("nowhere") / "page.html")
    assert (outcome.status, outcome.out) == (4, "")
    assert str(shop.path("nowhere")) in outcome.err


def test_a_file_without_a_payload_gets_no_page(shop: Workshop) -> None:
    page = shop.path("page.html")
    assert commands.pack("inspect", shop.host, "--html", page).status == 10
    assert not page.exists()
