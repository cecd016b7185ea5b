"""What the platform does in playbook runs by itself: timers, sub-playbooks, loops, decisions by rule, agents' answers.

``work`` is a duty: it looks at the records alone, so that a worker that was away for a day does on return what is due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import or_, select

from soc.errors import SocError
from soc.model.case import StepState
from soc.model.scope import Scope
from soc.records.cases import PlaybookRunRow, PlaybookStepRow
from soc.records.database import Database
from soc.respond import playbook_run as rules
from soc.respond.playbook_conditions import holds
from soc.respond.playbook_effects import PlaybookEffects, StepReports
from soc.respond.playbook_place import Place, get_run, rows_of, start_run
from soc.respond.playbook_shapes import LONGEST_WAIT
from soc.respond.response_desk import ResponseDesk

PLATFORM = Scope.province("playbook")
MOST_PASSES = 100  # of one run in one look; the rest comes with the next


class PlaybookEngine:
    """Moves runs forward where no person is needed."""

    def __init__(
        self,
        database: Database,
        *,
        reports: StepReports,
        responses: ResponseDesk | None = None,
    ) -> None:
        self._database = database
        self._effects = PlaybookEffects(database, reports, responses)

    def work(self, now: datetime) -> int:
        """Look after every run that is not finished or paused; how many steps moved.

        Raises:
            ExceptionGroup: of the runs that could not be looked after, when the others have been.
        """
        pending = select(PlaybookStepRow.run_id).where(PlaybookStepRow.state == StepState.PENDING)
        wanted = select(PlaybookRunRow.id).where(
            PlaybookRunRow.finished_at.is_(None),
            PlaybookRunRow.paused_at.is_(None),
            or_(PlaybookRunRow.by_itself, PlaybookRunRow.id.in_(pending)),
        )
        with self._database.session(PLATFORM) as session:
            run_ids = list(session.scalars(wanted.order_by(PlaybookRunRow.started_at.desc())))
        moved, errors = 0, []
        for run_id in run_ids:
            try:
                moved += self.advance(run_id, now)
            except Exception as error:
                error.add_note(f"playbook run {run_id}")
                errors.append(error)
        if errors:
            raise ExceptionGroup("playbook runs that could not go on", errors)
        return moved

    def advance(self, run_id: str, now: datetime) -> int:
        """All that one run can do now."""
        moved = 0
        for _ in range(MOST_PASSES):
            changed = [self._look(run_id, step_id, now) for step_id in self._candidates(run_id)]
            moved += sum(changed)
            if not any(changed):
                break
        return moved

    def _candidates(self, run_id: str) -> list[str]:
        with self._database.session(PLATFORM) as session:
            run, rows = get_run(session, run_id), rows_of(session, run_id)
            states = {row.step_id: row.state for row in rows}
            return [
                row.step_id
                for row in rows
                if row.state == StepState.PENDING
                or (
                    row.state == StepState.WAITING
                    and _by_itself(rules.step_of(run.playbook, row.step_id))
                    and not rules.in_the_way(run.playbook, row.step_id, states)
                )
            ]

    def _look(self, run_id: str, step_id: str, now: datetime) -> bool:
        with self._database.write(PLATFORM) as session:
            place = Place.find(session, PLATFORM, run_id, step_id, now)
            step, state = place.step, place.row.state
            if place.run.paused_at is not None:
                return False
            if state == StepState.PENDING and step["action"] not in {"respond", "undo"}:
                return _follow(place)
            blocked = rules.in_the_way(place.run.playbook, step_id, place.states)
            if state == StepState.WAITING and not step.get("auto"):
                return not blocked and BEGINNINGS[step["kind"]](place)
        if state == StepState.PENDING:
            return self._effects.follow(run_id, step_id, now)
        return state == StepState.WAITING and not blocked and self._perform(run_id, step_id, now)

    def _perform(self, run_id: str, step_id: str, now: datetime) -> bool:
        """An action without a person; one that cannot be done has failed and waits for a person."""
        with self._database.write(PLATFORM) as session:
            place = Place.find(session, PLATFORM, run_id, step_id, now)
            if place.row.state != StepState.WAITING:
                return False
            place.row.state, place.row.actor = StepState.RUNNING, PLATFORM.actor
            place.row.started_at, place.row.lease_until = now, now + rules.lease(place.step)
        try:
            self._effects.perform(
                PLATFORM, run_id, step_id, state=StepState.RUNNING, clean={}, note="", now=now
            )
        except SocError:  # the step says it
            return True
        return True


def _by_itself(step: rules.PlainStep) -> bool:
    return rules.done_by_platform(step) or bool(step.get("answers"))


def _begin_wait(place: Place) -> bool:
    minutes = timedelta(minutes=place.step["minutes"])
    place.row.actor = PLATFORM.actor
    place.pend(place.now + minutes, {}, "bắt đầu chờ")
    return True


def _begin_playbook(place: Place) -> bool:
    included = place.run.playbook["included"]
    inner = {**included[place.step["playbook"]], "included": included}
    place.row.actor = PLATFORM.actor
    try:
        run = start_run(
            place.session, place.scope, place.case, inner, now=place.now, called_by=place.row.id
        )
    except SocError as error:
        place.failed(str(error))
        return True
    place.pend(
        place.now + timedelta(minutes=LONGEST_WAIT), {"run_id": run.id}, "chạy quy trình con"
    )
    return True


def _turn_loop(place: Place) -> bool:
    playbook, row = place.run.playbook, place.row
    row.actor = PLATFORM.actor
    if holds(place.step["until"], rules.results_of(playbook, place.rows)):
        place.done({"rounds": row.round}, "")
    elif row.round >= place.step["at_most"]:
        place.failed(f"sau {row.round} vòng vẫn chưa đạt")
    else:
        body = rules.loop_body(playbook, place.step)
        for one in place.rows:
            if one.step_id in body and one.state != StepState.WAITING:
                rules.again(one)
        row.round += 1
        place.log(f"vòng {row.round}", {"round": row.round, "steps": list(body)})
        place.settle()
    return True


def _decide(place: Place) -> bool:
    results = rules.results_of(place.run.playbook, place.rows)
    answer = rules.answer_of(place.step, results)
    if answer is None:
        return False
    place.row.actor = PLATFORM.actor
    place.done({"answer": answer}, "theo điều kiện của quy trình")
    return True


BEGINNINGS: Mapping[str, Callable[[Place], bool]] = MappingProxyType(
    {"wait": _begin_wait, "playbook": _begin_playbook, "loop": _turn_loop, "decision": _decide}
)


def _follow(place: Place) -> bool:
    """A timer, another run, or an approval that nobody gave."""
    over = place.row.due_at is not None and place.row.due_at <= place.now
    if place.step["kind"] == "wait":
        if over:
            place.done(place.row.result, "")
        return over
    if place.step["kind"] == "playbook":
        inner = get_run(place.session, place.row.result["run_id"])
        if inner.finished_at is not None:
            place.done(place.row.result, "")
        elif over:
            place.failed("quy trình con chưa xong trong thời hạn")
        return over or inner.finished_at is not None
    if over and len(place.row.approved_by) < place.step["approvals"]:
        rules.again(place.row)
        place.log("không ai phê duyệt trong thời hạn, trả về hàng chờ", {"state": "waiting"})
        return True
    return False
