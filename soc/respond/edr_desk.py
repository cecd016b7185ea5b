"""The desk of the EDR feed: which machines are protected, which are not, and which nobody hears of.

A machine may have two products: it is protected where one of them is on. What the register or the agents know of and
the feed has never named is a machine without EDR.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.model.scope import Scope
from soc.normalise.protection.machines import machine_key
from soc.normalise.protection.row import HANDLED
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.edr import EdrDetectionRow, EdrMachineRow
from soc.records.register import AssetRow
from soc.respond.names import Names

STALE_AFTER = timedelta(days=15)  # the national report asks for this number
AWAY_AFTER = timedelta(days=7)
DETECTIONS_WITHIN = timedelta(days=30)
PROBLEMS = ("missing", "off", "stale", "away")
ENDPOINTS = ("workstation", "server", "")  # assets that an EDR can stand on; empty is not said


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine and what is wrong with it (of ``PROBLEMS``); the times are None where nobody said them."""

    agency_id: str | None
    agency_name: str
    machine: str
    products: tuple[str, ...]
    versions: tuple[str, ...]
    protection: str  # on, off, empty: never said
    signature_date: datetime | None
    last_contact: datetime | None
    problems: tuple[str, ...]
    known_from: str = ""  # of a missing one: register, agent


@dataclass(frozen=True, slots=True)
class AgencyProtection:
    """The figures of one agency."""

    agency_id: str | None
    agency_name: str
    machines: int
    on: int
    off: int
    stale: int
    away: int
    missing: int
    detections: int  # within 30 days
    unhandled: int  # of those


class EdrDesk:
    """Reads within the caller's scope."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def machines(
        self,
        scope: Scope,
        *,
        now: datetime,
        agency: str = "",
        problem: str = "",
    ) -> list[MachineView]:
        """The machines of the feed and those that are missing from it, by agency and name.

        ``problem`` keeps only those with it; ``agency`` is a key.
        """
        with self.database.session(scope) as session:
            rows = _of_agency(session, EdrMachineRow, agency)
            expected = _expected(session, agency)
            ids = {row.agency_id for row in rows} | {key[0] for key in expected}
            names = Names.load(session, agencies=ids, systems=())
        by_machine: dict[tuple[str | None, str], list[EdrMachineRow]] = defaultdict(list)
        for row in rows:
            by_machine[row.agency_id, row.key].append(row)
        views = [_view(names, key, held, now) for key, held in by_machine.items()]
        views += [
            _missing(names, key, *found) for key, found in expected.items() if key not in by_machine
        ]
        views = [view for view in views if not problem or problem in view.problems]
        return sorted(views, key=lambda view: (view.agency_name, view.machine.casefold()))

    def status(self, scope: Scope, *, now: datetime, agency: str = "") -> list[AgencyProtection]:
        """The figures by agency, those with the most to do first."""
        views = self.machines(scope, now=now, agency=agency)
        with self.database.session(scope) as session:
            found = _detections(session, now - DETECTIONS_WITHIN, agency)
            names = Names.load(session, agencies=found, systems=())
        by_agency: dict[str | None, list[MachineView]] = defaultdict(list)
        for view in views:
            by_agency[view.agency_id].append(view)
        ids = list(dict.fromkeys([*by_agency, *found]))
        made = [
            _figures(one, names, by_agency.get(one, ()), found.get(one, Counter())) for one in ids
        ]
        return sorted(
            made, key=lambda one: (-(one.missing + one.off + one.stale + one.away), one.agency_name)
        )

    def detections(
        self, scope: Scope, *, agency: str = "", size: int = 50
    ) -> Sequence[EdrDetectionRow]:
        """The newest detections."""
        wanted = select(EdrDetectionRow).order_by(EdrDetectionRow.at.desc(), EdrDetectionRow.id)
        if agency:
            wanted = wanted.where(EdrDetectionRow.agency_id == agency)
        with self.database.session(scope) as session:
            return session.scalars(wanted.limit(size)).all()


def _of_agency(session: Session, table: type[EdrMachineRow], agency: str) -> list[EdrMachineRow]:
    wanted = select(table)
    return list(session.scalars(wanted.where(table.agency_id == agency) if agency else wanted))


def _expected(session: Session, agency: str) -> dict[tuple[str | None, str], tuple[str, str]]:
    """The machines that the register and the agents know: by agency and key, the name and who knows it."""
    assets = select(AssetRow.agency_id, AssetRow.name).where(AssetRow.kind.in_(ENDPOINTS))
    agents = select(AgentRow.agency_id, AgentRow.name).where(
        AgentRow.kind == "endpoint", AgentRow.revoked_at.is_(None)
    )
    found: dict[tuple[str | None, str], tuple[str, str]] = {}
    for source, wanted, column in (
        ("agent", agents, AgentRow.agency_id),
        ("register", assets, AssetRow.agency_id),
    ):
        for agency_id, name in session.execute(
            wanted.where(column == agency) if agency else wanted
        ):
            if key := machine_key(name):
                found[agency_id, key] = (name, source)
    return found


def _view(
    names: Names, key: tuple[str | None, str], rows: Sequence[EdrMachineRow], now: datetime
) -> MachineView:
    rows = sorted(rows, key=lambda row: row.product)
    said = {row.protection for row in rows}
    protection = "on" if "on" in said else "off" if "off" in said else ""
    signature = max((row.signature_date for row in rows if row.signature_date), default=None)
    contact = max((row.last_contact for row in rows if row.last_contact), default=None)
    wrong = {
        "off": protection == "off",
        "stale": signature is not None and now - signature > STALE_AFTER,
        "away": contact is not None and now - contact > AWAY_AFTER,
    }
    return MachineView(
        agency_id=key[0],
        agency_name=names.agency(key[0]),
        machine=rows[0].machine,
        products=tuple(row.product for row in rows),
        versions=tuple(row.version for row in rows),
        protection=protection,
        signature_date=signature,
        last_contact=contact,
        problems=tuple(one for one in PROBLEMS if wrong.get(one)),
    )


def _missing(names: Names, key: tuple[str | None, str], name: str, source: str) -> MachineView:
    agency = names.agency(key[0])
    return MachineView(key[0], agency, name, (), (), "", None, None, ("missing",), source)


def _detections(
    session: Session, since: datetime, agency: str
) -> Mapping[str | None, Counter[bool]]:
    """By agency, how many detections were handled and how many were not."""
    row = EdrDetectionRow
    handled = row.action.in_(sorted(HANDLED))
    wanted = select(row.agency_id, handled, func.count(row.id)).where(row.at >= since)
    if agency:
        wanted = wanted.where(row.agency_id == agency)
    found: dict[str | None, Counter[bool]] = defaultdict(Counter)
    for agency_id, is_handled, count in session.execute(wanted.group_by(row.agency_id, handled)):
        found[agency_id][bool(is_handled)] += count
    return found


def _figures(
    agency_id: str | None, names: Names, views: Iterable[MachineView], found: Counter[bool]
) -> AgencyProtection:
    views = list(views)
    wrong = Counter(problem for view in views for problem in view.problems)
    in_feed = [view for view in views if "missing" not in view.problems]
    return AgencyProtection(
        agency_id=agency_id,
        agency_name=views[0].agency_name if views else names.agency(agency_id),
        machines=len(in_feed),
        on=sum(view.protection == "on" for view in in_feed),
        off=wrong["off"],
        stale=wrong["stale"],
        away=wrong["away"],
        missing=wrong["missing"],
        detections=found.total(),
        unhandled=found[False],
    )
