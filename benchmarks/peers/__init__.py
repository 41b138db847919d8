"""This project and what else a release could be shipped as, all with the same scenarios."""

from benchmarks.peers.archives import Copy, SquashFs, TarGzip, TarXz, TarZstd, Zip, tar_of
from benchmarks.peers.extracting import (
    GoEmbed,
    Makeself,
    Nuitka,
    OneFile,
    ScieJump,
    SevenZip,
    Wrappe,
)
from benchmarks.peers.peer import RELEASE_START, Peer, Start, tool
from benchmarks.peers.stigmer import Stigmer, compile_modules

__all__ = [
    "RELEASE_START",
    "Copy",
    "GoEmbed",
    "Makeself",
    "Nuitka",
    "OneFile",
    "Peer",
    "ScieJump",
    "SevenZip",
    "SquashFs",
    "Start",
    "Stigmer",
    "TarGzip",
    "TarXz",
    "TarZstd",
    "Wrappe",
    "Zip",
    "compile_modules",
    "others",
    "tar_of",
    "tool",
]


def others(start: Start = RELEASE_START, *, quick: bool = False) -> list[Peer]:
    """Everybody but this project.

    Args:
        start: what is started by those that must start something.
        quick: pack soon instead of small.
    """
    archives = [kind(quick=quick) for kind in (TarZstd, TarGzip, TarXz, Zip, SquashFs, Copy)]
    extracting = [
        kind(start, quick=quick)
        for kind in (SevenZip, Makeself, Wrappe, OneFile, Nuitka, GoEmbed, ScieJump)
    ]
    return [*archives, *extracting]
