"""Playbook runs on cases: start, begin, finish, skip; one transaction each, logged on the case."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotFound, PlaybookError, SocError
from soc.model.case import CaseStatus, StepState
from soc.model.document import MadeDocument
from soc.model.scope import Scope
from soc.records.cases import CaseRow, DocumentRow, PlaybookRunRow, PlaybookStepRow
from soc.records.database import Database
from soc.respond import case_acts as acts
from soc.respond import playbook_run as rules
from soc.respond.clocks import Answers
from soc.respond.playbook_files import digest


class StepReports(Protocol):
    """What a step needs of the reports; see ``soc.respond.case_desk.ReportMaker``."""

    def make(
        self, session: Session, case: CaseRow, form: str, *, number: str, now: datetime
    ) -> MadeDocument: ...

    def check_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class _Place:
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
    ) -> _Place:
        """Raises NotFound outside the scope, PlaybookError for a step that the playbook lacks."""
        run = session.scalar(select(PlaybookRunRow).where(PlaybookRunRow.id == run_id))
        if run is None:
            raise NotFound("playbook run", run_id)
        step = rules.step_of(run.playbook, step_id)
        ordered = select(PlaybookStepRow).where(PlaybookStepRow.run_id == run_id)
        rows = list(session.scalars(ordered.order_by(PlaybookStepRow.position)))
        row = next(row for row in rows if row.step_id == step_id)
        case = acts.get_case(session, run.case_id)
        return cls(session, scope, case, run, rows, row, step, now)

    def log(self, text: str, detail: Mapping[str, Any]) -> None:
        named = {"run_id": self.run.id, "step_id": self.row.step_id, **detail}
        whole = f"{self.step['title_vi']}: {text}" if text else self.step["title_vi"]
        acts.log(self.session, self.scope, self.case, "step", whole, named, now=self.now)

    def end(self, row: PlaybookStepRow, state: StepState, note: str) -> None:
        row.state, row.note = state, note
        row.finished_at, row.lease_until = self.now, None
        if all(other.state in rules.ENDED for other in self.rows):
            self.run.finished_at = self.now

    def need_running(self) -> None:
        rules.release_if_expired(self.row, self.now)
        if self.row.state != StepState.RUNNING:
            raise Conflict(f"step {self.row.step_id} is {self.row.state}; begin it first")


class PlaybookDesk:
    """The part of the CaseDesk that runs playbooks."""

    def __init__(
        self,
        database: Database,
        *,
        playbooks: Mapping[str, Mapping[str, Any]],
        reports: StepReports,
    ) -> None:
        self.database, self.playbooks, self.reports = database, playbooks, reports

    def start(self, scope: Scope, case_id: str, playbook_id: str, *, now: datetime) -> str:
        playbook = self.playbooks.get(playbook_id)
        if playbook is None:
            raise NotFound("playbook", playbook_id)
        with self.database.write(scope) as session:
            case = acts.get_case(session, case_id)
            _check_none_open(session, case, playbook_id)
            run = PlaybookRunRow(
                id=uuid.uuid4().hex[:16],
                case_id=case.id,
                agency_id=case.agency_id,
                playbook_id=playbook_id,
                playbook_digest=digest(playbook),
                playbook=dict(playbook),
                started_at=now,
                started_by=scope.actor,
            )
            session.add(run)
            session.add_all(_waiting_steps(run, case))
            detail = {"run_id": run.id, "digest": run.playbook_digest}
            acts.log(session, scope, case, "playbook", playbook["title_vi"], detail, now=now)
            return run.id

    def begin(self, scope: Scope, run_id: str, step_id: str, *, now: datetime) -> None:
        with self.database.write(scope) as session:
            place = _Place.find(session, scope, run_id, step_id, now)
            rules.release_if_expired(place.row, now)
            rules.check_may_begin(place.run.playbook, place.row, place.rows)
            place.row.state, place.row.actor = StepState.RUNNING, scope.actor
            place.row.started_at, place.row.finished_at = now, None
            place.row.lease_until = now + rules.lease(place.step)
            place.log("bắt đầu", {"state": "running"})

    def finish(
        self,
        scope: Scope,
        run_id: str,
        step_id: str,
        *,
        result: Mapping[str, Any],
        note: str,
        now: datetime,
    ) -> None:
        with self.database.session(scope) as session:
            place = _Place.find(session, scope, run_id, step_id, now)
            place.need_running()
            clean = rules.clean_result(place.step, result)
            facts = self.reports.check_facts(rules.facts_of(place.step, clean))
        if facts:
            with self.database.write(scope) as session:
                acts.fill(session, scope, acts.get_case(session, place.case.id), facts, now)
        try:
            made = self._render(scope, place.case.id, place.step, now)
            with self.database.write(scope) as session:
                place = _Place.find(session, scope, run_id, step_id, now)
                place.need_running()
                _end_done(place, clean, note, made)
        except SocError as error:
            self._fail(scope, run_id, step_id, str(error), now)
            raise

    def skip(self, scope: Scope, run_id: str, step_id: str, *, reason: str, now: datetime) -> None:
        with self.database.write(scope) as session:
            place = _Place.find(session, scope, run_id, step_id, now)
            if place.step["required"]:
                raise PlaybookError(f"step {step_id} is required and cannot be skipped")
            if not reason.strip():
                raise PlaybookError(f"skipping step {step_id} needs a reason")
            if place.row.state in rules.ENDED:
                raise Conflict(f"step {step_id} is already {place.row.state}")
            place.row.actor = scope.actor
            place.end(place.row, StepState.SKIPPED, reason.strip())
            place.log(f"bỏ qua, lý do: {reason.strip()}", {"state": "skipped"})

    def _render(
        self, scope: Scope, case_id: str, step: Mapping[str, Any], now: datetime
    ) -> tuple[MadeDocument, str] | None:
        """The document of a make_report step, made outside the write transaction because it takes time."""
        if step["action"] != "make_report":
            return None
        with self.database.session(scope) as session:
            case = acts.get_case(session, case_id)
            number = acts.next_number(session, case)
            return self.reports.make(session, case, step["form"], number=number, now=now), number

    def _fail(self, scope: Scope, run_id: str, step_id: str, why: str, now: datetime) -> None:
        with self.database.write(scope) as session:
            place = _Place.find(session, scope, run_id, step_id, now)
            if place.row.state == StepState.RUNNING:
                place.row.state, place.row.note = StepState.FAILED, why
                place.row.lease_until = None
                place.log(f"không thực hiện được: {why}", {"state": "failed"})


def release_expired_steps(database: Database, now: datetime) -> int:
    """Return every step whose lease ran out to waiting; a duty of the worker. Says how many."""
    province = Scope.province("reaper")
    expired = select(PlaybookStepRow).where(
        PlaybookStepRow.state == StepState.RUNNING, PlaybookStepRow.lease_until <= now
    )
    with database.session(province) as session:
        places = [(row.run_id, row.step_id) for row in session.scalars(expired)]
    for run_id, step_id in places:
        with database.write(province) as session:
            place = _Place.find(session, province, run_id, step_id, now)
            if rules.release_if_expired(place.row, now):
                place.log("hết thời gian giữ bước, trả về hàng chờ", {"state": "waiting"})
    return len(places)


def _check_none_open(session: Session, case: CaseRow, playbook_id: str) -> None:
    open_run = select(PlaybookRunRow.id).where(
        PlaybookRunRow.case_id == case.id,
        PlaybookRunRow.playbook_id == playbook_id,
        PlaybookRunRow.finished_at.is_(None),
    )
    if session.scalar(open_run) is not None:
        raise Conflict(f"case {case.id} already has an unfinished run of {playbook_id}")


def _waiting_steps(run: PlaybookRunRow, case: CaseRow) -> list[PlaybookStepRow]:
    return [
        PlaybookStepRow(
            id=f"{run.id}-{position:02}",
            run_id=run.id,
            agency_id=case.agency_id,
            step_id=step["id"],
            position=position,
            state=StepState.WAITING,
            result={},
        )
        for position, step in enumerate(run.playbook["steps"])
    ]


def _end_done(
    place: _Place,
    clean: Mapping[str, Any],
    note: str,
    made: tuple[MadeDocument, str] | None,
) -> None:
    outcome: dict[str, Any] = dict(clean)
    action = place.step["action"]
    if made is not None:
        document = acts.keep_document(
            place.session, place.scope, place.case, made[0], made[1], place.now
        )
        outcome["document_id"] = document.id
    elif action is not None:
        outcome |= ACTIONS[action](place, clean)
    place.row.result, place.row.actor = outcome, place.scope.actor
    place.end(place.row, StepState.DONE, note)
    place.log(note, {"state": "done", "result": outcome})
    if place.step["kind"] == "decision":
        for other in rules.not_applicable(
            place.run.playbook, place.row.step_id, clean["answer"], place.rows
        ):
            place.end(other, StepState.SKIPPED, f"Không áp dụng: {place.step['title_vi']}")


def _decide_serious(place: _Place, clean: Mapping[str, Any]) -> dict[str, Any]:
    answers = Answers(clean["serious"], clean["national_security"], clean["serious_disruption"])
    acts.decide(place.session, place.scope, place.case, answers, clean["reason"], place.now)
    return {}


def _send_report(place: _Place, _: Mapping[str, Any]) -> dict[str, Any]:
    form = place.step["form"]
    newest = select(DocumentRow).where(
        DocumentRow.case_id == place.case.id, DocumentRow.form == form
    )
    document = place.session.scalar(newest.order_by(DocumentRow.made_at.desc()).limit(1))
    if document is None:
        raise PlaybookError(f"case {place.case.id} has no document {form} to send")
    outbox_id = acts.queue(place.session, place.scope, place.case, document, place.now)
    return {"outbox_id": outbox_id, "document_id": document.id}


def _note(place: _Place, clean: Mapping[str, Any]) -> dict[str, Any]:
    acts.log(place.session, place.scope, place.case, "note", clean["text"], now=place.now)
    return {}


def _move(place: _Place, _: Mapping[str, Any]) -> dict[str, Any]:
    to = CaseStatus(place.step["to"])
    if place.case.status != to:
        reason = place.step["title_vi"]
        acts.move(place.session, place.scope, place.case, to, reason, place.now)
    return {}


ACTIONS: Mapping[str, Callable[[_Place, Mapping[str, Any]], dict[str, Any]]] = MappingProxyType(
    {
        "decide_serious": _decide_serious,
        "send_report": _send_report,
        "note": _note,
        "move": _move,
    }
)
