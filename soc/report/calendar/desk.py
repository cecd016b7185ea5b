"""The desk of periodic reports: planned ahead, drafted from the records, approved by another person, sent.

What was made stays: a new draft, or a correction after approval, is a new revision beside the old ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.duty import DutyState
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.database import Database
from soc.records.reports import ReportDutyRow, ReportRevisionRow
from soc.report.calendar.obligations import PeriodicObligation, load_obligations

WORKER = "calendar"
AHEAD = {  # how long before it begins a period is in the calendar
    "day": timedelta(days=3),
    "week": timedelta(days=14),
    "month": timedelta(days=35),
    "half_year": timedelta(days=35),
    "year": timedelta(days=35),
}
Writer = Callable[[Session, ReportDutyRow, datetime], bytes]
"""Makes a report's content (JSON) from the records, read at a time."""


@dataclass(frozen=True, slots=True)
class DutyView:
    """A duty and its revisions, the newest first; ``overdue``: never sent, and its time is over."""

    row: ReportDutyRow
    revisions: tuple[ReportRevisionRow, ...]
    overdue: bool

    @property
    def late(self) -> bool:
        """Sent, but after its time."""
        return self.row.first_sent_at is not None and self.row.first_sent_at >= self.row.due_at

    @property
    def newest(self) -> ReportRevisionRow | None:
        return self.revisions[0] if self.revisions else None


class CalendarDesk:
    """``writers`` by content: daily, weekly, monthly, half_year, yearly."""

    def __init__(
        self,
        database: Database,
        writers: Mapping[str, Writer],
        obligations: Iterable[PeriodicObligation] | None = None,
    ) -> None:
        self._database, self._writers = database, writers
        self._obligations = load_obligations() if obligations is None else tuple(obligations)

    def plan(self, now: datetime) -> int:
        """Put into the calendar what comes, and what came while nobody planned; how many duties are new.

        An obligation's first duty is the earliest period that can still be reported in time.
        """
        made = 0
        scope = Scope.province(WORKER)
        with self._database.write(scope) as session:
            for one in self._obligations:
                had = session.scalar(
                    select(func.max(ReportDutyRow.ends_at)).where(
                        ReportDutyRow.obligation == one.id
                    )
                )
                since = had or now - timedelta(days=62)
                for period in one.periods(since, now + AHEAD[one.every]):
                    if had is None and period.due_at <= now:
                        continue
                    session.add(
                        ReportDutyRow(
                            id=f"{one.id}.{period.key}", obligation=one.id, title=one.title,
                            title_vi=one.title_vi, basis=one.basis, owner_role=one.owner_role,
                            recipient=one.recipient, content=one.content, created_at=now,
                            starts_at=period.starts_at, ends_at=period.ends_at, due_at=period.due_at,
                        )
                    )  # fmt: skip
                    made += 1
        return made

    def work(self, now: datetime) -> int:
        """The worker's duty: plan, and draft daily reports whose day is over."""
        made = self.plan(now)
        scope = Scope.province(WORKER)
        waiting = select(ReportDutyRow.id).where(
            ReportDutyRow.state == DutyState.PLANNED,
            ReportDutyRow.content == "daily",
            ReportDutyRow.ends_at <= now,
        )
        with self._database.session(scope) as session:
            ids = list(session.scalars(waiting.order_by(ReportDutyRow.due_at).limit(10)))
        for duty_id in ids:
            self.draft(scope, duty_id, now)
        return made + len(ids)

    def draft(self, scope: Scope, duty_id: str, now: datetime) -> int:
        """Make a draft from the records of now; the revision's number. Before the period's end it is a preview.

        Raises:
            Conflict: it is approved or sent: ``revise`` it with a reason.
        """
        _of_the_centre(scope)
        with self._database.write(scope) as session:
            row = _row(session, duty_id)
            if row.state not in (DutyState.PLANNED, DutyState.DRAFTED):
                raise Conflict(
                    f"{duty_id} is {row.state}: a correction is a revision with a reason"
                )
            return self._make(session, scope, row, "", now)

    def revise(self, scope: Scope, duty_id: str, reason: str, now: datetime) -> int:
        """Begin a correction of what was approved or sent; the old revision stays as it is."""
        _of_the_centre(scope)
        if not reason.strip():
            raise Conflict("a correction needs a reason")
        with self._database.write(scope) as session:
            row = _row(session, duty_id)
            if row.state not in (DutyState.APPROVED, DutyState.SENT):
                raise Conflict(f"{duty_id} is {row.state}: draft it anew, it needs no correction")
            return self._make(session, scope, row, reason.strip()[:2_000], now)

    def _make(
        self, session: Session, scope: Scope, row: ReportDutyRow, reason: str, now: datetime
    ) -> int:
        content = self._writers[row.content](
            session, row, now.astimezone(UTC)
        )  # as it is read again
        row.revision += 1
        row.state = DutyState.DRAFTED
        session.add(
            ReportRevisionRow(
                duty_id=row.id, revision=row.revision, reason=reason, content=content,
                sha256=hashlib.sha256(content).hexdigest(), read_at=now, made_by=scope.actor,
            )
        )  # fmt: skip
        _audit(session, scope, "revise" if reason else "draft", row, now, reason=reason)
        return row.revision

    def approve(self, scope: Scope, duty_id: str, now: datetime) -> int:
        """Freeze the newest revision; its number.

        Raises:
            NotAllowed: by the person who drafted it.
            Conflict: nothing waits for approval, or its figures were read before the period's end.
        """
        _of_the_centre(scope)
        with self._database.write(scope) as session:
            row, newest = _newest(session, duty_id, DutyState.DRAFTED)
            if newest.made_by == scope.actor:
                raise NotAllowed(f"{duty_id} needs the approval of a person who has not drafted it")
            if newest.read_at < row.ends_at:
                raise Conflict(
                    f"revision {newest.revision} of {duty_id} was read before its period ended: "
                    "draft it anew"
                )
            newest.approved_by, newest.approved_at = scope.actor, now
            row.state = DutyState.APPROVED
            _audit(session, scope, "approve", row, now, sha256=newest.sha256)
            return newest.revision

    def send(self, scope: Scope, duty_id: str, reference: str, now: datetime) -> int:
        """Keep that the approved revision was sent, under its document number or receipt; the revision."""
        _of_the_centre(scope)
        if not reference.strip():
            raise Conflict(
                "write the number of the document or the receipt under which it was sent"
            )
        with self._database.write(scope) as session:
            row, newest = _newest(session, duty_id, DutyState.APPROVED)
            newest.sent_by, newest.sent_at = scope.actor, now
            newest.reference = reference.strip()[:200]
            row.state, row.first_sent_at = DutyState.SENT, row.first_sent_at or now
            _audit(session, scope, "send", row, now, reference=newest.reference)
            return newest.revision

    def standing(self, scope: Scope, duty_id: str, now: datetime) -> DutyView:
        """One duty. Raises NotFound."""
        _of_the_centre(scope)
        with self._database.session(scope) as session:
            return _view(session, _row(session, duty_id), now)

    def all(self, scope: Scope, now: datetime) -> list[DutyView]:
        """The calendar: what is not sent, by due time, then what is, the latest first."""
        _of_the_centre(scope)
        with self._database.session(scope) as session:
            rows = list(session.scalars(select(ReportDutyRow).order_by(ReportDutyRow.due_at)))
            owed = [row for row in rows if row.state != DutyState.SENT]
            sent = [row for row in reversed(rows) if row.state == DutyState.SENT]
            return [_view(session, row, now) for row in owed + sent[:100]]

    def overdue(self, scope: Scope, now: datetime) -> int:
        """How many reports were due and never sent."""
        _of_the_centre(scope)
        wanted = select(func.count(ReportDutyRow.id)).where(
            ReportDutyRow.first_sent_at.is_(None), ReportDutyRow.due_at <= now
        )
        with self._database.session(scope) as session:
            return session.scalar(wanted) or 0

    def again(self, scope: Scope, duty_id: str, revision: int) -> tuple[bytes, bytes]:
        """What a revision says, and what the records of today say of the same period as of the same time."""
        _of_the_centre(scope)
        with self._database.session(scope) as session:
            row = _row(session, duty_id)
            wanted = select(ReportRevisionRow).where(
                ReportRevisionRow.duty_id == duty_id, ReportRevisionRow.revision == revision
            )
            kept = session.scalar(wanted)
            if kept is None:
                raise NotFound("revision of the report", f"{duty_id} {revision}")
            return kept.content, self._writers[row.content](session, row, kept.read_at)


