"""A step of a run within one transaction: found, written down, ended; what its end means for the others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotFound
from soc.model.case import StepState
from soc.model.scope import Scope
from soc.records.cases import CaseRow, PlaybookRunRow, PlaybookStepRow
from soc.respond import case_acts as acts
from soc.respond import playbook_run as rules
from soc.respond.playbook_files import digest


class StepMoved(Conflict):
    """The step is no longer where the caller took it to be: somebody was quicker, and nothing of it has failed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a run of a case, within one session."""

    session: Session
    scope: Scope
    case: CaseRow
    run: PlaybookRunRow
    rows: list[PlaybookStepRow]
    row: PlaybookStepRow
    step: Mapping[str, Any]
    now: datetime

    @classmethod
    def find(
        cls, session: Session, scope: Scope, run_id: str, step_id: str, now: datetime
    ) -> Place:
        """Raises NotFound outside the scope, PlaybookError for a step that the playbook lacks."""
        run = get_run(session, run_id)
        step = rules.step_of(run.playbook, step_id)
        rows = rows_of(session, run_id)
        row = next(row for row in rows if row.step_id == step_id)
        case = acts.get_case(session, run.case_id)
        return cls(session, scope, case, run, rows, row, step, now)

    @property
    def states(self) -> dict[str, str]:
        return {row.step_id: row.state for row in self.rows}

    def log(self, text: str, detail: Mapping[str, Any]) -> None:
        named = {"run_id": self.run.id, "step_id": self.row.step_id, **detail}
        whole = f"{self.step['title_vi']}: {text}" if text else self.step["title_vi"]
        acts.log(self.session, self.scope, self.case, "step", whole, named, now=self.now)

    def need(self, state: StepState) -> None:
        """Raises StepMoved unless the step is in that state and the run goes on."""
        rules.release_if_expired(self.row, self.now)
        if self.run.paused_at is not None:
            raise StepMoved(f"the run of {self.run.playbook_id} is paused; resume it first")
        if self.row.state != state:
            hint = "; begin it first" if state == StepState.RUNNING else ""
            raise StepMoved(f"step {self.row.step_id} is {self.row.state}{hint}")

    def pend(self, until: datetime, result: Mapping[str, Any], text: str) -> None:
        """The platform follows it from here, until then at the longest."""
        self.row.state, self.row.due_at, self.row.lease_until = StepState.PENDING, until, None
        self.row.started_at = self.row.started_at or self.now
        self.row.result = dict(result)
        self.log(text, {"state": "pending", "due_at": until.isoformat()})

    def done(self, result: Mapping[str, Any], note: str) -> None:
        self.row.result = dict(result)
        self.row.started_at = self.row.started_at or self.now
        self._end(self.row, StepState.DONE, note)
        self.log(note, {"state": "done", "result": dict(result)})
        self.settle()

    def skipped(self, reason: str) -> None:
        self.row.actor = self.scope.actor
        self._end(self.row, StepState.SKIPPED, reason)
        self.log(f"bỏ qua, lý do: {reason}", {"state": "skipped"})
        self.settle()

    def failed(self, why: str) -> None:
        self.row.state, self.row.note = StepState.FAILED, why
        self.row.lease_until = self.row.due_at = None
        self.log(f"không thực hiện được: {why}", {"state": "failed"})
        self.settle()

    def settle(self) -> None:
        """Skip what is ruled out by what has ended; close the run when nothing is left."""
        while ruled_out := rules.not_applicable(self.run.playbook, self.rows):
            for row in ruled_out:
                self._end(row, StepState.SKIPPED, f"Không áp dụng: {self.step['title_vi']}")
        states = self.states
        over = all(rules.is_over(self.run.playbook, row.step_id, states) for row in self.rows)
        self.run.finished_at = self.now if over else None

    def _end(self, row: PlaybookStepRow, state: StepState, note: str) -> None:
        row.state, row.note = state, note
        row.finished_at, row.lease_until, row.due_at = self.now, None, None


def get_run(session: Session, run_id: str) -> PlaybookRunRow:
    """Raises NotFound outside the session's scope."""
    run = session.scalar(select(PlaybookRunRow).where(PlaybookRunRow.id == run_id))
    if run is None:
        raise NotFound("playbook run", run_id)
    return run


def rows_of(session: Session, run_id: str) -> list[PlaybookStepRow]:
    ordered = select(PlaybookStepRow).where(PlaybookStepRow.run_id == run_id)
    return list(session.scalars(ordered.order_by(PlaybookStepRow.position)))


def start_run(
    session: Session,
    scope: Scope,
    case: CaseRow,
    playbook: Mapping[str, Any],
    *,
    now: datetime,
    called_by: str = "",
) -> PlaybookRunRow:
    """A run with all its steps waiting. Raises Conflict when one of it is not yet finished."""
    open_run = select(PlaybookRunRow.id).where(
        PlaybookRunRow.case_id == case.id,
        PlaybookRunRow.playbook_id == playbook["id"],
        PlaybookRunRow.finished_at.is_(None),
    )
    if session.scalar(open_run) is not None:
        raise Conflict(f"case {case.id} already has an unfinished run of {playbook['id']}")
    run = PlaybookRunRow(
        id=uuid.uuid4().hex[:16],
        case_id=case.id,
        agency_id=case.agency_id,
        playbook_id=playbook["id"],
        playbook_digest=digest(playbook),
        playbook=dict(playbook),
        started_at=now,
        started_by=scope.actor,
        by_itself=any(
            rules.done_by_platform(step) or step.get("answers") for step in playbook["steps"]
        ),
        called_by=called_by,
    )
    session.add(run)
    session.add_all(
        PlaybookStepRow(
            id=f"{run.id}-{position:02}",
            run_id=run.id,
            agency_id=case.agency_id,
            step_id=step["id"],
            position=position,
            state=StepState.WAITING,
            round=1,
            result={},
            approved_by=[],
            earlier=[],
        )
        for position, step in enumerate(playbook["steps"])
    )
    detail = {"run_id": run.id, "digest": run.playbook_digest}
    acts.log(session, scope, case, "playbook", playbook["title_vi"], detail, now=now)
    return run
