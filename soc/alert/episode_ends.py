"""The alert of a wrong clock, or of a silent source, ends with what it tells of, unless somebody has taken it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.model.alert import AlertStatus, Disposition
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.clocks import ClockEpisodeRow
from soc.records.database import Database
from soc.records.silence import SilenceEpisodeRow

PROVINCE = Scope.province("clocks")
Episode = ClockEpisodeRow | SilenceEpisodeRow


@dataclass(frozen=True, slots=True)
class Kind:
    """Episodes of one table, and what their alerts say when they are over."""

    row: type[Episode]
    field: str
    reason: str


KINDS = (
    Kind(
        ClockEpisodeRow,
        "soc.clock.right_since",
        "Đồng hồ đúng lại từ {0}. / The clock is right since {0}.",
    ),
    Kind(
        SilenceEpisodeRow,
        "soc.silence.ended",
        "Có dữ liệu trở lại lúc {0}. / Heard again at {0}.",
    ),
)


def end_episode_alerts(database: Database, now: datetime) -> int:
    """Tell the alerts of the episodes that are over; returns how many episodes were told."""
    return sum(_end(database, kind, now) for kind in KINDS)


def _end(database: Database, kind: Kind, now: datetime) -> int:
    row = kind.row
    over = select(row).where(row.ended_at.is_not(None), row.told_end.is_(False))
    with database.session(PROVINCE) as session:
        if session.scalar(over.limit(1)) is None:
            return 0
    with database.write(PROVINCE) as session:
        episodes: Sequence[Any] = session.scalars(over).all()  # of either table
        return sum([_tell(session, kind, one, now) for one in episodes])


def _tell(session: Session, kind: Kind, episode: Episode, now: datetime) -> bool:
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
    alert.fields = {**alert.fields, kind.field: ended}
    if alert.status == AlertStatus.NEW and not _others_go_on(session, kind, alert, episode):
        alert.status, alert.closed_at = AlertStatus.CLOSED, now
        alert.disposition = Disposition.TRUE_POSITIVE
        alert.close_reason = kind.reason.format(ended)
        audit(
            session, PROVINCE, "alert.close", "alert", alert.id, alert.close_reason,
            {"disposition": alert.disposition}, now=now, agency_id=alert.agency_id,
        )  # fmt: skip
    return True


def _others_go_on(session: Session, kind: Kind, alert: AlertRow, episode: Episode) -> bool:
    """Whether another episode of the same alert still goes on."""
    signal, row = SignalRow, kind.row
    going_on = select(row.id).join(signal, signal.id == row.id)
    wanted = going_on.where(
        signal.alert_id == alert.id, row.ended_at.is_(None), row.id != episode.id
    )
    return session.scalar(wanted.limit(1)) is not None
