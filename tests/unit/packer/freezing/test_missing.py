"""PyInstaller's warnings, and which of them are certain."""

from __future__ import annotations

from packer.freezing.missing import Importer, Missing, certain, importers_of, read_warnings

TEXT = """
This file lists modules PyInstaller was not able to find. ...
* optional: imported within a try-except-statement

excluded module named setuptools - imported by pkg (top-level)
missing module named 'collections.abc' - imported by traceback (top-level), /a b/main.py (top-level)
missing module named winreg - imported by mimetypes (optional), 'pkg.win' (delayed, conditional)
missing module named absent - imported by pkg.own (delayed)
"""
OWN = ("/a b/main.py", "pkg.own", "pkg.other")


def missing(module: str, *importers: tuple[str, str]) -> Missing:
    """One line."""
    return Missing(
        module, tuple(Importer(name, frozenset(how.split(", "))) for name, how in importers)
    )


def test_lines_are_read() -> None:
    assert read_warnings(TEXT) == [
        missing("collections.abc", ("traceback", "top-level"), ("/a b/main.py", "top-level")),
        missing("winreg", ("mimetypes", "optional"), ("pkg.win", "delayed, conditional")),
        missing("absent", ("pkg.own", "delayed")),
    ]
    assert importers_of(read_warnings(TEXT), "winreg") == ("mimetypes", "pkg.win")


def test_what_the_program_itself_imports_is_certain() -> None:
    assert certain(read_warnings(TEXT), OWN) == missing("absent", ("pkg.own", "delayed"))


def test_what_may_be_meant_so_is_not() -> None:
    harmless = [
        missing("of_a_library", ("lib", "top-level")),
        missing("tried", ("pkg.own", "optional"), ("pkg.other", "delayed, optional")),
        missing("conditional", ("pkg.own", "conditional")),
        # The package is there, so this may be an attribute that it makes at run time.
        missing("known.attribute", ("pkg.own", "top-level")),
    ]
    assert certain(harmless, OWN) is None


def test_a_part_of_a_package_that_is_missing_too_is() -> None:
    both = [
        missing("absent", ("lib", "optional")),
        missing("absent.part", ("pkg.own", "top-level"), ("lib", "optional")),
    ]
    assert certain(both, OWN) == missing("absent.part", ("pkg.own", "top-level"))
