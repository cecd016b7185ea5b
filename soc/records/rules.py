"""Rows of what people decided about rules."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from soc.records.agents import AgentRow
from soc.records.database import Base, OfAgency


class RuleDecisionRow(Base):
    """Somebody set a rule's state; rows are only added, and the newest of a rule counts."""

    __tablename__ = "rule_decisions"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    state: Mapped[str] = mapped_column(String(20))  # active testing off
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    cases: Mapped[int] = mapped_column(default=0)  # that were run and right; 0: untested


class AgencyDecisionRow(OfAgency, Base):
    """All rules of an agency are active or in testing; rows are only added, and the newest of an agency counts."""

    __tablename__ = "agency_decisions"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    state: Mapped[str] = mapped_column(String(20))  # active testing
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]


def begin_in_testing(session: Session, agency_id: str | None, now: datetime) -> bool:
    """Put an agency in testing whose first source this is; whether it was. Call it before the source's row is added."""
    if agency_id is None:
        return False
    for known in (AgentRow, AgencyDecisionRow):
        if session.scalar(select(known.agency_id).where(known.agency_id == agency_id).limit(1)):
            return False
    session.add(
        AgencyDecisionRow(
            agency_id=agency_id, state="testing", reason="its first source", actor="platform", at=now
        )
    )  # fmt: skip
    return True


class BackfillWindowRow(Base):
    """A rule to be judged over the events of one day that are stored already: a window of the ledger.

    ``state`` is owed, done or failed (and tried again). ``digest`` is that of the rule set that judged it.
    """

    __tablename__ = "backfill_windows"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    start: Mapped[datetime]
    end: Mapped[datetime]  # of ``observed_at``, exclusive
    state: Mapped[str] = mapped_column(String(20), default="owed", index=True)
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    looked_at: Mapped[int] = mapped_column(default=0)  # candidates
    matches: Mapped[int] = mapped_column(default=0)
    digest: Mapped[str] = mapped_column(String(64), default="")
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    finished_at: Mapped[datetime | None]
