"""What a step does once the people have agreed; each effect happens once, whatever dies in between.

An effect within the records is part of the transaction that ends its step. An asking of agents stands first in the
step (pending, with the agents' ids), is then made under the key of run, step and round, and is made again under the
same key when the platform died before it was written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import Conflict, PlaybookError, SocError
from soc.model.case import CaseStatus, StepState
from soc.model.document import MadeDocument
from soc.model.response import ResponseAction, ResponseState
from soc.model.scope import Scope
from soc.records.cases import CaseRow, DocumentRow
from soc.records.database import Database
from soc.respond import case_acts as acts
from soc.respond.clocks import Answers
from soc.respond.playbook_place import Place, StepMoved
from soc.respond.response_desk import ResponseDesk
from soc.respond.response_shapes import checked
from soc.respond.response_states import OPEN, is_in_force

LIFTED_WITHIN = timedelta(hours=24)


class StepReports(Protocol):
    """What a step needs of the reports; see ``soc.respond.case_desk.ReportMaker``."""

    def make(
        self, session: Session, case: CaseRow, form: str, *, number: str, now: datetime
    ) -> MadeDocument: ...

    def check_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]: ...


class PlaybookEffects:
    """Performs steps. ``responses`` is None where nothing can be asked of agents."""

    def __init__(
        self, database: Database, reports: StepReports, responses: ResponseDesk | None
    ) -> None:
        self._database, self._reports, self._responses = database, reports, responses

    def whole(
        self, scope: Scope, step: Mapping[str, Any], clean: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A result with what an asking of agents needs.

        Raises:
            NotFound, Conflict: a machine is not in the caller's scope, or the name stands for several.
            FormError: the parameters cannot be.
        """
        if step["action"] != "respond":
            return dict(clean)
        desk, respond = self._desk(), step["respond"]
        names = [part.strip() for part in clean[respond["on"]].replace(",", "\n").splitlines()]
        if not (wanted := list(dict.fromkeys(filter(None, names)))):
            raise PlaybookError(f"{step['title_vi']}: name at least one machine, one a line")
        parameters = {
            name: clean[value["input"]] if isinstance(value, dict) else value
            for name, value in respond["parameters"].items()
        }
        agent_ids = [desk.find_agent(scope, name) for name in wanted]
        checked(ResponseAction(respond["do"]), parameters)
        return {**clean, "agent_ids": agent_ids, "parameters": parameters}

    def perform(
        self,
        scope: Scope,
        run_id: str,
        step_id: str,
        *,
        state: StepState,
        clean: Mapping[str, Any],
        note: str,
        now: datetime,
    ) -> None:
        """Do what the step does, and end it or let the platform follow it; it must be in ``state``.

        Raises:
            StepMoved: it is not in that state any more; it stays as it is.
            SocError: what it does cannot be; the step has failed, and says why.
        """
        try:
            made = self._render(scope, run_id, step_id, now)
            with self._database.write(scope) as session:
                place = Place.find(session, scope, run_id, step_id, now)
                place.need(state)
                if state == StepState.RUNNING:  # a step that others approved stays with who did it
                    place.row.actor = scope.actor
                self._act(place, clean, note, made)
            if place.step["action"] in {"respond", "undo"}:
                self.follow(run_id, step_id, now)
        except StepMoved:
            raise
        except SocError as error:
            self.fail(scope, run_id, step_id, str(error), now)
            raise

    def fail(self, scope: Scope, run_id: str, step_id: str, why: str, now: datetime) -> None:
        """Write a failure down where the step is at work; one that ended meanwhile stays as it is."""
        with self._database.write(scope) as session:
            place = Place.find(session, scope, run_id, step_id, now)
            if place.row.state in {StepState.RUNNING, StepState.PENDING}:
                place.failed(why)

    def follow(self, run_id: str, step_id: str, now: datetime) -> bool:
        """Look after a pending step that asks something of agents; says whether it moved."""
        province = Scope.province("playbook")
        with self._database.session(province) as session:
            place = Place.find(session, province, run_id, step_id, now)
            if place.row.state != StepState.PENDING:
                return False
            asker = Scope.province(place.row.actor)
        if place.step["action"] == "undo":
            return self._lift(asker, place, now)
        if "command_ids" not in place.row.result:
            return self._ask(asker, place, now)
        return self._watch(place, now)

    def _desk(self) -> ResponseDesk:
        if self._responses is None:
            raise Conflict("this process asks nothing of agents: finish the step in the console")
        return self._responses

    def _act(
        self,
        place: Place,
        clean: Mapping[str, Any],
        note: str,
        made: tuple[MadeDocument, str] | None,
    ) -> None:
        action = place.step["action"]
        if action == "respond":
            minutes = place.step["respond"]["within_minutes"]
            place.row.note = note
            place.pend(place.now + timedelta(minutes=minutes), clean, "yêu cầu các máy thực hiện")
        elif action == "undo":
            place.row.note = note
            place.pend(place.now + LIFTED_WITHIN, clean, "yêu cầu gỡ biện pháp")
        elif made is not None:
            document = acts.keep_document(
                place.session, place.scope, place.case, made[0], made[1], place.now
            )
            place.done({**clean, "document_id": document.id}, note)
        elif action is not None:
            place.done({**clean, **ACTIONS[action](place, clean)}, note)
        else:
            place.done(clean, note)

    def _render(
        self, scope: Scope, run_id: str, step_id: str, now: datetime
    ) -> tuple[MadeDocument, str] | None:
        """The document of a make_report step, made outside the write transaction because it takes time."""
        with self._database.session(scope) as session:
            place = Place.find(session, scope, run_id, step_id, now)
            if place.step["action"] != "make_report":
                return None
            number = acts.next_number(session, place.case)
            made = self._reports.make(
                session, place.case, place.step["form"], number=number, now=now
            )
            return made, number

    def _ask(self, asker: Scope, place: Place, now: datetime) -> bool:
        respond, row, due = place.step["respond"], place.row, place.row.due_at
        if due is None or due <= now:
            self.fail(
                asker, row.run_id, row.step_id, "hết thời hạn trước khi gửi được yêu cầu", now
            )
            return True
        try:
            asked = self._desk().ask(
                asker,
                row.result["agent_ids"],
                ResponseAction(respond["do"]),
                row.result["parameters"],
                reason=row.note or f"{place.step['title_vi']} ({place.run.playbook_id})",
                now=now,
                case_id=place.case.id,
                within=due - now,
                idempotency_key=f"{row.run_id}:{row.step_id}:{row.round}",
            )
        except SocError as error:
            self.fail(asker, row.run_id, row.step_id, str(error), now)
            return True
        with self._database.write(asker) as session:
            found = Place.find(session, asker, row.run_id, row.step_id, now)
            found.row.result = {**found.row.result, "command_ids": list(asked.command_ids)}
        return True

    def _watch(self, place: Place, now: datetime) -> bool:
        desk, row, province = self._desk(), place.row, Scope.province("playbook")
        ids = row.result["command_ids"]
        states = {one: desk.state_of(province, one, now) for one in ids}
        if any(state in OPEN for state in states.values()):
            return False
        commands = [desk.find(province, one) for one in ids]
        hosts = {one.host: str(states[one.id]) for one in commands if one is not None}
        bad = [f"{host} ({state})" for host, state in hosts.items() if state != ResponseState.DONE]
        with self._database.write(province) as session:
            found = Place.find(session, province, row.run_id, row.step_id, now)
            found.need(StepState.PENDING)
            result = {**found.row.result, "hosts_by_state": hosts}
            if bad:
                found.row.result = result
                found.failed(
                    f"{len(hosts) - len(bad)}/{len(hosts)} máy đã làm; chưa: {', '.join(bad)}"
                )
            else:
                found.done(result, found.row.note)
        return True

    def _lift(self, asker: Scope, place: Place, now: datetime) -> bool:
        desk, row = self._desk(), place.row
        undone = next(one for one in place.rows if one.step_id == place.step["undoes"])
        found = [desk.find(asker, one) for one in undone.result.get("command_ids", ())]
        in_force = [one for one in found if one is not None and is_in_force(one, now)]
        if not in_force:
            with self._database.write(asker) as session:
                now_at = Place.find(session, asker, row.run_id, row.step_id, now)
                now_at.need(StepState.PENDING)
                now_at.done({**row.result, "lifted": [one.id for one in found if one]}, row.note)
            return True
        if row.due_at is not None and row.due_at <= now:
            hosts = ", ".join(one.host for one in in_force)
            self.fail(asker, row.run_id, row.step_id, f"biện pháp còn hiệu lực: {hosts}", now)
            return True
        asked = [self._undo(asker, place, one.id, now) for one in in_force]
        return any(asked)

    def _undo(self, asker: Scope, place: Place, command_id: str, now: datetime) -> bool:
        """Says whether it asked; an undoing that is on its way is not asked twice."""
        desk, reason = self._desk(), place.row.note or place.step["title_vi"]
        under_way = [
            one
            for one in desk.all(asker, case_id=place.case.id, size=3_000)
            if one.measure_id == command_id and desk.state_of(asker, one.id, now) in OPEN
        ]
        if not under_way:
            desk.undo(asker, command_id, reason, now)
        return not under_way


