"""Times of sources."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.normalise.timestamps import (
    from_epoch,
    from_epoch_microseconds,
    from_epoch_nanoseconds,
    from_iso,
    from_syslog,
    time_zone,
)

VIETNAM = "Asia/Ho_Chi_Minh"


def received(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "received_at", "moment"),
    [
        ("Nov 22 08:00:00", "2026-11-22T08:00:01", "2026-11-22T08:00:00+00:00"),
        ("Dec 31 23:59:59", "2027-01-01T00:00:05", "2026-12-31T23:59:59+00:00"),
        ("Jan  1 00:00:01", "2026-12-31T23:59:58", "2027-01-01T00:00:01+00:00"),
        ("Feb 29 12:00:00", "2026-11-22T08:00:00", "2024-02-29T12:00:00+00:00"),
        ("Feb 29 12:00:00", "2028-02-29T12:00:01", "2028-02-29T12:00:00+00:00"),
        ("Feb 29 12:00:00", "2103-05-01T00:00:00", "2096-02-29T12:00:00+00:00"),
        ("Nov 25 08:00:00", "2026-11-22T08:00:00", "2025-11-25T08:00:00+00:00"),
        ("Nov  2 08:00:00.123456789", "2026-11-22T08:00:00", "2026-11-02T08:00:00.123456+00:00"),
    ],
)
def test_a_time_without_a_year_takes_it_from_its_arrival(
    written: str, received_at: str, moment: str
) -> None:
    """The latest year that is not more than two days ahead of the arrival."""
    assert from_syslog(written, received(received_at)).isoformat() == moment


def test_the_year_turns_in_the_sources_zone() -> None:
    """At 17:00 UTC of 31 December it is the next year in Việt Nam."""
    moment = from_syslog("Jan  1 00:00:01", received("2026-12-31T17:00:05"), VIETNAM)
    assert moment.isoformat() == "2026-12-31T17:00:01+00:00"


@pytest.mark.parametrize(
    "written", ["Feb 30 00:00:00", "Foo 22 08:00:00", "Nov 22 25:00:00", "", "Nov 22"]
)
def test_a_day_that_is_none_is_a_value_error(written: str) -> None:
    """The reader falls back to the time of arrival."""
    with pytest.raises(ValueError, match=r"no such day|not a syslog time"):
        from_syslog(written, received("2026-11-22T08:00:00"))


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-22T08:00:00Z", "2026-11-22T08:00:00+00:00"),
        ("2026-11-22T08:00:00.999999999Z", "2026-11-22T08:00:00.999999+00:00"),
        ("2026-11-22T08:00:00.1+07:00", "2026-11-22T01:00:00.100000+00:00"),
        ("2026-11-22 08:00:00,5 -0730", "2026-11-22T15:30:00.500000+00:00"),
        ("2026-11-22T08:00:00", "2026-11-22T01:00:00+00:00"),
    ],
)
def test_iso_times_become_utc_cut_to_microseconds(written: str, moment: str) -> None:
    """A time without a zone is in the zone given."""
    assert from_iso(written, VIETNAM).isoformat() == moment


@pytest.mark.parametrize(
    "written", ["", "now", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-11-22"]
)
def test_what_is_no_iso_time_is_a_value_error(written: str) -> None:
    """Never another exception."""
    with pytest.raises(ValueError, match=r"."):
        from_iso(written)


def test_an_unknown_zone_is_a_value_error() -> None:
    """Its name comes from a configuration file."""
    with pytest.raises(ValueError, match="no time zone 'Asia/Nowhere'"):
        time_zone("Asia/Nowhere")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "/etc/localtime", "+25:00", "a\x00b"])
def test_a_strange_zone_is_a_value_error(name: str) -> None:
    """It must not become a path."""
    with pytest.raises(ValueError, match=r"."):
        time_zone(name)


@given(st.integers(-(2**62), 2**62))
def test_unix_microseconds_give_a_time_or_a_value_error(count: int) -> None:
    """A wild number from a source is no crash."""
    try:
        moment = from_epoch_microseconds(count)
    except ValueError:
        return
    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == pytest.approx(
        count / 1e6, abs=1
    )


def test_fractions_of_unix_seconds_are_cut() -> None:
    """Audit writes milliseconds, others more."""
    assert from_epoch("1732243200.9999999").microsecond == 999_999
    assert from_epoch_nanoseconds("1732243200123456789").microsecond == 123_456
