"""What the case pages show, gathered in one read session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.model.case import CaseStatus
from soc.records.alerts import AlertRow
from soc.records.cases import (
    CaseLogRow,
    CaseRow,
    DocumentRow,
    ObligationRow,
    PlaybookRunRow,
    PlaybookStepRow,
)
from soc.records.outbox import OutboxRow
from soc.respond.moves import CASE_MOVES
from soc.respond.names import Names
from soc.respond.triage import AlertView, views


@dataclass(frozen=True, slots=True)
class CaseSummary:
    row: CaseRow
    agency_name: str
    system_name: str
    alerts: int
    next_due: ObligationRow | None  # the earliest obligation not done


@dataclass(frozen=True, slots=True)
class RunView:
    row: PlaybookRunRow
    steps: tuple[PlaybookStepRow, ...]  # in order; the step's texts are in row.playbook


@dataclass(frozen=True, slots=True)
class CaseView:
    """What the case page shows."""

    summary: CaseSummary
    alerts: tuple[AlertView, ...]
    obligations: tuple[ObligationRow, ...]
    runs: tuple[RunView, ...]
    log: tuple[CaseLogRow, ...]  # newest first
    documents: tuple[DocumentRow, ...]
    outbox: tuple[OutboxRow, ...]
    allowed: tuple[CaseStatus, ...]  # states it may go to now
    form_problems: tuple[str, ...]  # required fields of Mẫu 03 that are still empty


@dataclass(frozen=True, slots=True)
class PlaybookChoice:
    id: str
    title: str
    title_vi: str
    description: str


def choice(playbook: Mapping[str, Any]) -> PlaybookChoice:
    return PlaybookChoice(
        playbook["id"], playbook["title"], playbook["title_vi"], playbook["description_vi"]
    )


def summaries(session: Session, rows: Sequence[CaseRow]) -> list[CaseSummary]:
    """In the order of ``rows``, with a handful of queries for all of them."""
    names = Names.load(
        session,
        agencies=(row.agency_id for row in rows),
        systems=(row.system_id for row in rows),
    )
    ids = [row.id for row in rows]
    alerts = _alert_counts(session, ids)
    due = _next_due(session, ids)
    return [
        CaseSummary(
            row=row,
            agency_name=names.agency(row.agency_id),
            system_name=names.system(row.system_id),
            alerts=alerts.get(row.id, 0),
            next_due=due.get(row.id),
        )
        for row in rows
    ]


def view(session: Session, row: CaseRow, form_problems: Sequence[str]) -> CaseView:
    alerts = select(AlertRow).where(AlertRow.case_id == row.id).order_by(AlertRow.number)
    owed = select(ObligationRow).where(ObligationRow.case_id == row.id)
    log = select(CaseLogRow).where(CaseLogRow.case_id == row.id)
    documents = select(DocumentRow).where(DocumentRow.case_id == row.id)
    outbox = select(OutboxRow).where(OutboxRow.case_id == row.id)
    return CaseView(
        summary=summaries(session, [row])[0],
        alerts=views(session, session.scalars(alerts).all()),
        obligations=tuple(session.scalars(owed.order_by(ObligationRow.due_at))),
        runs=_runs(session, row.id),
        log=tuple(session.scalars(log.order_by(CaseLogRow.id.desc()))),
        documents=tuple(session.scalars(documents.order_by(DocumentRow.made_at.desc()))),
        outbox=tuple(session.scalars(outbox.order_by(OutboxRow.created_at.desc()))),
        allowed=CASE_MOVES[CaseStatus(row.status)],
        form_problems=tuple(form_problems),
    )


def _alert_counts(session: Session, case_ids: Sequence[str]) -> dict[str, int]:
    counted = select(AlertRow.case_id, func.count(AlertRow.id)).where(
        AlertRow.case_id.in_(case_ids)
    )
    rows = session.execute(counted.group_by(AlertRow.case_id))
    return {case_id: count for case_id, count in rows if case_id is not None}


def _next_due(session: Session, case_ids: Sequence[str]) -> dict[str, ObligationRow]:
    owed = select(ObligationRow).where(
        ObligationRow.case_id.in_(case_ids),
        ObligationRow.done_at.is_(None),
        ObligationRow.waived_at.is_(None),
    )
    latest_first = session.scalars(owed.order_by(ObligationRow.due_at.desc()))
    return {row.case_id: row for row in latest_first}


def _runs(session: Session, case_id: str) -> tuple[RunView, ...]:
    runs = session.scalars(
        select(PlaybookRunRow)
        .where(PlaybookRunRow.case_id == case_id)
        .order_by(PlaybookRunRow.started_at)
    ).all()
    steps = session.scalars(
        select(PlaybookStepRow)
        .where(PlaybookStepRow.run_id.in_([run.id for run in runs]))
        .order_by(PlaybookStepRow.position)
    ).all()
    return tuple(RunView(run, tuple(s for s in steps if s.run_id == run.id)) for run in runs)
