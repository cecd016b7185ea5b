"""The desk of response commands: asked by one person, approved by another where it matters, signed, queued, undone.

A command is signed when the last person has agreed, by the key in the keys folder; the record has the signed bytes
and not the key, so whoever holds the database alone commands nobody. A playbook asks by ``ask`` with its own
idempotency key, and follows by ``state_of``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select

from soc.errors import Conflict, FormError, NotAllowed, NotFound
from soc.model.response import MEASURES, ResponseAction, ResponseState
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.responses import ResponseCommandRow, ResponseResultRow
from soc.respond.case_acts import get_case
from soc.respond.names import Names
from soc.respond.response_acts import (
    MOST_AGENTS,
    agents_for,
    check_state,
    check_words,
    get_command,
    key_of,
    made_before,
    new_row,
    tell,
    tell_asked,
)
from soc.respond.response_shapes import checked
from soc.respond.response_states import OPEN, document_of, is_in_force, state_of_row

LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one asking made, or had made before under the same idempotency key."""

    request_id: str
    command_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one asking: who did it, who could not, who has not spoken. Host names by state."""

    request_id: str
    hosts_by_state: Mapping[ResponseState, tuple[str, ...]]

    @property
    def silent(self) -> tuple[str, ...]:
        """Signed for them, and no answer, in time or yet."""
        silent = (ResponseState.QUEUED, ResponseState.EXPIRED)
        return tuple(host for one in silent for host in self.hosts_by_state.get(one, ()))


class ResponseDesk:
    """``sign`` makes the signature over a document; ``two_people`` are the actions that need a second person."""

    def __init__(
        self,
        database: Database,
        *,
        sign: Callable[[bytes], bytes],
        two_people: Collection[ResponseAction],
    ) -> None:
        self._database, self._sign, self._two_people = database, sign, frozenset(two_people)

    def ask(
        self,
        scope: Scope,
        agent_ids: Sequence[str],
        action: ResponseAction,
        parameters: Mapping[str, Any],
        *,
        reason: str,
        now: datetime,
        case_id: str = "",
        within: timedelta = timedelta(hours=24),
        not_before: datetime | None = None,
        dry_run: bool = False,
        idempotency_key: str = "",
    ) -> Asked:
        """Ask agents for an action; offline ones get it when they come, until ``now + within``.

        Args:
            within: after that no agent begins it.
            idempotency_key: the same key makes nothing new, and gives what it made.

        Raises:
            FormError: the parameters, reason or times cannot be.
            NotFound: an agent or the case is not in the caller's scope.
            Conflict: an agent was revoked or takes no commands, or the key was used for another asking.
        """
        whole = checked(action, parameters)
        check_words(action, reason, agent_ids)
        expires_at, begins = now + within, not_before or now
        if not timedelta(0) < within <= LONGEST or begins >= expires_at:
            raise FormError(
                action, [f"within: more than the start and at most {LONGEST.days} days"]
            )
        request_id = f"rq-{secrets.token_hex(8)}"
        verb = "dry_run" if dry_run else "run"
        with self._database.write(scope) as session:
            if idempotency_key and (made := made_before(session, idempotency_key, agent_ids)):
                if any((row.action, row.parameters) != (action, whole) for row in made):
                    raise Conflict(f"the key {idempotency_key!r} was used for another asking")
                return Asked(made[0].request_id, tuple(row.id for row in made))
            if case_id:
                get_case(session, case_id)
            rows = []
            for agent in agents_for(session, list(dict.fromkeys(agent_ids))):
                row = new_row(agent, request_id, action, verb, whole, reason, scope, now)
                row.case_id, row.not_before, row.expires_at = case_id, begins, expires_at
                row.idempotency_key = key_of(idempotency_key, agent.id)
                if dry_run or action not in self._two_people:
                    self._seal(row)
                session.add(row)
                rows.append(row)
            tell_asked(session, scope, rows, now)
            return Asked(request_id, tuple(row.id for row in rows))

    def approve(self, scope: Scope, command_id: str, now: datetime) -> None:
        """Agree as the second person; from here on the agent may fetch it.

        Raises:
            NotAllowed: by who asked.
            Conflict: it does not wait any more, or its time is over.
        """
        with self._database.write(scope) as session:
            row = get_command(session, command_id)
            check_state(row, now, ResponseState.WAITING)
            if row.asked_by == scope.actor:
                raise NotAllowed(
                    f"{command_id} needs the approval of a person who has not asked it"
                )
            row.approved_by, row.approved_at = scope.actor, now
            self._seal(row)
            tell(session, scope, row, "approve", "", now)

    def cancel(self, scope: Scope, command_id: str, reason: str, now: datetime) -> None:
        """Take a command back that no agent has fetched.

        Raises:
            Conflict: the agent has it; undo it instead.
        """
        check_words("cancel", reason, [command_id])
        with self._database.write(scope) as session:
            row = get_command(session, command_id)
            check_state(row, now, *OPEN)
            if row.delivered_at is not None:
                raise Conflict(
                    f"{row.host} has fetched {command_id}: wait for its answer, then undo it"
                )
            row.state, row.answer = ResponseState.CANCELLED, reason
            tell(session, scope, row, "cancel", reason, now)

    def undo(
        self,
        scope: Scope,
        command_id: str,
        reason: str,
        now: datetime,
        *,
        within: timedelta = timedelta(hours=24),
    ) -> str:
        """Ask the agent to lift a measure; one person is enough. The id of the undoing command.

        Raises:
            Conflict: it is no measure in force, or an undo is on its way.
        """
        check_words("undo", reason, [command_id])
        with self._database.write(scope) as session:
            measure = get_command(session, command_id)
            if not is_in_force(measure, now):
                raise Conflict(f"{command_id} is no measure in force")
            for other in session.scalars(
                select(ResponseCommandRow).where(ResponseCommandRow.measure_id == command_id)
            ):
                if state_of_row(other, now) in OPEN:
                    raise Conflict(f"{other.id} already undoes {command_id}")
            [agent] = agents_for(session, [measure.agent_id])
            action = ResponseAction(measure.action)
            request_id = f"rq-{secrets.token_hex(8)}"
            row = new_row(agent, request_id, action, "undo", {}, reason, scope, now)
            row.measure_id, row.case_id, row.not_before = command_id, measure.case_id, now
            row.expires_at = now + within
            self._seal(row)
            session.add(row)
            tell(session, scope, row, "undo", reason, now)
            return row.id

    def find(self, scope: Scope, command_id: str) -> ResponseCommandRow | None:
        with self._database.session(scope) as session:
            return session.scalar(
                select(ResponseCommandRow).where(ResponseCommandRow.id == command_id)
            )

    def find_agent(self, scope: Scope, text: str) -> str:
        """The id of an agent by its id or host name.

        Raises:
            NotFound: there is none in the scope.
            Conflict: several machines have that name.
        """
        wanted = select(AgentRow.id).where(
            or_(AgentRow.id == text, AgentRow.name == text),
            AgentRow.revoked_at.is_(None),
        )
        with self._database.session(scope) as session:
            found = list(session.scalars(wanted.limit(3)))
        if not found:
            raise NotFound("agent", text)
        if len(found) > 1:
            raise Conflict(f"several machines are called {text}: name the agent by its id")
        return found[0]

    def names(self, scope: Scope, rows: Iterable[ResponseCommandRow]) -> Names:
        """What people call the agencies of commands."""
        with self._database.session(scope) as session:
            return Names.load(session, agencies=[row.agency_id for row in rows], systems=[])

    def state_of(self, scope: Scope, command_id: str, now: datetime) -> ResponseState:
        """Where a command stands. Raises NotFound outside the scope."""
        with self._database.session(scope) as session:
            return state_of_row(get_command(session, command_id), now)

    def results(self, scope: Scope, command_id: str) -> list[ResponseResultRow]:
        """The answers as they came, the oldest first; also those of agents it was not for."""
        wanted = (
            select(ResponseResultRow)
            .where(ResponseResultRow.command_id == command_id)
            .order_by(ResponseResultRow.received_at)
        )
        with self._database.session(scope) as session:
            get_command(session, command_id)
            return list(session.scalars(wanted))

    def all(
        self,
        scope: Scope,
        *,
        case_id: str = "",
        agent_id: str = "",
        request_id: str = "",
        size: int = 200,
    ) -> list[ResponseCommandRow]:
        """Commands of the scope, the newest first."""
        wanted = select(ResponseCommandRow).order_by(
            ResponseCommandRow.asked_at.desc(), ResponseCommandRow.id
        )
        for column, value in (
            (ResponseCommandRow.case_id, case_id),
            (ResponseCommandRow.agent_id, agent_id),
            (ResponseCommandRow.request_id, request_id),
        ):
            wanted = wanted.where(column == value) if value else wanted
        with self._database.session(scope) as session:
            return list(session.scalars(wanted.limit(size)))

    def waiting(self, scope: Scope, now: datetime) -> list[ResponseCommandRow]:
        """Those that want a second person, the oldest first."""
        wanted = select(ResponseCommandRow).where(
            ResponseCommandRow.state == ResponseState.WAITING, ResponseCommandRow.expires_at > now
        )
        with self._database.session(scope) as session:
            return list(session.scalars(wanted.order_by(ResponseCommandRow.asked_at)))

    def measures(self, scope: Scope, now: datetime) -> list[ResponseCommandRow]:
        """Measures in force, those that end first at the head; by their agents' answers."""
        wanted = select(ResponseCommandRow).where(
            ResponseCommandRow.state == ResponseState.DONE,
            ResponseCommandRow.verb == "run",
            ResponseCommandRow.action.in_(sorted(MEASURES)),
            ResponseCommandRow.ended_at.is_(None),
        )
        with self._database.session(scope) as session:
            rows = [row for row in session.scalars(wanted) if is_in_force(row, now)]
        return sorted(rows, key=lambda row: (row.until is None, row.until or row.asked_at))

    def tally(self, scope: Scope, request_id: str, now: datetime) -> Tally:
        """Who answered, who failed, who is silent. Raises NotFound outside the scope."""
        rows = self.all(scope, request_id=request_id, size=MOST_AGENTS)
        if not rows:
            raise NotFound("request", request_id)
        hosts: dict[ResponseState, list[str]] = {}
        for row in rows:
            hosts.setdefault(state_of_row(row, now), []).append(row.host)
        return Tally(request_id, {one: tuple(sorted(found)) for one, found in hosts.items()})

    def _seal(self, row: ResponseCommandRow) -> None:
        """Write the document, sign it, and let the agent fetch it."""
        row.document = document_of(row)
        row.signature = self._sign(row.document)
        row.state = ResponseState.QUEUED
