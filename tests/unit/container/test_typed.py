import collections.abc
import typing
from typing import Any

import pytest

from container import typed


class Typed(typed.NamedTuple):
    """A point with a name."""

    x: int
    y: int = 2
    """Behind a line."""
    name: str = "origin"

    @property
    def total(self) -> int:
        """Of both."""
        return self.x + self.y

    def moved(self, by: int) -> "Typed":
        return self._replace(x=self.x + by)


class Reference(typing.NamedTuple):
    """A point with a name."""

    x: int
    y: int = 2
    name: str = "origin"


def test_it_behaves_as_that_of_typing() -> None:
    assert Typed(1) == Typed(x=1, y=2, name="origin")
    assert tuple(Typed(1)) == tuple(Reference(1)) == (1, 2, "origin")
    assert repr(Typed(1)) == repr(Reference(1)).replace("Reference", "Typed")
    assert Typed._fields == Reference._fields
    assert Typed._field_defaults == Reference._field_defaults
    assert Typed.__doc__ == Reference.__doc__
    assert (Typed.__module__, Typed.__qualname__) == (__name__, "Typed")
    assert hash(Typed(1)) == hash(Reference(1))
    assert isinstance(Typed(1), collections.abc.Sequence)


def test_methods_and_properties_stay() -> None:
    assert Typed(1).total == 3
    assert Typed(1).moved(5) == (6, 2, "origin")
    assert Typed(1)._asdict() == {"x": 1, "y": 2, "name": "origin"}


@pytest.mark.parametrize("wrong", [(), (1, 2, "name", 4)])
def test_fields_are_counted(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Typed(*wrong)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Typed(1).x = 2  # type: ignore[misc]


def test_one_without_fields() -> None:
    class Empty(typed.NamedTuple):
        """Nothing."""

    assert Empty() == ()
    assert repr(Empty()) == "Empty()"


def test_a_protocol_asks_nothing_of_its_subclasses() -> None:
    class Named(typed.Protocol):
        @property
        def name(self) -> str: ...

    class Given:
        name = "given"

    given: Named = Given()
    assert given.name == "given"
