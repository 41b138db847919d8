"""Words read without click: whatever is understood, click understands in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from extractor import cli, words

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING_SET: dict[str, dict[str, Any]] = {
    "install": {
        "home": None,
        "force": False,
        "no_wait": False,
        "jobs": None,
        "style": None,
        "as_json": False,
    },
    "unpack": {"components": (), "target": "t", "jobs": None, "style": None, "as_json": False},
}


def by_click(given_words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command that click calls, and what it calls it with.

    Raises:
        click.ClickException: it calls none.
    """
    called: list[tuple[str, dict[str, Any]]] = []
    with mock.patch.multiple(
        "extractor.commands",
        install=lambda **parameters: called.append(("install", parameters)),
        unpack=lambda **parameters: called.append(("unpack", parameters)),
    ):
        cli.cli.main(list(given_words), standalone_mode=False)
    (call,) = called
    return call


PLAIN: list[tuple[list[str], dict[str, Any]]] = [
    (["install", "f"], {}),
    (["install", "--force", "f", "--no-wait", "--json"], dict.fromkeys(
        ("force", "no_wait", "as_json"), True)),
    (["install", "f", "--home", "h", "--jobs", "2"], {"home": "h", "jobs": 2}),
    (["install", "--home=a=b", "--jobs=007", "f"], {"home": "a=b", "jobs": 7}),
    (["install", "--progress", "bar", "f"], {"style": "bar"}),
    (["unpack", "f", "--to", "t"], {}),
    (["unpack", "--to=t", "f", "one", "--json", "two"],
     {"components": ("one", "two"), "as_json": True}),
    (["unpack", "f", "--to", "t", "--jobs", "999999999", "--progress=none"],
     {"jobs": 999999999, "style": "none"}),
    (["unpack", "f", "--to", "a \u00e9\udcff"], {"target": "a \u00e9\udcff"}),
]  # fmt: skip


@pytest.mark.parametrize(("plain", "set_to"), PLAIN, ids=[" ".join(row[0]) for row in PLAIN])
def test_plain_words_are_understood_as_click_does(plain: list[str], set_to: dict[str, Any]) -> None:
    name = plain[0]
    assert words.read(plain) == (name, {"file": "f"} | NOTHING_SET[name] | set_to)
    assert words.read(plain) == by_click(plain)


NOT_PLAIN = [
    [],
    [""],
    ["list", "f"],
    ["status"],
    ["inst", "f"],
    ["--help"],
    ["install"],
    ["install", "-h"],
    ["install", "f", "--help"],
    ["install", "f", "g"],
    ["install", ""],
    ["install", "-"],
    ["install", "--", "f"],
    ["install", "f", "--home"],
    ["install", "f", "--home", ""],
    ["install", "f", "--home="],
    ["install", "f", "--home", "-h"],
    ["install", "f", "--home=-h"],
    ["install", "f", "--home", "--json"],
    ["install", "f", "--hom", "h"],
    ["install", "f", "--home", "h", "--home", "h"],
    ["install", "f", "--force", "--force"],
    ["install", "f", "--force=yes"],
    ["install", "f", "--to", "t"],
    ["install", "f", "--jobs", "0"],
    ["install", "f", "--jobs", "-1"],
    ["install", "f", "--jobs", "+1"],
    ["install", "f", "--jobs", " 1"],
    ["install", "f", "--jobs", "1_0"],
    ["install", "f", "--jobs", "1.0"],
    ["install", "f", "--jobs", "\u0663"],
    ["install", "f", "--jobs", "\u00b2"],
    ["install", "f", "--jobs", "1" * 5000],
    ["install", "f", "--progress", "loud"],
    ["install", "f", "--progress", "BAR"],
    ["unpack", "f"],
    ["unpack", "--to", "t"],
    ["unpack", "f", "--to", "t", "--force"],
    ["unpack", "f", "", "--to", "t"],
    ["unpack", "f", "--to", "t", "-j2"],
]


@pytest.mark.parametrize("others", NOT_PLAIN, ids=[" ".join(row)[:40] for row in NOT_PLAIN])
def test_all_other_words_are_left_to_click(others: list[str]) -> None:
    assert words.read(others) is None


OPTIONS = sorted({*words.VALUES["install"], *words.VALUES["unpack"], "--json", "--force", "--all"})
ODD = ["0", "-1", "\u0663", " 1", "+1", "loud", "", "-", "--", "-h", "=", "--help", "@f"]
WORD = st.one_of(
    st.sampled_from([*OPTIONS, *ODD]),
    st.builds("{}={}".format, st.sampled_from(OPTIONS), st.sampled_from(ODD)),
    st.text(max_size=4),
)
PLAIN_VALUES = {
    "jobs": st.integers(1, 10**9).map(str),
    "style": st.sampled_from(words.STYLES),
    "home": st.text(min_size=1),
    "target": st.text(min_size=1),
}


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """Words of a command, most of them as they should be, in any order."""
    name = draw(st.sampled_from(["install", "unpack"]))
    parts = [["f"]] + [["g"]] * draw(st.integers(0, 2) if name == "unpack" else st.just(0))
    parts += [[flag] for flag in words.FLAGS[name] if draw(st.booleans())]
    for option, parameter in words.VALUES[name].items():
        if option == "--to" or draw(st.booleans()):
            value = draw(PLAIN_VALUES[parameter])
            parts.append(draw(st.sampled_from([[option, value], [f"{option}={value}"]])))
    line = [name, *(word for part in draw(st.permutations(parts)) for word in part)]
    if draw(st.booleans()):
        place = draw(st.integers(0, len(line)))
        line[place : place + draw(st.integers(0, 1))] = [draw(WORD)]
    return line


@given(line=lines())
@example(line=["unpack", "f", "--to", "t", "--jobs", "2"])
def test_whatever_is_understood_click_understands_in_the_same_way(line: list[str]) -> None:
    understood = words.read(line)
    if understood is not None:
        assert by_click(line) == understood


@pytest.mark.parametrize("name", ["install", "unpack"])
def test_the_options_are_those_that_click_declares(name: str) -> None:
    """A new option, argument or style of a command has to be thought of here as well."""
    declared = cli.cli.commands[name].params
    options = [parameter for parameter in declared if isinstance(parameter, click.Option)]
    flags = {option.opts[0]: option.name for option in options if option.is_flag}
    values = {option.opts[0]: option.name for option in options if not option.is_flag}
    assert words.FLAGS[name] == flags
    assert words.VALUES[name] == values
    assert all(len(option.opts) == 1 and not option.secondary_opts for option in options)
    # What click would take from elsewhere, or ask for, would be missed here.
    assert not any(option.envvar or option.prompt or option.multiple for option in options)
    assert cli.cli.context_settings.get("auto_envvar_prefix") is None
    arguments = [row.name for row in declared if isinstance(row, click.Argument)]
    assert arguments == ["file", "components"][: len(arguments)]
    (choice,) = (option.type for option in options if isinstance(option.type, click.Choice))
    assert tuple(choice.choices) == words.STYLES
    assert words.VALUES.keys() == words.FLAGS.keys() == {"install", "unpack"}