def _view(session: Session, row: ReportDutyRow, now: datetime) -> DutyView:
    of_duty = select(ReportRevisionRow).where(ReportRevisionRow.duty_id == row.id)
    revisions = session.scalars(of_duty.order_by(ReportRevisionRow.revision.desc()))
    return DutyView(row, tuple(revisions), row.first_sent_at is None and now >= row.due_at)


def _newest(
    session: Session, duty_id: str, state: DutyState
) -> tuple[ReportDutyRow, ReportRevisionRow]:
    row = _row(session, duty_id)
    newest = session.scalar(
        select(ReportRevisionRow).where(
            ReportRevisionRow.duty_id == duty_id, ReportRevisionRow.revision == row.revision
        )
    )
    if row.state != state or newest is None:
        raise Conflict(f"{duty_id} is {row.state}, not {state}")
    return row, newest


def _row(session: Session, duty_id: str) -> ReportDutyRow:
    row = session.get(ReportDutyRow, duty_id)
    if row is None:
        raise NotFound("report of the calendar", duty_id)
    return row


def _of_the_centre(scope: Scope) -> None:
    if not scope.whole_province:
        raise NotAllowed("periodic reports are made by the centre")


def _audit(
    session: Session, scope: Scope, act: str, row: ReportDutyRow, now: datetime, **detail: Any
) -> None:
    audit(
        session, scope, f"report.{act}", "report", row.id, row.title_vi,
        {"revision": row.revision, **detail}, now=now,
    )  # fmt: skip
