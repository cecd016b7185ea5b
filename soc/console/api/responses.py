"""Response commands for programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.errors import NotFound
from soc.model.response import ResponseAction, ResponseState
from soc.respond.response_states import plain_of

router = APIRouter(tags=["responses"])
Reader = Annotated[SignedIn, Depends(require("responses.read"))]
Actor = Annotated[SignedIn, Depends(require("responses.act"))]
Approver = Annotated[SignedIn, Depends(require("responses.approve"))]


class Asking(BaseModel):
    """One action for one or many agents; ``docs/response.md`` lists the parameters."""

    agent_ids: list[str] = Field(min_length=1, max_length=3_000)
    action: ResponseAction
    parameters: dict[str, Any] = Field(default_factory=dict)
    reason: str = Field(min_length=1, max_length=2_000)
    case_id: str = Field("", max_length=40)
    hours: float = Field(24, gt=0, le=720, description="After that no agent begins it.")
    dry_run: bool = False
    idempotency_key: str = Field("", max_length=120)


class Why(BaseModel):
    reason: str = Field(min_length=1, max_length=2_000)


class Command(BaseModel):
    """One command to one agent."""

    id: str
    request_id: str
    agent_id: str
    agency_id: str | None
    host: str
    action: ResponseAction
    verb: str
    measure_id: str
    parameters: dict[str, Any]
    reason: str
    case_id: str
    state: ResponseState
    asked_by: str
    asked_at: datetime
    approved_by: str
    approved_at: datetime | None
    expires_at: datetime
    delivered_at: datetime | None
    answered_at: datetime | None
    answer: str
    evidence_sha256: str
    in_force: bool
    until: datetime | None
    ended_at: datetime | None
    ended_how: str


class Answer(BaseModel):
    """An answer as evidence: the hash of its bytes, and those that signed it."""

    agent_id: str
    received_at: datetime
    state: str
    reason: str
    sha256: str
    raw: str  # JSON as the agent wrote it
    proof: dict[str, Any]


class WholeCommand(Command):
    answers: list[Answer]


@router.get("/responses", name="api_responses")
def responses(
    parts: Parts,
    who: Reader,
    case_id: str = "",
    agent_id: str = "",
    request_id: str = "",
    size: Annotated[int, Query(ge=1, le=3_000)] = 200,
) -> list[Command]:
    """Commands, the newest first; those of one asking show who answered, who is silent, who failed."""
    rows = parts.responses.all(
        who.scope, case_id=case_id, agent_id=agent_id, request_id=request_id, size=size
    )
    return [Command(**plain_of(row, parts.clock())) for row in rows]


@router.post("/responses", name="api_response_ask", status_code=201)
def ask(parts: Parts, who: Actor, asking: Asking) -> list[Command]:
    """Ask agents for an action; a dangerous one waits for a second person."""
    facts = asking.model_dump(exclude={"hours"})
    within, now = timedelta(hours=asking.hours), parts.clock()
    asked = parts.responses.ask(who.scope, **facts, within=within, now=now)
    return [_command(parts, who, one) for one in asked.command_ids]


@router.get("/responses/measures", name="api_measures")
def measures(parts: Parts, who: Reader) -> list[Command]:
    """What is in force now; those that end first at the head."""
    now = parts.clock()
    return [Command(**plain_of(row, now)) for row in parts.responses.measures(who.scope, now)]


@router.get("/responses/{command_id}", name="api_response")
def response(parts: Parts, who: Reader, command_id: str) -> WholeCommand:
    """One command with every answer as it came."""
    command = _command(parts, who, command_id)
    answers = [
        Answer(
            agent_id=row.agent_id,
            received_at=row.received_at,
            state=row.state,
            reason=row.reason,
            sha256=row.sha256,
            raw=row.raw.decode(errors="replace"),
            proof=row.proof,
        )
        for row in parts.responses.results(who.scope, command_id)
    ]
    return WholeCommand(**command.model_dump(), answers=answers)


@router.post("/responses/{command_id}/approve", name="api_response_approve")
def approve(parts: Parts, who: Approver, command_id: str) -> Command:
    """The second person's yes: the command is signed, and its agent may fetch it."""
    parts.responses.approve(who.scope, command_id, parts.clock())
    return _command(parts, who, command_id)


@router.post("/responses/{command_id}/cancel", name="api_response_cancel")
def cancel(parts: Parts, who: Actor, command_id: str, why: Why) -> Command:
    """Take back what no agent has fetched."""
    parts.responses.cancel(who.scope, command_id, why.reason, parts.clock())
    return _command(parts, who, command_id)


@router.post("/responses/{command_id}/undo", name="api_response_undo", status_code=201)
def undo(parts: Parts, who: Actor, command_id: str, why: Why) -> Command:
    """Ask the agent to lift a measure; the undoing command."""
    made = parts.responses.undo(who.scope, command_id, why.reason, parts.clock())
    return _command(parts, who, made)


def _command(parts: Parts, who: SignedIn, command_id: str) -> Command:
    row = parts.responses.find(who.scope, command_id)
    if row is None:
        raise NotFound("command", command_id)
    return Command(**plain_of(row, parts.clock()))
