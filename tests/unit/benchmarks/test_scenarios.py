"""Each new scenario once, with few contestants and files: what a page draws from is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import again, component, first, inputs, sets, size
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Command
from benchmarks.peers import Copy, Peer, ScieJump, Start, Stigmer, TarGzip, Wrappe
from benchmarks.peers.extracting import SelfExtractor
from benchmarks.peers.peer import NOTHING
from benchmarks.report import Result
from benchmarks.workspace import Workspace

_OURS, _TAR, _COPY = Stigmer().name, TarGzip().name, Copy().name
_WRITE = 'printf "%s" "$1" > "$2" && chmod +x "$2"'


class _Script(SelfExtractor):
    """A shell script that unpacks itself, over what is there."""

    name = "script"
    suffix = ".script"
    checks = NOTHING
    text = "#!/bin/sh\ncp -r '{tree}/.' \"$1\"\n"

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        del jobs
        text = self.text.format(tree=tree)
        return Command((["sh", "-c", _WRITE, "sh", text, str(archive)],), "sh")

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        del jobs
        return Command(([str(archive), str(target)],), "script")

    def again(self, archive: Path, target: Path, jobs: int) -> Command:
        return self.unpack(archive, target, jobs)


def _few(start: Start, *, quick: bool = False) -> list[Peer]:
    return [TarGzip(quick=quick), Copy(), _Script(start, quick=quick), ScieJump()]


def _stage_release(platform: str, target: Path, *, tiny: bool) -> None:
    del platform, tiny
    (target / "agent-runner" / "inner").mkdir(parents=True)
    (target / "agent-runner" / "inner" / "data").write_bytes(b"data" * 999)
    for name in ("stigmer-server", "workflow-runner"):
        (target / name).write_text(f"#!/bin/sh\n# {name}\nexit 0\n")
        (target / name).chmod(0o755)


def _stage_small(target: Path, entry_count: int) -> None:
    del entry_count
    target.mkdir()
    (target / "module.py").write_text("x = 1\n")


def _stage_large(target: Path, wanted_bytes: int) -> None:
    target.mkdir()
    (target / "large").write_bytes(b"large" * (wanted_bytes // 100))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for module in (again, component, first, sets, size):
        monkeypatch.setattr(module, "others", _few)
    monkeypatch.setattr(inputs, "stage_release", _stage_release)
    monkeypatch.setattr(sets, "stage_many", _stage_small)
    monkeypatch.setattr(sets, "stage_real", _stage_large)
    # Whoever runs beside this keeps the cache.
    monkeypatch.setattr(first, "make_cold", lambda _: "nothing, in a test")
    monkeypatch.setattr(Wrappe, "absent", lambda _: "absent: not in a test")
    return Workspace(tmp_path, rounds=2, cores=2, platforms=["linux-amd64"], tiny=True)


def _processes(runs: dict[str, Any], key: str = "processes") -> set[str]:
    for taken in runs[key].values():
        assert len(taken) == 2
        assert all(one["wall_seconds"] > 0 for one in taken)
    return set(runs[key])


def _absent(result: Any) -> set[str]:
    return {row[0] for table in result.tables for row in table.rows if "absent:" in row[1]}


def test_first_has_everybody_with_a_warm_and_with_a_cold_cache(workspace: Workspace) -> None:
    result = first.measure(workspace)
    installs = {first.DURABLE, first.VOLATILE}
    contestants = {_OURS, _TAR, _COPY, "script", *installs}
    assert _processes(result.runs, "cold") == contestants
    assert _processes(result.runs) > contestants
    assert set(result.runs["shown"]) == contestants
    assert len(result.runs["floor_seconds"]) == 2
    assert _absent(result) == {"scie-jump"}
    assert {target.limit for target in result.targets} == {1.4, 1.15, 1.25, 1.0}
    assert "cold cache: nothing, in a test" in result.notes


def test_again_has_those_that_start_again_and_what_each_looks_at(workspace: Workspace) -> None:
    result = again.measure(workspace)
    ours = {_OURS, "stigmer-payload verify", "stigmer-payload check, bare interpreter"}
    assert set(result.runs["shown"]) == set(result.runs["checks"]) == {*ours, "script"}
    assert _processes(result.runs) > set(result.runs["shown"])
    assert result.runs["checks"]["script"] == NOTHING
    assert set(result.runs["beyond_seconds"]) == {max(ours, key=len)}
    assert _absent(result) == {"scie-jump", Wrappe(verification="none").name} | {
        Wrappe(verification="checksum").name
    }


def test_component_has_those_that_can_be_asked_for_a_part(workspace: Workspace) -> None:
    result = component.measure(workspace)
    assert result.runs["component"] == "workflow-runner"
    assert _processes(result.runs) == {_OURS, _TAR, _COPY}
    assert _processes(result.runs["agent-runner"]) == {_OURS, _TAR, _COPY}
    assert result.notes[-1].endswith("left out: script")


@pytest.mark.parametrize("which", ["small", "gigabyte"])
def test_sets_are_packed_quickly_compared_and_not_kept(workspace: Workspace, which: str) -> None:
    measure = sets.measure_small if which == "small" else sets.measure_gigabyte
    result = measure(workspace)
    assert result.scenario == which
    tar = TarGzip(quick=True).name
    assert _processes(result.runs) == set(result.runs["shown"]) == {_OURS, tar, _COPY, "script"}
    assert set(result.runs["stored_bytes"]) == {_OURS, tar, "script"}
    assert [path.name for path in workspace.root.iterdir()] == ["aside"]


def test_size_has_the_bytes_of_everybody_who_has_an_archive(workspace: Workspace) -> None:
    result = size.measure(workspace)
    assert set(result.runs["stored_bytes"]) == {_OURS, _TAR, "script"}
    assert set(result.runs["shown"]) == {_OURS, _TAR, "script"}
    assert len(result.targets) == 2


def test_who_packs_for_this_machine_alone_has_no_size_elsewhere(workspace: Workspace) -> None:
    workspace.platforms = ("darwin-arm64",)
    result = size.measure(workspace)
    assert set(result.runs["darwin-arm64"]["stored_bytes"]) == {_OURS, _TAR}
    row = ["script", "not measured: packs for this machine alone", "", ""]
    assert row in result.tables[0].rows
    assert _absent(result) == {"scie-jump"}


@pytest.mark.parametrize("measure", [first.measure, again.measure, sets.measure_small])
def test_nobody_is_timed_who_writes_something_else(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    measure: Callable[[Workspace], Result],
) -> None:
    monkeypatch.setattr(_Script, "text", _Script.text + 'echo more > "$1/more"\n')
    with pytest.raises(BenchmarkError, match="script writes something else: contents of 1 paths"):
        measure(workspace)