def _decide_serious(place: Place, clean: Mapping[str, Any]) -> dict[str, Any]:
    answers = Answers(clean["serious"], clean["national_security"], clean["serious_disruption"])
    acts.decide(place.session, place.scope, place.case, answers, clean["reason"], place.now)
    return {}


def _send_report(place: Place, _: Mapping[str, Any]) -> dict[str, Any]:
    form = place.step["form"]
    newest = select(DocumentRow).where(
        DocumentRow.case_id == place.case.id, DocumentRow.form == form
    )
    document = place.session.scalar(newest.order_by(DocumentRow.made_at.desc()).limit(1))
    if document is None:
        raise PlaybookError(f"case {place.case.id} has no document {form} to send")
    outbox_id = acts.queue(place.session, place.scope, place.case, document, place.now)
    return {"outbox_id": outbox_id, "document_id": document.id}


def _note(place: Place, clean: Mapping[str, Any]) -> dict[str, Any]:
    acts.log(place.session, place.scope, place.case, "note", clean["text"], now=place.now)
    return {}


def _move(place: Place, _: Mapping[str, Any]) -> dict[str, Any]:
    to = CaseStatus(place.step["to"])
    if place.case.status != to:
        reason = place.step["title_vi"]
        acts.move(place.session, place.scope, place.case, to, reason, place.now)
    return {}


ACTIONS: Mapping[str, Callable[[Place, Mapping[str, Any]], dict[str, Any]]] = MappingProxyType(
    {
        "decide_serious": _decide_serious,
        "send_report": _send_report,
        "note": _note,
        "move": _move,
    }
)
