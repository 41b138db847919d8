"""What every error of the tree has in common."""

import pickle
from collections.abc import Iterator

import pytest

from container import errors
from container.errors import ContainerError


def tree(root: type[ContainerError]) -> Iterator[type[ContainerError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


CLASSES = list(tree(ContainerError))


def test_every_class_has_an_exit_code_of_its_own() -> None:
    codes = [error.exit_code for error in CLASSES]
    taken = [*codes, errors.OS_ERROR_EXIT_CODE, errors.INTERRUPTED_EXIT_CODE]
    assert len(set(taken)) == len(taken)
    # 0 is success, 2 is click's for wrong usage, and from 126 on the shell has its own.
    assert all(code not in {0, 2} and code < 126 for code in codes)


def test_the_drawing_shows_every_class_with_its_code() -> None:
    drawn = [line.lstrip("│├└─ ").split() for line in (errors.__doc__ or "").splitlines()]
    for error in CLASSES:
        assert [error.__name__, str(error.exit_code)] in [words[:2] for words in drawn]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling_and_keeps_its_class_when_a_place_is_added(
    kind: type[ContainerError],
) -> None:
    error = kind("what", "where", "this", "that", "do it again")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.remedy) == (kind, str(error), "do it again")
    told = error.at("file")
    assert type(told) is kind
    assert str(told) == "file: where: what (expected this, found that); do it again"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("what",), "what"),
        (("what", "where"), "where: what"),
        (("what", None, "this"), "what (expected this)"),
        (("what", None, None, "that"), "what (found that)"),
        (("what", None, None, None, "do"), "what; do"),
    ],
)
def test_the_text_leaves_out_what_is_not_known(fields: tuple[str, ...], text: str) -> None:
    assert str(ContainerError(*fields)) == text
