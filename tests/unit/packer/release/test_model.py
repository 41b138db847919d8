"""Tags, versions, and records as JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, get_args

import pytest

from container.errors import ArtefactError, ReleaseError
from packer.release import checksums, model
from packer.release.model import File, Product

if TYPE_CHECKING:
    from pathlib import Path

FILE = File("name", 3, "ab" * 32)


@pytest.mark.parametrize("product", get_args(Product))
@pytest.mark.parametrize("version", ["0.1.0", "1.2.3", "10.20.30-rc.1"])
def test_a_tag_tells_product_and_version(product: Product, version: str) -> None:
    assert model.parse_tag(model.tag_of(product, version)) == (product, version)
    assert model.check_version(version) == version


@pytest.mark.parametrize(
    "tag",
    ["", "v", "1.2.3", "v1.2", "v1.2.3.4", "v1.2.3-", "v1.2.3-rc..1", "v1.2.3\n", "V1.2.3",
     "agent-runner-1.2.3", "agent-runnerv1.2.3", "workflow-runner-v1.2.3", "v1.2.3+build"],
)  # fmt: skip
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(ReleaseError, match="not the tag of a release"):
        model.parse_tag(tag)


@pytest.mark.parametrize(
    "version", ["", "1.2", "1.2.3.4", "1.2.3-", "1.2.3-rc..1", "1.2.3\n", "v1.2.3", "1.2.3+build"]
)
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ReleaseError, match="not a version to release"):
        model.check_version(version)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text(model.encode(FILE))
    assert model.read(path, File) == FILE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "a", "file_bytes": 1}', "sha256"),
        ('{"name": "a", "file_bytes": "1", "sha256": ""}', r"\$\.file_bytes"),
        ('{"name": "a", "file_bytes": 1, "sha256": "", "more": 1}', "more"),
        ("[]", "object"),
        ("{", "truncated"),
        ("", "truncated"),
    ],
)
def test_what_is_no_record_is_told_with_its_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "record"
    path.write_text(text)
    with pytest.raises(ArtefactError, match=said):
        model.read(path, File)


def test_checksums_are_what_sha256sum_writes(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "a").write_bytes(b"one")
    digests = {
        name: hashlib.sha256(data).hexdigest() for name, data in (("a", b"one"), ("b", b"two"))
    }
    files = [File(name, 3, digests[name]) for name in "ba"]
    text = checksums.lines(files)
    assert text == f"{digests['a']}  a\n{digests['b']}  b\n"
    (tmp_path / "SUMS").write_text(text)
    assert checksums.check(tmp_path / "SUMS") == {file.name: file for file in files}


@pytest.mark.parametrize(
    "line", ["", "ab  a", f"{'a' * 64} a", f"{'a' * 64}  ../a", f"{'A' * 64}  a"]
)
def test_lines_that_are_no_checksums_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "SUMS").write_text(f"{line}\n")
    with pytest.raises(ArtefactError, match="line 1: not a line of checksums"):
        checksums.check(tmp_path / "SUMS")
