"""The desk of the situation room: what runs out, what is open, who is silent, in one look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from soc.model.alert import AlertStatus, Disposition, Severity
from soc.model.case import CaseStatus
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.alerts import AlertRow
from soc.records.cases import CaseRow, ObligationRow
from soc.records.database import Database
from soc.records.outbox import OutboxRow
from soc.records.register import AgencyRow, SystemRow
from soc.respond.health_desk import AgentView, agent_state
from soc.respond.names import Names

MOST_CLOCKS = 5
MOST_CASES = 8
HOURS = 24
OPEN = (AlertStatus.NEW, AlertStatus.ACKNOWLEDGED)
URGENT = (Severity.HIGH, Severity.CRITICAL)
GROUPS = MappingProxyType(  # of the agency tiles, in their order: kinds of agencies of each
    {
        "departments": frozenset({"ubnd_tinh", "so", "ban", "cong_an", "quan_su"}),
        "communes": frozenset({"xa", "phuong", "dac_khu"}),
        "units": frozenset[str](),  # and every other kind
    }
)


@dataclass(frozen=True, slots=True)
class RunningClock:
    """A report that is still owed, and the case that owes it."""

    obligation: ObligationRow
    case: CaseRow
    agency_name: str


@dataclass(frozen=True, slots=True)
class CaseLine:
    case: CaseRow
    agency_name: str
    system_name: str

    @property
    def undecided(self) -> int:
        """How many of the three questions at triage have no answer."""
        answers = (self.case.serious, self.case.national_security, self.case.serious_disruption)
        return sum(answer is None for answer in answers)


@dataclass(frozen=True, slots=True)
class AgencyTile:
    """``state``: incident, attention, silent, none (no agent yet) or ok."""

    agency: AgencyRow
    state: str
    alerts: int


@dataclass(frozen=True, slots=True)
class NationalLink:
    """What the outbox says of the link to the national centre; ``state``: ok, waiting, dead or none."""

    state: str
    waiting: int
    dead: int
    sent: int
    last_sent_at: datetime | None
    receipt: str


@dataclass(frozen=True, slots=True)
class Situation:
    clocks: tuple[RunningClock, ...]
    open_by_severity: Mapping[str, int]
    signals_open: int
    unassigned_urgent: tuple[AlertRow, ...]
    median_to_take: timedelta | None  # of the last 24 hours
    false_share: float | None  # of what was closed within 7 days, 0-1
    per_hour: tuple[tuple[datetime, Mapping[str, int]], ...]  # 24 hours: severity to alerts
    tiles: Mapping[str, tuple[AgencyTile, ...]]  # group of agencies to its tiles
    agents: tuple[AgentView, ...]  # silent ones first
    national: NationalLink
    cases: tuple[CaseLine, ...]

    @property
    def open_alerts(self) -> int:
        return sum(self.open_by_severity.values())


@dataclass(frozen=True, slots=True)
class Counts:
    """The figures beside the entries of the rail, on every page."""

    alerts: int
    urgent: bool
    cases: int
    national: str


@dataclass(frozen=True, slots=True)
class Register:
    """Agencies and systems within a scope, for lists and choices."""

    agencies: tuple[AgencyRow, ...]
    systems: tuple[SystemRow, ...]


class SituationDesk:
    def __init__(self, database: Database) -> None:
        self.database = database

    def situation(self, scope: Scope, *, now: datetime) -> Situation:
        with self.database.session(scope) as session:
            open_by_severity, signals = _open_alerts(session)
            cases = _open_cases(session)
            agents = _agents(session, now)
            return Situation(
                clocks=_clocks(session),
                open_by_severity=open_by_severity,
                signals_open=signals,
                unassigned_urgent=_unassigned(session),
                median_to_take=_median_to_take(session, now),
                false_share=_false_share(session, now),
                per_hour=_per_hour(session, now),
                tiles=_tiles(session, scope, cases, agents),
                agents=agents,
                national=_national(session),
                cases=cases[:MOST_CASES],
            )

    def counts(self, scope: Scope) -> Counts:
        with self.database.session(scope) as session:
            by_severity, _ = _open_alerts(session)
            cases = session.scalar(
                select(func.count(CaseRow.id)).where(CaseRow.status != CaseStatus.CLOSED)
            )
            return Counts(
                alerts=sum(by_severity.values()),
                urgent=any(by_severity.get(severity) for severity in URGENT),
                cases=cases or 0,
                national=_national(session).state,
            )

    def alerts_after(self, scope: Scope, number: int) -> int:
        """How many alerts were made after the one with this number."""
        counted = select(func.count(AlertRow.id)).where(AlertRow.number > number)
        with self.database.session(scope) as session:
            return session.scalar(counted) or 0

    def register(self, scope: Scope) -> Register:
        """Agencies whose records the scope allows, and their systems, by name."""
        with self.database.session(scope) as session:
            return Register(
                agencies=tuple(_agencies(session, scope)),
                systems=tuple(session.scalars(select(SystemRow).order_by(SystemRow.name))),
            )


def _open_alerts(session: Session) -> tuple[dict[str, int], int]:
    counted = (
        select(AlertRow.severity, func.count(AlertRow.id), func.sum(AlertRow.signals))
        .where(AlertRow.status.in_(OPEN))
        .group_by(AlertRow.severity)
    )
    rows = session.execute(counted).all()
    return {severity: count for severity, count, _ in rows}, sum(row[2] or 0 for row in rows)


def _clocks(session: Session) -> tuple[RunningClock, ...]:
    owed = (
        select(ObligationRow, CaseRow)
        .join(CaseRow, CaseRow.id == ObligationRow.case_id)
        .where(
            ObligationRow.done_at.is_(None),
            ObligationRow.waived_at.is_(None),
            CaseRow.status != CaseStatus.CLOSED,
        )
        .order_by(ObligationRow.due_at)
        .limit(MOST_CLOCKS)
    )
    rows = session.execute(owed).all()
    names = Names.load(session, agencies=(case.agency_id for _, case in rows), systems=())
    return tuple(
        RunningClock(obligation, case, names.agency(case.agency_id)) for obligation, case in rows
    )


def _open_cases(session: Session) -> tuple[CaseLine, ...]:
    wanted = select(CaseRow).where(CaseRow.status != CaseStatus.CLOSED)
    rows = session.scalars(wanted.order_by(CaseRow.detected_at.desc())).all()
    names = Names.load(
        session, agencies=(row.agency_id for row in rows), systems=(row.system_id for row in rows)
    )
    return tuple(
        CaseLine(row, names.agency(row.agency_id), names.system(row.system_id)) for row in rows
    )


def _unassigned(session: Session) -> tuple[AlertRow, ...]:
    wanted = select(AlertRow).where(
        AlertRow.status == AlertStatus.NEW, AlertRow.severity.in_(URGENT), AlertRow.assignee == ""
    )
    return tuple(session.scalars(wanted.order_by(AlertRow.priority.desc()).limit(MOST_CLOCKS)))


def _median_to_take(session: Session, now: datetime) -> timedelta | None:
    taken = select(AlertRow.created_at, AlertRow.acknowledged_at).where(
        AlertRow.acknowledged_at >= now - timedelta(hours=HOURS)
    )
    waits = sorted(
        acknowledged - created for created, acknowledged in session.execute(taken) if acknowledged
    )
    return waits[len(waits) // 2] if waits else None


def _false_share(session: Session, now: datetime) -> float | None:
    counted = (
        select(AlertRow.disposition, func.count(AlertRow.id))
        .where(AlertRow.closed_at >= now - timedelta(days=7))
        .group_by(AlertRow.disposition)
    )
    counts = dict(session.execute(counted).all())
    closed = sum(counts.values())
    return counts.get(Disposition.FALSE_POSITIVE, 0) / closed if closed else None


def _per_hour(session: Session, now: datetime) -> tuple[tuple[datetime, Mapping[str, int]], ...]:
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    start = end - timedelta(hours=HOURS)
    hours: dict[datetime, dict[str, int]] = {
        start + timedelta(hours=hour): defaultdict(int) for hour in range(HOURS)
    }
    made = select(AlertRow.created_at, AlertRow.severity).where(
        AlertRow.created_at >= start, AlertRow.created_at < end
    )
    for at, severity in session.execute(made):
        hours[at.replace(minute=0, second=0, microsecond=0)][severity] += 1
    return tuple((hour, dict(counts)) for hour, counts in hours.items())


def _agents(session: Session, now: datetime) -> tuple[AgentView, ...]:
    rows = session.scalars(select(AgentRow).where(AgentRow.revoked_at.is_(None))).all()
    names = Names.load(session, agencies=(row.agency_id for row in rows), systems=())
    views = [AgentView(row, names.agency(row.agency_id), "", agent_state(row, now)) for row in rows]
    order = ("silent", "never", "skewed", "ok", "revoked")
    return tuple(sorted(views, key=lambda view: (order.index(view.state), view.row.name)))


def _agencies(session: Session, scope: Scope) -> Sequence[AgencyRow]:
    rows = session.scalars(select(AgencyRow).where(AgencyRow.valid_to.is_(None)))
    return sorted(
        (row for row in rows if scope.allows(row.id)), key=lambda row: (row.code, row.name)
    )


def _tiles(
    session: Session, scope: Scope, cases: Sequence[CaseLine], agents: Sequence[AgentView]
) -> dict[str, tuple[AgencyTile, ...]]:
    counted = (
        select(AlertRow.agency_id, func.count(AlertRow.id))
        .where(AlertRow.status.in_(OPEN))
        .group_by(AlertRow.agency_id)
    )
    alerts = dict(session.execute(counted).all())
    in_trouble = {line.case.agency_id for line in cases}
    with_agent = {view.row.agency_id for view in agents}
    silent = {view.row.agency_id for view in agents if view.state in ("silent", "never")}
    tiles: dict[str, list[AgencyTile]] = {group: [] for group in GROUPS}
    for agency in _agencies(session, scope):
        count = alerts.get(agency.id, 0)
        if agency.id in in_trouble:
            state = "incident"
        elif count:
            state = "attention"
        elif agency.id in silent:
            state = "silent"
        else:
            state = "ok" if agency.id in with_agent else "none"
        tiles[_group(agency.kind)].append(AgencyTile(agency, state, count))
    return {group: tuple(members) for group, members in tiles.items() if members}


def _group(kind: str) -> str:
    return next((group for group, kinds in GROUPS.items() if kind in kinds), "units")


def _national(session: Session) -> NationalLink:
    counted = select(OutboxRow.state, func.count(OutboxRow.id)).group_by(OutboxRow.state)
    counts = dict(session.execute(counted).all())
    last = session.scalar(
        select(OutboxRow)
        .where(OutboxRow.sent_at.is_not(None))
        .order_by(OutboxRow.sent_at.desc())
        .limit(1)
    )
    waiting = counts.get("waiting", 0) + counts.get("sending", 0)
    tried = session.scalar(
        select(func.count(OutboxRow.id)).where(
            or_(OutboxRow.state == "waiting", OutboxRow.state == "sending"), OutboxRow.attempts > 0
        )
    )
    state = "dead" if counts.get("dead") else "waiting" if tried else "ok" if counts else "none"
    receipt = last.receipt if last else {}
    return NationalLink(
        state=state,
        waiting=waiting,
        dead=counts.get("dead", 0),
        sent=counts.get("sent", 0),
        last_sent_at=last.sent_at if last else None,
        receipt=str(receipt.get("receipt") or receipt.get("number") or receipt.get("id") or ""),
    )
