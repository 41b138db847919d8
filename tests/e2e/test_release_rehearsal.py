"""The whole way of a release with small components, and formulas before a real Ruby."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fixtures.errors import FixtureError
from fixtures.rehearsal import brew
from fixtures.rehearsal.steps import rehearse
from tests.support.releases import PLATFORMS, URL, Studio, done

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


def test_a_release_goes_from_a_tag_to_a_user_and_back(tmp_path: Path) -> None:
    told: list[str] = []
    rehearse(tmp_path, 1, told.append, small=True)
    steps = [line.split("  ", 1)[-1] for line in told if re.match(r" *\d+\.\d s", line)]
    assert len(steps) == 10, told


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def lightweight(studio: Studio) -> Path:
    studio.tag("v1.0.0")
    for platform in PLATFORMS:
        done(*studio.part_words(platform), "--kind", "lightweight")
    done(*studio.assemble_words())
    done("formula", studio.dist, "--kind", "lightweight")
    return studio.dist / "stigmer-lightweight.rb"


def embedded(studio: Studio) -> Path:
    return studio.make_release() / "stigmer.rb"


@pytest.mark.parametrize("make", [embedded, lightweight])
def test_a_formula_says_for_each_platform_what_the_manifest_says(
    studio: Studio, make: object
) -> None:
    assert callable(make)
    formula = make(studio)
    for platform in PLATFORMS:
        said = brew.describe(formula, platform)
        name = f"stigmer-1.0.0-{platform}.tar.gz"
        sums = (studio.dist / f"{name}.sha256").read_text()
        assert said["url"] == f"{URL}/{name}"
        assert sums == f"{said['sha256']}  {name}\n"
        assert said["version"] == "1.0.0"
        assert said["name"] == formula.stem
        if make is lightweight:
            assert f"{platform}: " in said["caveats"]
            assert said["conflict"][0] == "stigmer"
        else:
            assert said["caveats"] is None
    nowhere = brew.describe(formula, "linux-arm64")
    assert "url" not in nowhere
    assert nowhere["arch"] == "x86_64"


def test_a_formula_takes_linux_arm64_where_there_is_one(studio: Studio) -> None:
    studio.tag("v1.0.0")
    for platform in (*PLATFORMS, "linux-arm64"):
        done(*studio.part_words(platform))
    done(*studio.assemble_words())
    done("formula", studio.dist)
    said = brew.describe(studio.dist / "stigmer.rb", "linux-arm64")
    assert said["url"] == f"{URL}/stigmer-1.0.0-linux-arm64.tar.gz"
    assert "arch" not in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("class Stigmer ", "class Other ", "must be named other.rb"),
        ("  on_macos do", "  on_mac do", "undefined method"),
        ("  def install", "  def install(", "syntax error"),
        ("  homepage ", "  home page ", "undefined"),
    ],
)
def test_a_formula_that_homebrew_would_refuse_is_refused(
    studio: Studio, old: str, new: str, said: str
) -> None:
    formula = embedded(studio)
    formula.write_text(formula.read_text().replace(old, new, 1))
    with pytest.raises(FixtureError, match=said):
        brew.describe(formula, "darwin-arm64")


def test_the_test_of_a_formula_fails_where_nothing_comes_out(
    studio: Studio, tmp_path: Path
) -> None:
    """The small hosts here cannot run: a formula whose test passes on them would prove nothing."""
    formula = embedded(studio)
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    program = prefix / "bin" / "stigmer"
    versions = "stigmer 1.0.0\n  agent-runner 1.0.0\n  stigmer-server 1.0.0"
    program.write_text(f'#!/bin/sh\n[ "$1" = version ] || exit 0\necho "{versions}"\n')
    program.chmod(0o755)
    with pytest.raises(FixtureError, match=r"healthy.*is not in"):
        brew.test(brew.Keg(formula, prefix), "linux-amd64", tmp_path / "test")
