"""The main job on real programs: pack, look, verify, install, compare with ``cp -r``, and run.

``make demo``, or ``python -m benchmarks.demo``. Everything is made in a temporary directory and
removed at the end, unless ``--keep DIR`` says where it shall stay.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil

from benchmarks.errors import BenchmarkError
from benchmarks.inputs import fingerprint, tree_bytes
from benchmarks.measure import Command, Contestant, interleave, paired_ratio, walls
from benchmarks.peers import compile_modules, tool
from container.units import human_bytes
from extractor.host import health, server
from extractor.host.health import Health
from extractor.host.settings import Settings
from fixtures import FixtureError, Inputs, provide

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPONENTS = ("stigmer-server", "workflow-runner", "agent-runner")
_VERSION = "1.4.0"
_ROUNDS = 5
_SHOWN_FILES = 4
_ANSWER_SECONDS = 10.0
_MARK = "STIGMER_DEMO"


def main(words: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work here, and leave it all")
    keep: Path | None = parser.parse_args(words).keep
    began = time.monotonic()
    # What cp -r writes depends on it, and so does what it is compared with.
    os.umask(0o022)
    try:
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise BenchmarkError("the demo runs the programs that it packs: Linux on x86-64 only")
        compile_modules()
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            if any(keep.iterdir()):
                raise BenchmarkError(f"{keep}: not empty; name a new directory")
            Demo(keep.resolve()).run()
        else:
            with tempfile.TemporaryDirectory(prefix="stigmer-demo-") as directory:
                Demo(Path(directory).resolve()).run()
    except (BenchmarkError, FixtureError, OSError) as error:
        sys.stdout.flush()
        print(f"\ndemo: FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    place = f"kept in {keep}" if keep else "all temporary files are removed"
    _say(f"\nDone in {time.monotonic() - began:.0f} s; {place}.")
    return 0


class Demo:
    """One run, step by step; each step needs those before it.

    Args:
        work: an empty directory. Commands run in it, so that they read as they would be typed.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._packed = "stigmer"
        # A machine without Python, and without anything else. The mark is how what is left running
        # is found.
        self._mark = f"demo-{os.getpid()}"
        self._environment = {"HOME": str(work / "user"), _MARK: self._mark}

    def run(self) -> None:
        """All steps.

        Raises:
            BenchmarkError: a command failed, or its outcome is not what it should be.
            FixtureError: the inputs cannot be fetched or built.
        """
        inputs = self._fetch()
        self._pack(inputs)
        self._look()
        self._ask_host()
        self._install(inputs)
        self._compare()
        self._warm()
        self._serve(inputs)

    def _fetch(self) -> Inputs:
        _heading("1. Real inputs: the CLI, two Go services, a frozen Python service")
        inputs = provide("linux-amd64")
        directory = self._work / "in"
        directory.mkdir()
        facts = {
            "host": (inputs.host, "the CLI that carries the others, one frozen file"),
            "stigmer-server": (inputs.stigmer_server, "a Go service: gRPC, a key-value store"),
            "workflow-runner": (inputs.workflow_runner, "a Go service: a Temporal worker"),
            "agent-runner": (inputs.agent_runner, "a frozen tree: Python and its libraries"),
        }
        for name, (path, what) in facts.items():
            (directory / name).symlink_to(path)
            files = len(_files(path))
            stand_in = inputs.stand_ins.get(name)
            _say(
                f"  {name:16} {inputs.versions[name]:8} "
                f"{human_bytes(tree_bytes(path)):>8} in {files:3} {_plural(files)}  "
                + (f"STAND-IN: {stand_in}" if stand_in else what)
            )
        return inputs

    def _pack(self, inputs: Inputs) -> None:
        _heading("2. Pack all three into the CLI, as for a release (about a minute)")
        components = [f"{name}@{inputs.versions[name]}=in/{name}" for name in _COMPONENTS]
        options = ["--host", "in/host", "--version", _VERSION, "--output", self._packed]
        self._show(["stigmer-pack", "embed", *options, *components])

    def _look(self) -> None:
        _heading("3. Look at what was packed, and check every byte of it")
        self._show(["stigmer-pack", "inspect", self._packed])
        self._show(["stigmer-pack", "verify", self._packed])

    def _ask_host(self) -> None:
        _heading("4. The CLI knows what it carries, on a machine without Python")
        _require(_VERSION in self._capture(["./stigmer", "version"]), "it does not say its version")

    def _install(self, inputs: Inputs) -> None:
        _heading("5. First start: install into a fresh home, verified")
        self._show(["stigmer-extract", "install", self._packed, "--home", "home"])
        self._show_tree()
        for name in _COMPONENTS:
            installed, given = self._work / "home/bin" / name, self._work / "in" / name
            same = _identity(installed.resolve()) == _identity(given.resolve())
            _require(same, f"what was installed as {name} differs from what was packed")
        _say("every file, permission and link is as it was packed")
        _heading("6. The installed programs run")
        for name in _COMPONENTS[:2]:
            # Stand-ins know no such option.
            if name not in inputs.stand_ins:
                self._capture([f"home/bin/{name}", "--version"])
        self._capture(["home/bin/agent-runner/agent-runner", "--version"])
        self._capture(["home/bin/agent-runner/agent-runner", "--selfcheck"])

    def _compare(self) -> None:
        _heading(f"7. How long the first start takes, beside cp -r of the same files ({_ROUNDS} x)")
        home, copied = self._work / "home-again", self._work / "copied"
        plain = (self._work / "home/bin").resolve()
        install = [tool("stigmer-extract"), "install", self._packed, "--home", home.name]
        runs = interleave(
            {
                "install": Contestant(
                    Command((install,), "stigmer-extract install", self._work),
                    after=lambda: shutil.rmtree(home),
                ),
                "copy": Contestant(
                    Command((["cp", "-r", str(plain), str(copied)],), "cp -r", self._work),
                    after=lambda: shutil.rmtree(copied),
                ),
            },
            _ROUNDS,
        )
        ours, theirs = walls(runs["install"]), walls(runs["copy"])
        plain_bytes, packed_bytes = tree_bytes(plain), (self._work / self._packed).stat().st_size
        read_bytes = packed_bytes - (self._work / "in/host").stat().st_size
        _say(f"  stigmer-extract install   {median(ours):.2f} s   {_range(ours)}")
        _say(f"  cp -r                     {median(theirs):.2f} s   {_range(theirs)}")
        _say(f"  ratio                     {paired_ratio(ours, theirs):.2f}")
        _say(
            f"medians of whole processes, taking turns, warm cache; install reads "
            f"{human_bytes(read_bytes)},\ndecodes, checks and writes {human_bytes(plain_bytes)}; "
            "cp -r only copies, and checks nothing"
        )

    def _warm(self) -> None:
        _heading("8. Every later start: all is there, nothing is written")
        before = (self._work / "home/bin").readlink()
        took = self._show(["stigmer-extract", "install", self._packed, "--home", "home"])
        _require(before == (self._work / "home/bin").readlink(), "bin was moved")
        _say(f"{1000 * took:.0f} ms, with the start of Python")

    def _serve(self, inputs: Inputs) -> None:
        _heading("9. All of it, as a user has it: one file, an empty home, no Python")
        absent = [name for name in _COMPONENTS if name in inputs.stand_ins]
        if absent:
            _say(f"not shown: stand-ins serve nothing, and here {', '.join(absent)} are some")
            return
        try:
            self._capture(["./stigmer", "server", "start", "--detach", "--grpc-port", "0"])
            self._capture(["./stigmer", "server", "status"])
            self._ask_services()
        finally:
            self._capture(["./stigmer", "server", "stop"])
        left = self._running()
        _require(not left, f"still running: {left}")
        _say("nothing is left running")

    def _ask_services(self) -> None:
        """Ask each over gRPC, from here."""
        settings = Settings(f"{self._work}/user/.stigmer", f"{self._work}/user/.stigmer/data")
        found = server.running_host(settings)
        _require(found is not None and len(found.services) == len(_COMPONENTS), "not all run")
        _say("")
        for service in found.services if found is not None else ():
            answer = health.ask(service.port, "", _ANSWER_SECONDS)
            _say(f"grpc.health.v1.Health/Check  {service.name:16} {answer.name}")
            _require(answer is Health.SERVING, f"{service.name} is not healthy")

    def _running(self) -> list[str]:
        """Programs that this demo has started, and that run."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(_MARK) == self._mark:
                    found.append(process)
        # The loader of a frozen program takes away what it has unpacked when that has ended.
        _, alive = psutil.wait_procs(found, timeout=_ANSWER_SECONDS)
        return [" ".join(process.cmdline()) for process in alive]

    def _show(self, argv: Sequence[str]) -> float:
        """Run a command of this project as a user sees it; return its wall-clock seconds."""
        _say(f"\n$ {shlex.join(argv)}")
        began = time.monotonic()
        status = subprocess.call(
            [tool(argv[0]), *argv[1:]], stdin=subprocess.DEVNULL, cwd=self._work
        )
        took = time.monotonic() - began
        _require(status == 0, f"exit code {status}: {argv[0]} {argv[1]}")
        return took

    def _capture(self, argv: Sequence[str]) -> str:
        """Run a packed or installed program, show and return what it prints."""
        _say(f"$ {shlex.join(argv)}")
        done = subprocess.run(
            [self._work / argv[0], *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            cwd=self._work,
            env=self._environment,
            check=False,
        )
        _say(done.stdout.rstrip())
        _require(done.returncode == 0, f"exit code {done.returncode}: {argv[0]}")
        _require(bool(done.stdout.strip()), f"printed nothing: {argv[0]}")
        return done.stdout

    def _show_tree(self) -> None:
        """The home that was just made: the link, the version, and a few of its files."""
        home = self._work / "home"
        version = (home / "bin").resolve()
        _say(f"\nhome/bin -> {(home / 'bin').readlink()}")
        _say(f"{version.relative_to(self._work)}/")
        for path in sorted(version.iterdir()):
            if path.is_dir():
                files = len(_files(path))
                size = human_bytes(tree_bytes(path))
                _say(f"  {size:>8}  {path.name}/  ({files} {_plural(files)})")
                largest = sorted(_files(path), key=lambda file: -file.lstat().st_size)
                for file in largest[:_SHOWN_FILES]:
                    _say(f"  {human_bytes(file.stat().st_size):>8}    {file.relative_to(path)}")
                _say(f"  {'...':>8}")
            else:
                _say(f"  {human_bytes(path.stat().st_size):>8}  {path.name}")


def _identity(path: Path) -> object:
    """All that makes a component: of a file its bytes and mode, of a tree those of each file."""
    if path.is_dir():
        return fingerprint(path)
    with open(path, "rb") as stream:
        return path.stat().st_mode, hashlib.file_digest(stream, "sha256").hexdigest()


def _files(root: Path) -> list[Path]:
    """Regular files at or below ``root``."""
    found = root.rglob("*") if root.is_dir() else [root]
    return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]


def _plural(files: int) -> str:
    return "file " if files == 1 else "files"


def _range(values: Sequence[float]) -> str:
    return f"({min(values):.2f} to {max(values):.2f})"


def _require(condition: object, message: str) -> None:
    """Raises BenchmarkError where the condition does not hold."""
    if not condition:
        raise BenchmarkError(message)


def _heading(text: str) -> None:
    _say(f"\n=== {text} ===")


def _say(line: str) -> None:
    # Commands write to the same place right after: what is still in a buffer would come later.
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
