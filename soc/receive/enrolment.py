"""How an agent becomes known: a one-time token, then its own Ed25519 key. Only the token's SHA-256 is kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import select, update

from soc.errors import BatchError, NotAuthenticated, NotFound
from soc.model.register import UNOWNED, Owner
from soc.model.scope import Scope
from soc.records.agents import AgentRow, EnrolmentTokenRow
from soc.records.database import Database
from soc.records.rules import begin_in_testing

TOKEN_LASTS = timedelta(days=7)
REVOKED_WITHIN_SECONDS = 1.0  # how old a known agent may be in the memory of a door


class Request(msgspec.Struct, frozen=True):
    """The body of ``POST /v1/enrol``."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]  # host name
    public_key: Annotated[str, msgspec.Meta(max_length=100)]  # base64 of 32 raw bytes
    operating_system: Annotated[str, msgspec.Meta(max_length=200)] = ""
    version: Annotated[str, msgspec.Meta(max_length=40)] = ""
    incarnation: Annotated[str, msgspec.Meta(max_length=40)] = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A fresh token. ``secret`` is shown this once."""

    id: str
    secret: str
    expires_at: datetime


def create_token(
    database: Database,
    scope: Scope,
    now: datetime,
    *,
    owner: Owner = UNOWNED,
    group: str = "default",
    kind: str = "endpoint",
    prefixes: Sequence[str] = (),
    uses: int = 1,
    lasts: timedelta = TOKEN_LASTS,
) -> Token:
    """Make an enrolment token for ``uses`` agents of one owner; a relay may stamp only within ``prefixes``.

    The secret is hexadecimal: a command line would take one that begins with ``-`` for an option.
    """
    token = Token(f"tk-{secrets.token_hex(6)}", secrets.token_hex(32), now + lasts)
    with database.write(scope) as session:
        session.add(
            EnrolmentTokenRow(
                id=token.id,
                token_sha256=_hash(token.secret),
                agency_id=owner.agency_id,
                system_id=owner.system_id,
                group=group,
                kind=kind,
                prefixes=list(prefixes),
                uses_left=uses,
                expires_at=token.expires_at,
                created_by=scope.actor,
                created_at=now,
            )
        )
    return token


def read_request(body: bytes) -> tuple[Request, bytes]:
    """The request and its raw public key.

    Raises:
        BatchError: not the JSON that an enrolment is, or a key that is not 32 bytes.
    """
    try:
        request = msgspec.json.decode(body, type=Request)
        key = base64.b64decode(request.public_key, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error) as error:
        raise BatchError(f"enrolment: {error}") from error
    if len(key) != 32:
        raise BatchError(f"enrolment: an Ed25519 public key has 32 bytes, this one {len(key)}")
    return request, key


def enrol(database: Database, request: Request, key: bytes, now: datetime) -> str:
    """The agent's id. The same key with a known token gets the same id again: its answer may have been lost.

    Raises:
        NotAuthenticated: an unknown, expired or used-up token, or a key that was revoked.
    """
    with database.write(Scope.province("enrolment")) as session:
        token = session.scalar(
            select(EnrolmentTokenRow).where(
                EnrolmentTokenRow.token_sha256 == _hash(request.token),
                EnrolmentTokenRow.expires_at > now,
            )
        )
        if token is None:
            raise NotAuthenticated("this enrolment token is unknown or has expired")
        known = session.scalar(select(AgentRow).where(AgentRow.public_key == key))
        if known is not None and known.revoked_at is not None:
            raise NotAuthenticated("this key was revoked: start the agent with a new home")
        if known is not None:
            return known.id
        if token.uses_left < 1:
            raise NotAuthenticated("this enrolment token is used up")
        token.uses_left -= 1
        begin_in_testing(session, token.agency_id, now)
        agent = _agent(request, key, token, now)
        session.add(agent)
        return agent.id


def _agent(request: Request, key: bytes, token: EnrolmentTokenRow, now: datetime) -> AgentRow:
    return AgentRow(
        id=f"ag-{secrets.token_hex(8)}",
        name=request.name,
        public_key=key,
        kind=token.kind,
        group=token.group,
        agency_id=token.agency_id,
        system_id=token.system_id,
        prefixes=list(token.prefixes),
        operating_system=request.operating_system,
        version=request.version,
        enrolled_at=now,
        last_seen_at=now,
    )


def revoke(database: Database, scope: Scope, agent_id: str, now: datetime) -> None:
    """Refuse everything this agent sends from now on (a door notices within 2 s).

    Raises:
        NotFound: no such agent in the caller's scope.
    """
    with database.write(scope) as session:
        agent = session.scalar(select(AgentRow).where(AgentRow.id == agent_id))
        if agent is None:
            raise NotFound("agent", agent_id)
        agent.revoked_at = agent.revoked_at or now


def note_clock(database: Database, agent_id: str, offset: timedelta) -> None:
    """Keep how far an agent's clock is from ours."""
    with database.write(Scope.province("door")) as session:
        session.execute(
            update(AgentRow)
            .where(AgentRow.id == agent_id)
            .values(clock_offset_seconds=offset.total_seconds())
        )


def note_heard(database: Database, heard: Mapping[str, datetime]) -> None:
    """Keep when agents were last heard that had nothing to send, all in one transaction."""
    if not heard:
        return
    with database.write(Scope.province("door")) as session:
        session.execute(
            update(AgentRow),
            [{"id": agent_id, "last_seen_at": moment} for agent_id, moment in heard.items()],
        )


class Identities:
    """Agents by id, at most a second old. Unknown ids are not remembered."""

    def __init__(self, database: Database, fresh_seconds: float = REVOKED_WITHIN_SECONDS) -> None:
        self._database, self._fresh = database, fresh_seconds
        self._known: dict[str, tuple[float, AgentRow]] = {}
        self._lock = threading.Lock()

    def find(self, agent_id: str) -> AgentRow | None:
        tick = time.monotonic()
        held = self._known.get(agent_id)
        if held is not None and tick - held[0] < self._fresh:
            return held[1]
        with self._database.session(Scope.province("door")) as session:
            agent = session.scalar(select(AgentRow).where(AgentRow.id == agent_id))
        with self._lock:
            if agent is None:
                self._known.pop(agent_id, None)
            else:
                self._known[agent_id] = (tick, agent)
        return agent


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
