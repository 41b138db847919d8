"""``stigmer server`` from a payload: what is installed, when, and what runs then."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from extractor.host.services import KINDS, NAMES
from tests.support.fake_service import write_fake
from tests.support.hosts import Host
from tests.support.samples import settings, write_payload
from tests.support.trees import File

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.trees import Node

SERVER, WORKFLOW, AGENT = NAMES


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with closing(Host(tmp_path)) as one:
        yield one


def payload(root: Path, version: str) -> Path:
    """A payload whose components are fakes, which say their version."""
    files = {}
    for kind in KINDS:
        path = write_fake(root / version / kind.name, kind.name)
        text = path.read_text().replace(
            "\nmain(", f"\nprint('version {version}', flush=True)\nmain("
        )
        files[kind.name] = File(text.encode(), 0o755)
    components: dict[str, File | dict[str, Node]] = {
        SERVER: files[SERVER],
        WORKFLOW: files[WORKFLOW],
        AGENT: {AGENT: files[AGENT]},
    }
    return write_payload(root / version, components, settings(version))


def test_a_first_a_warm_and_an_upgraded_start(host: Host, tmp_path: Path) -> None:
    host.use_payload(payload(tmp_path, "1.0.0"))
    first = host.run("--detach")
    assert first.status == 0
    assert first.err.startswith("installing ")
    assert "starting stigmer 1.0.0\n" in first.err
    assert host.run("logs", SERVER).out.startswith("version 1.0.0\n")
    assert host.run("stop").status == 0
    warm = host.run("--detach")
    assert warm.status == 0
    assert "installing" not in warm.err

    host.use_payload(payload(tmp_path, "1.1.0"))
    refused = host.run("--detach")
    assert refused.status == 41
    assert "stigmer 1.0.0 runs already" in refused.err
    assert os.readlink(host.home / "bin").startswith("versions/v1.0.0-")
    upgraded = host.run("restart")
    assert upgraded.status == 0
    told = upgraded.err
    # The old one runs while the new one is being installed.
    assert told.index("installing ") < told.index("stopping stigmer 1.0.0, pid ")
    assert told.index("stopping ") < told.index("starting stigmer 1.1.0\n")
    assert host.status()["version"] == "1.1.0"
    assert os.readlink(host.home / "bin").startswith("versions/v1.1.0-")
    assert host.run("stop").status == 0


def test_a_warm_start_loads_no_decoder_and_no_index(host: Host, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from extractor.events import ignore\n"
        "from extractor.host.installation import install_programs\n"
        "print(install_programs(sys.argv[1], sys.argv[2], ignore).version)\n"
        "print(*sys.modules)"
    )
    argv = [sys.executable, "-c", code, str(payload(tmp_path, "1.0.0")), str(host.home)]
    host.use_payload(tmp_path)
    loaded = []
    for _ in range(2):
        done = subprocess.run(
            argv, env=host.environment, capture_output=True, text=True, check=True
        )
        version, modules = done.stdout.splitlines()
        assert version == "1.0.0"
        loaded.append(set(modules.split()))
    heavy = {"zstandard.backend_c", "container.reader", "container.codec", "extractor.pipeline"}
    assert loaded[0] >= heavy
    assert not loaded[1] & (heavy | {"zstandard", "construct"})


def test_an_upgrade_that_cannot_be_installed_leaves_the_old_version_running(
    host: Host, tmp_path: Path
) -> None:
    host.use_payload(payload(tmp_path, "1.0.0"))
    assert host.run("--detach").status == 0
    before = host.status()
    damaged = payload(tmp_path, "1.1.0")
    data = bytearray(damaged.read_bytes())
    data[20] ^= 1
    damaged.write_bytes(data)
    host.use_payload(damaged)
    outcome = host.run("restart")
    assert outcome.status == 15
    assert "stopping" not in outcome.err
    assert host.status() == before
    assert host.run("stop").status == 0


def test_the_version_of_the_program_and_of_what_it_carries(host: Host, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "extractor.host", "version"]
    none = subprocess.run(argv, env=host.environment, capture_output=True, text=True, check=False)
    assert none.returncode == 10
    assert none.stderr == (
        "error: this program: carries no payload; run the packed one, or name a payload with "
        "STIGMER_PAYLOAD\n"
    )
    host.use_payload(payload(tmp_path, "1.2.3"))
    done = subprocess.run(argv, env=host.environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "stigmer 1.2.3"
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == set(NAMES)


def test_a_payload_that_is_missing_is_told_before_anything_starts(
    host: Host, tmp_path: Path
) -> None:
    host.use_payload(tmp_path / "absent")
    outcome = host.run("--detach")
    assert outcome.status == 4
    assert outcome.err == f"error: {tmp_path}/absent: No such file or directory\n"
    assert host.run("status").out == "not running\n"
