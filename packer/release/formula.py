"""The Homebrew formula of a release, written from its manifest alone.

Its test starts what was installed in a fresh home: it proves that the components come out of the
program and run, which ``--version`` does not.
Source: Homebrew's Formula Cookbook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from container.errors import MissingPlatformError, ReleaseError
from container.units import human_bytes
from packer.release.assembling import FORMULA_SUFFIX

if TYPE_CHECKING:
    from packer.release.model import Manifest, Part

FormulaKind = Literal["embedded", "lightweight"]
_CLASSES: dict[FormulaKind, str] = {"embedded": "Stigmer", "lightweight": "StigmerLightweight"}
_NAMES: dict[FormulaKind, str] = {"embedded": "stigmer", "lightweight": "stigmer-lightweight"}
_SYSTEMS = {"macos": "darwin", "linux": "linux"}
_MACHINES = {"arm": "arm64", "intel": "amd64"}
_DEPENDED = {"arm": ":arm64", "intel": ":x86_64"}


def name_of(kind: FormulaKind) -> str:
    """File name of a formula, which Homebrew ties to its class."""
    return _NAMES[kind] + FORMULA_SUFFIX


def write(manifest: Manifest, kind: FormulaKind) -> str:
    """The formula as Ruby.

    Raises:
        ReleaseError: the release is of another kind.
        MissingPlatformError: it has nothing for macOS, or nothing for Linux.
    """
    if manifest.kind != kind:
        raise ReleaseError(
            "the release is of another kind than the formula",
            manifest.tag,
            kind,
            manifest.kind,
            f"make its parts with --kind {kind}",
        )
    blocks = [
        f"class {_CLASSES[kind]} < Formula",
        '  desc "Run Stigmer and its services on this machine"',
        f"  homepage {_quoted(manifest.homepage)}",
        f"  version {_quoted(manifest.version)}",
        '  license "Apache-2.0"',
        "",
        *(line for system in _SYSTEMS for line in _system(manifest, system)),
    ]
    if kind == "lightweight":
        blocks += ['  conflicts_with "stigmer", because: "both install a stigmer program"', ""]
    blocks += ["  def install", '    bin.install "stigmer"', "  end", ""]
    if kind == "lightweight":
        blocks += _caveats(manifest)
    blocks += _test(manifest, kind)
    return "\n".join([*blocks, "end"]) + "\n"


def _system(manifest: Manifest, system: str) -> list[str]:
    machines = {
        machine: manifest.platforms[platform]
        for machine, name in _MACHINES.items()
        if (platform := f"{_SYSTEMS[system]}-{name}") in manifest.platforms
    }
    if not machines:
        raise MissingPlatformError(
            "a formula needs an archive for it",
            _SYSTEMS[system],
            remedy="make the part of one of its platforms",
        )
    lines = [f"  on_{system} do"]
    if len(machines) == 1:
        # Said before the download, where a URL is missing otherwise.
        lines += [f"    depends_on arch: {_DEPENDED[next(iter(machines))]}", ""]
    for machine, part in machines.items():
        lines += [
            f"    on_{machine} do",
            f"      url {_quoted(f'{manifest.url}/{part.archive.name}')}",
            f"      sha256 {_quoted(part.archive.sha256)}",
            "    end",
        ]
    return [*lines, "  end", ""]


def _caveats(manifest: Manifest) -> list[str]:
    lines = [
        "  def caveats",
        "    <<~EOS",
        "      stigmer fetches its components at its first start:",
    ]
    for platform, part in sorted(manifest.platforms.items()):
        download, installed = _sizes(part)
        lines.append(f"        {platform}: {download} to download, {installed} installed")
    return [
        *lines,
        "      Machines without a network take the formula stigmer, which carries them.",
        "    EOS",
        "  end",
        "",
    ]


def _sizes(part: Part) -> tuple[str, str]:
    download = part.payload.file if part.payload else None
    return (
        human_bytes(download.file_bytes if download else 0),
        human_bytes(sum(component.plain_bytes for component in part.components.values())),
    )


def _test(manifest: Manifest, kind: FormulaKind) -> list[str]:
    part = next(iter(manifest.platforms.values()))
    lines = ["  test do", '    ENV["STIGMER_HOME"] = (testpath/"home").to_s']
    if kind == "lightweight":
        lines += _fetched_payload(manifest)
    lines += ['    versions = shell_output("#{bin}/stigmer version")']
    lines += ['    assert_match "stigmer #{version}", versions']
    lines += [
        f"    assert_match {_quoted(f'{name} {component.version}')}, versions"
        for name, component in sorted(part.components.items())
    ]
    lines += [
        "",
        "    # Services wait for Temporal: nobody listens on port 1, and that is no failure.",
        '    system bin/"stigmer", "server", "start", "--detach", "--grpc-port", "0",',
        '           "--temporal-address", "127.0.0.1:1"',
        "    begin",
        '      status = shell_output("#{bin}/stigmer server status --json")',
        "      assert_match '\"healthy\": true', status",
    ]
    for name in sorted(part.components):
        lines.append(f'      assert_path_exists testpath/"home/bin/{name}"')
    return [
        *lines,
        "    ensure",
        '      system bin/"stigmer", "server", "stop"',
        "    end",
        "  end",
    ]


def _fetched_payload(manifest: Manifest) -> list[str]:
    """A resource would be fetched by every installation, which is what this kind avoids."""
    lines = ['    os = OS.mac? ? "darwin" : "linux"', "    payload, digest = {"]
    for platform, part in sorted(manifest.platforms.items()):
        file = part.payload.file if part.payload else None
        if file is not None:
            lines.append(
                f"      {_quoted(platform)} => [{_quoted(file.name)}, {_quoted(file.sha256)}],"
            )
    return [
        *lines,
        '    }.fetch("#{os}-#{Hardware::CPU.arm? ? "arm64" : "amd64"}")',
        '    system "curl", "--fail", "--silent", "--show-error", "--location",',
        f'           "--output", payload, "{manifest.url}/#{{payload}}"',
        "    assert_equal digest, Digest::SHA256.file(payload).hexdigest",
        '    ENV["STIGMER_PAYLOAD"] = (testpath/payload).to_s',
        "",
    ]


def _quoted(text: str) -> str:
    """A string of Ruby: nothing in it is evaluated."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("#", "\\#")
    return f'"{escaped}"'
