import sys
from pathlib import Path

import pytest

from extractor.host import selfcheck


def test_it_passes_where_nothing_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    selfcheck.check()


@pytest.mark.parametrize("name", ["zstandard", "psutil", "h2.connection", "packaging.version"])
def test_a_module_that_was_left_out_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in (name, "extractor.install"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=name):
        selfcheck.check()


def test_a_library_that_does_not_work_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extractor.host.processes.alive", lambda _: False)
    with pytest.raises(RuntimeError, match="psutil does not work"):
        selfcheck.check()
