"""How quick are the readers? ``python -m bench.read``: bytes of a record in, event out, one process, CPU time.

Windows events are all EVTX records of the public data (``SOC_CORPUS``), as XML; the others are the golden samples,
repeated. Each figure is the best of three passes in records per second, beside that of the last run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from evtx import PyEvtxParser

from soc.collect.discovery import read
from soc.errors import RecordError
from soc.model.event import RawRecord
from tests.sources.accept import raw_records, samples

LAST = Path(__file__).parent / "data" / "read.last.json"
FOLDERS = ("evtx-attack-samples", "evtx-to-mitre", "sigma-regression")
SOURCES = (
    *("windows_xml", "linux_audit", "syslog", "journal"),
    *("web_access", "fortigate", "suricata", "sensor"),
    *("palo_alto", "cisco_asa", "cisco_ios", "iptables", "check_point", "sophos"),
    *("sonicwall", "juniper_srx", "netscreen", "huawei_usg", "mikrotik", "pfsense", "f5_bigip"),
    *("modsecurity", "cef", "leef", "key_value", "squid", "blue_coat", "iis"),
    *("apache_error", "nginx_error", "bind", "unbound", "windows_dns"),
    *("isc_dhcp", "kea", "dnsmasq", "windows_dhcp", "postfix", "exchange"),
    *("openvpn", "strongswan", "postgresql", "mysql", "oracle_audit", "vmware"),
    *("flow_export", "unparsed"),
)
AT_LEAST, PASSES = 10_000, 3  # records of a pass; passes


def windows_records(corpus: Path) -> list[bytes]:
    """Every EVTX record of the corpus as the agent would ship it."""
    files = sorted(path for folder in FOLDERS for path in (corpus / folder).rglob("*.evtx"))
    return [
        record["data"].encode() for path in files for record in PyEvtxParser(str(path)).records()
    ]


def sample_records(source: str) -> list[bytes]:
    """The golden samples of a source, repeated."""
    once = [
        raw for sample in samples() if sample.parent.name == source for raw in raw_records(sample)
    ]
    return once * (AT_LEAST // len(once) + 1)


def records_a_second(records: list[bytes], source: str) -> tuple[int, int]:
    """The best pass, and how many records could not be read."""
    now, best, unread = datetime.now(UTC), float("inf"), 0
    received = [RawRecord(raw, source, received_at=now, host="may01") for raw in records]
    for _ in range(PASSES):
        unread, started = 0, time.process_time()
        for record in received:
            try:
                for _event in read(record):
                    pass
            except RecordError:
                unread += 1
        best = min(best, time.process_time() - started)
    return round(len(records) / best), unread


def main() -> int:
    corpus = os.environ.get("SOC_CORPUS", "")
    if not Path(corpus).is_dir() or not corpus:
        print("set SOC_CORPUS to the folder of the public test data", file=sys.stderr)
        return 2
    last = json.loads(LAST.read_text()) if LAST.exists() else {}
    figures: dict[str, int] = {}
    for source in SOURCES:
        records = (
            windows_records(Path(corpus)) if source == "windows_xml" else sample_records(source)
        )
        figures[source], unread = records_a_second(records, source)
        before = f"last {last[source]:,}" if source in last else "first run"
        print(
            f"{source:12} {figures[source]:>8,} records/s ({before}; {len(records):,} records, {unread} unreadable)"
        )
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
