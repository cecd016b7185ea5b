"""``soc packets``: captures in, the sensor's records out, what cannot be read by name."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from soc.detect import event_files
from tests.sensor.packets import Talk, pcap, udp
from tests.sensor.test_command import QUESTION


def packets(*arguments: Path) -> tuple[int, list[dict[str, Any]], str]:
    command = [sys.executable, "-m", "soc.cli.main", "packets", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=120)
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines, done.stderr.decode()


def a_capture() -> bytes:
    talk = Talk().client(b"GET /tin HTTP/1.1\r\nHost: so.example\r\n\r\n")
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").close()
    return pcap([udp(QUESTION), *talk.packets])


def test_each_record_is_a_line_with_its_kind_and_ecs_names(tmp_path: Path):
    (tmp_path / "a.pcap").write_bytes(a_capture())
    code, records, said = packets(tmp_path / "a.pcap")
    assert (code, said) == (0, "")
    assert {one["record"] for one in records} == {"dns", "http", "flow", "sensor"}
    (request,) = [one for one in records if one["record"] == "http"]
    assert (request["url.path"], request["http.response.status_code"]) == ("/tin", 200)
    flows = [one for one in records if one["record"] == "flow"]
    assert all(one["network.community_id"].startswith("1:") for one in flows)
    assert len(flows) == 2


def test_packed_captures_and_folders_are_read_alike(tmp_path: Path):
    """A folder's other files are left alone."""
    whole = a_capture()
    folder = tmp_path / "captures"
    folder.mkdir()
    (folder / "a.pcap").write_bytes(whole)
    (folder / "b.pcap.gz").write_bytes(gzip.compress(whole))
    (folder / "c.pcap.zst").write_bytes(zstandard.compress(whole))
    with zipfile.ZipFile(folder / "d.zip", "w") as archive:
        archive.writestr("inside/e.pcap", whole)
    (folder / "notes.jsonl").write_text("{}\n")
    code, records, said = packets(folder)
    assert (code, said) == (0, "")
    assert len([one for one in records if one["record"] == "http"]) == 4


def test_what_cannot_be_read_is_named_and_the_rest_is_printed(tmp_path: Path):
    (tmp_path / "cut.pcap").write_bytes(a_capture()[:-7])
    (tmp_path / "no.pcap").write_bytes(b"\x00\xff no capture at all")
    (tmp_path / "empty.pcap").touch()
    (tmp_path / "x.evtx").write_bytes(b"ElfFile\x00")
    (tmp_path / "good.pcap").write_bytes(a_capture())
    names = ("cut.pcap", "no.pcap", "empty.pcap", "x.evtx", "missing.pcap", "good.pcap")
    code, records, said = packets(*(tmp_path / name for name in names))
    assert code == 2
    assert len([one for one in records if one["record"] == "http"]) == 2
    for name in names[:-1]:
        assert f"soc packets: {tmp_path / name}: " in said
    assert "good.pcap" not in said
    assert "Traceback" not in said


def test_a_sensor_that_dies_without_a_word_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What it had said is there, and the capture is not said to be whole."""
    (tmp_path / "a.pcap").write_bytes(a_capture())
    dying = "import os; print('{}', flush=True); os.kill(os.getpid(), 9)"
    real = event_files.subprocess.Popen
    monkeypatch.setattr(
        event_files.subprocess, "Popen", lambda _, **how: real([sys.executable, "-c", dying], **how)
    )
    first, problem = event_files.packet_records("a.pcap", tmp_path / "a.pcap")
    assert isinstance(first, event_files.Item)
    assert str(problem) == "a.pcap: the packet sensor ended with code -9: cut short"
