"""Which import names have two providers, who wins, and what settles it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from container.errors import ImportConflictError, PackError
from packer.freezing.conflicts import Conflict, find, module_of, settle, write_hooks
from packer.freezing.environment import InstalledFile
from packer.freezing.settings import FreezeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS = FreezeSettings(
    origin=Path("freeze.toml"),
    name="small",
    entry_script=Path("main.py"),
    selfcheck=(),
    hidden_imports=(),
    excludes=(),
    copy_metadata=(),
    hooks=(),
    strip=False,
    onefile=False,
    compress=False,
    data={},
    choose={},
)


def files_of(
    distributions: Mapping[str, list[str]], directory: Path = Path("/site")
) -> list[InstalledFile]:
    """Files with a digest of their own each."""
    return [
        InstalledFile(name, directory, PurePosixPath(path), f"{name}/{path}")
        for name, paths in distributions.items()
        for path in paths
    ]


def named(conflicts: list[Conflict]) -> dict[str, list[str]]:
    """Owners by import name, the winner first."""
    return {
        conflict.name: [file.distribution for file in conflict.providers] for conflict in conflicts
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("one.py", "one"),
        ("one/__init__.py", "one"),
        ("one/two.cpython-311-x86_64-linux-gnu.so", None),
        ("one/two.abi3.so", "one.two"),
        ("one/data.txt", None),
        ("one-1.0.dist-info/RECORD", None),
        ("../../bin/one.py", None),
        ("one/in-valid.py", None),
        ("__init__.py", None),
    ],
)
def test_names_of_files(path: str, name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packer.freezing.conflicts._SUFFIXES", (".abi3.so", ".py"))
    assert module_of(PurePosixPath(path)) == name


def test_a_package_wins_over_an_extension_over_a_module() -> None:
    files = files_of(
        {"module": ["x.py"], "extension": ["x.abi3.so"], "package": ["x/__init__.py", "x/y.py"]}
    )
    assert named(find(files)) == {"x": ["package", "extension", "module"]}


def test_the_first_directory_wins_over_everything() -> None:
    files = files_of({"module": ["x.py"]}, Path("/first"))
    files += files_of({"package": ["x/__init__.py"]}, Path("/second"))
    assert named(find(files)) == {"x": ["module", "package"]}


@pytest.mark.parametrize("last", ["one", "two"])
def test_of_one_path_the_file_that_is_there_wins(last: str, tmp_path: Path) -> None:
    texts = {"one": "ONE", "two": "TWO"}
    files = []
    for name in ("one", "two"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(texts[name].encode()).digest())
        recorded = digest.rstrip(b"=").decode()
        files.append(InstalledFile(name, tmp_path, PurePosixPath("x.py"), recorded))
    (tmp_path / "x.py").write_text(texts[last])
    conflicts = find(files)
    assert named(conflicts)["x"][0] == last
    assert settle(conflicts, replace(SETTINGS, choose={"x": last})) == []
    other = {"one": "two", "two": "one"}[last]
    with pytest.raises(ImportConflictError, match=f"the file of {other} was overwritten by"):
        settle(conflicts, replace(SETTINGS, choose={"x": other}))


def test_what_is_no_conflict() -> None:
    namespace = {"one": ["n/a/__init__.py"], "two": ["n/b/__init__.py", "n/c.py"]}
    extended = {"base": ["p/__init__.py"], "plugin": ["p/plugin.py"]}
    same = [
        InstalledFile(name, Path("/site"), PurePosixPath("s/__init__.py"), "same")
        for name in ("three", "four")
    ]
    by_itself = files_of({"alone": ["q.py", "q/__init__.py"]})
    assert find([*files_of(namespace), *files_of(extended), *same, *by_itself]) == []


def test_only_the_highest_name_is_told() -> None:
    both = {
        "one": ["t/__init__.py", "t/a/__init__.py"],
        "two": ["t/__init__.py", "t/a/__init__.py"],
    }
    assert list(named(find(files_of(both)))) == ["t"]


def test_a_conflict_below_a_namespace_is_found() -> None:
    both = {"one": ["n/a.py"], "two": ["n/a/__init__.py"]}
    assert named(find(files_of(both))) == {"n.a": ["two", "one"]}


CONFLICTS = find(files_of({"one": ["x.py"], "two": ["x/__init__.py"]}))


def test_nobody_has_chosen() -> None:
    with pytest.raises(ImportConflictError) as caught:
        settle(CONFLICTS, SETTINGS)
    text = str(caught.value)
    assert "the import name x; Python takes two" in text
    assert 'x = "two" or x = "one"' in text


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (replace(SETTINGS, choose={"x": "One"}), ["one"]),
        (replace(SETTINGS, choose={"x": "two"}), []),
        (replace(SETTINGS, excludes=("x",)), []),
        # One that needs no choice any more does no harm.
        (replace(SETTINGS, choose={"x": "one", "y": "one"}), ["one"]),
    ],
)
def test_what_settles_it(settings: FreezeSettings, chosen: list[str]) -> None:
    assert [file.distribution for file in settle(CONFLICTS, settings)] == chosen


def test_a_choice_must_provide_the_name() -> None:
    with pytest.raises(PackError) as caught:
        settle(CONFLICTS, replace(SETTINGS, choose={"x": "three"}))
    assert "freeze.choose.x" in str(caught.value)
    assert "(expected two or one, found three)" in str(caught.value)


def test_a_hook_sees_the_files_of_the_choice_alone(tmp_path: Path) -> None:
    site = tmp_path / "site"
    texts = {"x.py": "ONE", "x/__init__.py": "TWO", "x/y.py": "Y", "x/z.py": "of somebody else"}
    for path, text in texts.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    files = files_of({"one": ["x.py", "other.py"], "two": ["x/__init__.py", "x/y.py"]}, site)
    for number, chosen in enumerate((files[0], files[2])):
        scratch = tmp_path / str(number)
        hooks = write_hooks([chosen], files, scratch)
        assert hooks == scratch / "hooks"
        hook: dict[str, object] = {}
        exec((hooks / "pre_find_module_path" / "hook-x.py").read_text(), hook)
        api = type("Api", (), {"search_dirs": ["site"]})()
        hook["pre_find_module_path"](api)  # type: ignore[operator]
        assert api.search_dirs == [str(scratch / "chosen" / "x")]
        copied = Path(api.search_dirs[0])
        found = {
            str(path.relative_to(copied)): path.read_text()
            for path in copied.rglob("*")
            if path.is_file()
        }
        assert found == ({"x.py": "ONE"}, {"x/__init__.py": "TWO", "x/y.py": "Y"})[number]


def test_without_choices_there_are_no_hooks(tmp_path: Path) -> None:
    assert write_hooks([], [], tmp_path) is None
