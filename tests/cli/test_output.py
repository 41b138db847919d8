"""What the commands print when all goes well, for people and for machines, and what they write."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import click
import pytest

from container.reader import open_payload
from extractor import cli as extractor_cli
from extractor.preflight import this_platform
from packer import cli as packer_cli
from tests.cli.conftest import HOST
from tests.support import commands
from tests.support.samples import look, noise, sources_of

if TYPE_CHECKING:
    from tests.cli.conftest import Workshop

GROUPS = {"stigmer-pack": packer_cli.cli, "stigmer-extract": extractor_cli.cli}
COMMANDS = [(program, name) for program, group in GROUPS.items() for name in group.commands]


def json_of(outcome: commands.Outcome) -> Any:
    """Standard output as JSON; there is nothing else on either stream."""
    assert outcome.status == 0, outcome
    assert outcome.err == ""
    return json.loads(outcome.out)


def output_of(outcome: commands.Outcome) -> str:
    assert outcome.status == 0, outcome
    return outcome.out


def test_these_are_all_the_commands() -> None:
    """A new one needs tests of its own."""
    packing = ("embed", "pack", "inspect", "verify", "strip", "diff", "freeze", "release")
    extracting = ("list", "unpack", "install", "status", "verify", "doctor", "rollback", "clean")
    assert [
        *(("stigmer-pack", name) for name in packing),
        *(("stigmer-extract", name) for name in extracting),
    ] == COMMANDS


@pytest.mark.parametrize(("program", "name"), COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_command_names_everything_it_takes(
    program: str, name: str, flag: str
) -> None:
    outcome = commands.run(program, name, flag)
    shown = " ".join(output_of(outcome).split())
    command = GROUPS[program].commands[name]
    assert command.help
    assert command.help.split("\n")[0] in shown
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert option in shown
            assert parameter.help.split()[0] in shown
        else:
            assert parameter.make_metavar(click.Context(command)) in shown


@pytest.mark.parametrize("program", GROUPS)
def test_the_help_of_a_program_lists_its_commands_and_exit_codes(program: str) -> None:
    shown = output_of(commands.run(program, "--help"))
    for name in GROUPS[program].commands:
        assert f"\n  {name} " in shown
    assert "130 interrupted" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("program", GROUPS)
def test_a_program_tells_its_version(program: str) -> None:
    assert re.search(r", version \d+\.\d+", output_of(commands.run(program, "--version")))


@pytest.mark.parametrize("program", GROUPS)
def test_a_program_is_a_process_that_ends_with_its_exit_code(shop: Workshop, program: str) -> None:
    name = "verify" if program == "stigmer-pack" else "list"
    outcome = commands.run_process(program, name, shop.payload)
    assert (outcome.status, "Traceback" in outcome.err) == (0, False)
    outcome = commands.run_process(program, name, shop.host)
    assert (outcome.status, outcome.out) == (10, "")
    assert outcome.err.startswith(f"error: {shop.host}: ")
    outcome = commands.run_process(program, name)
    assert (outcome.status, outcome.out) == (2, "")


def test_pack_tells_what_it_made(shop: Workshop) -> None:
    shown = output_of(shop.pack("payload"))
    with open_payload(shop.path("payload")) as reader:
        digest = reader.index_sha256.hex()
    assert shown.startswith(f"{shop.path('payload')}: ")
    assert shown.endswith(f"index sha256 {digest}\n")
    assert shown.count("\n") == 1


def test_pack_json(shop: Workshop) -> None:
    facts = json_of(shop.pack("payload", "--json"))
    with open_payload(shop.path("payload")) as reader:
        index = reader.index
        assert facts["index_sha256"] == reader.index_sha256.hex()
    assert set(facts) == {
        "output",
        "file_bytes",
        "host_bytes",
        "payload_bytes",
        "plain_bytes",
        "stored_bytes",
        "warnings",
        "index_sha256",
        "components",
    }
    assert facts["output"] == str(shop.path("payload"))
    assert facts["host_bytes"] == 0
    size = shop.path("payload").stat().st_size
    assert facts["file_bytes"] == facts["payload_bytes"] == size
    assert facts["plain_bytes"] == index.plain_bytes
    assert {name: part["version"] for name, part in facts["components"].items()} == {
        "server": "1.0.0",
        "runner": "2.0",
    }
    assert set(facts["components"]["server"]) == {
        "version",
        "plain_bytes",
        "stored_bytes",
        "content_sha256",
    }


def test_embed_json(shop: Workshop) -> None:
    facts = json_of(shop.embed("packed", "--json"))
    assert facts["host_bytes"] == len(HOST)
    assert facts["file_bytes"] == shop.path("packed").stat().st_size
    assert facts["replaced"] is False
    assert facts["payload_bytes"] < facts["file_bytes"] - facts["host_bytes"]
    again = json_of(
        commands.pack(
            *("embed", "--host", shop.path("packed"), "--output", shop.path("again")),
            *("--version", "2.0.0", "--platform", this_platform(), "--replace", "--json"),
            f"server={shop.server}",
        )
    )
    assert again["replaced"] is True
    assert again["host_bytes"] == len(HOST)
    assert list(again["components"]) == ["server"]


def test_a_packed_host_still_does_what_it_did(shop: Workshop) -> None:
    mode = stat.S_IMODE(shop.packed.stat().st_mode)
    assert mode == 0o755
    assert shop.packed.read_bytes().startswith(HOST)


def test_embedding_the_same_twice_gives_the_same_file(shop: Workshop) -> None:
    shop.embed("second", "--jobs", "3")
    assert shop.path("second").read_bytes() == shop.packed.read_bytes()


def test_a_payload_is_the_same_alone_as_in_a_host(shop: Workshop) -> None:
    shop.pack("alone")
    facts = json_of(commands.pack("inspect", shop.packed, "--json"))
    packed = shop.packed.read_bytes()[facts["file"]["payload_offset"] :]
    # The footers differ in one field: the padding in front.
    assert shop.path("alone").read_bytes()[:-64] == packed[:-64]


def test_strip_gives_the_host_back(shop: Workshop) -> None:
    shown = output_of(commands.pack("strip", shop.packed, "--output", shop.path("host-again")))
    assert shown == f"{shop.path('host-again')}: 20 B, the host without its payload\n"
    assert shop.path("host-again").read_bytes() == HOST
    assert stat.S_IMODE(shop.path("host-again").stat().st_mode) == 0o755
    # In place, too: the output takes the packed file's name in one step.
    output_of(commands.pack("strip", shop.packed, "--output", shop.packed))
    assert shop.packed.read_bytes() == HOST


def test_verify_tells_what_it_checked(shop: Workshop) -> None:
    with open_payload(shop.payload) as reader:
        digest, index = reader.index_sha256.hex(), reader.index
    assert output_of(commands.pack("verify", shop.payload)) == (
        f"{shop.payload}: intact: {len(index.frames)} frames, {len(index.entries)} entries, "
        f"10.5 kB; index sha256 {digest}\n"
    )
    facts = json_of(commands.pack("verify", shop.payload, "--index-sha256", digest, "--json"))
    assert facts == {
        "intact": True,
        "index_sha256": digest,
        "frames": len(index.frames),
        "entries": len(index.entries),
        "plain_bytes": index.plain_bytes,
    }


INSPECT_KEYS = {
    "file",
    "host",
    "format",
    "version",
    "platform",
    "zstd_version",
    "level",
    "frame_bytes",
    "index_sha256",
    "plain_bytes",
    "content_bytes",
    "stored_bytes",
    "components",
    "frames",
}


def test_inspect_json_adds_up(shop: Workshop) -> None:
    facts = json_of(commands.pack("inspect", shop.packed, "--json"))
    assert set(facts) == INSPECT_KEYS
    place = facts["file"]
    assert place["path"] == str(shop.packed)
    assert place["bytes"] == shop.packed.stat().st_size
    assert place["host_bytes"] == len(HOST)
    assert place["host_format"] == "other"
    assert place["payload_offset"] == 4096
    assert place["payload_offset"] + place["payload_bytes"] == place["bytes"]
    assert place["footer_offset"] == place["bytes"] - 64
    assert place["index_offset"] + place["index_bytes"] == place["footer_offset"]
    assert facts["format"] == "1.0"
    assert sum(frame["stored_bytes"] for frame in facts["frames"]) == facts["stored_bytes"]
    assert sum(frame["plain_bytes"] for frame in facts["frames"]) == facts["content_bytes"]
    assert facts["frames"][0]["stored_offset"] == place["payload_offset"]
    for component in facts["components"]:
        shares = sum(entry["stored_bytes"] for entry in component["entries"])
        # Each share is rounded for itself.
        assert abs(shares - component["stored_bytes"]) <= len(component["entries"])
    kinds = {entry["path"]: entry["kind"] for entry in facts["components"][1]["entries"]}
    assert kinds["runner/link"] == "symlink"
    assert kinds["runner/hollow"] == "directory"


def test_inspect_shows_a_table_that_is_aligned(shop: Workshop) -> None:
    lines = output_of(commands.pack("inspect", shop.packed)).splitlines()
    assert lines[0].startswith(f"{shop.packed}: ")
    assert lines[1] == "  host      other, 20 B"
    head = next(line for line in lines if "compressed against" in line)
    rows = lines[lines.index(head) + 1 :]
    assert [row.split()[0] for row in rows] == ["server", "runner", "total"]
    # Sizes end below the end of their heading.
    end = head.index("stored") + len("stored")
    assert all(row[end - 1] != " " and row[end] == " " for row in rows)
    assert not any(line.endswith(" ") for line in lines)


def test_inspect_names_the_file_that_another_is_compressed_against(shop: Workshop) -> None:
    base = noise(1, 300_000)
    shop.path("small").write_bytes(base)
    shop.path("large").write_bytes(base + bytes(1))
    words = ("--output", shop.path("out"), "--version", "1", "--platform", "linux-amd64")
    both = (f"small={shop.path('small')}", f"large={shop.path('large')}", "--level", "1")
    output_of(commands.pack("pack", *words, *both))
    facts = json_of(commands.pack("inspect", shop.path("out"), "--json"))
    assert facts["components"][1]["needs"] == ["small"]
    shown = output_of(commands.pack("inspect", shop.path("out"))).splitlines()
    assert next(line for line in shown if line.startswith("  large")).endswith("  small")
    output_of(commands.pack("pack", *words, *both, "--no-references"))
    facts = json_of(commands.pack("inspect", shop.path("out"), "--json"))
    assert [frame["reference"] for frame in facts["frames"]] == [None, None]
    assert [component["needs"] for component in facts["components"]] == [[], []]


def test_inspect_lists_files_when_asked(shop: Workshop) -> None:
    assert "runner/data/small" not in output_of(commands.pack("inspect", shop.payload))
    lines = output_of(commands.pack("inspect", shop.payload, "--files")).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("runner/data/small")] == ["0444"]
    assert any(line.endswith("runner/lib/link.so -> first.so") for line in lines)


def test_diff_of_a_file_with_itself_is_nothing(shop: Workshop) -> None:
    assert output_of(commands.pack("diff", shop.packed, shop.packed)) == "same contents\n"
    assert json_of(commands.pack("diff", shop.packed, shop.packed, "--json")) == []


def test_diff_tells_each_kind_of_change(shop: Workshop) -> None:
    shop.pack("old")
    shop.path("extra").write_bytes(b"x" * 1000)
    (shop.tree / "data/file").write_bytes(b"longer than it was" * 100)
    (shop.tree / "runner").chmod(0o700)
    (shop.tree / "link").unlink()
    (shop.tree / "link").symlink_to("data")
    (shop.tree / "hollow").rmdir()
    (shop.tree / "new").write_bytes(b"new")
    shop.pack("new", f"extra={shop.path('extra')}")
    words = ("diff", shop.path("old"), shop.path("new"))
    changes = json_of(commands.pack(*words, "--json"))
    assert set(changes[0]) == {
        "what",
        "component",
        "path",
        "detail",
        "plain_bytes",
        "stored_bytes",
    }
    told = {(each["what"], each["path"] or each["component"]): each for each in changes}
    assert {key: each["detail"] for key, each in told.items()} == {
        ("added", "extra"): "file",
        ("changed", "runner"): "2.0",
        ("changed", "runner/data/file"): "contents",
        ("removed", "runner/hollow"): "directory",
        ("changed", "runner/link"): "link runner -> data",
        ("added", "runner/new"): "file",
        ("changed", "runner/runner"): "mode 0755 -> 0700",
    }
    assert told["changed", "runner/data/file"]["plain_bytes"] == 1800 - 400
    assert told["added", "extra"]["plain_bytes"] == 1000
    lines = output_of(commands.pack(*words)).splitlines()
    assert len(lines) == len(changes)
    assert "changed    runner/link  link runner -> data  plain +0 B, stored +0 B" in lines


def test_diff_tells_a_version_that_changed_alone(shop: Workshop) -> None:
    shop.pack("old")
    shop.pack("new", "--version", "1.0.1")
    assert output_of(commands.pack("diff", shop.path("old"), shop.path("new"))) == (
        "changed  server  1.0.0 -> 1.0.1, same contents  plain +0 B, stored +0 B\n"
    )


def test_list_shows_every_entry_and_every_component(shop: Workshop) -> None:
    lines = output_of(commands.extract("list", shop.payload)).splitlines()
    assert lines[0] == "-0755         5000 server"
    assert "d0555            0 runner/closed" in lines
    assert "l0777            0 runner/lib/up -> ../runner" in lines
    assert "h0755         2500 runner/runner -> runner/alias" in lines
    assert lines[-2:] == [
        "server 1.0.0: 1 entries, 5.00 kB",
        "runner 1.0.0: 14 entries, 5.55 kB",
    ]


def test_list_json_is_what_is_on_disk(shop: Workshop) -> None:
    facts = json_of(commands.extract("list", shop.payload, "--json"))
    assert set(facts) == {"version", "platform", "components"}
    assert (facts["version"], facts["platform"]) == ("1.0.0", this_platform())
    assert [set(component) for component in facts["components"]] == [
        {"name", "version", "plain_bytes", "stored_bytes", "entries"}
    ] * 2
    entries = {
        entry["path"]: entry for component in facts["components"] for entry in component["entries"]
    }
    found = sources_of(shop.payload.parent)
    assert entries.keys() == found.keys()
    for path, entry in entries.items():
        assert set(entry) == {"path", "kind", "mode", "plain_bytes", "link"}
        if entry["kind"] == "symlink":
            assert entry["link"] == found[path].link
        else:
            assert entry["mode"] == f"{found[path].mode:04o}"
            assert entry["plain_bytes"] == len(found[path].content)


@pytest.mark.parametrize("jobs", [(), ("--jobs", "1"), ("--jobs", "4")])
def test_unpack_writes_what_was_packed_and_says_where(
    shop: Workshop, jobs: tuple[str, ...]
) -> None:
    target = shop.path("target")
    shown = output_of(commands.extract("unpack", shop.payload, "--to", target, *jobs))
    lines = shown.splitlines()
    assert lines[:2] == [f"server: {target}/server", f"runner: {target}/runner"]
    assert lines[2].startswith("10.5 kB in 0.")
    assert look(target) == sources_of(shop.payload.parent)


def test_unpack_json(shop: Workshop) -> None:
    target = shop.path("target")
    facts = json_of(commands.extract("unpack", shop.payload, "runner", "--to", target, "--json"))
    assert facts.pop("seconds") >= 0
    assert facts == {
        "target": str(target),
        "components": {"runner": str(target / "runner")},
        "plain_bytes": 5548,
    }
    assert os.listdir(target) == ["runner"]


def test_errors_are_text_even_where_json_was_asked_for(shop: Workshop) -> None:
    outcome = commands.extract("list", shop.host, "--json")
    assert (outcome.status, outcome.out) == (10, "")
    assert outcome.err.startswith("error: ")
