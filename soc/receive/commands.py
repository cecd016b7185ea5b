"""The door's post of commands: agents fetch what is signed for them, and bring answers and bundles back.

The door signs nothing and decides nothing: it hands out bytes that the desk signed when the last person agreed. An
answer is kept as it came, with the headers of the agent's signature; it changes the state of a command only when it
comes from the agent that the command is for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import BatchError, NotFound
from soc.model.response import MEASURES, ResponseAction, ResponseState
from soc.model.scope import Scope
from soc.receive.certificates import write_secret
from soc.records.agents import AgentRow
from soc.records.audit import audit
from soc.records.database import Database
from soc.records.responses import ResponseCommandRow, ResponseResultRow

RESULT_BYTES = 1024 * 1024
EVIDENCE_BYTES = 16 * 1024 * 1024
ANSWERS_OF_ONE_COMMAND = 20  # of one agent
AT_ONCE = 50
PATIENT = (ResponseAction.COLLECT_TRIAGE, ResponseAction.QUERY_STATE)
PROVINCE = Scope.province("door")
SIGNED_BY = ("content-digest", "signature-input", "signature")


class Answer(msgspec.Struct, frozen=True):
    """What an agent says of a command. Other fields are kept in the raw bytes only."""

    command_id: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    agent_id: Annotated[str, msgspec.Meta(max_length=40)]
    document_sha256: Annotated[str, msgspec.Meta(max_length=64)]
    state: Annotated[str, msgspec.Meta(pattern="^(done|failed|unchanged|refused|ended)$")]
    reason: Annotated[str, msgspec.Meta(max_length=4000)]
    found: dict[str, Any]


class CommandPost:
    """``waiting`` are the agents for whom something is signed, as of the last ``refresh``."""

    def __init__(
        self, database: Database, evidence_home: Path, certificate: Callable[[], str]
    ) -> None:
        self._database, self._evidence, self.certificate = database, evidence_home, certificate
        self.waiting: frozenset[str] = frozenset()

    def refresh(self, now: datetime) -> None:
        """Look who has something to fetch."""
        wanted = select(ResponseCommandRow.agent_id).where(*_open(now)).distinct()
        with self._database.session(PROVINCE) as session:
            self.waiting = frozenset(session.scalars(wanted))

    def commands_of(self, agent: AgentRow, now: datetime) -> list[tuple[bytes, bytes]]:
        """Document and signature of what is due, again until it is answered; what is urgent first, then the oldest."""
        wanted = (
            select(ResponseCommandRow)
            .where(ResponseCommandRow.agent_id == agent.id, *_open(now))
            .order_by(ResponseCommandRow.action.in_(PATIENT), ResponseCommandRow.asked_at)
            .limit(AT_ONCE)
        )
        with self._database.session(PROVINCE) as session:
            rows = list(session.scalars(wanted))
        if any(row.delivered_at is None for row in rows):
            with self._database.write(PROVINCE) as session:
                rows = list(session.scalars(wanted))  # a cancellation may have come in between
                for row in rows:
                    row.delivered_at = row.delivered_at or now
        return [(row.document, row.signature) for row in rows if row.document and row.signature]

    def take_answer(
        self, agent: AgentRow, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> str:
        """Keep an answer; its SHA-256. The same bytes twice are kept once.

        Raises:
            BatchError: it cannot be read, or is not of this agent.
            NotFound: there is no such command.
        """
        answer = read_answer(body, agent.id)
        digest = hashlib.sha256(body).hexdigest()
        result_id = hashlib.sha256(f"{agent.id}\0{digest}".encode()).hexdigest()
        with self._database.write(Scope.province(f"agent:{agent.id}")) as session:
            row = session.get(ResponseCommandRow, answer.command_id)
            if row is None:
                raise NotFound("command", answer.command_id)
            if session.get(ResponseResultRow, result_id) is not None:
                return digest
            _check_room(session, agent, row)
            session.add(
                ResponseResultRow(
                    id=result_id,
                    command_id=row.id,
                    agent_id=agent.id,
                    agency_id=agent.agency_id,
                    received_at=now,
                    state=answer.state,
                    reason=answer.reason,
                    sha256=digest,
                    raw=body,
                    proof={name: headers.get(name, "") for name in SIGNED_BY},
                )
            )
            if row.agent_id == agent.id:
                _follow(session, row, answer, result_id, now)
            _audit(session, agent, row, answer, digest, now)
        return digest

    def check_evidence(self, agent: AgentRow, command_id: str) -> None:
        """Whether a bundle of this agent is awaited.

        Raises:
            NotFound: no bundle of that command is.
        """
        with self._database.session(PROVINCE) as session:
            _awaiting(session, agent, command_id)

    def take_evidence(self, agent: AgentRow, command_id: str, body: bytes) -> str:
        """Keep a bundle under its SHA-256, durably, before its row says so.

        Raises:
            NotFound: no bundle of that command is awaited from this agent.
            BatchError: another bundle came before.
        """
        self.check_evidence(agent, command_id)
        digest = hashlib.sha256(body).hexdigest()
        self._evidence.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._evidence / digest
        if not path.exists():
            write_secret(path, body)
            _sync(self._evidence)
        with self._database.write(PROVINCE) as session:
            row = _awaiting(session, agent, command_id)
            if row.evidence_sha256 not in ("", digest):
                raise BatchError(f"another bundle of {command_id} was kept before")
            row.evidence_sha256, row.evidence_bytes = digest, len(body)
        return digest


def _open(now: datetime) -> tuple[Any, ...]:
    return (
        ResponseCommandRow.state == ResponseState.QUEUED,
        ResponseCommandRow.expires_at > now,
        ResponseCommandRow.not_before <= now,
        ResponseCommandRow.document.is_not(None),
    )


def read_answer(body: bytes, agent_id: str) -> Answer:
    """What an agent says.

    Raises:
        BatchError: it is no answer, or names another agent.
    """
    try:
        body.decode()  # msgspec looks only at the strings that it keeps
        answer = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BatchError(f"answer to a command: {error}") from error
    if answer.agent_id != agent_id:
        raise BatchError(f"answer to a command: it names another agent, {answer.agent_id!r}")
    return msgspec.structs.replace(answer, reason=answer.reason.replace("\0", "\ufffd"))


def _check_room(session: Session, agent: AgentRow, row: ResponseCommandRow) -> None:
    held = session.scalar(
        select(func.count())
        .select_from(ResponseResultRow)
        .where(ResponseResultRow.agent_id == agent.id, ResponseResultRow.command_id == row.id)
    )
    if (held or 0) >= ANSWERS_OF_ONE_COMMAND:
        raise BatchError(f"{held} answers to {row.id} are enough")


def _follow(
    session: Session, row: ResponseCommandRow, answer: Answer, result_id: str, now: datetime
) -> None:
    """Move the command on; only an open one moves, and only by an answer to its very document."""
    if hashlib.sha256(row.document or b"").hexdigest() != answer.document_sha256:
        return
    if answer.state == "ended":
        if row.ended_at is None and row.state == ResponseState.DONE and row.action in MEASURES:
            row.ended_at, row.ended_how = now, answer.reason
        return
    if row.state != ResponseState.QUEUED:
        return
    row.state, row.answer, row.answered_at = answer.state, answer.reason, now
    row.result_id = result_id
    claimed = answer.found.get("sha256")
    if row.evidence_sha256 and claimed != row.evidence_sha256:
        row.state = ResponseState.FAILED
        row.answer = f"the bundle that came is {row.evidence_sha256}, the agent named {claimed!r}"
    if row.state != ResponseState.DONE or row.action not in MEASURES:
        return
    if row.verb == "undo":
        measure = session.get(ResponseCommandRow, row.measure_id)
        if measure is not None and measure.ended_at is None:
            measure.ended_at, measure.ended_how = now, f"undone by {row.id}"
    elif row.verb == "run" and row.action == ResponseAction.ISOLATE_HOST:
        row.until = now + timedelta(seconds=int(row.parameters["seconds"]))


def _audit(
    session: Session,
    agent: AgentRow,
    row: ResponseCommandRow,
    answer: Answer,
    digest: str,
    now: datetime,
) -> None:
    audit(
        session,
        Scope.province(f"agent:{agent.id}"),
        "response.answer",
        "response",
        row.id,
        f"{row.action} {row.verb} {agent.name}: {answer.state} {answer.reason}"[:2000],
        {"sha256": digest, "state": answer.state, "by_addressee": row.agent_id == agent.id},
        now=now,
        agency_id=agent.agency_id,
    )


def _awaiting(session: Session, agent: AgentRow, command_id: str) -> ResponseCommandRow:
    row = session.scalar(
        select(ResponseCommandRow).where(
            ResponseCommandRow.id == command_id,
            ResponseCommandRow.agent_id == agent.id,
            ResponseCommandRow.action == ResponseAction.COLLECT_TRIAGE,
            ResponseCommandRow.state == ResponseState.QUEUED,
        )
    )
    if row is None:
        raise NotFound("bundle awaited for command", command_id)
    return row


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
