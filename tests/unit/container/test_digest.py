"""The digests, against published values and a second way to compute them."""

import hashlib
import sys

import pytest

from container import digest
from container.invariants import EMPTY_XXH3_128
from tests.support.payloads import directory_entry, file_entry, symlink_entry


def test_xxh3_of_nothing_is_what_its_specification_says() -> None:
    # xxHash's own test vectors: XXH3_64bits and XXH3_128bits of no bytes, seed 0.
    assert digest.xxh3_64(b"") == 0x2D06800538D394C2
    assert digest.xxh3_128(b"").hex() == "99aa06d3014798d86001c324468d497f"
    assert digest.xxh3_128(b"") == EMPTY_XXH3_128


def test_the_identity_of_a_component_is_the_hash_of_these_bytes() -> None:
    entries = [
        directory_entry("t", 0o750),
        file_entry("t/é", b"content", 7, 0o755),
        symlink_entry("t/l", "é"),
    ]
    sha256 = hashlib.sha256(b"content").digest()
    literal = (
        b"\x02\xe8\x01"
        b"\x01\x00t"
        b"\x00\x00"
        b"\x01\xed\x01"
        b"\x04\x00t/\xc3\xa9"
        b"\x00\x00" + sha256 + b"\x03\xff\x01" + b"\x03\x00t/l" + b"\x02\x00\xc3\xa9"
    )
    assert digest.content_sha256(entries, {"t/é": sha256}) == hashlib.sha256(literal).digest()


@pytest.mark.parametrize("absent", [(), ("_sha256", "_sha2")])
def test_the_digest_of_an_index_is_sha256_whoever_computes_it(
    absent: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    data = b"index" * 1000
    assert digest.index_sha256(data) == hashlib.sha256(data).digest()
