"""What the sensor holds is bounded, whatever the network sends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from collectors.sensor.sensor import Limits, Sensor
from tests.sensor.packets import CLIENT, SERVER, START, SYN, Talk, ethernet, ip, only, segment

ROOT = Path(__file__).parents[2]
HALF_OPEN = int(os.environ.get("SOC_HALF_OPEN", "150000"))
MOST_GROWTH_MIB = 200
FLOOD = """
import resource, sys
from collectors.sensor.sensor import Sensor
from tests.sensor.packets import START, SYN, segment
sensor = Sensor(lambda record: None)
packet = bytearray(segment(b"", flags=SYN))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(int(sys.argv[1])):
    packet[26:30] = (0x0B000000 + number).to_bytes(4, "big")
    sensor.take(START + number, 1, bytes(packet), len(packet))
assert len(sensor.flows) <= 100_000, len(sensor.flows)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_half_open_connections_stay_under_the_bound():
    """Each from another address, none ever answered. The full million by SOC_HALF_OPEN=1000000."""
    command = [sys.executable, "-c", FLOOD, str(HALF_OPEN)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < MOST_GROWTH_MIB


def test_segments_that_never_fit_are_given_up():
    """Holes in every one of 200 connections: what is held stays under the limit for all of them together."""
    limit = 100_000
    sensor = Sensor(lambda record: None, limits=Limits(held_bytes=limit))
    for port in range(200):
        talk = Talk(sport=1000 + port)
        for number in range(20):
            talk.packets.append(talk.made(True, b"x" * 1000, seq=5000 + 2000 * number))
        for packet in talk.packets:
            sensor.take(START, 1, packet, len(packet))
            assert sensor.streams.held_bytes <= limit + 1000
    sensor.finish()
    assert sensor.streams.held_bytes == 0


def test_fragments_that_never_become_whole_are_given_up():
    sensor = Sensor(lambda record: None, limits=Limits(fragments=50, fragment_bytes=20_000))
    for number in range(500):
        packet = ethernet(
            ip(f"10.1.{number >> 8}.{number & 255}", SERVER, 17, b"x" * 800, fragment=0x2000)
        )
        sensor.take(START, 1, packet, len(packet))
        assert len(sensor.fragments) <= 50
        assert sensor.fragments.held_bytes <= 20_000
    assert sensor.fragments.given_up == 475


def test_flows_that_end_at_the_same_moment_do_not_pile_up():
    """Ports used anew a thousand times within one second of packet time: nothing is kept of the flows that ended."""
    records: list[dict] = []
    sensor = Sensor(records.append, limits=Limits(flows=20))
    for number in range(1000):
        for packet in Talk().close().packets:
            sensor.take(START + number, 1, packet, len(packet))
        again = segment(b"", flags=SYN, seq=77_000 + number, source=CLIENT)
        sensor.take(START + number, 1, again, len(again))
    assert len(sensor.flows) == 1
    assert len(sensor.flows._open) <= 40
    sensor.finish()
    assert len(only(records, "flow")) >= 1000
