"""Many processes that do something at the same moment."""

from __future__ import annotations

import os
import pickle
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def at_once(actions: Sequence[Callable[[], object]]) -> list[object]:
    """Do each in a process of its own, forked from this one; all begin when all are there.

    Returns:
        What each returned or raised, in the order of ``actions``; of one that a signal ended,
        its number.
    """
    gate, opener = os.pipe()
    pipes: list[int] = []
    children: list[int] = []
    for action in actions:
        pipe, end = os.pipe()
        with warnings.catch_warnings():
            # Of a parent with threads: the child only runs what is single-threaded, and ends.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os.close(opener)
            _run(action, gate, end)
        os.close(end)
        pipes.append(pipe)
        children.append(child)
    os.close(gate)
    # The end of the file is what all of them wait for.
    os.close(opener)
    outcomes: list[object] = []
    for pipe, child in zip(pipes, children, strict=True):
        with open(pipe, "rb") as stream:
            data = stream.read()
        _, status = os.waitpid(child, 0)
        outcomes.append(pickle.loads(data) if data else os.WTERMSIG(status))
    return outcomes


def _run(action: Callable[[], object], gate: int, end: int) -> None:
    code = 1
    try:
        os.read(gate, 1)
        try:
            outcome = action()
        except Exception as error:  # noqa: BLE001 - handed to the parent
            outcome = error
        with open(end, "wb") as stream:
            stream.write(pickle.dumps(outcome))
        code = 0
    finally:
        os._exit(code)
