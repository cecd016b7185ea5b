"""A dry run of a playbook on a recorded alert: the real desk and engine, over a throw-away copy of the records.

The copy has the alert, its agency's register and agents, and nothing else; whatever the run makes, sends or asks stays
in it. Agents are taken to have done what they are asked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select, update
from sqlalchemy.orm import Session

from soc.errors import NotFound, PlaybookError, SocError
from soc.model.case import StepState
from soc.model.response import ResponseState
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.alerts import AlertRow
from soc.records.cases import PlaybookStepRow
from soc.records.database import Base, Database
from soc.records.register import AgencyRow, AssetRow, ContactRow, SystemRow
from soc.records.responses import ResponseCommandRow
from soc.respond import playbook_run as rules
from soc.respond.case_desk import CaseDesk, ReportMaker
from soc.respond.playbook_engine import PlaybookEngine
from soc.respond.response_desk import ResponseDesk

ACTOR = Scope.province("rehearsal")
APPROVERS = (Scope.province("rehearsal 2"), Scope.province("rehearsal 3"))
SAMPLES: Mapping[str, Any] = {"number": 1, "yes_no": "yes", "yes_no_unknown": "unknown"}
MOST_TURNS = 1_000
AnswerOf = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class RehearsedStep:
    """One step that was done, skipped or failed, or never begun; ``at`` is minutes after the beginning."""

    run: str  # the playbook's id; a sub-playbook's steps stand among the others
    step_id: str
    title: str
    who: str
    state: str
    at: int
    note: str


def rehearse(
    source: Database,
    playbooks: Mapping[str, Mapping[str, Any]],
    reports: ReportMaker,
    *,
    playbook_id: str,
    alert_id: str,
    answer: AnswerOf,
    now: datetime,
) -> list[RehearsedStep]:
    """Run a playbook as people with typical answers would: its steps in the order in which they ended.

    Where it comes to a stand, the steps that are left follow as they are.

    Args:
        answer: chooses the option of a decision, given the step.

    Raises:
        NotFound: there is no such alert or playbook.
        PlaybookError: the run goes on for ever.
    """
    with tempfile.TemporaryDirectory(prefix="soc-rehearsal-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'copy.db'}")
        try:
            database.create_all()
            host = _copy(source, database, alert_id)
            responses = ResponseDesk(database, sign=lambda document: document[:8], two_people=())
            desk = CaseDesk(database, playbooks=playbooks, reports=reports, responses=responses)
            engine = PlaybookEngine(database, reports=reports, responses=responses)
            case_id = desk.open(ACTOR, title="", alert_ids=[alert_id], now=now)
            desk.start_playbook(ACTOR, case_id, playbook_id, now=now)
            return _Actors(desk, engine, case_id, host, answer, now).play()
        finally:
            database.close()


@dataclass(slots=True)
class _Actors:
    """Everybody who has a part, one step at a time; the clock goes on by each step's usual minutes."""

    desk: CaseDesk
    engine: PlaybookEngine
    case_id: str
    host: str
    answer: AnswerOf
    now: datetime

    def play(self) -> list[RehearsedStep]:
        begun, told = self.now, dict[str, RehearsedStep]()
        for _ in range(MOST_TURNS):
            self._tell(told, begun)
            self.engine.work(self.now)
            self._agents_act()
            self.engine.work(self.now)
            view = self._tell(told, begun)
            if all(run.row.finished_at for run in view):
                return list(told.values())
            if not any(self._one_step(run) for run in view) and not self._later(view):
                return [*told.values(), *self._left(view, begun)]
        raise PlaybookError(f"the run has not ended after {MOST_TURNS} turns")

    def _runs(self) -> Any:
        found = self.desk.find(ACTOR, self.case_id, now=self.now)
        if found is None:
            raise NotFound("case", self.case_id)
        return found.runs

    def _one_step(self, run: Any) -> bool:
        """Do the first step of a run that a person can do now; one that fails is left as it is."""
        states = {row.step_id: row.state for row in run.steps}
        for row in run.steps:
            step = rules.step_of(run.row.playbook, row.step_id)
            if row.state == StepState.PENDING and step.get("approvals"):
                for scope in APPROVERS[: step["approvals"]]:
                    self.desk.runs.approve(scope, run.row.id, row.step_id, now=self.now)
                return True
            waits = rules.in_the_way(run.row.playbook, row.step_id, states)
            if row.state != StepState.WAITING or waits or rules.done_by_platform(step):
                continue
            self.desk.begin_step(ACTOR, run.row.id, row.step_id, now=self.now)
            self.now += timedelta(minutes=min(step["minutes"], 25))  # within the lease
            result = self._result(step)
            try:
                self.desk.finish_step(ACTOR, run.row.id, row.step_id, result=result, now=self.now)
            except SocError as error:
                self._fail(run.row.id, row.step_id, str(error))
            return True
        return False

    def _fail(self, run_id: str, step_id: str, why: str) -> None:
        row = next(
            row
            for run in self._runs()
            if run.row.id == run_id
            for row in run.steps
            if row.step_id == step_id
        )
        if row.state == StepState.RUNNING:
            self.desk.runs.give_up(ACTOR, run_id, step_id, reason=why, now=self.now)

    def _later(self, view: Any) -> bool:
        """Go on to the next time that something falls due; says whether there is one."""
        due = [
            row.due_at
            for run in view
            for row in run.steps
            if row.state == StepState.PENDING and row.due_at is not None and row.due_at > self.now
        ]
        self.now = min(due, default=self.now)
        return bool(due)

    def _result(self, step: Mapping[str, Any]) -> dict[str, Any]:
        machines = (step.get("respond") or {}).get("on")
        result: dict[str, Any] = {}
        for one in rules.inputs_of(step):
            if one["id"] == "answer" and step["kind"] == "decision":
                result["answer"] = self.answer(step)
            elif one["id"] == machines:
                result[one["id"]] = self.host
            elif one["required"]:
                result[one["id"]] = _sample(one)
        return result

    def _agents_act(self) -> None:
        with self.desk.database.write(ACTOR) as session:
            session.execute(
                update(ResponseCommandRow)
                .where(ResponseCommandRow.state == ResponseState.QUEUED)
                .values(state=ResponseState.DONE, answered_at=self.now)
            )
            undone = select(ResponseCommandRow.measure_id).where(ResponseCommandRow.verb == "undo")
            session.execute(
                update(ResponseCommandRow)
                .where(ResponseCommandRow.id.in_(undone), ResponseCommandRow.ended_at.is_(None))
                .values(ended_at=self.now)
            )

    def _left(self, view: Any, begun: datetime) -> list[RehearsedStep]:
        at = int((self.now - begun).total_seconds() // 60)
        return [
            _told(run.row.playbook, row, at)
            for run in view
            for row in run.steps
            if row.state not in {*rules.ENDED, StepState.FAILED}
        ]

    def _tell(self, told: dict[str, RehearsedStep], begun: datetime) -> Any:
        """Write down what has ended since the last look; the runs as they are."""
        view, at = self._runs(), int((self.now - begun).total_seconds() // 60)
        for run in view:
            for row in run.steps:
                key = f"{row.id}/{row.round}"
                if key not in told and row.state in {*rules.ENDED, StepState.FAILED}:
                    told[key] = _told(run.row.playbook, row, at)
        return view


def _told(playbook: Mapping[str, Any], row: PlaybookStepRow, at: int) -> RehearsedStep:
    step = rules.step_of(playbook, row.step_id)
    return RehearsedStep(
        run=playbook["id"],
        step_id=row.step_id,
        title=step["title_vi"],
        who=step["who"],
        state=row.state,
        at=at,
        note=row.note,
    )


def _sample(one: Mapping[str, Any]) -> Any:
    if one["kind"] in {"choice", "choices"}:
        first = one["choices"][0]["id"]
        return first if one["kind"] == "choice" else [first]
    return SAMPLES.get(one["kind"], "diễn tập")


def _copy(source: Database, target: Database, alert_id: str) -> str:
    """The alert and what belongs to its agency; the host's name."""
    with source.session(Scope.province("rehearsal")) as session:
        alert = session.scalar(select(AlertRow).where(AlertRow.id == alert_id))
        if alert is None:
            raise NotFound("alert", alert_id)
        rows: list[Base] = list(session.scalars(select(AgencyRow)))
        for kind in (SystemRow, ContactRow, AssetRow, AgentRow):
            rows += _of_agency(session, kind, alert.agency_id)
        copies = [_twin(row) for row in rows]
        twin = _twin(alert)
        twin.case_id, twin.status = None, "new"
        host = str(alert.host or "")
    with target.write(ACTOR) as session:
        session.add_all([*copies, twin])
    return host


def _of_agency(session: Session, kind: Any, agency_id: str | None) -> Iterable[Base]:
    return session.scalars(select(kind).where(kind.agency_id == agency_id))


def _twin(row: Any) -> Any:
    names = [column.key for column in inspect(type(row)).column_attrs]
    return type(row)(**{name: getattr(row, name) for name in names})
