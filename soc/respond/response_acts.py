"""Parts of acts on response commands within a caller's transaction: rows found, made, checked and told of."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import Conflict, FormError, NotFound
from soc.model.response import ResponseAction, ResponseState
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.audit import audit
from soc.records.responses import ResponseCommandRow
from soc.respond.case_acts import get_case, log
from soc.respond.response_states import state_of_row

MOST_AGENTS = 3_000  # in one asking
LOOKED_UP_AT_ONCE = 500
REASON_LETTERS = 2_000


def check_words(form: str, reason: str, keys: Sequence[str]) -> None:
    problems = []
    if not reason.strip() or len(reason) > REASON_LETTERS:
        problems.append(f"reason: 1 to {REASON_LETTERS} letters")
    if not 0 < len(keys) <= MOST_AGENTS:
        problems.append(f"agents: 1 to {MOST_AGENTS}")
    if problems:
        raise FormError(form, problems)


def agents_for(session: Session, agent_ids: Sequence[str]) -> list[AgentRow]:
    """The agents, in that order; each must be able to take a command."""
    found: dict[str, AgentRow] = {}
    for start in range(0, len(agent_ids), LOOKED_UP_AT_ONCE):
        some = agent_ids[start : start + LOOKED_UP_AT_ONCE]
        rows = session.scalars(select(AgentRow).where(AgentRow.id.in_(some)))
        found |= {row.id: row for row in rows}
    for agent_id in agent_ids:
        agent = found.get(agent_id)
        if agent is None:
            raise NotFound("agent", agent_id)
        if agent.revoked_at is not None:
            raise Conflict(f"{agent_id} ({agent.name}) was revoked and takes no command")
        if not agent.public_key:
            raise Conflict(f"{agent_id} ({agent.name}) ships records only and takes no command")
    return [found[agent_id] for agent_id in agent_ids]


def new_row(
    agent: AgentRow,
    request_id: str,
    action: ResponseAction,
    verb: str,
    parameters: dict[str, Any],
    reason: str,
    scope: Scope,
    now: datetime,
) -> ResponseCommandRow:
    return ResponseCommandRow(
        id=f"rc-{secrets.token_hex(12)}",
        request_id=request_id,
        agent_id=agent.id,
        agency_id=agent.agency_id,
        host=agent.name,
        action=action,
        verb=verb,
        measure_id="",
        parameters=parameters,
        reason=reason,
        case_id="",
        asked_by=scope.actor,
        asked_at=now,
        approved_by="",
        state=ResponseState.WAITING,
    )


def get_command(session: Session, command_id: str) -> ResponseCommandRow:
    """Raises NotFound outside the session's scope."""
    row = session.scalar(select(ResponseCommandRow).where(ResponseCommandRow.id == command_id))
    if row is None:
        raise NotFound("command", command_id)
    return row


def made_before(session: Session, key: str, agent_ids: Sequence[str]) -> list[ResponseCommandRow]:
    """What a key made before: the rows of just these agents, in their order."""
    keys = [key_of(key, one) for one in dict.fromkeys(agent_ids)]
    found: dict[str | None, ResponseCommandRow] = {}
    for start in range(0, len(keys), LOOKED_UP_AT_ONCE):
        some = keys[start : start + LOOKED_UP_AT_ONCE]
        rows = session.scalars(
            select(ResponseCommandRow).where(ResponseCommandRow.idempotency_key.in_(some))
        )
        found |= {row.idempotency_key: row for row in rows}
    if found and len(found) != len(keys):
        raise Conflict(f"the key {key!r} was used for other agents")
    return [found[one] for one in keys] if found else []


def key_of(key: str, agent_id: str) -> str | None:
    """The idempotency key of one agent's command; None without a key."""
    if len(key) > 120:
        raise FormError("ask", ["idempotency_key: at most 120 letters"])
    return f"{key}:{agent_id}" if key else None


def check_state(row: ResponseCommandRow, now: datetime, *wanted: ResponseState) -> None:
    state = state_of_row(row, now)
    if state not in wanted:
        raise Conflict(f"{row.id} is {state}, not {' or '.join(wanted)}")


def tell_asked(
    session: Session, scope: Scope, rows: Sequence[ResponseCommandRow], now: datetime
) -> None:
    """A line for one machine; for many, a line for each agency that names them."""
    if len(rows) == 1:
        tell(session, scope, rows[0], "ask", rows[0].reason, now)
        return
    by_agency: dict[str | None, list[ResponseCommandRow]] = {}
    for row in rows:
        by_agency.setdefault(row.agency_id, []).append(row)
    for agency_id, some in by_agency.items():
        said = f"{some[0].action} {some[0].verb} on {len(some)} machines: {some[0].reason}"
        detail = {
            "parameters": some[0].parameters,
            "agents": {row.agent_id: row.id for row in some},
        }
        audit(
            session, scope, "response.ask", "request", some[0].request_id, said, detail,
            now=now, agency_id=agency_id,
        )  # fmt: skip
    if rows[0].case_id:
        case, first = get_case(session, rows[0].case_id), rows[0]
        said = f"ask {first.action} {first.verb} on {len(rows)} machines: {first.reason}"
        log(session, scope, case, "response", f"{said} ({first.request_id})", now=now)


def tell(
    session: Session, scope: Scope, row: ResponseCommandRow, did: str, text: str, now: datetime
) -> None:
    """One line in the audit log, and one in the log of the case."""
    said = f"{row.action} {row.verb} {row.host}" + (f": {text}" if text else "")
    detail = {"agent_id": row.agent_id, "parameters": row.parameters, "request": row.request_id}
    audit(
        session, scope, f"response.{did}", "response", row.id, said, detail,
        now=now, agency_id=row.agency_id,
    )  # fmt: skip
    if row.case_id:
        case = get_case(session, row.case_id)
        log(session, scope, case, "response", f"{did} {said} ({row.id})", detail, now=now)
