"""The workflows are sound, ask for little, and call only what is there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from fixtures.actionlint import provide_actionlint
from packer.cli import cli

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
ACTION = REPOSITORY / "action.yml"
ALL = [*WORKFLOWS, ACTION]
PLACE = ("-C", "$GITHUB_ACTION_PATH")
# Programs of the runner's, and of git's and GitHub's the words that are used.
SHELL = {"mkdir", "echo"}
GIT = {"config", "push"}
GH = {("release", "create"), ("release", "download"), ("pr", "create")}
# What a job may do beyond reading the sources.
PERMISSIONS = {
    "publish": {"contents": "write", "id-token": "write", "attestations": "write"},
}

real = pytest.mark.real


def load(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def jobs(path: Path) -> dict[str, Any]:
    document = load(path)
    return document.get("jobs") or {"action": {"steps": document["runs"]["steps"]}}


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


def command_lines(script: str) -> list[list[str]]:
    """The words of each command, those in ``$(...)`` and of ``${NAME:+...}`` among them."""
    found = []
    for line in script.splitlines():
        found += [shlex.split(inner) for inner in re.findall(r"\$\(([^()]*)\)", line)]
        flat = re.sub(r"\$\{\w+:\+([^}]*)\}", r"\1", re.sub(r"\$\([^()]*\)", "x", line))
        words = shlex.split(flat)
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words:
            found.append(words)
    return found


def check_script(script: str) -> None:
    for words in command_lines(script):
        check_command(words)


def check_command(words: list[str]) -> None:
    """Fail where a command, an option or a target does not exist."""
    program, *rest = words
    program = program.removeprefix("$GITHUB_ACTION_PATH/")
    if program == ".venv/bin/stigmer-pack":
        check_click(cli, rest)
    elif program == ".venv/bin/python":
        assert rest[0] == "-m", words
        assert importlib.util.find_spec(rest[1]), words
    elif program == "make":
        targets = re.findall(r"^([\w$()./-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
        names = {target.replace("$(READY)", ".venv/.ready") for target in targets}
        asked = [
            word for word in rest if "=" not in word and word not in ("-C", "$GITHUB_ACTION_PATH")
        ]
        assert asked, words
        assert set(asked) <= names, words
    elif program == "git":
        assert rest[0] == "-C", words
        assert rest[2] in GIT, words
    elif program == "gh":
        assert tuple(rest[:2]) in GH, words
    else:
        assert program in SHELL, words


def check_click(command: click.Command, words: list[str]) -> None:
    while isinstance(command, click.Group):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    options = {name for option in command.params for name in option.opts if name.startswith("-")}
    required = {
        option.opts[0]
        for option in command.params
        if isinstance(option, click.Option) and option.required
    }
    given = {word for word in words if word.startswith("--")}
    assert given <= options, f"no such option: {given - options}"
    assert required <= given, f"an option is missing: {required - given}"


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_every_run_step_calls_only_what_exists(path: Path) -> None:
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert scripts
    for script in scripts:
        check_script(script)


@pytest.mark.parametrize(
    "line",
    [
        "make no-such-target",
        ".venv/bin/stigmer-pack no-such-command",
        ".venv/bin/stigmer-pack release verify --no-such-option dist",
        ".venv/bin/stigmer-pack release pin dist",
        'x="$(.venv/bin/stigmer-pack release no-such)"',
        ".venv/bin/stigmer-pack release verify ${A:+--no-such-option}",
        ".venv/bin/python -m no_such_module",
        "gh release delete v1.0.0",
        "git -C tap reset",
        "curl https://example.invalid",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        check_script(line)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_full_version(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    for name in used:
        assert re.fullmatch(r"actions/[\w-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})", name), name
    # One version of each in all files, so that it is raised in all at once.
    everywhere = {step["uses"] for one in ALL for step in steps(one) if "uses" in step}
    assert len({name.split("@")[0] for name in everywhere}) == len(everywhere)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_ask_for_the_least(path: Path) -> None:
    document = load(path)
    assert document["permissions"] == {"contents": "read"}
    assert document["concurrency"]["group"]
    for name, job in document["jobs"].items():
        assert job.get("permissions") == PERMISSIONS.get(name), name
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            # A script could print what is put into it; an environment is masked and not shown.
            assert "${{" not in step.get("run", ""), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"].get("persist-credentials") is False or "token" in step["with"]


def test_the_workflows_are_those_that_the_documents_name() -> None:
    assert [path.name for path in WORKFLOWS] == [
        "build-agent-runner-binaries.yml",
        "ci.yml",
        "release-embedded.yml",
    ]
    text = (REPOSITORY / "docs" / "releasing.md").read_text()
    for path in WORKFLOWS:
        assert path.name in text


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "no shellcheck; install it: make tools"
    argv: list[str | Path] = [
        provide_actionlint(),
        "-no-color",
        "-shellcheck",
        shellcheck,
        "-pyflakes=",
        *paths,
    ]
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, encoding="utf-8", check=False)


@real
def test_actionlint_and_shellcheck_find_nothing() -> None:
    found = actionlint(*WORKFLOWS)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@real
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("make test PYTHON=python", 'rm -r "$HOME"/$GARBAGE', "SC2086"),
        ("runs-on: ubuntu-24.04", "runs-on: macos-13", "label"),
        ("hashFiles(", "hashFile(", "hashFile"),
        ("contents: read", "contents: reed", "reed"),
    ],
)
def test_actionlint_and_shellcheck_do_find_faults(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()
    assert old in text
    path = tmp_path / ".github" / "workflows" / "ci.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new))
    found = actionlint(path)
    assert found.returncode == 1
    assert said in found.stdout


@real
def test_shellcheck_finds_nothing_in_the_composite_action(tmp_path: Path) -> None:
    """actionlint reads workflows only."""
    for number, step in enumerate(steps(ACTION)):
        if "run" in step:
            path = tmp_path / f"{number}.sh"
            path.write_text(f"#!/bin/bash\nset -euo pipefail\n{step['run']}\n")
            done = subprocess.run(
                ["shellcheck", path], capture_output=True, encoding="utf-8", check=False
            )
            assert (done.returncode, done.stdout) == (0, "")


def test_the_action_passes_on_all_that_it_takes() -> None:
    document = load(ACTION)
    text = ACTION.read_text()
    for name in document["inputs"]:
        assert f"${{{{ inputs.{name} }}}}" in text
