"""The packet sensor's flows."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from collectors.sensor.flows import FlowTable, Seen
from tests.agent.conftest import ROOT


def packet(time: float, source: str, destination: str, *, size: int = 100) -> Seen:
    """A TCP packet; ``source`` and ``destination`` are "address:port"."""
    (one, one_port), (two, two_port) = source.split(":"), destination.split(":")
    return Seen(time, one, two, int(one_port), int(two_port), 6, size)


def test_both_directions_are_one_flow_from_who_spoke_first():
    table = FlowTable()
    table.take(packet(1.0, "10.0.0.1:5000", "10.0.0.2:80"))
    table.take(packet(2.0, "10.0.0.2:80", "10.0.0.1:5000", size=300))
    [flow] = [one.to_record() for one in table.rest()]
    assert (flow["source.ip"], flow["source.bytes"]) == ("10.0.0.1", 100)
    assert (flow["destination.bytes"], flow["network.bytes"]) == (300, 400)
    assert flow["event.end"] == "1970-01-01T00:00:02.000000Z"


def test_a_long_pause_ends_a_flow():
    table = FlowTable()
    table.take(packet(1.0, "10.0.0.1:5000", "10.0.0.2:80"))
    ended = table.take(packet(1000.0, "10.0.0.2:80", "10.0.0.1:5000"))
    assert ended is not None
    assert [one.first.source for one in table.rest()] == ["10.0.0.2"]


def sensor(path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collectors.sensor.main", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_prints_the_flows_of_a_real_capture(corpus):
    capture = min(corpus.glob("suricata-verify/**/*.pcap"), key=lambda path: path.stat().st_size)
    pytest.importorskip("scapy")
    done = sensor(capture)
    flows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert all(one["record"] == "flow" and one["network.packets"] > 0 for one in flows)


def test_a_file_that_is_no_capture_is_named(tmp_path):
    pytest.importorskip("scapy")
    path = tmp_path / "x.pcap"
    path.write_bytes(b"not a capture at all, only text")
    done = sensor(path)
    assert (done.returncode, str(path) in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
