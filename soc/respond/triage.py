"""The analysts' desk: the alert queue, one alert, and what people do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotFound
from soc.model.alert import AlertStatus, Disposition
from soc.model.event import EPOCH
from soc.model.scope import Scope
from soc.records.accounts import AuditRow
from soc.records.alerts import AlertRow
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.correlations import CorrelationEntryRow, CorrelationRunRow
from soc.records.database import Database
from soc.records.indicators import IndicatorRow
from soc.records.jobs import RuleStateRow
from soc.records.register import ContactRow
from soc.respond.moves import check_alert_move
from soc.respond.names import Names

MOST_SIGNALS = 200  # shown of one alert
MOST_SIMILAR = 10
RuleFacts = Callable[[str], Mapping[str, Any] | None]  # a rule id to what the pack knows of it
SORTS = {
    "priority": (AlertRow.priority.desc(), AlertRow.number.desc()),
    "newest": (AlertRow.number.desc(),),
    "oldest": (AlertRow.number.asc(),),
}


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Empty means no restriction."""

    status: frozenset[str] = frozenset()
    severity: frozenset[str] = frozenset()
    level: frozenset[int] = frozenset()
    agency_ids: frozenset[str] = frozenset()
    rule_id: str = ""
    assignee: str = ""
    case_id: str = ""
    text: str = ""  # in title, host, entity or summary
    since: datetime | None = None  # seen since then, or made since then from older events


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert with the names a person needs."""

    row: AlertRow
    agency_name: str
    system_name: str


@dataclass(frozen=True, slots=True)
class AlertPage:
    alerts: tuple[AlertView, ...]
    total: int
    facets: Mapping[str, Mapping[str, int]]  # status, severity, level, agency_id: value to count
    newest: int  # highest alert number in scope, for the "n new" chip


@dataclass(frozen=True, slots=True)
class Contribution:
    """One event that a correlation rests on, and the rule that it matched."""

    at: datetime
    rule: str
    host: str
    event_id: str


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """What the alert page shows."""

    alert: AlertView
    signals: tuple[SignalRow, ...]  # newest first, at most 200
    rule: Mapping[
        str, Any
    ]  # the rule as loaded: description, tags, references, falsepositives, condition, source text
    together: tuple[Contribution, ...] = ()  # of a correlation: newest first, at most 200
    similar: tuple[AlertView, ...] = ()  # same rule or entity, with their disposition
    log: tuple[Mapping[str, Any], ...] = ()  # audit rows of this alert
    contact: Mapping[str, str] = field(default_factory=dict)  # whom to call


def no_rule_facts(_: str) -> None:
    """For a desk without a compiled pack: the rule's row must do."""


