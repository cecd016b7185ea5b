"""Each agency's rules are active or in testing: a new agency's first source shows first what its alerts would be.

In testing only rules of level critical make alerts of the agency's events; the matches of the others are kept and
counted, and going active is a recorded decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.event import TESTING
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.register import AgencyRow
from soc.records.rules import AgencyDecisionRow


class AgencyState(StrEnum):
    ACTIVE = "active"
    TESTING = "testing"


@dataclass(frozen=True, slots=True)
class InTesting:
    """An agency in testing, and by rule how many matches made no alert since then."""

    agency_id: str
    name: str
    since: datetime
    kept: dict[str, int]  # rule title to matches, the most first


def agencies_in_testing(session: Session) -> frozenset[str]:
    """The agencies whose newest decision says so."""
    return frozenset(row.agency_id for row in _newest(session) if row.agency_id and _tests(row))


class AgencyDecisions:
    """The decisions in the records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(
        self, scope: Scope, agency_id: str, state: AgencyState, *, reason: str, now: datetime
    ) -> None:
        """Record a decision about an agency.

        Raises:
            NotAllowed: the scope is not the whole province: alerts are the centre's work.
            Conflict: no reason is given.
            NotFound: no such agency.
        """
        if not scope.whole_province:
            raise NotAllowed("whether an agency's rules alert concerns the whole province")
        if not reason.strip():
            raise Conflict("an agency's state needs a reason")
        with self._database.write(scope) as session:
            agency = session.get(AgencyRow, agency_id)
            if agency is None:
                raise NotFound("agency", agency_id)
            row = AgencyDecisionRow(
                agency_id=agency_id, state=state, reason=reason.strip(), actor=scope.actor, at=now
            )
            session.add(row)
            audit(
                session, scope, f"agency.{state}", "agency", agency_id, row.reason, {"name": agency.name},
                now=now, agency_id=agency_id,
            )  # fmt: skip

    def in_testing(self, scope: Scope) -> Iterator[InTesting]:
        """The agencies of the scope that are in testing, the longest first."""
        with self._database.session(scope) as session:
            rows = sorted(filter(_tests, _newest(session)), key=lambda row: row.at)
            for row in rows:
                agency = session.get(AgencyRow, row.agency_id)
                kept = (
                    select(SignalRow.rule_title, func.count().label("matches"))
                    .where(
                        SignalRow.agency_id == row.agency_id,
                        SignalRow.excepted_by == TESTING,
                        SignalRow.received_at >= row.at,
                    )
                    .group_by(SignalRow.rule_title)
                    .order_by(func.count().desc(), SignalRow.rule_title)
                )
                counted = {row[0]: row[1] for row in session.execute(kept)}
                name = agency.name if agency is not None else ""
                yield InTesting(row.agency_id or "", name, row.at, counted)


def _newest(session: Session) -> list[AgencyDecisionRow]:
    newest = select(func.max(AgencyDecisionRow.number)).group_by(AgencyDecisionRow.agency_id)
    return list(
        session.scalars(select(AgencyDecisionRow).where(AgencyDecisionRow.number.in_(newest)))
    )


def _tests(row: AgencyDecisionRow) -> bool:
    return row.state == AgencyState.TESTING
