"""Times as products write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.model.event import RawRecord
from soc.normalise.written_times import from_written, iso_time

RECORD = RawRecord(b"", "x", datetime(2026, 11, 22, tzinfo=UTC))
AT = "2026-11-20T02:00:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("1795140000", "1795140000.0", "1795140000000", "2026-11-20T02:00:00Z", "2026-11-20 09:00:00"),
        *("2026/11/20 09:00:00", "2026-11-20 02:00:00 UTC", "2026-11-20T09:00:00.000+0700", "20-Nov-2026 09:00:00"),
        *("Nov 20 09:00:00", "Nov 20 2026 09:00:00", "Fri Nov 20 09:00:00 2026", "Nov 20, 2026 9:00:00 AM"),
        *("20/Nov/2026:09:00:00 +0700", "Fri, 20 Nov 2026 02:00:00 GMT", "20.11.2026 09:00:00"),
        *("11/20/2026 9:00:00 AM", "20/11/2026 9:00:00 SA", "11/20/26 09:00:00", "Nov 20 2026 09:00:00 ICT"),
        *("2026-11-20 09:00:00 Asia/Ho_Chi_Minh", "2026-11-20 09:00:00 XYZ", "2026-11-20 02:00:00 GMT+00:00"),
        *("2026-11-20 09:00:00.000 +07", "2026-11-20 02:00:00+00", "2026-11-20 9:00:00"),
    ],
)  # fmt: skip
def test_every_usual_form_is_read(text: str) -> None:
    """The same moment in each."""
    assert from_written(text, RECORD).isoformat() == AT


@pytest.mark.parametrize(
    ("text", "us", "day"),
    [
        ("11/12/2026 9:00:00 AM", True, "2026-11-12"),
        ("11/12/2026 09:00:00", False, "2026-12-11"),
        ("11/12/2026 9:00:00 CH", True, "2026-12-11"),
        ("25/12/2026 09:00:00", True, "2026-12-25"),
    ],
)
def test_the_order_of_day_and_month_is_told_or_shown(text: str, us: bool, day: str) -> None:
    """A number over twelve is no month, and Vietnam writes SA and CH behind the day first."""
    assert from_written(text, RECORD, us=us).date().isoformat() == day


@pytest.mark.parametrize(
    "text",
    ["", "-", "noon", "2026-13-01 00:00:00", "Foo 20 09:00:00", "25:00:00", "1" * 30, "²" * 10],
)
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|month|day|hour|date"):
        from_written(text, RECORD)


@given(st.text(max_size=70))
def test_any_text_is_a_time_or_none(text: str) -> None:
    """Nothing else is raised."""
    assert iso_time(text, RECORD) is None or iso_time(text, RECORD)
