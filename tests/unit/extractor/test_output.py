"""What is written to the standard streams, and how a process ends."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from container.errors import BusyError
from extractor import output
from tests.support.commands import WATCHDOG_SECONDS

REPOSITORY = Path(__file__).resolve().parents[3]
FULL = Path("/dev/full")


class Stream(io.TextIOWrapper):
    """A stream of some encoding over bytes."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding)

    def shown(self) -> bytes:
        """What has been written out."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@pytest.mark.parametrize("err", [False, True])
def test_a_line_is_written_out_at_once(monkeypatch: pytest.MonkeyPatch, err: bool) -> None:
    streams = {"stdout": Stream("utf-8"), "stderr": Stream("utf-8")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    output.say("a line, n\u00e4mlich", err=err)
    assert streams["stderr" if err else "stdout"].shown() == "a line, n\u00e4mlich\n".encode()
    assert streams["stdout" if err else "stderr"].shown() == b""


@pytest.mark.parametrize("err", [False, True])
def test_without_the_stream_nothing_is_written(monkeypatch: pytest.MonkeyPatch, err: bool) -> None:
    other = Stream("utf-8")
    monkeypatch.setattr(sys, "stderr" if err else "stdout", None)
    monkeypatch.setattr(sys, "stdout" if err else "stderr", other)
    output.say("lost", err=err)
    assert other.shown() == b""


def test_an_escape_sequence_does_not_reach_what_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream("utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    output.say("/home/\x1b[31mred")
    assert stream.shown() == b"/home/red\n"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "\u00e9\n".encode()), ("latin-1", b"\xe9\n"), ("utf-16-le", b"\xe9\x00\n\x00")],
)
def test_letters_beyond_ascii_are_shown_as_well_as_the_stream_can(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: bytes
) -> None:
    stream = Stream(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    output.say("\u00e9")
    assert stream.shown() == shown


class Refusing(io.StringIO):
    """A stream behind which nobody is, or a full disk."""

    error: OSError

    def write(self, text: str) -> int:
        del text
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (BusyError("busy", "/home"), 31, "error: /home: busy\n"),
        (OSError(errno.EIO, "Input/output error", "f"), 4, "error: f: Input/output error\n"),
        # The terminal has shown ^C, and is still on that line.
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (EOFError(), 130, "\ninterrupted\n"),
    ],
)
def test_an_error_is_told_and_has_its_code_even_where_nobody_listens(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    text: str,
) -> None:
    assert output.tell(error) == status
    assert capsys.readouterr() == ("", text)
    refusing = Refusing()
    refusing.error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    monkeypatch.setattr(sys, "stderr", refusing)
    assert output.tell(error) == status


def leave(code: str, stdout: int | io.TextIOWrapper = subprocess.PIPE) -> tuple[int, str, str]:
    """How a process ends that executes statements, and then leaves with exit code 7."""
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys\nfrom extractor import output\n{code}"],
        env={"PYTHONPATH": str(REPOSITORY)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout or "", done.stderr


def test_leaving_writes_everything_out_and_takes_nothing_down() -> None:
    code = """
import atexit
atexit.register(print, "taken down")
sys.stdout.write("out")
sys.stderr.write("err")
output.leave(7)
"""
    assert leave(code) == (7, "out", "err")


def test_leaving_without_streams_has_the_code() -> None:
    assert (
        leave("os.close(1); os.close(2)\nsys.stdout = sys.stderr = None\noutput.leave(7)")[0] == 7
    )


def test_a_reader_that_has_gone_away_changes_nothing() -> None:
    code = """
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
sys.stdout.write("unread")
output.leave(7)
"""
    assert leave(code) == (7, "", "")


def test_a_standard_error_that_cannot_be_written_changes_nothing() -> None:
    if not FULL.exists():
        pytest.skip("there is no /dev/full here")
    code = """
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
sys.stderr = open(2, "w", closefd=False)
sys.stderr.write("lost")
output.leave(7)
"""
    assert leave(code) == (7, "", "")


def test_output_that_is_lost_is_told_by_python_which_has_a_code_for_it() -> None:
    if not FULL.exists():
        pytest.skip("there is no /dev/full here")
    with FULL.open("w") as full:
        status, _, err = leave("sys.stdout.write('lost')\noutput.leave(7)", full)
    assert status == 120
    assert "No space left on device" in err
