"""Exceptions in the records: written, approved by a second person where needed, ended, and what they have hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from soc.detect.exceptions import REMEMBERED, Exceptions, checked
from soc.detect.kept_matches import FindEvent, KeptMatch, confirmed_matches, newest_matches
from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.exception import How, RuleException, Where
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.exceptions import ExceptionRow

LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Preview:
    """What an exception would have hidden in the last 90 days."""

    hidden: int
    looked_at: int  # the newest matches of its rule
    confirmed: tuple[
        str, ...
    ]  # of all alerts closed as true: those it would, or may, have hidden a match of


@dataclass(frozen=True, slots=True)
class Listed:
    row: ExceptionRow
    hidden: int  # signals
    state: str  # in force, waiting, ended


class ExceptionShelf:
    """``find_event`` gives the event of a signal (None: no longer stored; its matched fields must then do)."""

    def __init__(self, database: Database, find_event: FindEvent = lambda _: None) -> None:
        self._database, self._find_event = database, find_event

    def preview(self, scope: Scope, wanted: RuleException, now: datetime) -> Preview:
        """Judge the rule's kept matches of the last 90 days by the exception.

        All those of confirmed alerts are judged. Where their event is no longer stored, a condition on a field that
        was not kept is taken to hold.
        """
        trial = Exceptions([wanted])
        hidden = looked_at = 0
        confirmed: set[str] = set()
        with self._database.session(scope) as session:
            for one in newest_matches(session, wanted.rule_id, now, self._find_event):
                looked_at += 1
                hidden += _hides(trial, one, now)
            for one in confirmed_matches(session, wanted.rule_id, now, self._find_event):
                alert_id = one.signal.alert_id
                if alert_id is None or alert_id in confirmed:
                    continue
                judging = trial if one.whole else Exceptions(_known_part(wanted, one))
                if judging.empty or _hides(judging, one, now):
                    confirmed.add(alert_id)
        return Preview(hidden, looked_at, tuple(sorted(confirmed)))

    def add(
        self,
        scope: Scope,
        rule_id: str,
        where: Sequence[Where],
        *,
        reason: str,
        expires_at: datetime,
        now: datetime,
        agency_id: str | None = None,
        system_id: str | None = None,
    ) -> tuple[ExceptionRow, Preview]:
        """Write an exception; one that would have hidden a confirmed alert waits for a second person.

        Raises:
            Conflict: no reason, no condition, or an end that is past or over a year away.
            NotAllowed: for an agency outside the scope.
        """
        if not scope.allows(agency_id):
            raise NotAllowed("an exception is for agencies within your scope only")
        if not reason.strip():
            raise Conflict("an exception needs a reason")
        if not where:
            raise Conflict("an exception needs a condition; to switch a rule off, say so")
        if not now < expires_at <= now + LONGEST:
            raise Conflict("an exception ends within a year; it can be renewed")
        made = RuleException(
            "trial", rule_id, tuple(map(checked, where)), now, expires_at, agency_id, system_id
        )
        preview = self.preview(scope, made, now)
        with self._database.write(scope) as session:
            number = (session.scalar(select(func.max(ExceptionRow.number))) or 0) + 1
            row = ExceptionRow(
                id=f"NL-{number:04}",
                number=number,
                rule_id=rule_id,
                where=[[one.field, str(one.how), list(one.values)] for one in made.where],
                agency_id=agency_id,
                system_id=system_id,
                reason=reason.strip(),
                author=scope.actor,
                created_at=now,
                expires_at=expires_at,
                confirmed=list(preview.confirmed),
            )
            session.add(row)
            _audit(session, scope, "add", row, reason, now)
        return row, preview

    def approve(self, scope: Scope, exception_id: str, now: datetime) -> None:
        """The second person's yes.

        Raises:
            NotFound, NotAllowed: no such exception is waiting; the author cannot approve it.
        """
        with self._database.write(scope) as session:
            row = _row(session, exception_id, now)
            if not row.confirmed or row.approved_by:
                raise NotFound("exception that waits", exception_id)
            if row.author == scope.actor:
                raise NotAllowed(
                    f"{exception_id} would have hidden a confirmed alert: another person must approve it"
                )
            row.approved_by, row.approved_at = scope.actor, now
            row.version += 1
            _audit(session, scope, "approve", row, "", now)

    def end(self, scope: Scope, exception_id: str, now: datetime) -> None:
        """End an exception now. NotFound when there is none within the scope that is still in force or waiting."""
        with self._database.write(scope) as session:
            row = _row(session, exception_id, now)
            row.expires_at, row.ended_by = now, scope.actor
            row.version += 1
            _audit(session, scope, "end", row, "", now)

    def listed(self, scope: Scope, now: datetime, *, everything: bool = False) -> Iterator[Listed]:
        """The newest first; without ``everything`` only those in force or waiting."""
        wanted = select(ExceptionRow).order_by(ExceptionRow.number.desc())
        if not everything:
            wanted = wanted.where(ExceptionRow.expires_at > now)
        counted = (
            select(SignalRow.excepted_by, func.count())
            .where(SignalRow.excepted_by.is_not(None))
            .group_by(SignalRow.excepted_by)
        )
        with self._database.session(scope) as session:
            rows = list(session.scalars(wanted))
            hidden = {row[0]: row[1] for row in session.execute(counted)}
        for row in rows:
            waiting = row.confirmed and not row.approved_by
            state = "ended" if row.expires_at <= now else "waiting" if waiting else "in force"
            yield Listed(row, hidden.get(row.id, 0), state)

    def version(self) -> int:
        """Grows whenever an exception is written or changes."""
        with self._database.session(Scope.province("exceptions")) as session:
            return session.scalar(select(func.sum(ExceptionRow.version))) or 0

    def at_work(self, now: datetime) -> list[RuleException]:
        """Those in force, and those that ended in the last 30 days."""
        wanted = select(ExceptionRow).where(
            ExceptionRow.expires_at > now - REMEMBERED,
            or_(
                ExceptionRow.approved_by != "", func.json_array_length(ExceptionRow.confirmed) == 0
            ),
        )
        with self._database.session(Scope.province("exceptions")) as session:
            return [exception_of(row) for row in session.scalars(wanted)]


class CurrentExceptions:
    """Kept fresh beside the rules; ``held`` may be read in one thread while ``refresh`` runs in another."""

    def __init__(self, database: Database) -> None:
        self._shelf = ExceptionShelf(database)
        self._version: int | None = None
        self.held = Exceptions()

    def refresh(self, now: datetime) -> bool:
        """Take up what has changed; whether anything had."""
        version = self._shelf.version()
        if version == self._version:
            return False
        self.held, self._version = Exceptions(self._shelf.at_work(now)), version
        return True


def _hides(trial: Exceptions, one: KeptMatch, now: datetime) -> bool:
    row = one.signal
    return bool(trial.holding(row.rule_id, one.fields, row.agency_id, row.system_id, now)[0])


def _known_part(wanted: RuleException, one: KeptMatch) -> list[RuleException]:
    """The exception with the conditions that can be judged by the fields that were kept; [] if there are none.

    One that is for another agency or system stays as it is: it hides nothing here.
    """
    where = tuple(each for each in wanted.where if each.field in one.fields)
    elsewhere = wanted.agency_id not in (None, one.signal.agency_id)
    elsewhere = elsewhere or wanted.system_id not in (None, one.signal.system_id)
    if elsewhere:
        return [wanted]
    return [replace(wanted, where=where)] if where else []


def exception_of(row: ExceptionRow) -> RuleException:
    where = tuple(Where(field, How(how), tuple(values)) for field, how, values in row.where)
    starts = row.approved_at or row.created_at
    return RuleException(
        row.id, row.rule_id, where, starts, row.expires_at, row.agency_id, row.system_id
    )


def _row(session: Session, exception_id: str, now: datetime) -> ExceptionRow:
    wanted = select(ExceptionRow).where(
        ExceptionRow.id == exception_id, ExceptionRow.expires_at > now
    )
    row = session.scalar(wanted)
    if row is None:
        raise NotFound("exception in force", exception_id)
    return row


def _audit(
    session: Session, scope: Scope, act: str, row: ExceptionRow, text: str, now: datetime
) -> None:
    detail = {"rule": row.rule_id, "where": row.where, "expires_at": row.expires_at.isoformat()}
    audit(
        session, scope, f"exception.{act}", "exception", row.id, text, detail,
        now=now, agency_id=row.agency_id,
    )  # fmt: skip
