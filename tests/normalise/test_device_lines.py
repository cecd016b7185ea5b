"""What stands before a device's own words, and the words as fields."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from soc.model.event import Fields, RawRecord
from soc.normalise.device_head import add_head, read_head, when
from soc.normalise.network_words import add, add_transport, add_user, table
from soc.normalise.pairs import MOST, quoted_pairs

RECEIVED_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RECORD = RawRecord(b"", "auto", received_at=RECEIVED_AT, host="relay01")


@pytest.mark.parametrize(
    ("line", "time", "host"),
    [
        ("<166>Nov 20 2026 13:29:11 fw : %ASA", "2026-11-20T06:29:11", "fw"),
        ("Nov 20 17:51:17 fw: %ASA", "2026-11-20T10:51:17", "fw"),
        ("Nov 20 2026 09:34:34 EDT: %ASA", "2026-11-20T02:34:34", ""),
        ("Nov 20 2026 09:34:34 UTC: %ASA", "2026-11-20T09:34:34", ""),
        ("Nov 20 2026 09:34:34 UTC+9: %ASA", "2026-11-20T00:34:34", ""),
        ("Nov 20 2026 17:06:48+03:00 DST usg %ASA", "2026-11-20T14:06:48", "usg"),
        ("<14>1 2026-11-20T09:37:51+07:00 srx RT", "2026-11-20T02:37:51", "srx"),
        ("2026/11/20 09:52:14 usg %%01", "2026-11-20T02:52:14", "usg"),
        ("Nov 20 09:52:14 2001:db8::1 %ASA", "2026-11-20T02:52:14", "2001:db8::1"),
    ],
)
def test_the_head_of_a_line_tells_time_and_device(line: str, time: str, host: str) -> None:
    """Times without a zone are in the device's, Việt Nam here; the letters of a zone are not believed but for UTC."""
    head = read_head(line, RECORD)
    assert head.observed_at is not None
    assert (head.observed_at.isoformat()[:19], head.host) == (time, host)


@pytest.mark.parametrize(
    ("received_at", "line", "year"),
    [
        (datetime(2027, 1, 1, 0, 5, tzinfo=UTC), "Dec 31 23:59:59 fw x", 2026),
        (datetime(2026, 12, 31, 16, 59, tzinfo=UTC), "Jan  1 00:00:01 fw x", 2026),
        (datetime(2026, 3, 1, tzinfo=UTC), "Feb 29 12:00:00 fw x", 2024),
    ],
)
def test_a_time_without_a_year_is_of_the_nearest_year_that_can_be(
    received_at: datetime, line: str, year: int
) -> None:
    """Around New Year, and on the day that comes every fourth year."""
    head = read_head(line, RawRecord(b"", "auto", received_at=received_at))
    assert head.observed_at is not None
    assert head.observed_at.year == year


@pytest.mark.parametrize("line", ["", "<999>", "Foo 99 99:99:99 fw x", "2026/99/99 00:00:00 x"])
def test_a_head_that_cannot_be_read_gives_the_time_of_collection(line: str) -> None:
    """A device with a broken clock is heard as well."""
    assert when(read_head(line, RECORD), RECORD) == RECEIVED_AT


def test_a_device_that_is_named_by_its_address_is_an_address() -> None:
    """The register knows devices by it."""
    fields: Fields = {}
    add_head(fields, read_head("<134>Nov 20 08:00:00 10.12.0.1 x", RECORD), RECORD)
    assert (fields["observer.ip"], fields["host.name"]) == (["10.12.0.1"], "10.12.0.1")
    assert fields["log.syslog.priority"] == 134


def test_a_device_that_is_not_named_is_the_sender() -> None:
    """A relay names the device that it heard."""
    fields: Fields = {}
    add_head(fields, read_head("words", RECORD), RECORD)
    assert fields == {"host.name": "relay01"}


def test_a_relay_may_know_the_device_by_its_address_alone() -> None:
    """The register finds the agency by it, whatever name the line has."""
    fields: Fields = {}
    record = RawRecord(b"", "auto", received_at=RECEIVED_AT, host="10.12.0.7")
    add_head(fields, read_head("Nov 20 08:00:00 fw-so x", record), record)
    assert (fields["host.name"], fields["observer.ip"]) == ("fw-so", ["10.12.0.7"])


def test_what_does_not_fit_its_field_stays_under_the_vendors_name() -> None:
    """Nothing of a line is lost, and no number field holds words."""
    fields: Fields = {}
    names = table({"src": "source.ip", "spt": "source.port", "gone": ""})
    add(fields, names, {"src": "tên", "spt": "443", "gone": "x", "own": "y", "none": "N/A"}, "v")
    assert fields == {"v.src": "tên", "source.port": 443, "v.own": "y"}


@pytest.mark.parametrize("written", ["", "300", "-1", "tcpx", "99999999999"])
def test_a_protocol_that_is_none_is_left_out(written: str) -> None:
    """256 numbers are all there are."""
    fields: Fields = {}
    add_transport(fields, written)
    assert fields == {}


def test_an_account_without_a_name_is_left_out() -> None:
    """Devices write N/A, a dash, or a domain alone."""
    fields: Fields = {}
    for written in ("", "N/A", "-", " "):
        add_user(fields, written)
    assert fields == {}


def test_pairs_beyond_the_limit_are_left_out() -> None:
    """A small line must not become a large event."""
    assert len(quoted_pairs(" ".join(f"a{place}=1" for place in range(2 * MOST)))) == MOST
