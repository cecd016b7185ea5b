"""The public captures: each JA4 that is expected is found, and none ends in anything but records or a plain refusal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.sensor.test_command import sensor

JA4 = re.compile(r'"([tqd][0-9a-z]{9}_[0-9a-f]{12}_[0-9a-f]{12})"')
EXPECTED = re.compile(r'"JA4(?:\.\d+)?": "([^"]+)"')


@pytest.mark.slow
def test_every_ja4_that_is_expected_is_found(corpus: Path):
    """FoxIO's captures with their published results."""
    compared = 0
    for expected in sorted((corpus / "ja4" / "expected").glob("*.json")):
        capture = corpus / "ja4" / "pcap" / expected.stem
        if not capture.exists():
            continue
        wanted = set(EXPECTED.findall(json.dumps(json.loads(expected.read_text()))))
        assert wanted <= set(JA4.findall(sensor(capture).stdout)), capture.name
        compared += len(wanted)
    assert compared == 16


@pytest.mark.slow
def test_every_capture_ends_in_records_or_a_refusal(corpus: Path):
    """One of them claims a packet of 3.9 GB: it is refused by name, after the packets before it."""
    refused = []
    for capture in sorted((corpus / "suricata-verify").rglob("*.pcap*")):
        done = sensor(capture)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert all("record" in line for line in lines)
        if done.returncode:
            refused.append((capture.parent.name, "the file is damaged" in done.stderr))
    assert refused == [("smtp-to-comma", True)]
