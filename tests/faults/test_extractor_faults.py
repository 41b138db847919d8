"""One fault at each system call of an installation in turn; the old version survives them all."""

from __future__ import annotations

import builtins
import errno
import os
import signal
from typing import TYPE_CHECKING, Any, Self

import pytest

from container.errors import NoSpaceError
from container.reader import open_payload
from extractor import destinations, staging, state
from extractor import install as installing
from extractor.install import install
from tests.support import commands
from tests.support.samples import look, noise, settings, write_payload
from tests.support.trees import Directory, File, Hardlink, Symlink, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from container.reader import PayloadReader
    from tests.support.trees import Found, Node

COUNTED = (
    "mkdir",
    "makedirs",
    "open",
    "pwrite",
    "fchmod",
    "chmod",
    "symlink",
    "link",
    "rename",
    "replace",
    "rmdir",
    "unlink",
    "close",
)
"""Everything through which the extractor changes a disk."""

# What a full disk or quota refuses; the others free space, or change what has its place already.
_TAKES_SPACE = ("mkdir", "makedirs", "open", "pwrite", "symlink", "link", "rename", "replace")


class _KilledError(BaseException):
    """The process is gone: nothing that it would still do happens."""


class _FaultySystem:
    """Stands where the extractor's modules have ``os``: counts calls, fails at one of them.

    Args:
        fail_at: number of the call, from 0; None: only count.
        error: what that call raises instead of being done. After ``_KilledError`` every further
            call raises it, too, but that descriptors are closed, as the kernel would.
    """

    def __init__(self, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.fail_at = fail_at
        self.error = error
        self.called: list[str] = []
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self.counted(name, found) if name in COUNTED or self.dead else found

    def counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            self.step(name, arguments)
            return call(*arguments, **keywords)

        return wrapped

    def step(self, name: str, arguments: tuple[Any, ...]) -> None:
        if self.dead:
            if name == "close":
                return
            raise _KilledError
        self.called.append(name)
        if len(self.called) - 1 != self.fail_at:
            return
        assert self.error is not None
        if isinstance(self.error, _KilledError):
            self.dead = True
        if name == "close":
            # Linux closes a descriptor even where it reports an error.
            os.close(arguments[0])
        raise self.error


class _FaultyStream:
    """The one text file that is written with ``open``."""

    def __init__(self, system: _FaultySystem, stream: Any) -> None:
        self._system = system
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()

    def write(self, text: str) -> None:
        self._system.step("pwrite", ())
        self._stream.write(text)


@pytest.fixture
def faulty() -> Callable[[_FaultySystem], Any]:
    """Puts a faulty system under the extractor; ``with`` it."""

    class Scope:
        def __init__(self, system: _FaultySystem) -> None:
            self._system = system
            self._patch = pytest.MonkeyPatch()

        def __enter__(self) -> None:
            system = self._system

            def open_(file: Any, mode: str = "r", **keywords: Any) -> Any:
                if mode == "r":
                    return builtins.open(file, mode, **keywords)
                system.step("open", ())
                return _FaultyStream(system, builtins.open(file, mode, **keywords))

            for module in (destinations, installing, staging, state):
                self._patch.setattr(module, "os", system)
            self._patch.setattr(state, "open", open_, raising=False)

        def __exit__(self, *raised: object) -> None:
            self._patch.undo()

    return Scope


def product(seed: int) -> dict[str, File | dict[str, Node]]:
    """Small, so that each of its calls can fail once, and with each kind of call in it."""
    return {
        "tool": {
            "tool": File(noise(seed, 1500), 0o755),
            "other": Hardlink("tool"),
            "empty": File(b""),
            "link": Symlink("tool"),
            "closed/file": File(b"inside"),
            "closed": Directory(0o555),
        }
    }


class _Homes:
    """Payloads of two versions, and homes in which the old one is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.old_payload = write_payload(root / "old", product(1), settings("1.0.0"))
        self.new_payload = write_payload(root / "new", product(2), settings("1.1.0"))
        self.old_tree = look(root / "old/components")
        self.new_tree = look(root / "new/components")
        self._count = 0

    def fresh(self) -> str:
        """A home with the old version, and the remains of a killed attempt to be swept."""
        self._count += 1
        home = self.root / f"home-{self._count}"
        with open_payload(self.old_payload) as reader:
            install(reader, str(home))
        write_tree(home / "staging/killed", {"file": File(b"half"), "out": Symlink("/")})
        return str(home)

    def found(self, home: str) -> dict[str, Found]:
        """What ``bin`` leads to."""
        tree = look(self.root / os.path.realpath(os.path.join(home, "bin")))
        del tree[state.MANIFEST_NAME]
        return tree


@pytest.fixture
def homes(tmp_path: Path) -> _Homes:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    return _Homes(tmp_path)


@pytest.fixture
def new(homes: _Homes) -> Iterator[PayloadReader]:
    with open_payload(homes.new_payload) as reader:
        yield reader


def calls_of(new: PayloadReader, homes: _Homes, faulty: Any) -> list[str]:
    """The calls of an installation that nothing disturbs."""
    counting, home = _FaultySystem(), homes.fresh()
    with faulty(counting):
        install(new, home)
    return counting.called


def check_survived(home: str, homes: _Homes, new: PayloadReader) -> None:
    """``bin`` leads to a whole version, and the next attempt succeeds and leaves nothing."""
    assert homes.found(home) in (homes.old_tree, homes.new_tree)
    with open_payload(homes.old_payload) as old:
        assert install(old, home).already
    assert homes.found(home) == homes.old_tree
    install(new, home)
    assert homes.found(home) == homes.new_tree
    assert os.listdir(os.path.join(home, "staging")) == []
    assert install(new, home).already


def test_an_installation_makes_every_kind_of_call(
    homes: _Homes, new: PayloadReader, faulty: Any
) -> None:
    """Otherwise the tests below would pass by not looking."""
    called = calls_of(new, homes, faulty)
    assert set(called) == set(COUNTED)
    assert called.count("pwrite") >= 4
    assert called[-2:] == ["replace", "close"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_call_leaves_the_old_version_working(
    homes: _Homes, new: PayloadReader, faulty: Any, number: int
) -> None:
    called = calls_of(new, homes, faulty)
    for fail_at, name in enumerate(called):
        home = homes.fresh()
        system = _FaultySystem(fail_at, OSError(number, os.strerror(number)))
        with faulty(system), pytest.raises((OSError, NoSpaceError)) as caught:
            install(new, home)
        where = f"call {fail_at}, {name}"
        assert system.called[fail_at] == name, where
        if number == errno.ENOSPC and name in _TAKES_SPACE:
            assert isinstance(caught.value, NoSpaceError), where
            assert home in str(caught.value), where
        check_survived(home, homes, new)


def test_a_kill_before_any_call_leaves_the_old_version_working(
    homes: _Homes, new: PayloadReader, faulty: Any
) -> None:
    called = calls_of(new, homes, faulty)
    for fail_at in range(len(called)):
        home = homes.fresh()
        system = _FaultySystem(fail_at, _KilledError())
        with faulty(system), pytest.raises(_KilledError):
            install(new, home)
        assert system.dead
        check_survived(home, homes, new)


KILL = """
import os, signal, extractor.staging, extractor.install, extractor.destinations
real = os.{call}
def kill(*arguments, **keywords):
    if {when!r} == "after":
        real(*arguments, **keywords)
    os.kill(os.getpid(), signal.SIGKILL)
os.{call} = kill
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["pwrite", "symlink", "rename", "replace"])
def test_a_real_kill_frees_the_lock_and_is_swept(
    homes: _Homes, new: PayloadReader, call: str, when: str
) -> None:
    """What the kernel does for a dead process is its own to do: here nothing is simulated."""
    home = homes.fresh()
    outcome = commands.run_process(
        "stigmer-extract",
        "install",
        homes.new_payload,
        "--home",
        home,
        "--jobs",
        "1",
        before=KILL.format(call=call, when=when),
    )
    assert outcome.status == -signal.SIGKILL
    assert homes.found(home) == (
        homes.new_tree if (call, when) == ("replace", "after") else homes.old_tree
    )
    check_survived(home, homes, new)


def test_a_fresh_home_survives_a_kill_before_any_call(
    tmp_path: Path, homes: _Homes, new: PayloadReader, faulty: Any
) -> None:
    """There is no old version here: ``bin`` is missing, or leads to the whole new one."""
    counting = _FaultySystem()
    with faulty(counting):
        install(new, str(tmp_path / "fresh"))
    for fail_at in range(len(counting.called)):
        home = tmp_path / f"fresh-{fail_at}"
        with faulty(_FaultySystem(fail_at, _KilledError())), pytest.raises(_KilledError):
            install(new, str(home))
        if os.path.lexists(home / "bin"):
            assert homes.found(str(home)) == homes.new_tree
        install(new, str(home))
        assert homes.found(str(home)) == homes.new_tree
        assert list((home / "staging").iterdir()) == []
