"""The cases of the public captures: what a test.yaml expects of an IDS, and what the sensor found.

A case is a folder with a capture and a test.yaml; it agrees when each of its filters that can be compared does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from collectors.sensor.capture import open_capture
from collectors.sensor.errors import CaptureError
from collectors.sensor.flows import time_text
from collectors.sensor.sensor import Sensor
from tests.sensor import eve

KINDS = ("dns", "http", "tls", "ssh", "quic", "smtp", "ftp", "dhcp", "krb5", "flow")
OLDER = "what an older version of Suricata wrote (requires.lt-version)"
OTHER_OUTPUT = "another output configuration of Suricata's (filename)"


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter, or several that differ only in what is left out: their counts together."""

    case: str
    kind: str
    match: Mapping[str, Any]
    expected: int  # records
    found: int = -1  # records; -1 where it was not compared
    left_out: str = ""  # the reason

    @property
    def agrees(self) -> bool:
        return self.expected == self.found

    @property
    def words(self) -> str:
        """What the filter asks for, short enough for a table."""
        asked = [f"{key}={value}" for key, value in _compared(self.match).items()]
        said = ", ".join(one for one in asked if not one.startswith("event_type="))
        return said if len(said) <= 110 else f"{said[:107]}..."


def all_filters(folder: Path) -> list[Filter]:
    """Every filter of the wanted types, of every case, with what the sensor found."""
    found: list[Filter] = []
    for path in sorted(folder.glob("*/test.yaml")):
        asked = list(_asked(path))
        if any(not one.left_out for one in asked):
            records = records_of(path.parent)
            asked = [one if one.left_out else _judged(one, records) for one in _summed(asked)]
        found += asked
    return found


def _asked(path: Path) -> Iterator[Filter]:
    for check in yaml.safe_load(path.read_text()).get("checks") or []:
        asked = check.get("filter")
        if asked is None or asked["match"].get("event_type") not in KINDS:
            continue
        reason = OTHER_OUTPUT if "filename" in asked else ""
        if "lt-version" in asked.get("requires", {}):
            reason = OLDER
        match = asked["match"]
        unknown = eve.unknown_keys(match)
        assert not unknown, f"{path}: {unknown} are not in the table of tests/sensor/eve.py"
        yield Filter(path.parent.name, match["event_type"], match, asked["count"], left_out=reason)


def _compared(match: Mapping[str, Any]) -> dict[str, Any]:
    kind = match["event_type"]
    return {
        key: value
        for key, value in match.items()
        if key not in eve.LEFT_OUT or eve.is_read(kind, key)
    }


def _summed(asked: list[Filter]) -> list[Filter]:
    """Filters that are the same once what is left out is left out become one, with the sum of their counts."""
    together: dict[str, Filter] = {}
    for number, one in enumerate(asked):
        has_left_out = len(_compared(one.match)) < len(one.match)
        key = repr(sorted(_compared(one.match).items(), key=str)) if has_left_out else str(number)
        if one.left_out:
            key = f"left out {number}"
        before = together.get(key)
        count = one.expected + (before.expected if before else 0)
        together[key] = Filter(one.case, one.kind, one.match, count, left_out=one.left_out)
    return list(together.values())


def _judged(one: Filter, records: list[dict[str, Any]]) -> Filter:
    found = sum(eve.matches(record, one.match) for record in records)
    return Filter(one.case, one.kind, one.match, one.expected, found)


def records_of(folder: Path) -> list[dict[str, Any]]:
    """The records of the folder's capture, as far as it can be read."""
    [path] = [one for one in folder.iterdir() if ".pcap" in one.name]
    records: list[dict[str, Any]] = []
    times: dict[str, int] = {}
    sensor = Sensor(records.append, http_headers=True)
    try:
        with closing(open_capture(path)) as capture:
            for number, packet in enumerate(capture.packets(), 1):
                times.setdefault(time_text(packet[0]), number)
                sensor.take(*packet)
    except CaptureError:
        pass  # a damaged file gives what comes before; test_public_captures.py names it
    sensor.finish()
    return eve.numbered(records, times)
