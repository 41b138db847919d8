"""Each in a process of its own: a module is loaded once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
TAIL = """
import json
loaded = sorted({"zstandard", "zstandard.backend_c", "typing", "platform"} & before)
import zstandard
data = zstandard.ZstdCompressor().compress(b"some bytes")
print(json.dumps({
    "name": module.__name__,
    "loaded": loaded,
    "same": module.ZstdDecompressor is zstandard.ZstdDecompressor,
    "plain": module.ZstdDecompressor().decompress(data).decode(),
}))
"""


def answer(program: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nbefore = set(sys.modules){TAIL}"],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(done.stdout)


def test_the_extension_alone_is_loaded_and_shared_with_the_package() -> None:
    assert answer("from container.zstd import load; module = load()") == {
        "name": "zstandard.backend_c",
        "loaded": ["zstandard.backend_c"],
        "same": True,
        "plain": "some bytes",
    }


def test_a_second_call_gives_the_same() -> None:
    found = answer("from container.zstd import load; module = load(); assert load() is module")
    assert found["loaded"] == ["zstandard.backend_c"]


def test_a_package_that_is_loaded_is_taken() -> None:
    found = answer("import zstandard\nfrom container.zstd import load; module = load()")
    assert found["name"] == "zstandard"
    assert found["same"]


def test_a_package_without_an_extension_is_imported() -> None:
    hide = """
class Hide:
    asked = []
    def find_spec(self, name, path=None, target=None):
        if name != "zstandard.backend_c":
            return None
        self.asked.append(name)
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, None) if len(self.asked) == 1 else None
sys.meta_path.insert(0, Hide())
from container.zstd import load; module = load()
assert len(Hide.asked) == 2
"""
    found = answer(hide)
    assert found["name"] == "zstandard"
    assert "typing" in found["loaded"]


def test_no_zstandard_at_all_is_an_import_error() -> None:
    hide = """
from container import zstd
from importlib.machinery import BuiltinImporter
rest, sys.meta_path[:] = sys.meta_path[:], [BuiltinImporter]
try:
    zstd.load()
except ImportError as error:
    assert error.name == "zstandard", error
else:
    raise AssertionError
sys.meta_path[:] = rest
module = zstd.load()
"""
    assert answer(hide)["name"] == "zstandard.backend_c"
