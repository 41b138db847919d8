"""The decoder of ``zstandard``, without what its package imports besides.

Its ``__init__`` imports ``typing``, ``platform`` and ``re``, 9 ms of a first start, to choose one
of two implementations. On CPython that is its extension module, and reading needs nothing else.
"""

from __future__ import annotations

import sys

from container.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PACKAGE = "zstandard"
_EXTENSION = "zstandard.backend_c"


def load() -> ModuleType:
    """The extension module, or the whole package where that is loaded already, or has no such one.

    Raises:
        ImportError: neither can be loaded.
    """
    if _PACKAGE not in sys.modules:
        extension = sys.modules.get(_EXTENSION) or _load_extension()
        if extension is not None:
            return extension
    import zstandard

    return zstandard


def _load_extension() -> ModuleType | None:
    package = _find(_PACKAGE, None)
    places = package.submodule_search_locations if package else None
    found = _find(_EXTENSION, places) if places else None
    if found is None or found.loader is None:
        return None
    extension = found.loader.create_module(found)
    if extension is None:
        return None
    # Under its own name, so that the package takes this one where it is imported later.
    sys.modules[_EXTENSION] = extension
    found.loader.exec_module(extension)
    return extension


def _find(name: str, places: Sequence[str] | None) -> ModuleSpec | None:
    """As an import would, without the import of ``importlib``, and of no package on the way."""
    for finder in sys.meta_path:
        found = finder.find_spec(name, places)
        if found is not None:
            return found
    return None
