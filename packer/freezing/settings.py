"""How a program is frozen, as its repository keeps it: the section ``[freeze]`` of a TOML file.

::

    [freeze]
    name = "agent-runner"          # of the program
    entry-script = "main.py"
    selfcheck = ["--selfcheck"]    # arguments that make it check itself and end with exit code 0
    hidden-imports = ["a.b"]       # modules that are imported by a name made at run time
    excludes = ["a.c"]             # modules, and all below them, that the program cannot reach
    copy-metadata = ["a"]          # distributions that are asked for their version at run time
    hooks = ["hooks"]              # directories of further PyInstaller hooks
    strip = true                   # symbols of libraries; default: on Linux only
    onefile = false
    compress = false               # what one file unpacks at each start; default: where it is one

    [freeze.data]                  # files or directories, and their directory in the tree
    "prompts" = "prompts"

    [freeze.choose]                # import name -> the distribution that is to provide it
    multipart = "multipart"

Paths are relative to the file's own directory.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from container.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# On macOS a stripped library must be signed again, so there somebody has to ask for it.
STRIP_BY_DEFAULT = sys.platform == "linux"

_KEYS: dict[str, type] = {
    "name": str,
    "entry-script": str,
    "selfcheck": list,
    "hidden-imports": list,
    "excludes": list,
    "copy-metadata": list,
    "hooks": list,
    "strip": bool,
    "onefile": bool,
    "compress": bool,
    "data": dict,
    "choose": dict,
}
_REQUIRED = ("name", "entry-script", "selfcheck")


@dataclass(frozen=True)
class FreezeSettings:
    """What the section says; all paths as the operating system understands them.

    Attributes:
        origin: the TOML file, for messages.
        data: source -> directory in the tree.
        choose: import name -> distribution.
    """

    origin: Path
    name: str
    entry_script: Path
    selfcheck: tuple[str, ...]
    hidden_imports: tuple[str, ...]
    excludes: tuple[str, ...]
    copy_metadata: tuple[str, ...]
    hooks: tuple[Path, ...]
    strip: bool
    onefile: bool
    compress: bool
    data: Mapping[Path, str]
    choose: Mapping[str, str]

    def is_excluded(self, module: str) -> bool:
        """Whether the module, or a package above it, is among the excludes."""
        return any(module == name or module.startswith(f"{name}.") for name in self.excludes)


def read_settings(path: Path) -> FreezeSettings:
    """Read the section.

    Raises:
        PackError: it is not TOML, has an unknown key, lacks one, or names a path that is not there.
        OSError: the file cannot be read.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError("not a TOML file", str(path), found=str(error)) from None
    table = document.get("freeze")
    if not isinstance(table, dict):
        remedy = f"add one, with {', '.join(_REQUIRED)}"
        raise PackError("no section [freeze]", str(path), remedy=remedy)
    _check(table, f"{path}: freeze")
    name = table["name"]
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise PackError("not the name of a file", f"{path}: freeze.name", found=repr(name))
    root = path.parent
    onefile = bool(table.get("onefile", False))
    settings = FreezeSettings(
        origin=path,
        name=name,
        entry_script=root / table["entry-script"],
        selfcheck=tuple(table["selfcheck"]),
        hidden_imports=tuple(table.get("hidden-imports", ())),
        excludes=tuple(table.get("excludes", ())),
        copy_metadata=tuple(table.get("copy-metadata", ())),
        hooks=tuple(root / hook for hook in table.get("hooks", ())),
        strip=table.get("strip", STRIP_BY_DEFAULT),
        onefile=onefile,
        compress=table.get("compress", onefile),
        data={root / source: place for source, place in table.get("data", {}).items()},
        choose=table.get("choose", {}),
    )
    _check_paths(settings)
    return settings


def _check(table: dict[str, Any], where: str) -> None:
    for key, value in table.items():
        if key not in _KEYS:
            raise PackError("unknown key", f"{where}.{key}", "one of " + ", ".join(_KEYS))
        if type(value) is not _KEYS[key]:
            raise PackError(
                "wrong type", f"{where}.{key}", _KEYS[key].__name__, type(value).__name__
            )
        words = list(value.values()) if isinstance(value, dict) else value
        if isinstance(words, list) and not all(isinstance(word, str) for word in words):
            raise PackError("wrong type", f"{where}.{key}", "strings only")
    for key in _REQUIRED:
        if key not in table:
            raise PackError("a key is missing", where, key)


def _check_paths(settings: FreezeSettings) -> None:
    remedy = f"correct the path, which is relative to {settings.origin.parent}"
    where = f"{settings.origin}: freeze"
    if not settings.entry_script.is_file():
        found = str(settings.entry_script)
        raise PackError("no such file", f"{where}.entry-script", "a script", found, remedy)
    for hook in settings.hooks:
        if not hook.is_dir():
            raise PackError("no such directory", f"{where}.hooks", found=str(hook), remedy=remedy)
    for source in settings.data:
        if not source.exists():
            raise PackError("no such file", f"{where}.data", found=str(source), remedy=remedy)
