"""Builders of events for the tests of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from soc.model.event import Event, Fields
from soc.model.scope import Scope

PROVINCE = Scope.province()
NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)  # 12:00 in Vietnam, a Sunday
MONTHS = {"short": 1, "level3": 3, "level4": 6, "level5": 12, "own": 12}


def event(
    number: int = 1,
    fields: Fields | None = None,
    *,
    raw: bytes | None = None,
    observed_at: datetime | None = None,
    received_at: datetime = NOON,
    agency: str | None = "so-y-te",
    level: int = 0,
) -> Event:
    """The event ``number``, observed so many seconds after noon unless told otherwise."""
    return Event(
        id=f"{number:032x}",
        source="test",
        observed_at=observed_at or NOON + timedelta(seconds=number),
        received_at=received_at,
        fields=fields or {},
        raw=b"raw %d \xff\x00" % number if raw is None else raw,
        agency_id=agency,
        level=level,
        host="may-1",
    )


def numbers(events: object) -> list[int]:
    """The numbers of events, in their order."""
    assert isinstance(events, list | tuple)
    return [int(one.id, 16) for one in events]
