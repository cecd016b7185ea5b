"""What stands before a network device's own words: priority, time and name of the device, in the forms in use.

RFC 3164 and RFC 5424, with a year (Cisco), with slashes (Huawei, PAN-OS), with or without a priority and a host.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from soc.model.event import Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.syslog_codes import code_fields
from soc.normalise.timestamps import MONTHS, from_iso, from_syslog

HEAD = re.compile(
    r"\s{0,4}(?:<(?P<priority>\d{1,3})>)?(?:1 (?=\d{4}-))?[:*.\s]{0,4}"
    r"(?:(?P<iso>\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)(?=[\s:,]|$)"
    r"|(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?:(?P<year>\d{4}) )?"
    r"(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?P<offset>[+-]\d\d:\d\d(?: DST)?)?"
    r"(?: (?P<late_year>\d{4})(?=\s|:\s|:?$))?)?"
    r"(?: (?P<zone>(?:UTC|GMT)(?:[+-]\d{1,2}(?::\d\d)?)?|ICT|"
    r"[ECMP][SD]T|CES?T|BST|IST|JST|KST|AE[SD]T|SGT|HKT)(?=[:\s]))?",
    re.ASCII,
)
HOST = re.compile(r"[\s:]*+([A-Za-z0-9][\w.:-]{0,254}+)(?=\s|$)", re.ASCII)
DATE = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T ](.*)", re.ASCII)
FIXED_ZONES = {"UTC": "UTC", "GMT": "UTC", "ICT": "+07:00"}
GREATEST_PRIORITY = 191


class Head(NamedTuple):
    """What was read before the message, and where in the line that ends."""

    priority: int | None
    observed_at: datetime | None
    host: str
    end: int


def read_head(line: str, record: RawRecord, end: int | None = None) -> Head:
    """The head of a line; the host is looked for before ``end``, where the message is known to begin.

    A time that cannot be read, or is not there, is None.
    """
    limit = len(line) if end is None else end
    parts = HEAD.match(line, 0, limit)
    if parts is None:  # it also matches nothing at all
        return Head(None, None, "", 0)
    written = parts["priority"]
    priority = int(written) if written and int(written) <= GREATEST_PRIORITY else None
    place, host = parts.end(), ""
    if parts["iso"] or parts["clock"]:
        named = HOST.match(line, place, limit)
        if named is not None:
            host, place = named[1].rstrip(":"), named.end()
    return Head(priority, _moment(parts, record), host, place)


def from_date_and_time(text: str, zone: str) -> datetime:
    """Read ``2026/11/20 08:00:00`` and its like with dashes; ``zone`` is for texts that name none.

    Raises:
        ValueError: not such a time.

    >>> from_date_and_time("2026/1/5 08:00:00", "+07:00").isoformat()
    '2026-01-05T01:00:00+00:00'
    """
    parts = DATE.fullmatch(text)
    if parts is None:
        raise ValueError(f"not a date and a time: {text[:40]!r}")
    year, month, day, clock = parts.groups()
    return from_iso(f"{year}-{month:0>2}-{day:0>2}T{clock}", zone)


def when(head: Head, record: RawRecord) -> datetime:
    """The time of the head, or that of collection."""
    return head.observed_at or record.collected_at or record.received_at


def add_head(fields: Fields, head: Head, record: RawRecord) -> None:
    """Priority and the device: named in the head, else the host that sent the record."""
    if head.priority is not None:
        fields["log.syslog.priority"] = head.priority
        fields.update(_codes(head.priority))
    add_device(fields, head.host, record)


def add_device(fields: Fields, name: str, record: RawRecord) -> None:
    """The device by its name or address; what a reader found before stays.

    A relay that knows the device by its address alone says that address as the record's host.
    """
    if name:
        fields.setdefault("observer.name", name)
        fields.setdefault("host.name", name)
    elif record.host:
        fields.setdefault("host.name", record.host)
    address = ip_address(name) or ip_address(record.host)
    if address is not None:
        fields.setdefault("observer.ip", [address])


@lru_cache(maxsize=GREATEST_PRIORITY + 1)
def _codes(priority: int) -> Fields:
    return code_fields(priority % 8, priority // 8)


def _zone(written: str, otherwise: str) -> str:
    """``UTC+7`` as an offset; the letters of most zones mean several, and the device's setting is believed."""
    if len(written) > 3 and written[3] in "+-":
        hours, _, minutes = written[4:].partition(":")
        return f"{written[3]}{hours:0>2}:{minutes or '00'}"
    return FIXED_ZONES.get(written, otherwise)


def _moment(parts: re.Match[str], record: RawRecord) -> datetime | None:
    zone = _zone(parts["zone"] or "", record.zone)
    if parts["offset"]:
        zone = parts["offset"][:6]
    try:
        if parts["iso"]:
            return from_date_and_time(parts["iso"], zone)
        if not parts["clock"]:
            return None
        year = parts["year"] or parts["late_year"]
        if year is None:
            text = f"{parts['month']} {parts['day']} {parts['clock']}"
            return from_syslog(text, record.received_at, zone)
        month = MONTHS.get(parts["month"], 0)
        return from_iso(f"{year}-{month:02}-{parts['day']:0>2}T{parts['clock']}", zone)
    except ValueError:
        return None
