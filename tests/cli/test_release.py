"""``stigmer-pack release``: a whole release of literals, what is refused, and what is found."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from container import errors
from packer.release import checksums
from packer.release.archive import describe
from tests.support import commands
from tests.support.releases import HOSTS, PLATFORMS, Studio, done, git, release

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def refused(error: type[errors.ContainerError], text: str, *words: str | Path) -> None:
    """The command ends with this error's exit code and such a text, with what to do."""
    outcome = release(*words)
    assert outcome.status == error.exit_code, outcome
    assert re.search(text, outcome.err), outcome.err
    assert "Traceback" not in outcome.err


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def vouch_again(directory: Path) -> None:
    """Write the checksums anew, as whoever replaces files would."""
    archives = [describe(path) for path in directory.glob("*.tar.gz")]
    for file in archives:
        checksums.write_beside(directory, file)
    listed = [path for path in directory.iterdir() if path.suffix != ".rb"]
    files = [describe(path) for path in listed if path.name != "SHA256SUMS"]
    (directory / "SHA256SUMS").write_text(checksums.lines(files))


def rewrite(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file."""
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def test_a_release_holds_what_it_should_and_verifies(studio: Studio) -> None:
    dist = studio.make_release()
    stems = [f"stigmer-1.0.0-{platform}" for platform in PLATFORMS]
    suffixes = (".tar.gz", ".tar.gz.sha256", ".cdx.json", ".json")
    assert {path.name for path in dist.iterdir()} == {
        "release.json",
        "RELEASE-NOTES.md",
        "SHA256SUMS",
        "stigmer.rb",
        *(stem + suffix for stem in stems for suffix in suffixes),
    }
    manifest = json.loads(done("verify", dist, "--json"))
    assert manifest["kind"] == "embedded"
    assert manifest["commit"] == git(studio.sources, "rev-parse", "HEAD")
    assert sorted(manifest["platforms"]) == sorted(PLATFORMS)
    for part in manifest["platforms"].values():
        assert {name: row["version"] for name, row in part["components"].items()} == {
            "agent-runner": "1.0.0",
            "stigmer-server": "1.0.0",
        }
    assert "is what it says" in done("verify", dist)
    notes = (dist / "RELEASE-NOTES.md").read_text()
    assert "### Added\n- All of it." in notes
    assert "Little" not in notes
    assert f"- Begin ({git(studio.sources, 'rev-parse', '--short=10', 'HEAD')})" in notes


def test_two_releases_of_one_commit_are_the_same_bytes(studio: Studio) -> None:
    first = contents(studio.make_release())
    shutil.rmtree(studio.dist)
    studio.dist.mkdir()
    for platform in reversed(PLATFORMS):
        done(*studio.part_words(platform), "--jobs", "1")
    done(*studio.assemble_words())
    done("formula", studio.dist)
    assert contents(studio.dist) == first


def test_an_archive_tells_nothing_of_who_made_it(studio: Studio) -> None:
    license_file = studio.file("LICENSE", b"may be used", 0o600)
    done(*studio.part_words("linux-amd64"), "--license", license_file)
    path = studio.dist / "stigmer-1.0.0-linux-amd64.tar.gz"
    assert path.read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert [(member.name, member.mode) for member in members] == [
        ("LICENSE", 0o644),
        ("stigmer", 0o755),
    ]
    for member in members:
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (
            *(0, 0, "", ""),
            0,
        )


def test_a_part_tells_what_it_has_made(studio: Studio) -> None:
    outcome = release(*studio.part_words("linux-amd64"))
    assert "reading   2 components" in outcome.err
    assert re.fullmatch(
        r"stigmer-1\.0\.0-linux-amd64\.tar\.gz: .*, with agent-runner 1\.0\.0, "
        r"stigmer-server 1\.0\.0\n",
        outcome.out,
    )
    part = json.loads(done(*studio.part_words("linux-amd64"), "--json"))
    assert part["program"]["host_format"] == "ELF"


# Refusals.


def test_a_version_that_does_not_fit_a_tag_is_refused(studio: Studio) -> None:
    words = studio.part_words("linux-amd64", version="1.0")
    refused(errors.ReleaseError, r"expected 1\.2\.3", *words)
    refused(errors.ReleaseError, r"expected v1\.2\.3", "check", "1.0.0")


def test_a_missing_platform_is_refused(studio: Studio) -> None:
    studio.tag("v1.0.0")
    refused(errors.MissingPlatformError, "found none", *studio.assemble_words())
    done(*studio.part_words("linux-amd64"))
    done(*studio.part_words("darwin-arm64"))
    refused(
        errors.MissingPlatformError,
        "found darwin-arm64, linux-amd64.*make the part of darwin-amd64",
        *studio.assemble_words(),
    )
    refused(
        *(errors.MissingPlatformError, "found darwin-arm64, linux-amd64"),
        *("try", studio.dist, "--platform", "darwin-amd64"),
    )
    done(*studio.assemble_words(), "--platform", "linux-amd64", "--platform", "darwin-arm64")


def test_a_release_without_linux_has_no_formula(studio: Studio) -> None:
    studio.tag("v1.0.0")
    done(*studio.part_words("darwin-arm64"))
    done(*studio.assemble_words(), "--platform", "darwin-arm64")
    refused(errors.MissingPlatformError, "linux: a formula needs", "formula", studio.dist)


def test_platforms_of_two_versions_are_refused(studio: Studio) -> None:
    studio.tag("v1.0.0")
    studio.make_parts()
    done(*studio.part_words("linux-amd64", version="1.0.1"))
    refused(errors.VersionMismatchError, "two versions of one platform", *studio.assemble_words())
    (studio.dist / "stigmer-1.0.0-linux-amd64.json").unlink()
    refused(
        errors.VersionMismatchError,
        r"linux-amd64: .*expected 1\.0\.0, found 1\.0\.1",
        *studio.assemble_words(),
    )


def test_components_that_differ_between_platforms_are_refused(studio: Studio) -> None:
    studio.tag("v1.0.0")
    studio.make_parts()
    tree = studio.tree("linux-amd64")
    server = studio.file("server", b"a server" * 100, 0o755)
    words = studio.part_words("linux-amd64", f"agent-runner={tree}", f"more={server}")
    done(*words)
    refused(
        errors.VersionMismatchError,
        r"linux-amd64: other components than on darwin-amd64.*more 1\.0\.0",
        *studio.assemble_words(),
    )


def test_a_tag_that_stands_is_refused(studio: Studio, tmp_path: Path) -> None:
    assert "can be released from" in done("check", "v1.0.0", "--repository", studio.sources)
    refused(
        *(errors.ReleaseError, "no such tag.*git tag"),
        *("check", "v1.0.0", "--tagged", "--repository", studio.sources),
    )
    git(tmp_path, "clone", "--quiet", "--bare", studio.sources, tmp_path / "origin")
    git(studio.sources, "remote", "add", "origin", tmp_path / "origin")
    git(tmp_path / "origin", "tag", "v1.0.0", "HEAD")
    refused(
        *(errors.TagExistsError, "remote origin: v1.0.0.*release the next version"),
        *("check", "v1.0.0", "--repository", studio.sources),
    )
    studio.tag("v1.0.0")
    refused(errors.TagExistsError, "next", "check", "v1.0.0", "--repository", studio.sources)
    done("check", "v1.0.0", "--tagged", "--repository", studio.sources)
    studio.commit("More")
    refused(
        *(errors.ReleaseError, "names another commit.*git checkout v1.0.0"),
        *("check", "v1.0.0", "--tagged", "--repository", studio.sources),
    )


def test_a_release_of_no_tag_is_refused(studio: Studio) -> None:
    studio.make_parts()
    refused(errors.ReleaseError, "no such tag", *studio.assemble_words())
    studio.tag("v1.0.0")
    studio.commit("More")
    refused(errors.ReleaseError, "names another commit", *studio.assemble_words())


def test_a_dirty_tree_is_refused(studio: Studio) -> None:
    studio.tag("v1.0.0")
    studio.make_parts()
    (studio.sources / "forgotten").touch()
    for words in (["check", "v1.0.1", "--repository", studio.sources], studio.assemble_words()):
        refused(errors.DirtyTreeError, "a clean tree, found forgotten.*git stash", *words)
    (studio.sources / "forgotten").unlink()
    studio.changelog.write_text("# Changelog\n")
    refused(errors.DirtyTreeError, "found CHANGELOG.md", *studio.assemble_words())


def test_a_changelog_that_says_nothing_is_refused(studio: Studio) -> None:
    for tag in ("v2.0.0", "agent-runner-v1.0.0"):
        label = tag.replace("-v", " ").removeprefix("v")
        refused(
            *(errors.ReleaseError, f"section `## {label}`.*Unreleased"),
            *("check", tag, "--repository", studio.sources),
        )


def test_a_host_of_another_platform_is_refused(studio: Studio) -> None:
    words: list[str | Path] = [*studio.part_words("linux-amd64"), "--platform", "darwin-arm64"]
    refused(errors.PackError, "another platform", *words)


def test_wrong_words_are_refused(studio: Studio) -> None:
    words = studio.part_words("linux-amd64")
    assert release(*words, "--output", "x").status == 2
    refused(errors.PackError, "no host", "platform", "--into", studio.dist, "--version", "1.0.0")
    refused(errors.PackError, "COMPONENT=FILE", *words, "--libraries", "agent-runner")
    refused(errors.ReleaseError, "not in the payload", *words, "--libraries", f"x={studio.lock()}")
    empty = studio.file("empty.txt", b"# nothing\n")
    refused(errors.ReleaseError, "NAME==VERSION", *words, "--libraries", f"agent-runner={empty}")
    missing = studio.part_words("linux-amd64", into=studio.root / "missing")
    refused(errors.PackError, "make it, empty", *missing)


# Two products.


def test_a_pinned_agent_runner_is_taken_and_told(studio: Studio) -> None:
    released = studio.make_agent_runner()
    assert "agent-runner 1.1.0 is what it says" in done("verify", released)
    pin = studio.make_pin(released)
    assert done("pinned", pin) == "agent-runner-v1.1.0\n"
    taken = studio.root / "taken"
    done("take", released, "--pin", pin, "--platform", "linux-amd64", "--output", taken)
    words = studio.part_words("linux-amd64", f"agent-runner={taken}")
    assert "agent-runner 1.1.0, stigmer-server 1.0.0" in done(*words, "--pin", pin)
    part = json.loads((studio.dist / "stigmer-1.0.0-linux-amd64.json").read_bytes())
    assert part["pin"]["tag"] == "agent-runner-v1.1.0"
    assert (
        part["components"]["agent-runner"]["content_sha256"]
        == (part["pin"]["content_sha256"]["linux-amd64"])
    )


def test_a_pinned_release_verifies_and_names_it_in_the_notes(studio: Studio) -> None:
    pin = studio.make_pin(studio.make_agent_runner())
    studio.tag("v1.0.0")
    for platform in PLATFORMS:
        done(*studio.part_words(platform), "--pin", pin)
    done(*studio.assemble_words())
    done("verify", studio.dist)
    notes = (studio.dist / "RELEASE-NOTES.md").read_text()
    assert "agent-runner is that of the release agent-runner-v1.1.0." in notes


def test_a_mix_by_accident_is_refused(studio: Studio) -> None:
    pin = studio.make_pin(studio.make_agent_runner())
    other = studio.tree("linux-amd64", b"two")
    platform = "linux-amd64"
    built = studio.part_words(platform, f"agent-runner={other}")
    refused(errors.PinMismatchError, "another build than the pinned", *built, "--pin", pin)
    older = studio.part_words(platform, f"agent-runner@1.0.0={studio.tree(platform)}")
    refused(errors.PinMismatchError, r"1\.1\.0, found 1\.0\.0", *older, "--pin", pin)
    newer = studio.part_words(platform, f"agent-runner@1.1.0={studio.tree(platform)}")
    refused(errors.PinMismatchError, "nothing pins it", *newer)
    assert list(studio.dist.iterdir()) == []


def test_platforms_with_different_pins_are_refused(studio: Studio) -> None:
    pin = studio.make_pin(studio.make_agent_runner())
    studio.tag("v1.0.0")
    for platform in PLATFORMS[:2]:
        done(*studio.part_words(platform), "--pin", pin)
    rewrite(pin, lambda document: document.update(commit="0" * 40))
    done(*studio.part_words(PLATFORMS[2]), "--pin", pin)
    refused(errors.PinMismatchError, "linux-amd64: another release", *studio.assemble_words())


def test_only_the_pinned_archive_is_taken(studio: Studio) -> None:
    released = studio.make_agent_runner()
    pin = studio.make_pin(released)
    words: list[str | Path] = [
        "--pin",
        pin,
        "--platform",
        "linux-amd64",
        "--output",
        studio.root / "taken",
    ]
    other = studio.make_agent_runner(b"two", "other")
    refused(errors.PinMismatchError, "not the pinned.*fetch it from", "take", other, *words)
    assert not (studio.root / "taken").exists()
    done("take", released, *words)
    refused(errors.TargetExistsError, "remove it", "take", released, *words)
    rewrite(pin, lambda document: document["archives"].pop("linux-amd64"))
    words[-1] = studio.root / "again"
    refused(errors.MissingPlatformError, "not there for this platform", "take", released, *words)


def test_only_agent_runner_is_pinned(studio: Studio) -> None:
    words: list[str | Path] = ["pin", studio.make_release(), "--output", studio.root / "pin"]
    refused(errors.PinMismatchError, "expected agent-runner, found stigmer", *words)


def test_a_tree_for_another_platform_is_refused(studio: Studio) -> None:
    words: list[str | Path] = [
        "--version",
        "1.1.0",
        "--libraries",
        studio.lock(),
        "--into",
        studio.dist,
    ]
    tree = studio.tree("linux-amd64")
    refused(
        *(errors.ArtefactError, "darwin-arm64, found linux-amd64"),
        *("agent-runner", tree, "--platform", "darwin-arm64", *words),
    )
    (tree / "agent-runner").unlink()
    refused(
        *(errors.ArtefactError, "no executable in the tree"),
        *("agent-runner", tree, "--platform", "linux-amd64", *words),
    )


# Tampering. Each change is made to a release that verifies; `vouched` writes all checksums anew.

LINUX = "stigmer-1.0.0-linux-amd64"


def flip(path: Path, offset: int = -100) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def repack(path: Path, change: Callable[[dict[str, bytes]], object], **fields: Any) -> None:
    """Write an archive with other members, each by the rules but for ``fields``."""
    with tarfile.open(path) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    change(members)
    with gzip.GzipFile(path, "wb", mtime=0) as stream, tarfile.open(None, "w", stream) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))


def change_manifest(dist: Path, change: Callable[[Any], object]) -> None:
    rewrite(dist / "release.json", change)


def change_part(dist: Path, change: Callable[[Any], object]) -> None:
    """In the manifest and in the part, so that both agree."""
    change_manifest(dist, lambda document: change(document["platforms"]["linux-amd64"]))
    rewrite(dist / f"{LINUX}.json", change)


def replace_archive(dist: Path, **fields: Any) -> None:
    """Everything that names an archive names another one with the same program."""
    repack(dist / f"{LINUX}.tar.gz", lambda members: members, **fields)
    name_archive(dist)


def name_archive(dist: Path) -> None:
    file = describe(dist / f"{LINUX}.tar.gz")
    facts = {"name": file.name, "file_bytes": file.file_bytes, "sha256": file.sha256}
    change_part(dist, lambda part: part.update(archive=facts))


def replace_bytes(dist: Path, change: Callable[[bytes], bytes]) -> None:
    """Another archive, which everything that names it names rightly."""
    path = dist / f"{LINUX}.tar.gz"
    path.write_bytes(change(path.read_bytes()))
    name_archive(dist)


def replace_members(dist: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """The same with other members."""
    repack(dist / f"{LINUX}.tar.gz", change)
    name_archive(dist)


def replace_program(dist: Path, data: Callable[[bytes], bytes]) -> None:
    replace_members(dist, lambda members: members.update(stigmer=data(members["stigmer"])))


def replace_bill(dist: Path, change: Callable[[Any], object]) -> None:
    rewrite(dist / f"{LINUX}.cdx.json", change)
    file = describe(dist / f"{LINUX}.cdx.json")
    facts = {"name": file.name, "file_bytes": file.file_bytes, "sha256": file.sha256}
    change_part(dist, lambda part: part.update(bill=facts))


def flipped(data: bytes) -> bytes:
    place = len(HOSTS["linux-amd64"]) + 4096
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


UNVOUCHED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte of an archive": (lambda d: flip(d / f"{LINUX}.tar.gz"), "SHA-256 differs"),
    "a byte of a bill": (lambda d: flip(d / f"{LINUX}.cdx.json"), "SHA-256 differs"),
    "a byte of the manifest": (lambda d: flip(d / "release.json"), "SHA-256 differs"),
    "a byte of the notes": (lambda d: flip(d / "RELEASE-NOTES.md", 0), "SHA-256 differs"),
    "a byte of a part": (lambda d: flip(d / f"{LINUX}.json"), "SHA-256 differs"),
    "a checksum file": (lambda d: flip(d / f"{LINUX}.tar.gz.sha256", 0), "SHA-256 differs"),
    "the checksums": (lambda d: flip(d / "SHA256SUMS", 3), "SHA-256 differs|not a line"),
    "no line of checksums": (
        lambda d: (d / "SHA256SUMS").write_text("nothing\n"),
        "line 1: not a line of checksums",
    ),
    "binary checksums": (lambda d: (d / "SHA256SUMS").write_bytes(b"\xff"), "not a list"),
    "no checksums": (lambda d: (d / "SHA256SUMS").unlink(), "SHA256SUMS: a file is missing"),
    "no archive": (lambda d: (d / f"{LINUX}.tar.gz").unlink(), "a file is missing"),
    "one file more": (lambda d: (d / "extra").touch(), "nobody vouches"),
    "a directory": (lambda d: (d / "extra").mkdir(), "not a file of a release"),
    "a URL of the formula": (
        lambda d: (d / "stigmer.rb").write_text(
            (d / "stigmer.rb").read_text().replace("releases.invalid", "evil.invalid")
        ),
        r"stigmer\.rb: line \d+: the formula is not that of this release",
    ),
    "a digest of the formula": (
        lambda d: (d / "stigmer.rb").write_text(
            re.sub(r'sha256 "."', 'sha256 "0', (d / "stigmer.rb").read_text()) + "# longer\n"
        ),
        "the formula is not that",
    ),
}
VOUCHED: dict[str, tuple[Callable[[Path], object], type[errors.ContainerError], str]] = {
    "an archive that is none": (
        lambda d: replace_bytes(d, lambda _: b"none"),
        *(errors.ArtefactError, "cannot be unpacked"),
    ),
    "half an archive": (
        lambda d: replace_bytes(d, lambda data: data[:900]),
        *(errors.ArtefactError, "cannot be unpacked"),
    ),
    "another archive": (
        lambda d: repack(d / f"{LINUX}.tar.gz", lambda m: m.update(stigmer=b"evil")),
        *(errors.ArtefactError, "archive is not what was found out"),
    ),
    "an owner": (
        lambda d: replace_archive(d, uid=7),
        *(errors.ArtefactError, "owner or time of stigmer"),
    ),
    "setuid": (lambda d: replace_archive(d, mode=0o4755), errors.ArtefactError, "mode 4755"),
    "a device": (
        lambda d: replace_archive(d, type=tarfile.CHRTYPE, size=0),
        *(errors.ArtefactError, "neither file"),
    ),
    "a member that leads out": (
        lambda d: replace_members(d, lambda m: m.update({"../evil": b""})),
        *(errors.ArtefactError, "cannot be unpacked.*evil"),
    ),
    "a member more": (
        lambda d: replace_members(d, lambda m: m.update(zzz=b"")),
        *(errors.ArtefactError, "zzz: a file that does not belong there"),
    ),
    "members out of order": (
        lambda d: replace_members(d, lambda m: m.update(LICENSE=b"")),
        *(errors.ArtefactError, "out of order"),
    ),
    "a byte of the payload": (
        lambda d: replace_program(d, flipped),
        *(errors.IntegrityError, f"{LINUX}.tar.gz: .*digest"),
    ),
    "no payload": (
        lambda d: replace_program(d, lambda _: HOSTS["linux-amd64"]),
        *(errors.NotAContainerError, "payload"),
    ),
    "a program for another machine around the same payload": (
        lambda d: replace_program(d, lambda data: data[:18] + b"\xb7" + data[19:]),
        *(errors.ArtefactError, "another platform than what it carries.*linux-arm64"),
    ),
    "a program of another platform": (
        lambda d: replace_program(d, lambda _: program_of(d, "darwin-arm64")),
        *(errors.ArtefactError, "is not what was found out"),
    ),
    "a version of a component": (
        lambda d: change_part(
            d, lambda part: part["components"]["stigmer-server"].update(version="1.0.1")
        ),
        *(errors.VersionMismatchError, "other components than on darwin-amd64"),
    ),
    "a digest of a component": (
        lambda d: change_part(
            d, lambda part: part["components"]["stigmer-server"].update(content_sha256="00")
        ),
        *(errors.ArtefactError, "components is not what"),
    ),
    "a size": (
        lambda d: change_part(d, lambda part: part["program"].update(file_bytes=1)),
        *(errors.ArtefactError, "program is not what"),
    ),
    "the index": (
        lambda d: change_part(d, lambda part: part["payload"].update(index_sha256="00")),
        *(errors.ArtefactError, "payload is not what"),
    ),
    "a part alone": (
        lambda d: rewrite(d / f"{LINUX}.json", lambda part: part["program"].update(file_bytes=1)),
        *(errors.ArtefactError, "part is not what"),
    ),
    "the manifest alone": (
        lambda d: change_manifest(d, lambda m: m["platforms"]["linux-amd64"].update(version="2")),
        *(errors.VersionMismatchError, "linux-amd64: a platform of another version"),
    ),
    "a platform": (
        lambda d: change_manifest(d, lambda m: m["platforms"].pop("linux-amd64")),
        *(errors.MissingPlatformError, "not complete"),
    ),
    "a platform under another name": (
        lambda d: change_manifest(
            d, lambda m: m["platforms"].update({"linux-arm64": m["platforms"]["linux-amd64"]})
        ),
        *(errors.ArtefactError, "platform is not what"),
    ),
    "the tag": (
        lambda d: change_manifest(d, lambda m: m.update(tag="v9.9.9")),
        *(errors.ArtefactError, "tag is not what"),
    ),
    "the schema": (
        lambda d: change_manifest(d, lambda m: m.update(schema=2)),
        *(errors.ArtefactError, "another schema"),
    ),
    "a field more": (
        lambda d: change_manifest(d, lambda m: m.update(more=1)),
        *(errors.ArtefactError, "cannot be understood.*more"),
    ),
    "a field of another type": (
        lambda d: change_manifest(d, lambda m: m.update(url=1)),
        *(errors.ArtefactError, r"cannot be understood.*\$\.url"),
    ),
    "no JSON": (
        lambda d: (d / "release.json").write_text("{"),
        *(errors.ArtefactError, "cannot be understood"),
    ),
    "a library of the bill": (
        lambda d: replace_bill(d, lambda b: b["components"][1].update(version="0.0.1")),
        *(errors.ArtefactError, "bill of materials is not what"),
    ),
    "a digest of the bill": (
        lambda d: replace_bill(d, lambda b: b["components"][0]["properties"][0].update(value="00")),
        *(errors.ArtefactError, "bill of materials is not what"),
    ),
    "no bill": (
        lambda d: replace_bill(d, lambda b: b.clear()),
        *(errors.ArtefactError, "not a bill of materials"),
    ),
    "a file that the manifest does not name": (
        lambda d: (d / "extra").touch(),
        *(errors.ArtefactError, "name different files"),
    ),
}


def program_of(dist: Path, platform: str) -> bytes:
    with tarfile.open(dist / f"stigmer-1.0.0-{platform}.tar.gz") as archive:
        member = archive.extractfile("stigmer")
        assert member is not None
        return member.read()


@pytest.mark.parametrize("name", UNVOUCHED)
def test_damage_is_found_by_checksums(studio: Studio, name: str) -> None:
    change, text = UNVOUCHED[name]
    dist = studio.make_release()
    change(dist)
    refused(errors.ArtefactError, text, "verify", dist)


@pytest.mark.parametrize("name", VOUCHED)
def test_tampering_is_found_behind_right_checksums(studio: Studio, name: str) -> None:
    change, error, text = VOUCHED[name]
    dist = studio.make_release()
    # The formula in the directory would tell of every other archive; a forger removes it.
    (dist / "stigmer.rb").unlink()
    change(dist)
    vouch_again(dist)
    refused(error, text, "verify", dist)


def test_the_formula_of_the_tap_tells_a_release_that_was_replaced_whole(studio: Studio) -> None:
    dist = studio.make_release()
    formula = studio.file("tap/stigmer.rb", (dist / "stigmer.rb").read_bytes())
    done("verify", dist, "--formula", formula)
    for path in dist.iterdir():
        path.unlink()
    studio.file("server", b"evil" * 100, 0o755)
    for platform in PLATFORMS:
        words = studio.part_words(platform)
        studio.file("server", b"evil" * 100, 0o755)
        done(*words)
    done(*studio.assemble_words())
    done("verify", dist)
    refused(errors.ArtefactError, "not that of this release", "verify", dist, "--formula", formula)


# Formulas and taps; a real Ruby evaluates them in tests/e2e/test_release_rehearsal.py.


def test_the_formula_goes_into_a_tap_once(studio: Studio) -> None:
    dist = studio.make_release()
    tap = studio.directory("tap")
    git(tap, "init", "--quiet", "--initial-branch=main")
    git(tap, "config", "user.name", "Test")
    git(tap, "config", "user.email", "test@invalid")
    git(tap, "commit", "--quiet", "--allow-empty", "--message", "Begin")
    shown = done("tap", dist, "--tap", tap)
    assert git(tap, "rev-parse", "HEAD") in shown
    assert git(tap, "log", "-1", "--format=%s") == "stigmer 1.0.0"
    assert (tap / "Formula" / "stigmer.rb").read_bytes() == (dist / "stigmer.rb").read_bytes()
    # Again is no change; the same version with other files is refused.
    assert done("tap", dist, "--tap", tap) == shown
    change_manifest(dist, lambda m: m.update(url="https://elsewhere.invalid"))
    refused(errors.TagExistsError, "release the next version", "tap", dist, "--tap", tap)
    (tap / "left").touch()
    refused(errors.DirtyTreeError, "left", "tap", dist, "--tap", tap)


def test_a_lightweight_release_has_a_formula_of_its_own(studio: Studio) -> None:
    studio.tag("v1.0.0")
    for platform in PLATFORMS:
        done(*studio.part_words(platform), "--kind", "lightweight")
    done(*studio.assemble_words())
    refused(errors.ReleaseError, "another kind", "formula", studio.dist, "--kind", "embedded")
    done("formula", studio.dist, "--kind", "lightweight")
    manifest = json.loads(done("verify", studio.dist, "--json"))
    assert manifest["kind"] == "lightweight"
    text = (studio.dist / "stigmer-lightweight.rb").read_text()
    for platform, part in manifest["platforms"].items():
        assert part["payload"]["file"]["sha256"] in text
        assert f"{platform}: " in text
        with tarfile.open(studio.dist / part["archive"]["name"]) as archive:
            member = archive.extractfile("stigmer")
            assert member is not None
            # The bare host: what it installs lies beside it.
            assert member.read() == HOSTS[platform]
    flip(studio.dist / f"{LINUX}.payload", 40)
    refused(errors.ArtefactError, "SHA-256 differs", "verify", studio.dist)
    vouch_again(studio.dist)
    refused(errors.IntegrityError, "SHA-256 of a frame differs", "verify", studio.dist)


def test_a_release_is_tried_out_only_where_its_archive_is_its_own(studio: Studio) -> None:
    done(*studio.part_words("linux-amd64"))
    flip(studio.dist / f"{LINUX}.tar.gz")
    words: list[str | Path] = ["try", studio.dist, "--platform", "linux-amd64"]
    refused(errors.ArtefactError, "not the archive of this part", *words)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ('echo "a reason" >&2; exit 3', "stigmer version: the program failed.*3: a reason"),
        ("echo stigmer 0.0.1", r"says otherwise.*stigmer 1\.0\.0.*found stigmer 0\.0\.1"),
    ],
)
def test_a_program_that_does_not_start_well_is_found(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, script: str, text: str
) -> None:
    done(*studio.part_words("linux-amd64"))
    repack(
        studio.dist / f"{LINUX}.tar.gz",
        lambda members: members.update(stigmer=f"#!/bin/sh\n{script}\n".encode()),
    )
    facts = describe(studio.dist / f"{LINUX}.tar.gz")
    archive = {"name": facts.name, "file_bytes": facts.file_bytes, "sha256": facts.sha256}
    rewrite(studio.dist / f"{LINUX}.json", lambda part: part.update(archive=archive))
    refused(errors.TrialError, text, "try", studio.dist, "--platform", "linux-amd64")


def test_every_error_of_a_release_is_provoked_here() -> None:
    text = Path(__file__).read_text()
    for error in errors.ReleaseError.__subclasses__():
        assert f"errors.{error.__name__}" in text


def test_the_help_of_each_command_names_what_it_takes() -> None:
    for name in commands.PROGRAMS["stigmer-pack"].cli.commands["release"].commands:
        assert "Usage:" in done(name, "--help")
