"""The command soc-sensor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.sensor.packets import pcap, udp

ROOT = Path(__file__).parents[2]
QUESTION = bytes.fromhex("1234010000010000000000000377777702766e0000010001")


def sensor(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collectors.sensor.main", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_prints_one_record_a_line_and_what_it_saw_at_the_end(tmp_path: Path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([udp(QUESTION)]))
    done = sensor(path)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [one["record"] for one in records] == ["dns", "flow", "sensor"]
    assert records[0]["dns.question.name"] == "www.vn"
    assert records[2]["network.packets"] == 1


def test_a_file_that_is_no_capture_is_named(tmp_path: Path):
    path = tmp_path / "x.pcap"
    path.write_bytes(b"not a capture at all, only text")
    done = sensor(path)
    assert (done.returncode, str(path) in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_a_file_that_is_cut_off_gives_what_comes_before_and_is_named(tmp_path: Path):
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([udp(QUESTION)] * 3)[:-5])
    done = sensor(path)
    assert done.returncode == 2
    assert "cut off in packet 3" in done.stderr
    assert [json.loads(line)["record"] for line in done.stdout.splitlines()].count("dns") == 2
