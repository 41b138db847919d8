"""Which way words go: at once where they are plain, by click where not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from container.errors import BusyError
from extractor import cli, commands, main, output

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = {"install": ["install", "f"], "unpack": ["unpack", "f", "--to", "t"]}
BY_CLICK = "by click"


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way was taken, each time."""
    taken: list[str] = []

    def run_by_click() -> int:
        taken.append(BY_CLICK)
        return 9

    monkeypatch.setattr(cli, "run", run_by_click)
    for name in PLAIN:
        monkeypatch.setattr(commands, name, lambda name=name, **_: taken.append(name))
    return taken


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["stigmer-extract", *words])
    return main.run()


@pytest.mark.parametrize("name", PLAIN)
def test_plain_words_are_run_at_once(
    monkeypatch: pytest.MonkeyPatch, ways: list[str], name: str
) -> None:
    assert run(monkeypatch, *PLAIN[name]) == 0
    assert ways == [name]


@pytest.mark.parametrize("words", [[], ["list", "f"], ["install"], ["install", "f", "-h"]])
def test_other_words_go_to_click(
    monkeypatch: pytest.MonkeyPatch, ways: list[str], words: list[str]
) -> None:
    assert run(monkeypatch, *words) == 9
    assert ways == [BY_CLICK]


@pytest.mark.parametrize("variable", ["_STIGMER_EXTRACT_COMPLETE", "_RENAMED_COMPLETE"])
def test_a_shell_that_wants_completions_gets_them_from_click(
    monkeypatch: pytest.MonkeyPatch, ways: list[str], variable: str
) -> None:
    monkeypatch.setenv(variable, "bash_complete")
    assert run(monkeypatch, *PLAIN["install"]) == 9
    assert ways == [BY_CLICK]


def failing(error: BaseException) -> Callable[..., None]:
    def fail(**_: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (BusyError("busy", "/home"), 31, "error: /home: busy\n"),
        (PermissionError(13, "Permission denied", "f"), 4, "error: f: Permission denied\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        # The reader of standard output has gone: there is nothing to say.
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_both_ways_end_alike(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    text: str,
) -> None:
    # click wraps the streams of a broken pipe, for good.
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(commands, "install", failing(error))
    assert run(monkeypatch, *PLAIN["install"]) == status
    assert capsys.readouterr() == ("", text)
    try:
        ended: object = cli.run()
    except SystemExit as left:
        ended = left.code
    assert ended == status
    assert capsys.readouterr() == ("", text)


def test_an_error_of_this_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "install", failing(RuntimeError("a defect")))
    with pytest.raises(RuntimeError, match="a defect"):
        run(monkeypatch, *PLAIN["install"])


def test_the_program_leaves_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(output, "leave", left.append)
    monkeypatch.setattr(main, "run", lambda: 31)
    main.main()
    assert left == [31]
