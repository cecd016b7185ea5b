"""Times as people write them in queries; without a zone they are Vietnam's."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from soc.store.document import microseconds

VIETNAM = timezone(timedelta(hours=7))
TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[t ](?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,6})?)?)?"
    r"(?P<zone>z|[+-]\d\d:?\d\d)?)?)?)?",
    re.IGNORECASE,
)
TIME_FIELDS = {
    "@timestamp": "observed_at",
    "observed_at": "observed_at",
    "event.ingested": "received_at",
    "received_at": "received_at",
}


def time_field(name: str) -> str | None:
    """The index's own time field of that name, if it is one."""
    return TIME_FIELDS.get(name)


def span_of(text: str) -> tuple[int, int] | None:
    """First and last microsecond of a time as written (a day is all of it); None when it is none.

    >>> first, last = span_of("2026-11-22")
    >>> (last + 1 - first) // 3_600_000_000
    24
    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        return None
    try:
        start = _start(found)
        return microseconds(start), microseconds(_end(found, start)) - 1
    except (ValueError, OverflowError):
        return None


def _start(found: re.Match[str]) -> datetime:
    year, month, day = (int(found[name] or 1) for name in ("year", "month", "day"))
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    fraction = int((found["fraction"] or ".0")[1:].ljust(6, "0"))
    return datetime(year, month, day, hour, minute, second, fraction, _zone(found["zone"]))


def _zone(text: str | None) -> timezone:
    if text is None:
        return VIETNAM
    if text in "zZ":
        return timezone(timedelta())
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def _end(found: re.Match[str], start: datetime) -> datetime:
    if found["month"] is None:
        return start.replace(year=start.year + 1)
    if found["day"] is None:
        return (start + timedelta(days=31)).replace(day=1)
    if found["fraction"]:
        return start + timedelta(seconds=10.0 ** -(len(found["fraction"]) - 1))
    for name, span in (("second", "seconds"), ("minute", "minutes"), ("hour", "hours")):
        if found[name] is not None:
            return start + timedelta(**{span: 1})
    return start + timedelta(days=1)
