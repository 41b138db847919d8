"""Every rule of names, and that the fast check agrees with the slow one."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container import names
from container.errors import UnsafePathError

LEGAL = [
    "a",
    "a/b/c",
    ".hidden/.file",
    "a b/c",
    "a..b",
    "..a",
    "...a",
    "é/ü",
    "\U0001f600",
    "console",
    "com",
    "com10",
    "lpt",
    "nulls.txt",
    "x" * 255,
    "é" * 127,
    "/".join(["x" * 255] * 4),
]
ILLEGAL = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "./a",
    "a/.",
    "../a",
    "a/../b",
    "a/..",
    "a.",
    "a /b",
    "a./b",
    " ",
    "a\\b",
    "C:a",
    "a\0b",
    "a\nb",
    "a\x1fb",
    "a\x7fb",
    *(f"a{character}b" for character in '"*:<>?|'),
    "con",
    "CON",
    "nul.txt",
    "a/Aux.tar.gz",
    "con .txt",
    "com1",
    "LPT9.log",
    "com¹",
    "conin$",
    "x" * 256,
    "é" * 128,
    "/".join(["x" * 255] * 5),
    "/".join(["é" * 127] * 5),
    "\ud800",
    "a/\udcff",
]


@pytest.mark.parametrize("path", LEGAL, ids=ascii)
def test_a_legal_path_passes_both_checks(path: str) -> None:
    names.check_path(path)
    names.check_paths(["first", path, "second"])


@pytest.mark.parametrize("path", ILLEGAL, ids=ascii)
def test_an_illegal_path_is_refused_by_both_checks(path: str) -> None:
    with pytest.raises(UnsafePathError, match="illegal path"):
        names.check_path(path)
    with pytest.raises(UnsafePathError, match="illegal path"):
        names.check_paths(["first", path, "second"])


# Alphabets of the characters that decide, so that short texts meet the rules often.
PIECES = st.sampled_from(
    [
        "a",
        "B",
        ".",
        "..",
        "/",
        " ",
        "\\",
        ":",
        "\0",
        "é",
        "con",
        "nul",
        "\ud800",
        "x" * 128,
        "ü" * 64,
    ]
)


def check_each(paths: Sequence[str]) -> None:
    for path in paths:
        names.check_path(path)


@given(st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=4))
def test_the_fast_check_agrees_with_the_slow_one(paths: list[str]) -> None:
    slow: list[str] = []
    fast: list[str] = []
    for check, refusals in ((names.check_paths, fast), (check_each, slow)):
        try:
            check(paths)
        except UnsafePathError as error:
            refusals.append(str(error))
    assert fast == slow


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("tree/link", "a"),
        ("tree/link", "a/b"),
        ("tree/d/link", ".."),
        ("tree/d/link", "../a"),
        ("tree/d/e/link", "../../a"),
        ("tree/link", "link"),
    ],
)
def test_a_link_may_stay_in_its_component(path: str, target: str) -> None:
    names.check_link(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("tree/link", ".."),
        ("tree/link", "../tree/a"),
        ("tree/d/link", "../.."),
        ("tree/d/link", "../../a"),
        ("tree/link", "a/../b"),
        ("tree/link", "a/.."),
        ("tree/link", "/etc/passwd"),
        ("tree/link", "//a"),
        ("tree/link", ""),
        ("tree/link", "."),
        ("tree/link", "./a"),
        ("tree/link", "a/"),
        ("tree/d/link", "../"),
        ("tree/link", "a\0b"),
        ("tree/link", "a\\..\\b"),
        ("tree/link", "C:a"),
        ("tree/link", "nul"),
        ("tree/link", "\udcff"),
        ("tree/d/link", "../" + "/".join(["x" * 255] * 4)),
        ("link", "a"),
    ],
    ids=ascii,
)
def test_a_link_that_could_leave_is_refused(path: str, target: str) -> None:
    with pytest.raises(UnsafePathError):
        names.check_link(path, target)


SAME = [("a", "A"), ("é", "e\u0301"), ("É", "e\u0301"), ("ß", "SS"), ("ﬁ", "fi"), ("Σ", "ς")]


@pytest.mark.parametrize("pair", SAME, ids=ascii)
def test_two_names_of_one_file_collide(pair: tuple[str, str]) -> None:
    for one, other in itertools.permutations(pair):
        with pytest.raises(UnsafePathError, match="collides"):
            names.check_collisions([f"d/{one}", "d/between", f"d/{other}"])


def test_different_names_do_not_collide() -> None:
    names.check_collisions(["a", "b", "a/a", "é", "e", "d/a"])


@pytest.mark.parametrize("label", ["a", "v1.4.0-rc.1+build_7", "0", "A" * 128])
def test_a_legal_label_passes(label: str) -> None:
    names.check_label(label, "version")


@pytest.mark.parametrize("label", ["", ".a", "-a", "a b", "a/b", "é", "a\n", "A" * 129, "٣"])
def test_an_illegal_label_is_refused_by_name(label: str) -> None:
    with pytest.raises(UnsafePathError, match="not a legal version"):
        names.check_label(label, "version")
