"""A manifest says everything that arguments can; where both speak, the arguments are heard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Workshop

FULL = """
version = "1.4.0"
platform = "linux-arm64"
host = "build/host"
output = "dist/out"
level = 2
frame-size = 65536
references = false

[components.server]
path = "build/server"

[components.runner]
path = "build/runner"
version = "0.9"
entry-point = "data/start"
"""


@pytest.fixture
def project(shop: Workshop) -> Path:
    """A directory as a release repository has one."""
    build = shop.path("build")
    build.mkdir()
    shop.host.rename(build / "host")
    shop.server.rename(build / "server")
    shop.tree.rename(build / "runner")
    (build / "runner/data/start").write_bytes(b"starts")
    (build / "runner/data/start").chmod(0o755)
    shop.path("dist").mkdir()
    return shop.root


def write(project: Path, text: str) -> Path:
    path = project / "pack.toml"
    path.write_text(text)
    return path


def inspected(path: Path) -> dict[str, Any]:
    outcome = commands.pack("inspect", path, "--json")
    assert outcome.status == 0, outcome
    facts: dict[str, Any] = json.loads(outcome.out)
    return facts


def facts_of(project: Path, text: str, *words: str | Path, command: str = "pack") -> dict[str, Any]:
    """What was packed, by a manifest and some words."""
    manifest = write(project, text)
    outcome = commands.pack(command, "--manifest", manifest, *words)
    assert outcome.status == 0, outcome
    return inspected(project / "dist/out")


def test_every_key_is_heard(project: Path) -> None:
    facts = facts_of(project, FULL, command="embed")
    assert facts["file"]["host_bytes"] == (project / "build/host").stat().st_size
    assert (facts["version"], facts["platform"]) == ("1.4.0", "linux-arm64")
    assert (facts["level"], facts["frame_bytes"]) == (2, 65536)
    assert [(part["name"], part["version"]) for part in facts["components"]] == [
        ("server", "1.4.0"),
        ("runner", "0.9"),
    ]
    assert [part["entry_point"] for part in facts["components"]] == [
        "server",
        "runner/data/start",
    ]


def test_paths_are_relative_to_the_manifest_and_not_to_the_caller(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    write(project, FULL)
    assert commands.pack("pack", "--manifest", "../pack.toml").status == 0
    assert list((project / "elsewhere").iterdir()) == []
    assert (project / "dist/out").is_file()


def test_absolute_paths_stay_what_they_are(project: Path) -> None:
    text = FULL.replace('"build/server"', json.dumps(str(project / "build/server")))
    assert facts_of(project, text)["components"][0]["name"] == "server"


def test_arguments_override(project: Path) -> None:
    (project / "other").write_bytes(b"another server")
    facts = facts_of(
        project,
        FULL,
        *("--version", "2.0.0", "--platform", "darwin-arm64", "--level", "3"),
        *("--frame-size", "131072"),
        f"server@7={project / 'other'}",
        f"extra={project / 'build/host'}",
    )
    assert (facts["version"], facts["platform"]) == ("2.0.0", "darwin-arm64")
    assert (facts["level"], facts["frame_bytes"]) == (3, 131072)
    parts = {part["name"]: part for part in facts["components"]}
    assert {name: part["version"] for name, part in parts.items()} == {
        "server": "7",
        "runner": "0.9",
        "extra": "2.0.0",
    }
    assert parts["server"]["plain_bytes"] == len(b"another server")


def test_the_output_and_the_host_can_be_overridden(project: Path) -> None:
    (project / "other").write_bytes(b"another host")
    write(project, FULL)
    outcome = commands.pack(
        *("embed", "--manifest", project / "pack.toml"),
        *("--host", project / "other", "--output", project / "there"),
    )
    assert outcome.status == 0, outcome
    assert not (project / "dist/out").exists()
    assert inspected(project / "there")["file"]["host_bytes"] == len(b"another host")


@pytest.mark.parametrize(
    ("said", "words", "expected"),
    [
        ("true", (), True),
        ("false", (), False),
        ("true", ("--no-references",), False),
        ("false", ("--references",), True),
        (None, (), True),
        (None, ("--no-references",), False),
    ],
)
def test_references_are_a_matter_of_both(
    project: Path, said: str | None, words: tuple[str, ...], expected: bool
) -> None:
    base = bytes(range(256)) * 1200
    (project / "small").write_bytes(base)
    (project / "large").write_bytes(base + b"end")
    line = f"references = {said}" if said else ""
    text = FULL.replace("references = false", line)
    both = (f"small={project / 'small'}", f"large={project / 'large'}")
    facts = facts_of(project, text, *both, *words)
    assert any(frame["reference"] for frame in facts["frames"]) is expected


def test_what_neither_says_has_a_default(project: Path) -> None:
    text = "\n".join(
        line for line in FULL.splitlines() if not line.startswith(("level", "frame", "ref"))
    )
    facts = facts_of(project, text)
    assert (facts["level"], facts["frame_bytes"]) == (19, 16 << 20)


BAD = {
    "not TOML": ("version = ", "pack.toml: not a TOML file"),
    "not text": ("\xff", "pack.toml: not a TOML file"),
    "an unknown key": (FULL.replace("level", "levle"), "pack.toml: levle: unknown key"),
    "an unknown key of a component": (
        FULL.replace("entry-point", "entry_point"),
        "components.runner: entry_point: unknown key",
    ),
    "a number for a text": (FULL.replace('"1.4.0"', "1.4"), "version: wrong type (expected str"),
    "a text for a number": (FULL.replace("level = 2", 'level = "2"'), "level: wrong type"),
    "a boolean for a number": (FULL.replace("level = 2", "level = true"), "level: wrong type"),
    "a number for a boolean": (FULL.replace("= false", "= 0"), "references: wrong type"),
    "components are no table": ('components = "x"', "components: wrong type"),
    "a component is no table": ('[components]\nserver = "x"', "components.server: wrong type"),
    "a component without a path": (
        FULL.replace('path = "build/server"', ""),
        "components.server: a component needs a path",
    ),
    "no such platform": (FULL.replace("linux-arm64", "beos"), "unknown platform"),
    "no such level": (FULL.replace("level = 2", "level = 23"), "no such zstd level"),
    "level zero": (FULL.replace("level = 2", "level = 0"), "no such zstd level"),
    "a frame too small": (FULL.replace("65536", "1"), "frame size out of bounds"),
    "a frame of nothing": (FULL.replace("65536", "0"), "frame size out of bounds"),
    "a frame too large": (FULL.replace("65536", "99999999"), "frame size out of bounds"),
    "no such entry point": (
        FULL.replace("data/start", "data/stop"),
        "entry point is not an executable file",
    ),
    "an entry point that does not run": (
        FULL.replace("data/start", "data/file"),
        "entry point is not an executable file",
    ),
    "no components": (FULL.partition("[")[0], "no components to pack"),
    "no version": (FULL.replace('version = "1.4.0"', ""), "no product version"),
    "no output": (FULL.replace('output = "dist/out"', ""), "no output file"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_manifest_is_refused_and_says_where(project: Path, how: str) -> None:
    text, expected = BAD[how]
    path = project / "pack.toml"
    path.write_bytes(text.encode("latin-1"))
    outcome = commands.pack("pack", "--manifest", path)
    assert (outcome.status, outcome.out) == (20, ""), outcome
    assert expected in outcome.err
    assert list((project / "dist").iterdir()) == []


def test_a_bad_product_version_is_refused_before_anything_is_packed(project: Path) -> None:
    """Each component has its own here, so that nothing else would find it early."""
    text = FULL.replace('"1.4.0"', '"not a version"').replace(
        'path = "build/server"', 'path = "build/server"\nversion = "1"'
    )
    outcome = commands.pack("pack", "--manifest", write(project, text))
    assert outcome.status == 16, outcome
    assert "not a legal product version" in outcome.err
    assert "packing" not in outcome.err
