"""Run ``stigmer`` as its users do, and let nothing be left running."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from extractor.host.services import KINDS
from tests.support import commands, watchdog
from tests.support.fake_service import Behaviour, write_fake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_MARK = "STIGMER_TEST_HOST"


class Host:
    """One home, and every process that was started for it.

    Args:
        root: an empty directory.
        program: a packed ``stigmer``, which finds no Python and nothing else in its environment; by
            default this checkout's, with fakes for services.
    """

    def __init__(self, root: Path, program: Path | None = None) -> None:
        self.program = program
        self.home = root / "home"
        self.data = self.home / "data"
        self._programs = root / "programs"
        self._processes: list[subprocess.Popen[str]] = []
        self._terminals: list[Terminal] = []
        self._mark = os.urandom(8).hex()
        self.environment = {"STIGMER_HOME": str(self.home), "GRPC_PORT": "0", _MARK: self._mark}
        if program is not None:
            # What its loader unpacks is looked at when all has ended.
            self.scratch = root / "scratch"
            self.scratch.mkdir()
            self.environment["TMPDIR"] = str(self.scratch)
            return
        self.environment |= {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(commands.REPOSITORY),
            "PYTHONUNBUFFERED": "1",
        }
        for kind in KINDS:
            self.play(kind.name)

    def play(self, name: str, behaviour: Behaviour = Behaviour.OBEY) -> None:
        """Let a fake play a service, in this way, from the next start on."""
        path = write_fake(self._programs / name, name, behaviour)
        (kind,) = (kind for kind in KINDS if kind.name == name)
        self.environment[kind.override] = str(path)

    def use_payload(self, path: Path) -> None:
        """Take the programs from a payload, and not from the environment."""
        for kind in KINDS:
            self.environment.pop(kind.override, None)
        self.environment["STIGMER_PAYLOAD"] = str(path)

    def start(
        self, *words: str, interrupt: bool = False, before: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """Start ``stigmer server WORDS`` with pipes.

        Args:
            words: behind ``server``.
            interrupt: handle SIGINT even where the caller of the tests ignores it.
            before: a program with arguments that runs it.
        """
        return self._started([*before, *self._argv("server", *words)], interrupt=interrupt)

    def _started(self, argv: list[str], *, interrupt: bool = False) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=_default_interrupt if interrupt else None,
        )
        self._processes.append(process)
        return process

    def start_on_terminal(self, *words: str, term: str = "xterm") -> Terminal:
        """Start ``stigmer server WORDS`` on a terminal of 80 columns, which it controls."""
        pid, master = pty.fork()
        if not pid:
            try:
                _default_interrupt()
                _set_columns(80)
                argv = self._argv("server", *words)
                os.execve(argv[0], argv, self.environment | {"TERM": term})
            finally:
                os._exit(99)
        terminal = Terminal(pid, master)
        self._terminals.append(terminal)
        return terminal

    def run(self, *words: str) -> commands.Outcome:
        """Run ``stigmer server WORDS`` to its end."""
        return self._finish(self.start(*words))

    def call(self, *words: str) -> commands.Outcome:
        """Run ``stigmer WORDS`` to its end."""
        return self._finish(self._started(self._argv(*words)))

    def _finish(self, process: subprocess.Popen[str]) -> commands.Outcome:
        """Wait for its end, and for all that hold its output to let go of that."""
        try:
            out, err = process.communicate(timeout=commands.WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            for one in self.processes():
                one.kill()
            raise
        return commands.Outcome(process.returncode, out, err)

    def status(self) -> dict[str, Any]:
        """What ``stigmer server status --json`` tells."""
        outcome = self.run("status", "--json")
        assert outcome.err == ""
        found: dict[str, Any] = json.loads(outcome.out)
        return found

    def _argv(self, *words: str) -> list[str]:
        if self.program is not None:
            return [str(self.program), *words]
        return [sys.executable, "-m", "extractor.host", *words]

    def processes(self) -> list[psutil.Process]:
        """All that run for this host now, services and their own programs among them."""
        return [
            process
            for process in psutil.process_iter()
            if process.pid != os.getpid() and self._is_marked(process)
        ]

    def kill(self) -> None:
        """Kill the host, and only the host, as the kernel does when memory runs out."""
        leader = psutil.Process(self.status()["pid"])
        own = [leader]
        if self.program is not None:
            # The loader, which removes what it has unpacked, and ends as the host did.
            own += leader.parents()[:1]
        leader.kill()
        _, left = psutil.wait_procs(own, timeout=commands.WATCHDOG_SECONDS)
        assert left == []

    def _wait_for_loaders(self) -> None:
        """The loader of a host that has ended removes what it had unpacked, and ends too."""
        if self.program is not None:
            loaders = []
            for process in self.processes():
                with suppress(psutil.Error):
                    if process.cmdline()[:1] == [str(self.program)]:
                        loaders.append(process)
            psutil.wait_procs(loaders, timeout=commands.WATCHDOG_SECONDS)

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self._mark
        except psutil.Error:
            return False

    def close(self) -> None:
        """End whatever still runs.

        Raises:
            AssertionError: something did.
        """
        self._wait_for_loaders()
        left = [(process.pid, process.cmdline()) for process in self.processes()]
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        for started in self._processes:
            started.communicate()
        for terminal in self._terminals:
            terminal.close()
        assert left == []
        if self.program is not None:
            assert list(self.scratch.iterdir()) == []


class Terminal:
    """A host on a terminal.

    Args:
        pid: of the host.
        master: the side of whoever looks and types.
    """

    def __init__(self, pid: int, master: int) -> None:
        self._pid = pid
        self._master = master
        self._open = True

    def read_until(self, text: str) -> str:
        """All that is shown up to a text."""
        shown = b""
        while text.encode() not in shown:
            try:
                chunk = os.read(self._master, 1 << 12)
            except OSError:
                chunk = b""
            assert chunk, f"the end came before {text!r}: {shown.decode()}"
            shown += chunk
        return shown.decode()

    def press(self, key: bytes) -> None:
        """Type something; b"\\x03" is Ctrl-C."""
        os.write(self._master, key)

    def close(self) -> None:
        """Close the window."""
        if self._open:
            self._open = False
            os.close(self._master)

    def wait(self) -> int:
        """Exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def finish(self) -> tuple[int, str]:
        """Exit code, and the rest of what is shown."""
        shown = b""
        with suppress(OSError):
            while chunk := os.read(self._master, 1 << 12):
                shown += chunk
        return self.wait(), shown.decode()


def until(true: Callable[[], object]) -> None:
    """Let others run until something holds; fails where it never does."""
    deadline = time.monotonic() + watchdog.SECONDS
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        os.sched_yield()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Lines of standard error up to one that holds a text."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"the end came before {text!r}: {''.join(lines)}")


def _set_columns(columns: int) -> None:
    """Of the terminal that standard output is."""
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def _default_interrupt() -> None:
    # A shell that runs the tests in the background lets them ignore it, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
