"""A capture of packets through ``soc scan``, and the counters' own command."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soc.cli.opening import site_database
from soc.detect.baselines.watch import NAME, SCOPE
from soc.records.baselines import BaselineRow
from tests.cli.test_rules_import import run, site  # noqa: F401 (a fixture for every test)
from tests.detect.test_scan import RULE_ON_DNS, run_scan
from tests.sensor.packets import ACK, FIN, RST, SYN, segment

FAMILIES = {
    "IPv4": ("10.20.1.7", "203.0.113.9", "10.20.1.{}"),
    "IPv6": ("fd00:20::7", "2001:db8:ffff::9", "fd00:20::1:{:x}"),
}


def timed(packets: list[tuple[float, bytes]]) -> bytes:
    """A capture whose packets have these times, in seconds."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)]
    for at, packet in sorted(packets, key=lambda one: one[0]):
        second = 1_764_000_000 + int(at)
        head = struct.pack("<IIII", second, int(at % 1 * 1e6), len(packet), len(packet))
        out.append(head + packet)
    return b"".join(out)


def call(at: float, source: str, to: str, sport: int) -> list[tuple[float, bytes]]:
    """A whole connection of a second."""
    there, back = {"source": source, "to": to}, {"source": to, "to": source}
    return [
        (at, segment(b"", sport, 443, seq=1, flags=SYN, **there)),
        (at + 0.1, segment(b"", 443, sport, seq=9, ack=2, flags=SYN | ACK, **back)),
        (at + 0.2, segment(b"x" * 40, sport, 443, seq=2, ack=10, **there)),
        (at + 0.3, segment(b"y" * 90, 443, sport, seq=10, ack=42, **back)),
        (at + 0.4, segment(b"", sport, 443, seq=42, ack=100, flags=FIN | ACK, **there)),
        (at + 0.5, segment(b"", 443, sport, seq=100, ack=43, flags=FIN | ACK, **back)),
        (at + 0.6, segment(b"", sport, 443, seq=43, ack=101, flags=ACK, **there)),
    ]


def refused(at: float, source: str, to: str, sport: int) -> list[tuple[float, bytes]]:
    return [
        (at, segment(b"", sport, 445, seq=1, flags=SYN, source=source, to=to)),
        (at + 0.01, segment(b"", 445, sport, seq=0, ack=2, flags=RST | ACK, source=to, to=source)),
    ]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_scan_and_a_beacon_in_a_capture_are_found(tmp_path: Path, family: tuple[str, str, str]):
    victim, outside, others = family
    packets = [one for n in range(20) for one in call(n * 120, victim, outside, 40_000 + n)]
    packets += [
        one
        for n in range(1, 45)
        for one in refused(50 + n / 2, victim, others.format(n + 20), 50_000 + n)
    ]
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "dns.yml").write_text(RULE_ON_DNS)
    (tmp_path / "a.pcap").write_bytes(timed(packets))
    (tmp_path / "quiet.pcap").write_bytes(timed(packets[:30]))
    where = ("--mapping", "ecs", "--rules", tmp_path / "rules")
    done = run_scan(*where, tmp_path / "a.pcap", tmp_path / "quiet.pcap", cache=tmp_path / "cache")
    found = {one["rule_id"]: one for one in done.matches}
    assert len(done.matches) == 2
    assert found.keys() == {"soc-beacon", "soc-scan-wide"}
    beacon = found["soc-beacon"]
    assert beacon["fields"]["soc.baseline.interval_seconds"] == pytest.approx(120, abs=1)
    assert beacon["fields"]["source.ip"] == victim
    assert beacon["file"].endswith("a.pcap")
    assert beacon["level"] == "high"


def test_the_counters_say_their_numbers():
    code, lines = run("baselines")
    assert code == 0
    assert lines[0].startswith("scan           0 held,       0 evicted   within 600")
    assert "0 events read, 0 findings, saved never" in lines[-1]
    rows = [json.loads(line) for line in run("baselines", "--json")[1]]
    assert [row.get("name") for row in rows] == [
        "scan",
        "spread",
        "beacon",
        "volume",
        "names",
        "servers",
        "firsts",
        None,
    ]


def test_a_state_that_cannot_be_read_is_said():
    now = datetime.now(UTC)
    database = site_database()
    with database.write(SCOPE) as session:
        row = BaselineRow(
            name=NAME, since=now, cursor="", read_to=now, state=b"\x92\x63\x80", saved_at=now
        )
        session.add(row)
    database.close()
    code, lines = run("baselines")
    assert code == 1
    assert "format 99, and not" in lines[-1]
