"""The kept matches of a rule, for whoever weighs an exception: the newest, and every one of a confirmed alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from soc.model.alert import Disposition
from soc.model.event import Event, Fields
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow

LOOKED_BACK = timedelta(days=90)
NEWEST = 5_000  # matches that are looked at beside the confirmed ones
AT_ONCE = 500  # rows in memory
FindEvent = Callable[[str], Event | None]


@dataclass(frozen=True, slots=True)
class KeptMatch:
    """A match and what is still known of its event."""

    signal: SignalRow
    fields: Fields
    whole: bool  # False: the event is no longer stored, only the fields that matched are
    confirmed: bool  # its alert was closed as true


def newest_matches(
    session: Session, rule_id: str, now: datetime, find: FindEvent, *, most: int = NEWEST
) -> Iterator[KeptMatch]:
    """The newest matches of 90 days, at most ``most``."""
    wanted = _of_rule(rule_id, now).order_by(SignalRow.number.desc()).limit(most)
    return _kept(session, wanted, find)


def confirmed_matches(
    session: Session, rule_id: str, now: datetime, find: FindEvent
) -> Iterator[KeptMatch]:
    """Every match of 90 days whose alert was confirmed, alert by alert, however many there are."""
    wanted = _of_rule(rule_id, now).where(AlertRow.disposition == Disposition.TRUE_POSITIVE)
    return _kept(session, wanted.order_by(SignalRow.alert_id, SignalRow.number), find)


def _of_rule(rule_id: str, now: datetime) -> Select[SignalRow, str | None]:
    return (
        select(SignalRow, AlertRow.disposition)
        .outerjoin(AlertRow, AlertRow.id == SignalRow.alert_id)
        .where(
            and_(
                SignalRow.rule_id == rule_id,
                SignalRow.observed_at >= now - LOOKED_BACK,
                SignalRow.withdrawn_at.is_(None),
            )
        )
    )


def _kept(
    session: Session, wanted: Select[SignalRow, str | None], find: FindEvent
) -> Iterator[KeptMatch]:
    for row, disposition in session.execute(wanted.execution_options(yield_per=AT_ONCE)):
        event = find(row.event_id)
        fields: Fields = dict(row.fields) if event is None else {**row.fields, **event.fields}
        fields.setdefault("host.name", row.host)
        confirmed = disposition == Disposition.TRUE_POSITIVE
        yield KeptMatch(row, fields, event is not None, confirmed)