class TriageDesk:
    """Ask for alerts, act on them. Each act is audited, and refused with Conflict if the alert has moved on."""

    def __init__(self, database: Database, *, rule_facts: RuleFacts = no_rule_facts) -> None:
        self.database, self.rule_facts = database, rule_facts

    def page(
        self,
        scope: Scope,
        wanted: AlertFilter,
        *,
        sort: str = "priority",
        offset: int = 0,
        size: int = 50,
    ) -> AlertPage:
        """``sort``: priority, newest, oldest."""
        conditions = _conditions(wanted)
        where = list(conditions.values())
        with self.database.session(scope) as session:
            rows = session.scalars(
                select(AlertRow)
                .where(*where)
                .order_by(*SORTS.get(sort, SORTS["priority"]))
                .offset(offset)
                .limit(size)
            ).all()
            return AlertPage(
                alerts=views(session, rows),
                total=session.scalar(select(func.count(AlertRow.id)).where(*where)) or 0,
                facets=_facets(session, conditions),
                newest=session.scalar(select(func.max(AlertRow.number))) or 0,
            )

    def get(self, scope: Scope, alert_id: str) -> AlertDetail:
        with self.database.session(scope) as session:
            row = alerts_by_id(session, [alert_id])[0]
            signals = _signals(session, alert_id)
            return AlertDetail(
                alert=views(session, [row])[0],
                signals=signals,
                rule=self.rule_facts(row.rule_id)
                or _indicator(session, row.rule_id)
                or _rule_row(session, row.rule_id),
                together=tuple(self._together(session, signals)),
                similar=views(session, _similar(session, row)),
                log=_log(session, alert_id),
                contact=_contact(session, row.agency_id),
            )

    def _together(self, session: Session, signals: Sequence[SignalRow]) -> Iterator[Contribution]:
        """The events of the runs behind an alert."""
        ids = [signal.id for signal in signals if signal.since is not None]
        runs = select(CorrelationRunRow).where(CorrelationRunRow.signal_id.in_(ids))
        entry = CorrelationEntryRow
        within = [
            (entry.correlation_id == run.correlation_id)
            & (entry.group_key == run.group_key)
            & (entry.at >= run.since)
            & (entry.at <= run.until)
            for run in session.scalars(runs)
        ]
        if not within:
            return
        newest = select(entry).where(or_(*within)).order_by(entry.at.desc(), entry.number.desc())
        for row in session.scalars(newest.limit(MOST_SIGNALS)):
            facts = self.rule_facts(row.rule_id) or {}
            title = str(facts.get("title") or row.rule_id).partition(" (")[0]
            at = EPOCH + timedelta(microseconds=row.at)
            yield Contribution(at, title, row.host, row.event_id)

    def acknowledge(self, scope: Scope, alert_ids: Sequence[str], *, now: datetime) -> None:
        """Take alerts: status acknowledged, assignee the actor. Acknowledging one's own alert again is no error."""
        with self.database.write(scope) as session:
            for row in alerts_by_id(session, alert_ids):
                if row.status == AlertStatus.ACKNOWLEDGED and row.assignee == scope.actor:
                    continue
                if row.status == AlertStatus.ACKNOWLEDGED:
                    raise Conflict(f"alert {row.id} was already taken by {row.assignee}")
                if row.status == AlertStatus.CLOSED:
                    raise Conflict(f"alert {row.id} is closed; reopen it first")
                _move(row, AlertStatus.ACKNOWLEDGED)
                row.assignee, row.acknowledged_at = scope.actor, now
                _audit(session, scope, "acknowledge", row, now)

    def assign(
        self, scope: Scope, alert_ids: Sequence[str], assignee: str, *, now: datetime
    ) -> None:
        """Give alerts to somebody; "" takes the name off. The status stays."""
        with self.database.write(scope) as session:
            for row in alerts_by_id(session, alert_ids):
                if row.status == AlertStatus.CLOSED:
                    raise Conflict(f"alert {row.id} is closed; reopen it before assigning it")
                before, row.assignee = row.assignee, assignee
                _audit(session, scope, "assign", row, now, assignee, {"before": before})

    def close(
        self,
        scope: Scope,
        alert_ids: Sequence[str],
        disposition: Disposition,
        reason: str,
        *,
        now: datetime,
    ) -> None:
        """Close with a disposition and a reason (not empty)."""
        if not reason.strip():
            raise Conflict("closing an alert needs a reason")
        with self.database.write(scope) as session:
            for row in alerts_by_id(session, alert_ids):
                _move(row, AlertStatus.CLOSED)
                row.disposition, row.close_reason = Disposition(disposition), reason.strip()
                row.closed_at = now
                detail = {"disposition": str(disposition)}
                _audit(session, scope, "close", row, now, reason.strip(), detail)

    def reopen(self, scope: Scope, alert_ids: Sequence[str], *, now: datetime) -> None:
        """The way back of ``close``: to acknowledged if somebody holds it, else to new."""
        with self.database.write(scope) as session:
            for row in alerts_by_id(session, alert_ids):
                _move(row, AlertStatus.ACKNOWLEDGED if row.assignee else AlertStatus.NEW)
                detail = {"disposition": row.disposition, "reason": row.close_reason}
                row.disposition, row.close_reason, row.closed_at = "", "", None
                _audit(session, scope, "reopen", row, now, "", detail)


def views(session: Session, rows: Sequence[AlertRow]) -> tuple[AlertView, ...]:
    names = Names.load(
        session,
        agencies=(row.agency_id for row in rows),
        systems=(row.system_id for row in rows),
    )
    return tuple(
        AlertView(row, names.agency(row.agency_id), names.system(row.system_id)) for row in rows
    )


def _move(row: AlertRow, to: AlertStatus) -> None:
    check_alert_move(row.id, AlertStatus(row.status), to)
    row.status = to


def alerts_by_id(session: Session, alert_ids: Sequence[str]) -> list[AlertRow]:
    """In the order asked; raises NotFound for the first that is not within the session's scope."""
    found = session.scalars(select(AlertRow).where(AlertRow.id.in_(alert_ids)))
    row_by_id = {row.id: row for row in found}
    for alert_id in alert_ids:
        if alert_id not in row_by_id:
            raise NotFound("alert", alert_id)
    return [row_by_id[alert_id] for alert_id in dict.fromkeys(alert_ids)]


