"""The names of ``typing`` that are needed while a program runs, without its import.

For a type checker they are those of ``typing``. That module and ``re``, which it imports, take 6 ms
of a first start, and its named tuples compile the annotation of each field, which nobody reads.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
else:
    from collections import namedtuple

    _OF_THE_MAKER = {"__module__", "__qualname__"}

    class _Maker(type):
        """Makes of a class with annotated fields the named tuple of these fields."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = namespace.get("__annotations__", {})
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            made = namedtuple(  # noqa: PYI024 - what is to be used instead is made here
                name, fields, defaults=defaults, module=namespace["__module__"]
            )
            for key, value in namespace.items():
                if key not in _OF_THE_MAKER:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """As that of ``typing``: fields are what a subclass annotates."""

    class Protocol:
        """As that of ``typing``, for a checker alone: no class is looked at while running."""
