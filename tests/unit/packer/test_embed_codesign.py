"""``--sign``: what is asked of macOS's codesign, with a stand-in that records and signs."""

import os
import sys
from pathlib import Path

import pytest

from container.errors import PackError
from container.reader import open_payload
from packer.embed import Signing, embed
from packer.packing import prepare
from packer.plan import Plan
from tests.support.executables import elf, macho
from tests.support.payloads import SETTINGS, write_components
from tests.support.trees import File

# Replaces the file, as the real one does, and leaves what it was asked for beside it.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" > "{log}"
for file; do :; done
cp "$file" "$file.new" && mv "$file.new" "$file"
{more}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return prepare(write_components(tmp_path / "src", {"prog": File(b"prog", 0o755)}), SETTINGS)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    place = tmp_path / "out"
    place.mkdir()
    return place


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> Path:
    tools = tmp_path / "tools"
    tools.mkdir()
    log = tmp_path / "log"
    (tools / "codesign").write_text(STAND_IN.format(log=log, more=more))
    (tools / "codesign").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "platform", "darwin")
    return log


def host(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "host"
    path.write_bytes(data)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("identity", "timestamp"), [("Me (1)", "--timestamp"), ("-", "--timestamp=none")]
)
def test_the_output_is_signed_before_it_appears(
    tmp_path: Path,
    out: Path,
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
    identity: str,
    timestamp: str,
) -> None:
    log = stand_in(tmp_path, monkeypatch)
    done = embed(host(tmp_path, macho()), out / "packed", plan, SETTINGS, signing=Signing(identity))
    *words, path = log.read_text().splitlines()
    assert words == [
        *("--force", "--sign", identity, "--identifier", "a.out"),
        *("--options", "runtime", timestamp),
    ]
    # It worked on the file beside, which has the output's mode.
    assert Path(path).parent == out
    assert Path(path).name.startswith(".packed.")
    assert os.listdir(out) == ["packed"]
    assert (out / "packed").stat().st_mode & 0o777 == 0o755
    with open_payload(out / "packed", done.written.index_sha256) as reader:
        reader.verify()


def test_what_codesign_says_is_told(
    tmp_path: Path, out: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "echo 'me: no identity found' >&2; exit 1")
    with pytest.raises(
        PackError, match=r"codesign failed.*1: me: no identity found.*find-identity"
    ):
        embed(host(tmp_path, macho()), out / "packed", plan, SETTINGS, signing=Signing("me"))
    assert os.listdir(out) == []


def test_a_signer_that_loses_the_payload_is_found_out(
    tmp_path: Path, out: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from container.errors import ContainerError

    stand_in(tmp_path, monkeypatch, f'cp "{host(tmp_path, macho())}" "$file"')
    with pytest.raises(ContainerError, match="no payload ends here"):
        embed(tmp_path / "host", out / "packed", plan, SETTINGS, signing=Signing("me"))
    assert os.listdir(out) == []


@pytest.mark.parametrize(
    ("data", "platform", "text"),
    [
        (macho(), "linux", r"needs macOS's codesign.*expected darwin, found linux.*rcodesign"),
        (elf(), "darwin", r"for Mach-O hosts.*found ELF.*tools of its platform"),
    ],
)
def test_what_cannot_be_signed_here_is_said_before_anything_is_packed(
    tmp_path: Path,
    out: Path,
    plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    platform: str,
    text: str,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(PackError, match=text):
        embed(host(tmp_path, data), out / "packed", plan, SETTINGS, signing=Signing("me"))
    assert os.listdir(out) == []
