"""The alert of a wrong clock ends when the clock is right again, unless somebody has taken it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.model.alert import AlertStatus, Disposition
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.clocks import ClockEpisodeRow
from soc.records.database import Database

PROVINCE = Scope.province("clocks")


def end_clock_alerts(database: Database, now: datetime) -> int:
    """Tell the alerts of the episodes that are over; returns how many episodes were told."""
    row = ClockEpisodeRow
    over = select(row).where(row.ended_at.is_not(None), row.told_end.is_(False))
    with database.session(PROVINCE) as session:
        if session.scalar(over.limit(1)) is None:
            return 0
    with database.write(PROVINCE) as session:
        return sum([_tell(session, one, now) for one in session.scalars(over)])


def _tell(session: Session, episode: ClockEpisodeRow, now: datetime) -> bool:
    """False while its signal is not joined yet: it is told later."""
    signal = session.scalar(select(SignalRow).where(SignalRow.id == episode.id))
    hidden = signal is not None and (signal.excepted_by or signal.suppressed_by)
    if signal is not None and signal.alert_id is None and not hidden:
        return False
    episode.told_end = True
    alert = session.get(AlertRow, signal.alert_id) if signal and signal.alert_id else None
    if alert is None:
        return True
    ended = f"{episode.ended_at:%Y-%m-%dT%H:%M:%SZ}"
    alert.fields = {**alert.fields, "soc.clock.right_since": ended}
    if alert.status == AlertStatus.NEW and not _others_go_on(session, alert, episode):
        alert.status, alert.closed_at = AlertStatus.CLOSED, now
        alert.disposition = Disposition.TRUE_POSITIVE
        alert.close_reason = f"Đồng hồ đúng lại từ {ended}. / The clock is right since {ended}."
        audit(
            session, PROVINCE, "alert.close", "alert", alert.id, alert.close_reason,
            {"disposition": alert.disposition}, now=now, agency_id=alert.agency_id,
        )  # fmt: skip
    return True


def _others_go_on(session: Session, alert: AlertRow, episode: ClockEpisodeRow) -> bool:
    """Whether another clock of the same alert is still wrong."""
    signal, row = SignalRow, ClockEpisodeRow
    going_on = select(row.id).join(signal, signal.id == row.id)
    wanted = going_on.where(
        signal.alert_id == alert.id, row.ended_at.is_(None), row.id != episode.id
    )
    return session.scalar(wanted.limit(1)) is not None
