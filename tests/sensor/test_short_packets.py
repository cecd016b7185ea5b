"""What is cut short, or larger than it may be, costs itself and not the sensor."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from collectors.sensor.asn1 import number
from tests.sensor.packets import pcap, udp
from tests.sensor.test_command import QUESTION, sensor


@pytest.mark.parametrize("left", range(9))
def test_a_datagram_without_its_whole_header_over_ipv6_ends_nothing(tmp_path: Path, left: int):
    """The IPv6 header says UDP and promises ``left`` bytes; what comes after it is still read."""
    head = struct.pack("!IHBB", 6 << 28, left, 17, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
    frame = bytes(12) + b"\x86\xdd" + head + bytes(left)
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([frame, udp(QUESTION)]))
    done = sensor(path)
    records = [json.loads(line)["record"] for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert "dns" in records


def test_a_number_of_any_length_fits_a_record():
    """JSON lines take 64 bits."""
    for length in range(40):
        assert -(2**63) <= number(b"\x7f" * length) < 2**63
