"""The plain words of ``install`` and ``unpack``, read without click.

Programs start these two most often, and click costs such a start more than the reading. Only what
has one meaning is understood: long options by their whole names, each of them once, with values
that need no judgement. Of everything else the answer is None, and click reads the same words: help,
usage errors, and what nobody has thought of here.

Imports nothing: a warm start pays for it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

STYLES = ("auto", "bar", "lines", "json", "none")
"""Of ``--progress``."""

VALUES = {
    "install": {"--home": "home", "--jobs": "jobs", "--progress": "style"},
    "unpack": {"--to": "target", "--jobs": "jobs", "--progress": "style"},
}
"""Options that take a value, and the parameters they set, as the click commands name them."""

FLAGS = {
    "install": {"--force": "force", "--no-wait": "no_wait", "--json": "as_json"},
    "unpack": {"--json": "as_json"},
}
"""Options that take none."""

# int() takes signs, spaces, underscores and the digits of all scripts: click may judge those.
_DIGITS = frozenset("0123456789")
_MAX_DIGITS = 9


def read(words: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    """The command that the words name, and its parameters.

    Args:
        words: of the command line, without the program's own name.
    Returns:
        What click would call the command with. None where click has to decide.
    """
    name = words[0] if words else ""
    if name not in VALUES:
        return None
    options = _options(name, iter(words[1:]))
    if options is None:
        return None
    parameters, others = options
    if not others:
        return None
    parameters["file"], *components = others
    if name == "unpack":
        parameters["components"] = tuple(components)
        understood = parameters["target"] is not None
    else:
        understood = not components
    return (name, parameters) if understood and _convert(parameters) else None


def _options(name: str, words: Iterator[str]) -> tuple[dict[str, Any], list[str]] | None:
    """Parameters by name, and the words that are no options; None where one is not plain."""
    values, flags = VALUES[name], FLAGS[name]
    parameters: dict[str, Any] = dict.fromkeys(values.values())
    parameters |= dict.fromkeys(flags.values(), False)
    seen: set[str] = set()
    others: list[str] = []
    for word in words:
        if not word.startswith("-"):
            if not word:
                return None
            others.append(word)
            continue
        option, equals, value = word.partition("=")
        if option in seen:
            return None
        seen.add(option)
        if option in values:
            value = value if equals else next(words, "")
            if not value or value.startswith("-"):
                return None
            parameters[values[option]] = value
        elif option in flags and not equals:
            parameters[flags[option]] = True
        else:
            return None
    return parameters, others


def _convert(parameters: dict[str, Any]) -> bool:
    """Put what values mean in their place; False where click has to judge one."""
    jobs, style = parameters["jobs"], parameters["style"]
    if jobs is not None:
        if len(jobs) > _MAX_DIGITS or not _DIGITS.issuperset(jobs) or not int(jobs):
            return False
        parameters["jobs"] = int(jobs)
    return style is None or style in STYLES
