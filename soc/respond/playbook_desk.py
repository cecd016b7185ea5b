"""What people do in playbook runs: start, begin, finish, approve, skip, do again, pause; each logged on the case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from soc.errors import Conflict, NotAllowed, NotFound, PlaybookError
from soc.model.case import StepState
from soc.model.scope import Scope
from soc.records.cases import PlaybookStepRow
from soc.records.database import Database
from soc.respond import case_acts as acts
from soc.respond import playbook_run as rules
from soc.respond.playbook_effects import PlaybookEffects, StepReports
from soc.respond.playbook_place import Place, get_run, start_run
from soc.respond.response_desk import ResponseDesk

APPROVED_WITHIN = timedelta(hours=24)


class PlaybookDesk:
    """The part of the CaseDesk that runs playbooks."""

    def __init__(
        self,
        database: Database,
        *,
        playbooks: Mapping[str, Mapping[str, Any]],
        reports: StepReports,
        responses: ResponseDesk | None = None,
    ) -> None:
        self.database, self.playbooks, self.reports = database, playbooks, reports
        self._effects = PlaybookEffects(database, reports, responses)

    def start(self, scope: Scope, case_id: str, playbook_id: str, *, now: datetime) -> str:
        playbook = self.playbooks.get(playbook_id)
        if playbook is None:
            raise NotFound("playbook", playbook_id)
        with self.database.write(scope) as session:
            case = acts.get_case(session, case_id)
            return start_run(session, scope, case, playbook, now=now).id

    def begin(self, scope: Scope, run_id: str, step_id: str, *, now: datetime) -> None:
        with self.database.write(scope) as session:
            place = Place.find(session, scope, run_id, step_id, now)
            rules.release_if_expired(place.row, now)
            rules.check_may_begin(place.run.playbook, place.row, place.rows)
            if place.run.paused_at is not None:
                raise Conflict(f"the run of {place.run.playbook_id} is paused; resume it first")
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
            place = Place.find(session, scope, run_id, step_id, now)
            place.need(StepState.RUNNING)
            clean = rules.clean_result(place.step, result)
            facts = self.reports.check_facts(rules.facts_of(place.step, clean))
        whole = self._effects.whole(scope, place.step, clean)
        if facts:
            with self.database.write(scope) as session:
                acts.fill(session, scope, acts.get_case(session, place.case.id), facts, now)
        if place.step.get("approvals"):
            with self.database.write(scope) as session:
                place = Place.find(session, scope, run_id, step_id, now)
                place.need(StepState.RUNNING)
                place.row.actor, place.row.note, place.row.approved_by = scope.actor, note, []
                place.pend(now + APPROVED_WITHIN, whole, "chờ phê duyệt")
            return
        self._effects.perform(
            scope, run_id, step_id, state=StepState.RUNNING, clean=whole, note=note, now=now
        )

    def approve(self, scope: Scope, run_id: str, step_id: str, *, now: datetime) -> None:
        """Agree as another person; with the last one the step does what it does.

        Raises:
            NotAllowed: by who finished it, or for the second time.
        """
        with self.database.write(scope) as session:
            place = _waiting_for_approval(Place.find(session, scope, run_id, step_id, now))
            if scope.actor in {place.row.actor, *place.row.approved_by}:
                raise NotAllowed(f"step {step_id} needs the approval of another person")
            place.row.approved_by = [*place.row.approved_by, scope.actor]
            place.log("phê duyệt", {"approved_by": place.row.approved_by})
            if len(place.row.approved_by) < place.step["approvals"]:
                return
            clean, note = dict(place.row.result), place.row.note
        self._effects.perform(
            scope, run_id, step_id, state=StepState.PENDING, clean=clean, note=note, now=now
        )

    def reject(
        self, scope: Scope, run_id: str, step_id: str, *, reason: str, now: datetime
    ) -> None:
        """Give a finished step back to who did it, with the reason."""
        with self.database.write(scope) as session:
            place = _waiting_for_approval(Place.find(session, scope, run_id, step_id, now))
            _need_reason(reason, f"rejecting step {step_id}")
            rules.again(place.row)
            place.row.note = reason.strip()
            place.log(f"không phê duyệt, lý do: {reason.strip()}", {"state": "waiting"})

    def skip(self, scope: Scope, run_id: str, step_id: str, *, reason: str, now: datetime) -> None:
        with self.database.write(scope) as session:
            place = Place.find(session, scope, run_id, step_id, now)
            if place.step["required"]:
                raise PlaybookError(f"step {step_id} is required and cannot be skipped")
            _need_reason(reason, f"skipping step {step_id}")
            if place.row.state in rules.ENDED:
                raise Conflict(f"step {step_id} is already {place.row.state}")
            if place.row.state == StepState.PENDING and "command_ids" in place.row.result:
                raise Conflict(f"step {step_id} has asked machines; cancel or undo that first")
            place.skipped(reason.strip())

    def give_up(
        self, scope: Scope, run_id: str, step_id: str, *, reason: str, now: datetime
    ) -> None:
        """Say that a step could not be done; what the playbook has for that opens."""
        with self.database.write(scope) as session:
            place = Place.find(session, scope, run_id, step_id, now)
            _need_reason(reason, f"giving up step {step_id}")
            place.need(StepState.RUNNING)
            place.row.actor = scope.actor
            place.failed(reason.strip())

    def again(self, scope: Scope, run_id: str, step_id: str, *, reason: str, now: datetime) -> None:
        """Run from a step anew: it and all that came after it wait again, and keep what they left behind.

        Raises:
            Conflict: one of them is at work, or the step never ran.
        """
        with self.database.write(scope) as session:
            place = Place.find(session, scope, run_id, step_id, now)
            _need_reason(reason, f"doing step {step_id} again")
            if place.row.state == StepState.WAITING:
                raise Conflict(f"step {step_id} waits already")
            names = rules.depending_on(place.run.playbook, step_id)
            rows = [row for row in place.rows if row.step_id in names]
            for row in rows:
                rules.release_if_expired(row, now)
                if row.state in {StepState.RUNNING, StepState.PENDING}:
                    raise Conflict(f"step {row.step_id} is {row.state}; end it first")
            done = [row for row in rows if row.state != StepState.WAITING]
            for row in done:
                rules.again(row)
            place.run.finished_at = None
            detail = {"state": "waiting", "steps": [row.step_id for row in done]}
            place.log(f"làm lại, lý do: {reason.strip()}", detail)
            place.settle()

    def pause(self, scope: Scope, run_id: str, *, reason: str, now: datetime) -> None:
        """Nothing of the run begins or ends until it is resumed."""
        self._hold(scope, run_id, now, f"tạm dừng, lý do: {_need_reason(reason, 'a pause')}", now)

    def resume(self, scope: Scope, run_id: str, *, now: datetime) -> None:
        self._hold(scope, run_id, None, "tiếp tục", now)

    def _hold(
        self, scope: Scope, run_id: str, paused_at: datetime | None, text: str, now: datetime
    ) -> None:
        with self.database.write(scope) as session:
            run = get_run(session, run_id)
            if run.finished_at is not None:
                raise Conflict(f"the run of {run.playbook_id} is finished")
            if (run.paused_at is None) == (paused_at is None):
                raise Conflict(f"the run is {'paused already' if paused_at else 'not paused'}")
            run.paused_at = paused_at
            case = acts.get_case(session, run.case_id)
            said = f"{run.playbook['title_vi']}: {text}"
            acts.log(session, scope, case, "playbook", said, {"run_id": run_id}, now=now)


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
            place = Place.find(session, province, run_id, step_id, now)
            if rules.release_if_expired(place.row, now):
                place.log("hết thời gian giữ bước, trả về hàng chờ", {"state": "waiting"})
    return len(places)


def _waiting_for_approval(place: Place) -> Place:
    place.need(StepState.PENDING)
    wanted = place.step.get("approvals", 0)
    if not wanted or len(place.row.approved_by) >= wanted:
        raise Conflict(f"step {place.row.step_id} waits for no approval")
    return place


def _need_reason(reason: str, what: str) -> str:
    if not reason.strip():
        raise PlaybookError(f"{what} needs a reason")
    return reason.strip()
