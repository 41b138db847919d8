from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from container.errors import AlreadyRunningError, NotWritableError, ServiceError
from extractor.host import processes, record
from extractor.host.processes import Identity
from extractor.host.record import Record, Running
from extractor.host.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

RECORD = Record(
    Identity(11, 22.5),
    "1.2.3",
    detached=True,
    ready=False,
    grpc_port=7234,
    temporal_address="t:1",
    stop_seconds=10,
    run="0a1b",
    services=(
        Running("stigmer-server", Identity(33, 44.25), 7234, uses_temporal=False),
        Running("workflow-runner", None, 1001, uses_temporal=True),
    ),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert record.read(str(tmp_path)) is None
    record.write(str(tmp_path), RECORD)
    assert record.read(str(tmp_path)) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["host.json"]
    record.remove(str(tmp_path))
    record.remove(str(tmp_path))
    assert record.read(str(tmp_path)) is None


def _changed(**fields: object) -> str:
    found: dict[str, object] = {"format": 1} | RECORD._asdict() | {"services": []}
    return json.dumps(found | fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "\x80",
        _changed(format=2),
        _changed(host=[1]),
        _changed(host=["x", 1]),
        _changed(more=1),
        _changed(services=[{}]),
        _changed(services=None),
    ],
)
def test_a_record_that_cannot_be_understood_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "host.json").write_text(text, "latin-1")
    with pytest.raises(ServiceError, match=r"host\.json: .*remove this file"):
        record.read(str(tmp_path))


def test_a_data_directory_has_one_host(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path), str(tmp_path / "data"))
    with record.only_host(settings):
        with pytest.raises(AlreadyRunningError, match="the services run already"):
            record.only_host(settings).__enter__()
        about = RECORD._replace(host=processes.this_process())
        record.write(settings.run_dir, about)
        with pytest.raises(AlreadyRunningError, match=rf"1\.2\.3 .* pid {about.host.pid};"):
            record.only_host(settings).__enter__()
        with record.only_host(settings._replace(data_dir=str(tmp_path / "other"))):
            pass
    with record.only_host(settings):
        pass


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OSError, match="data/run"):
        record.only_host(Settings(str(tmp_path), str(tmp_path / "data"))).__enter__()
    with pytest.raises((NotWritableError, OSError), match="/proc/data"):
        record.only_host(Settings("/proc", "/proc/data")).__enter__()
