from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.measure import Command
from benchmarks.peers import Copy, Peer, Stigmer, others
from benchmarks.workspace import Workspace


class _Shell(Peer):
    """An archive made by a shell command."""

    name = "shell"
    suffix = ".shell"

    def __init__(self, code: str) -> None:
        self._code = code

    def pack(self, tree: Path, archive: Path, jobs: int) -> Command:
        del tree, jobs
        return Command((["sh", "-c", self._code, "sh", str(archive)],), "sh")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, rounds=1, cores=2, platforms=[], tiny=True)


def test_a_tree_is_staged_once(workspace: Workspace) -> None:
    staged: list[Path] = []

    def stage(target: Path) -> None:
        staged.append(target)
        target.mkdir()

    assert workspace.tree("a", stage) == workspace.tree("a", stage)
    assert len(staged) == 1


def test_an_archive_is_packed_once_for_each_label(workspace: Workspace) -> None:
    tree = workspace.tree("a", Path.mkdir)
    peer = _Shell('echo x >> "$1"')
    first = [workspace.archive(peer, tree), workspace.archive(peer, tree)]
    other = workspace.archive(peer, tree, ".3")
    assert [path.read_text() for path in (*first, other)] == ["x\n"] * 3
    assert first[0] != other


def test_an_archive_that_failed_is_not_left_half_made(workspace: Workspace) -> None:
    tree = workspace.tree("a", Path.mkdir)
    with pytest.raises(BenchmarkError, match="exit code 3"):
        workspace.archive(_Shell('echo half > "$1"; exit 3'), tree)
    assert list(workspace.root.iterdir()) == [tree]


def test_what_is_put_aside_keeps_its_inodes_and_takes_no_space(workspace: Workspace) -> None:
    inodes = []
    for _ in range(2):
        workspace.fresh(workspace.root / "written")
        inner = workspace.root / "written" / "inner"
        inner.mkdir()
        (inner / "file").write_bytes(b"content")
        (inner / "file").chmod(0o400)
        (inner / "link").symlink_to("/no/such/place")
        inodes.append((inner / "file").stat().st_ino)
    workspace.put_aside(workspace.root / "written")
    workspace.put_aside(workspace.root / "written")
    aside = sorted((workspace.root / "aside").rglob("file"))
    assert sorted(path.stat().st_ino for path in aside) == sorted(inodes)
    assert [path.stat().st_size for path in aside] == [0, 0]
    assert [path.name for path in workspace.root.iterdir()] == ["aside"]


def test_a_peer_without_archives_unpacks_the_tree_itself(workspace: Workspace) -> None:
    tree = workspace.tree("a", Path.mkdir)
    assert workspace.archive(Copy(), tree) == tree


def test_a_missing_tool_is_reported_with_what_brings_it() -> None:
    class Missing(Peer):
        name = "missing"
        packages = {"no-such-tool-1": "one", "no-such-tool-2": "one", "sh": "dash"}  # noqa: RUF012

    assert Missing().absent() == "absent: no-such-tool-1, no-such-tool-2 (apt install one)"
    assert Stigmer().absent() is None


def test_no_command_that_is_shown_holds_a_path(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for peer in (Stigmer(3, references=False), *others()):
        for command in (
            peer.pack(tmp_path / "tree", tmp_path / "archive", 2),
            peer.unpack(tmp_path / "archive", tmp_path / "target", 2),
        ):
            assert command is None or "/" not in command.shown
