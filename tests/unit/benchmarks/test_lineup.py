from functools import partial
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.lineup import kept, line_up, require_outputs, table
from benchmarks.measure import Command, Run
from benchmarks.peers import Copy, Peer, ScieJump, Stigmer
from benchmarks.workspace import Workspace


class _Shell(Peer):
    """Unpacks as a shell command says; the "archive" is a file with nothing in it."""

    name = "shell"
    suffix = ".shell"

    def __init__(self, unpack: str, pack: str = ': > "$1"') -> None:
        super().__init__()
        self._unpack, self._pack = unpack, pack

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        del tree, jobs
        return Command((["sh", "-c", self._pack, "sh", str(archive)],), "sh pack")

    def unpack(self, archive: Path, target: Path, jobs: int) -> Command:
        del archive, jobs
        return Command((["sh", "-c", self._unpack, "sh", str(target)],), "sh unpack")


class _Built(_Shell):
    native = True


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, rounds=1, cores=2, platforms=[], tiny=True)


@pytest.fixture
def tree(workspace: Workspace) -> Path:
    def stage(target: Path) -> None:
        (target / "part").mkdir(parents=True)
        (target / "part" / "file").write_bytes(b"content")
        (target / "other").write_bytes(b"content")

    return workspace.tree("a", stage)


def test_who_is_not_there_is_told_beside_those_who_are(workspace: Workspace, tree: Path) -> None:
    lined = line_up(workspace, [Copy(), ScieJump()], tree, Stigmer(1))
    assert [peer.name for peer in lined.archives] == [Stigmer().name, Copy().name]
    assert lined.ours.name == Stigmer().name
    ((name, why, *rest),) = lined.absent_rows(4)
    assert (name, why[:7], rest) == ("scie-jump", "absent:", ["", ""])


def test_who_cannot_be_built_here_is_absent_with_the_reason(
    workspace: Workspace, tree: Path
) -> None:
    failing = "echo no compiler here >&2; exit 3"
    lined = line_up(workspace, [_Built("", failing)], tree, Stigmer(1))
    assert lined.absent == {"shell": "absent: cannot be built here: no compiler here"}


def test_who_needs_no_building_may_not_fail(workspace: Workspace, tree: Path) -> None:
    with pytest.raises(BenchmarkError, match="exit code 3"):
        line_up(workspace, [_Shell("", "exit 3")], tree, Stigmer(1))


def test_an_output_that_differs_stops_the_benchmark(workspace: Workspace, tree: Path) -> None:
    shell = _Shell('mkdir "$1/part" && printf changed > "$1/part/file" && : > "$1/other"')
    lined = line_up(workspace, [shell], tree, Stigmer(1))
    with pytest.raises(BenchmarkError, match="shell writes something else: contents of 2 paths"):
        require_outputs(workspace, lined, tree, partial(kept, workspace))


def test_one_component_is_compared_with_that_part_of_the_tree_alone(
    workspace: Workspace, tree: Path
) -> None:
    lined = line_up(workspace, [Copy()], tree, Stigmer(1))

    def component(peer: Peer, archive: Path, target: Path) -> Command | None:
        return peer.component(archive, target, "part", 2)

    assert require_outputs(workspace, lined, tree, component, only="part") == []
    with pytest.raises(BenchmarkError, match="contents of 3 paths, first other"):
        require_outputs(workspace, lined, tree, component, only="other")


def test_a_table_has_the_fastest_first_and_ratios_within_rounds(
    workspace: Workspace, tree: Path
) -> None:
    lined = line_up(workspace, [Copy(), ScieJump()], tree, Stigmer(1))
    runs = {
        Stigmer().name: [Run(wall, 1.0, 90_000_000, 1) for wall in (2.0, 4.0, 6.0)],
        Copy().name: [Run(wall, 1.0, 90_000_000, 1) for wall in (1.0, 2.0, 3.0)],
    }
    rows = table("", runs, {Stigmer().name: "unpack", Copy().name: "cp"}, lined).rows
    assert [row[0] for row in rows] == ["cp", "unpack", "scie-jump"]
    assert rows[0] == ["cp", "2.000 s (1.500-2.500)", "1.000 s", "90.0 MB", "2.00"]
    assert len({len(row) for row in rows}) == 1


def test_nothing_of_a_comparison_stays(workspace: Workspace, tree: Path) -> None:
    lined = line_up(workspace, [Copy()], tree, Stigmer(1))
    require_outputs(workspace, lined, tree, partial(kept, workspace))
    assert not (workspace.root / "compared").exists()