def _audit(
    session: Session,
    scope: Scope,
    act: str,
    row: AlertRow,
    now: datetime,
    text: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    audit(
        session, scope, f"alert.{act}", "alert", row.id, text, detail,
        now=now, agency_id=row.agency_id,
    )  # fmt: skip


def _conditions(wanted: AlertFilter) -> dict[str, ColumnElement[bool]]:
    """By the facet that they restrict; the others under their own names."""
    conditions: dict[str, ColumnElement[bool]] = {}
    if wanted.status:
        conditions["status"] = AlertRow.status.in_(sorted(wanted.status))
    if wanted.severity:
        conditions["severity"] = AlertRow.severity.in_(sorted(wanted.severity))
    if wanted.level:
        conditions["level"] = AlertRow.system_level.in_(sorted(wanted.level))
    if wanted.agency_ids:
        conditions["agency_id"] = AlertRow.agency_id.in_(sorted(wanted.agency_ids))
    for name in ("rule_id", "assignee", "case_id"):
        if value := getattr(wanted, name):
            conditions[name] = getattr(AlertRow, name) == value
    if wanted.since is not None:
        conditions["since"] = or_(
            AlertRow.last_seen_at >= wanted.since, AlertRow.created_at >= wanted.since
        )
    if text := wanted.text.strip():
        columns = (
            AlertRow.id, AlertRow.title, AlertRow.title_vi, AlertRow.host,
            AlertRow.entity, AlertRow.summary,
        )  # fmt: skip
        conditions["text"] = or_(*(column.icontains(text, autoescape=True) for column in columns))
    return conditions


def _facets(
    session: Session, conditions: Mapping[str, ColumnElement[bool]]
) -> dict[str, dict[str, int]]:
    """How many alerts each value of a facet has under all the other restrictions."""
    columns = {
        "status": AlertRow.status,
        "severity": AlertRow.severity,
        "level": AlertRow.system_level,
        "agency_id": AlertRow.agency_id,
    }
    facets: dict[str, dict[str, int]] = {}
    for name, column in columns.items():
        others = [condition for facet, condition in conditions.items() if facet != name]
        counted = select(column, func.count(AlertRow.id)).where(*others).group_by(column)
        facets[name] = {
            "" if value is None else str(value): count for value, count in session.execute(counted)
        }
    return facets


def _signals(session: Session, alert_id: str) -> tuple[SignalRow, ...]:
    newest = select(SignalRow).where(SignalRow.alert_id == alert_id)
    newest = newest.order_by(SignalRow.observed_at.desc(), SignalRow.number.desc())
    return tuple(session.scalars(newest.limit(MOST_SIGNALS)))


def _indicator(session: Session, rule_id: str) -> Mapping[str, Any] | None:
    """What is known of the indicator behind an alert, in the shape of a rule."""
    if not rule_id.startswith("ioc-"):
        return None
    row = session.scalar(
        select(IndicatorRow).where(IndicatorRow.id == rule_id.removeprefix("ioc-"))
    )
    if row is None:
        return None
    said = f"{row.note} " if row.note else ""
    return {
        "id": rule_id,
        "title": row.value,
        "level": row.level,
        "description": f"{said}[{row.source}, {row.tlp}, {row.created_at:%Y-%m-%d}]",
    }


def _rule_row(session: Session, rule_id: str) -> Mapping[str, Any]:
    row = session.scalar(select(RuleStateRow).where(RuleStateRow.rule_id == rule_id))
    if row is None:
        return {"id": rule_id}
    return {
        "id": rule_id,
        "title": row.title,
        "title_vi": row.title_vi,
        "level": row.level,
        "path": row.path,
        "state": row.state,
        "reason": row.reason,
    }


def _similar(session: Session, row: AlertRow) -> Sequence[AlertRow]:
    same = or_(AlertRow.rule_id == row.rule_id, AlertRow.entity == row.entity)
    found = select(AlertRow).where(same, AlertRow.id != row.id)
    return session.scalars(found.order_by(AlertRow.number.desc()).limit(MOST_SIMILAR)).all()


def _log(session: Session, alert_id: str) -> tuple[Mapping[str, Any], ...]:
    rows = select(AuditRow).where(AuditRow.noun == "alert", AuditRow.key == alert_id)
    return tuple(
        {
            "at": row.at,
            "actor": row.actor,
            "action": row.action,
            "text": row.text,
            "detail": row.detail,
        }
        for row in session.scalars(rows.order_by(AuditRow.number.desc()))
    )


def _contact(session: Session, agency_id: str | None) -> dict[str, str]:
    """The response contact of the agency, else its monitoring contact, else its deputy."""
    order = {"response": 0, "monitoring": 1, "deputy": 2}
    rows = session.scalars(select(ContactRow).where(ContactRow.agency_id == agency_id)).all()
    if agency_id is None or not rows:
        return {}
    best = min(rows, key=lambda row: (order.get(row.role, 9), row.id))
    names = ("role", "name", "department", "position", "phone", "mobile", "email", "hours")
    return {name: getattr(best, name) for name in names if getattr(best, name)}
