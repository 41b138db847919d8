"""From settings and an environment to a frozen program that has passed its own check."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from container.errors import MissingImportError, TargetExistsError
from packer.freezing import build, conflicts, environment, missing, proof, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packer.freezing.environment import Environment
    from packer.freezing.settings import FreezeSettings


class Frozen(NamedTuple):
    """What was made, for people and machines."""

    output: str
    files: int
    plain_bytes: int
    sha256: str
    """Over paths, permissions, links and contents; the same inputs give the same."""
    python_version: str
    pyinstaller_version: str
    chosen: dict[str, str]
    """Import name -> distribution, where Python would have taken another one."""
    unresolved_imports: int
    """Modules that libraries try to import and that do not exist; most are for other systems."""
    names_build_paths: list[str]
    """Files that differ when they are built in another directory."""


def freeze(
    settings: FreezeSettings,
    output: Path,
    directory: Path | None = None,
    *,
    say: Callable[[str], object] = lambda _: None,
) -> Frozen:
    """Freeze a program; the output appears complete and proven, or not at all.

    Args:
        settings: what to freeze, and how.
        output: the tree's directory, or the file if ``settings.onefile``. Must not exist.
        directory: of the virtual environment; None is the one that this process runs in.
        say: is told each stage.
    Raises:
        ImportConflictError: two distributions provide one import name.
        MissingImportError: a module is missing.
        SelfCheckError: the frozen program does not pass.
        FreezeError: the environment or PyInstaller fails.
        TargetExistsError: the output exists.
        OSError: the output's directory cannot be written to.
    """
    if output.exists() or output.is_symlink():
        remedy = "remove it, or give another --output"
        raise TargetExistsError("there is something already", str(output), remedy=remedy)
    found = environment.examine(directory)
    say(f"checking  {found.python}: Python {found.python_version}")
    files = list(environment.installed_files(found))
    chosen = conflicts.settle(conflicts.find(files), settings)
    # Beside the output, so that it appears by a rename.
    root = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.absolute().parent))
    try:
        scratch, moved, elsewhere = root / "build", root / "moved", root / "elsewhere"
        for made in (scratch, moved, elsewhere):
            made.mkdir()
        say(f"freezing  {settings.name} with PyInstaller {found.pyinstaller_version}")
        hooks = conflicts.write_hooks(chosen, files, scratch)
        built = build.build(settings, found, hooks, scratch)
        _refuse_missing(built.missing, settings, found)
        program = built.program.rename(moved / settings.name)
        tree.normalise(program)
        build_paths = tree.naming(program, _build_paths(root, found, settings))
        # What the build has left behind cannot help the program any more.
        shutil.rmtree(scratch)
        say(f"checking  {settings.name} {' '.join(settings.selfcheck)}")
        executable = program if settings.onefile else program / settings.name
        proof.prove(executable, settings, found, built.missing, elsewhere)
        facts = tree.facts_of(program)
        program.rename(output)
    finally:
        shutil.rmtree(root)
    return Frozen(
        output=str(output),
        files=facts.files,
        plain_bytes=facts.plain_bytes,
        sha256=facts.sha256,
        python_version=found.python_version,
        pyinstaller_version=found.pyinstaller_version,
        chosen={str(conflicts.module_of(file.path)): file.distribution for file in chosen},
        unresolved_imports=len(built.missing),
        names_build_paths=build_paths,
    )


def _refuse_missing(
    found: list[missing.Missing], settings: FreezeSettings, environment: Environment
) -> None:
    """Say what the program's own modules lack before it is started.

    Raises:
        MissingImportError: there is such a module.
    """
    one = missing.certain(found, _own_modules(settings))
    if one is None:
        return
    raise MissingImportError(
        f"no module {one.module}",
        ", ".join(importer.module for importer in one.importers),
        remedy=f"install what provides it: the environment of {environment.python} lacks it",
    )


def _own_modules(settings: FreezeSettings) -> Iterator[str]:
    """The entry script, modules beside it, and those of packages beside it."""
    root = settings.entry_script.parent
    yield os.path.abspath(settings.entry_script)
    for path in root.glob("*.py"):
        yield path.stem
    for start in root.glob("*/__init__.py"):
        for path in start.parent.rglob("*.py"):
            name = conflicts.module_of(PurePosixPath(path.relative_to(root)))
            if name is not None:
                yield name


def _build_paths(root: Path, found: Environment, settings: FreezeSettings) -> list[Path]:
    # The base installation is named by Python's own settings, wherever a program is built.
    return [root, found.python.parent.parent, Path(os.path.abspath(settings.entry_script.parent))]
