"""Real lines of firewalls and network devices from the public corpus, as they were written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from soc.collect.discovery import read, sniff
from soc.normalise.fields import check
from tests.sources.accept import as_received

FOLDER = "wazuh-log-samples"
LINE = re.compile(r"^log \d+ (?:pass|fail) = ?(.*)$", re.MULTILINE)
FILES = {
    "paloalto.ini": "palo_alto",
    "cisco_ios.ini": "cisco_ios",
    "iptables.ini": "iptables",
    "checkpoint_smart1.ini": "check_point",
    "huawei_usg.ini": "huawei_usg",
    "netscreen.ini": "netscreen",
}
CUT = re.compile(
    r'\[action:""; [A-Z]|\[action:"\w+";\.\.\.$'
)  # shortened by those who published them


@pytest.mark.parametrize("file", sorted(FILES))
def test_every_real_line_is_claimed_and_read_by_its_reader(corpus: Path, file: str) -> None:
    """Written by devices, not by us."""
    lines = LINE.findall((corpus / FOLDER / file).read_text("utf-8"))
    assert lines, file
    for line in lines:
        raw = line.strip().encode()
        if CUT.search(line):
            continue
        assert sniff(raw) == FILES[file], line
        (event,) = read(as_received(raw, "auto"))
        check(event.fields)
        assert event.fields["event.category"], line


def test_real_traffic_has_both_ends_and_a_verdict(corpus: Path) -> None:
    """The fields that network rules look at."""
    text = (corpus / FOLDER / "iptables.ini").read_text("utf-8")
    for line in LINE.findall(text):
        (event,) = read(as_received(line.encode(), "auto"))
        for name in ("source.ip", "destination.ip", "network.transport"):
            assert name in event.fields, line
        held_back = "DROP" in line or "BLOCK" in line
        assert held_back == ("denied" in event.fields["event.type"]), line  # type: ignore[operator]
