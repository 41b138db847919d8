"""One tree of errors, one table of exit codes."""

import copy
import pickle
import re

import pytest

from container import errors
from container.errors import ContainerError

FIELDS = ("differs", "a/b", "1", "2", "fetch it again")
TEXT = "a/b: differs (expected 1, found 2); fetch it again"


def all_errors() -> list[type[ContainerError]]:
    """Every class of the module, each after its parent."""
    found = [ContainerError]
    for error in found:
        found += (child for child in error.__subclasses__() if child.__module__ == errors.__name__)
    return found


def drawn() -> dict[str, tuple[str | None, int]]:
    """Parent and exit code of each class, as the docstring draws them."""
    found: dict[str, tuple[str | None, int]] = {}
    ancestors: list[str] = []
    for line in str(errors.__doc__).splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+Error) +(\d+)", line)
        if match is not None:
            depth = len(match.group(1)) // 4
            del ancestors[depth:]
            found[match.group(2)] = ancestors[-1] if ancestors else None, int(match.group(3))
            ancestors.append(match.group(2))
    return found


def test_the_docstring_draws_every_class() -> None:
    assert drawn() == {
        error.__name__: (
            None if error is ContainerError else error.__mro__[1].__name__,
            error.exit_code,
        )
        for error in all_errors()
    }


def test_every_class_of_the_module_is_in_the_tree() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type)}
    assert classes == set(all_errors())


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = [error.exit_code for error in all_errors()]
    assert all("exit_code" in vars(error) for error in all_errors())
    # 2 is click's for wrong usage; the module's own two are for what is no ContainerError.
    codes += [0, 2, errors.OS_ERROR_EXIT_CODE, errors.INTERRUPTED_EXIT_CODE]
    assert len(set(codes)) == len(codes)
    assert all(0 <= code < 256 for code in codes)


@pytest.mark.parametrize("error", all_errors())
def test_errors_survive_pickling(error: type[ContainerError]) -> None:
    made = error(*FIELDS)
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made)):
        assert type(again) is error
        assert str(again) == str(made) == TEXT
        # Exception gives these to whoever makes the error again in another process.
        assert again.args == FIELDS
        assert (again.what, again.where, again.expected, again.found, again.remedy) == FIELDS


@pytest.mark.parametrize("error", all_errors())
def test_at_composes(error: type[ContainerError]) -> None:
    made = error(*FIELDS)
    outer = made.at("frame 3").at("file")
    assert type(outer) is error
    assert str(outer) == f"file: frame 3: {TEXT}"
    # The original is not changed: it may be raised elsewhere.
    assert str(made) == TEXT
    assert str(error("differs").at("file")) == "file: differs"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("what",), "what"),
        (("what", "where"), "where: what"),
        (("what", None, "1"), "what (expected 1)"),
        (("what", None, None, "2"), "what (found 2)"),
        (("what", None, "1", "2"), "what (expected 1, found 2)"),
        (("what", None, None, None, "do this"), "what; do this"),
        # An empty value was found too, and is told.
        (("what", None, "", ""), "what (expected , found )"),
    ],
)
def test_texts_leave_out_what_is_not_known(fields: tuple[str | None, ...], text: str) -> None:
    what, *rest = fields
    assert what is not None
    assert str(ContainerError(what, *rest)) == text
