"""tshark as a second reference: what it counts in each public capture, we count, except where a reason is written."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.sensor.conformance_page import BESIDE_TSHARK
from tests.sensor.suricata_cases import records_of

pytestmark = pytest.mark.slow

FIELDS = (
    *("dns.id", "tcp.stream", "http.request.method", "tls.handshake.type"),
    "tls.handshake.extensions_server_name",
)
Counts = tuple[int, int, int, Counter[str]]
"""(DNS messages, HTTP requests over TCP, TLS client hellos, names that they ask for)."""


def by_tshark(path: Path) -> Counts:
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    command += [part for field in FIELDS for part in ("-e", field)]
    # a damaged file is read up to the damage, and tshark's exit code says so
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode in (0, 2), done.stderr
    dns = http = hellos = 0
    names: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        ids, stream, methods, kinds, asked = (
            [value for value in part.split(",") if value] for part in line.split("|")
        )
        dns += len(ids)
        http += len(methods) if stream else 0
        hellos += kinds.count("1")
        names.update(asked)
    return dns, http, hellos, names


def by_sensor(folder: Path) -> Counts:
    records: list[dict[str, Any]] = records_of(folder)
    kinds = Counter(one["record"] for one in records)
    requests = [one for one in records if "http.request.method" in one]
    hellos = [one for one in records if "tls.client.ja3" in one]
    named = [one["tls.client.server_name"] for one in hellos if "tls.client.server_name" in one]
    return kinds["dns"], len(requests), len(hellos), Counter(named)


def test_both_count_the_same_messages_or_the_difference_has_a_reason(corpus: Path):
    """And no reason stands for a difference that is none any more."""
    if shutil.which("tshark") is None:
        missing("tshark (Debian package tshark)")
    different = {}
    compared = 0
    for path in sorted((corpus / "suricata-verify").glob("*/*.pcap*")):
        theirs, ours = by_tshark(path), by_sensor(path.parent)
        compared += 1
        if theirs != ours:
            different[path.parent.name] = (theirs[:3], ours[:3])
    assert compared >= 100
    assert different == {case: (theirs, ours) for case, (theirs, ours, _) in BESIDE_TSHARK.items()}
