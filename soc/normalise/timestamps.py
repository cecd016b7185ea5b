"""Times of sources: always to aware UTC, cut (not rounded) to microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(
    days=2
)  # how far a source's clock may be ahead before a year-less time means last year
A_DAY = timedelta(days=1)
YEARS_TO_A_LEAP_DAY = 8  # 1896 to 1904, 2096 to 2104
MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        start=1,
    )
}
LOCAL_OFFSET_HOURS = 7  # Vietnam, all year
OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)")
ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?\s?(Z|[+-]\d\d:?\d\d|[+-]\d\d)?",
    re.ASCII,
)
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
BSD = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)


@lru_cache(maxsize=256)
def time_zone(name: str) -> tzinfo:
    """A zone by its IANA name, or a fixed offset such as ``+07:00``.

    Raises:
        ValueError: there is no such zone.
    """
    fixed = OFFSET.fullmatch(name)
    if fixed is not None:
        minutes = int(fixed[2]) * 60 + int(fixed[3])
        return timezone(timedelta(minutes=-minutes if fixed[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"no time zone {name!r}") from error


def local_hour(time: datetime) -> int:
    """The hour of the day in Vietnam of a UTC time: 0 to 23.

    >>> local_hour(datetime(2026, 11, 26, 17, 30, tzinfo=UTC))
    0
    """
    return (time.hour + LOCAL_OFFSET_HOURS) % 24


def from_iso(text: str, zone: str = "UTC") -> datetime:
    """Read ISO 8601 / RFC 3339 with up to nanoseconds; ``zone`` is for texts that name none.

    Raises:
        ValueError: not such a time.

    >>> from_iso("2026-11-22T08:00:00.123456789Z").isoformat()
    '2026-11-22T08:00:00.123456+00:00'
    >>> from_iso("2026-11-22 08:00:00", "Asia/Ho_Chi_Minh").isoformat()
    '2026-11-22T01:00:00+00:00'
    """
    if UTC_TIME.fullmatch(
        text
    ):  # nearly all: the standard library reads it quickly, and cuts as we do
        return datetime.fromisoformat(text)
    parts = ISO.fullmatch(text)
    if parts is None:
        raise ValueError(f"not an ISO time: {text[:40]!r}")
    day, clock, fraction, offset = parts.groups()
    bare = datetime.fromisoformat(f"{day}T{clock}").replace(microsecond=_microseconds(fraction))
    if offset == "Z":
        return bare.replace(tzinfo=UTC)
    where = time_zone(offset if len(offset) > 3 else f"{offset}00") if offset else time_zone(zone)
    return _to_utc(bare.replace(tzinfo=where))


def from_epoch(text: str) -> datetime:
    """Read Unix seconds with an optional fraction, as audit writes ``1732243200.123``.

    Raises:
        ValueError: not such a number, or out of the years 1-9999.

    >>> from_epoch("1732243200.123456789").isoformat()
    '2024-11-22T02:40:00.123456+00:00'
    """
    seconds, _, fraction = text.partition(".")
    if fraction and not (fraction.isascii() and fraction.isdecimal()):
        raise ValueError(f"not Unix seconds: {text[:40]!r}")
    return from_epoch_microseconds(int(seconds) * 1_000_000 + _microseconds(fraction))


def from_epoch_microseconds(count: int) -> datetime:
    """Unix microseconds, as the journal writes ``__REALTIME_TIMESTAMP``.

    Raises:
        ValueError: out of the years 1-9999.
    """
    try:
        return EPOCH + timedelta(microseconds=count)
    except OverflowError as error:
        raise ValueError(f"a time out of range: {count}") from error


def from_epoch_nanoseconds(text: str) -> datetime:
    """Unix nanoseconds as decimal digits.

    Raises:
        ValueError: not a whole number, or out of the years 1-9999.

    >>> from_epoch_nanoseconds("1732243200123456789").isoformat()
    '2024-11-22T02:40:00.123456+00:00'
    """
    return from_epoch_microseconds(int(text) // 1000)


def from_syslog(text: str, received_at: datetime, zone: str = "UTC") -> datetime:
    """Read the year-less time of RFC 3164, ``Nov 22 08:00:00``, in the source's zone.

    The year is the latest that makes the time no more than two days later than ``received_at``: a line of
    31 December received on 1 January belongs to the old year, and 29 February to the last leap year.

    Raises:
        ValueError: not such a time.
    """
    parts = BSD.fullmatch(text)
    if parts is None or parts[1] not in MONTHS:
        raise ValueError(f"not a syslog time: {text[:40]!r}")
    where, latest = time_zone(zone), received_at + AHEAD
    newest = (latest + A_DAY).year  # of the source's zone, which may be half a day ahead of ours
    said = (MONTHS[parts[1]], *map(int, parts.group(2, 3, 4, 5)), _microseconds(parts[6]))
    for year in range(newest, latest.year - YEARS_TO_A_LEAP_DAY - 1, -1):
        moment = _in_year(year, said, where)
        if moment is not None and moment <= latest:
            return moment
    raise ValueError(f"no such day: {text!r}")


def _in_year(year: int, said: tuple[int, ...], where: tzinfo) -> datetime | None:
    """``said``: month, day, hour, minute, second, microsecond."""
    month, day, hour, minute, second, microsecond = said
    try:
        local = datetime(year, month, day, hour, minute, second, microsecond, where)
    except ValueError:  # 29 February of a common year
        return None
    return _to_utc(local)


def _to_utc(local: datetime) -> datetime:
    try:
        return local.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"a time out of range: {local}") from error


def _microseconds(fraction: str | None) -> int:
    return int(fraction[:6].ljust(6, "0")) if fraction else 0
