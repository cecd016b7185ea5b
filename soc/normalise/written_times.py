"""Times as products write them when they follow no one standard: one expression, every usual order of the parts.

``from_written`` takes epoch seconds and milliseconds, ISO 8601, and months by name or by number with the clock behind
them. Where the order of day and month cannot be told from the text, the caller says it (``us``).
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from soc.model.event import RawRecord
from soc.normalise.timestamps import (
    MONTHS,
    from_epoch_microseconds,
    from_iso,
    from_syslog,
    time_zone,
)

CLOCK = r"(?P<h>\d{1,2}):(?P<m>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?(?: ?(?P<half>[AaPp]\.?[Mm]\.?|SA|CH))?"
ZONE = r"(?: ?\(?(?P<zone>Z|(?:UTC|GMT)?[+-]\d\d(?::?\d\d)?|[A-Z]{2,5}|[A-Z][a-z]{2,12}/[A-Za-z_]{2,30})\)?)?"
NAMED = re.compile(  # Nov 20 2026 09:00:00, Fri Nov 20 09:00:00 2026
    r"(?:[A-Z][a-z]{2},? )?(?P<mon>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}),?(?: (?P<y>\d{4}))? {1,2}"
    + CLOCK + ZONE + r"(?: (?P<late>\d{4}))?", re.ASCII,
)  # fmt: skip
DAY_FIRST = re.compile(  # 20-Nov-2026 09:00:00, 20/Nov/2026:09:00:00 +0700, 20 Nov 2026 09:00:00
    r"(?:[A-Z][a-z]{2}, )?(?P<day>\d{1,2})[-/ ](?P<mon>[A-Z][a-z]{2})[-/ ](?P<y>\d{4})[ :T]"
    + CLOCK + ZONE, re.ASCII,
)  # fmt: skip
NUMBERED = re.compile(  # 11/20/2026 9:00:00 AM, 20.11.2026 09:00:00
    r"(?P<a>\d{1,2})[/.-](?P<b>\d{1,2})[/.-](?P<y>\d{4}|\d\d),? {1,2}" + CLOCK + ZONE, re.ASCII
)
YEAR_FIRST = re.compile(  # 2026-11-20 09:00:00 ICT, 2026/11/20T09:00:00.123+0700
    r"(?P<y>\d{4})[-/.](?P<b>\d{1,2})[-/.](?P<day>\d{1,2})[ T]" + CLOCK + ZONE, re.ASCII
)
LONGEST = 64
LETTERS = {"Z": "UTC", "UTC": "UTC", "GMT": "UTC", "ICT": "+07:00"}


def from_written(text: str, record: RawRecord, *, us: bool = False) -> datetime:
    """A time in any of the usual forms; ``us`` reads 11/20/2026 with the month first.

    A time without a zone is in that of the record, one without a year takes it from its receipt. Zones by letters that
    mean several places are not believed.

    Raises:
        ValueError: it is none of these forms, or no such time.

    >>> from datetime import UTC
    >>> record = RawRecord(b"", "x", datetime(2026, 11, 22, tzinfo=UTC))
    >>> for text in ("1795140000123", "Nov 20 2026 09:00:00.5 UTC", "20-Nov-2026 09:00:00", "Nov 20 09:00:00"):
    ...     print(from_written(text, record).isoformat())
    2026-11-20T02:00:00.123000+00:00
    2026-11-20T09:00:00.500000+00:00
    2026-11-20T02:00:00+00:00
    2026-11-20T02:00:00+00:00
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise ValueError(f"not a time: {text[:40]!r}")
    if text.isascii() and text.replace(".", "", 1).isdecimal():
        return _epoch(text)
    for form in (YEAR_FIRST, NAMED, DAY_FIRST, NUMBERED):
        parts = form.fullmatch(text)
        if parts is not None:
            return _moment(parts, record, us)
    raise ValueError(f"not a time: {text[:40]!r}")


def iso_time(text: str, record: RawRecord) -> str | None:
    """The time as text for a field of dates, or None where it cannot be read."""
    try:
        return from_written(text, record).isoformat()
    except ValueError:
        return None


def _epoch(text: str) -> datetime:
    whole, _, fraction = text.partition(".")
    if 9 <= len(whole) <= 10:
        return from_epoch_microseconds(int(whole) * 1_000_000 + int(f"{fraction:0<6}"[:6]))
    if 12 <= len(whole) <= 13:
        return from_epoch_microseconds(int(whole) * 1_000)
    raise ValueError(f"not a time: {text[:40]!r}")


def _moment(parts: re.Match[str], record: RawRecord, us: bool) -> datetime:
    said = parts.groupdict()
    zone = _zone(said.get("zone") or "", record.zone)
    clock = f"{_hour(said):02}:{said['m']}:{said['s']}"
    if said["f"]:
        clock = f"{clock}.{said['f']}"
    year = said["y"] or said.get("late")
    if year is None:
        return from_syslog(f"{said['mon']} {said['day']} {clock}", record.received_at, zone)
    if said.get("mon"):
        month, day = str(MONTHS.get(said["mon"], 0)), said["day"]
    elif said.get("a"):
        month, day = _month_and_day(said, us)
    else:
        month, day = said["b"], said["day"]
    full = year if len(year) == 4 else f"20{year}"
    return from_iso(f"{full}-{int(month):02}-{int(day):02}T{clock}", zone)


def _month_and_day(said: dict[str, str], us: bool) -> tuple[str, str]:
    """The order that was told, unless one of the two can be no month, or Vietnam's SA and CH say it."""
    first, second = said["a"], said["b"]
    month_first = us and said["half"] not in ("SA", "CH")
    if int(first) > 12 or int(second) > 12:
        month_first = int(second) > 12
    return (first, second) if month_first else (second, first)


def _hour(said: dict[str, str]) -> int:
    hour = int(said["h"])
    if not said["half"]:
        return hour
    return hour % 12 + (12 if said["half"][0] in "PpC" else 0)


@lru_cache(maxsize=256)
def _zone(written: str, otherwise: str) -> str:
    if written in LETTERS:
        return LETTERS[written]
    offset = written.removeprefix("UTC").removeprefix("GMT")
    if not written or (offset[:1] not in "+-" and "/" not in written):
        return otherwise
    if len(offset) == 3 and offset[1:].isdecimal():
        offset = f"{offset}:00"
    try:
        time_zone(offset)
    except ValueError:
        return otherwise
    return offset
