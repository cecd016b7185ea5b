"""Sources that have gone quiet: an agent that is no longer heard, a stream that used to bring records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from soc.model.scope import Scope
from soc.records.agents import AgentRow, StreamRow
from soc.records.database import Database
from soc.records.shippers import ShipperRow

AGENT_QUIET = timedelta(minutes=15)
STREAM_QUIET = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Silence:
    """Something that should be heard and is not. ``stream`` is empty when the whole agent is quiet."""

    agent_id: str
    host: str
    agency_id: str | None
    stream: str
    last_heard_at: datetime


def silent(
    database: Database,
    scope: Scope,
    now: datetime,
    *,
    agent_quiet: timedelta = AGENT_QUIET,
    stream_quiet: timedelta = STREAM_QUIET,
) -> list[Silence]:
    """Quiet agents, then quiet streams of agents that are heard; the longest quiet first.

    Revoked agents are not expected to speak, and of a stream only the newest incarnation counts. Other shippers say
    nothing when they have nothing to ship, so they are given as long as a stream.
    """
    with database.session(scope) as session:
        agents = session.scalars(select(AgentRow).where(AgentRow.revoked_at.is_(None))).all()
        streams = session.scalars(select(StreamRow)).all()
        shippers = set(session.scalars(select(ShipperRow.agent_id)))
    found, heard = [], {}
    for agent in agents:
        last = agent.last_seen_at or agent.enrolled_at
        if now - last > (stream_quiet if agent.id in shippers else agent_quiet):
            found.append(Silence(agent.id, agent.name, agent.agency_id, "", last))
        else:
            heard[agent.id] = agent
    found.sort(key=lambda one: one.last_heard_at)
    newest: dict[tuple[str, str], datetime] = {}
    for row in streams:
        if row.agent_id in heard and row.last_received_at is not None:
            key = (row.agent_id, row.name)
            newest[key] = max(row.last_received_at, newest.get(key, row.last_received_at))
    quiet = [
        Silence(agent_id, heard[agent_id].name, heard[agent_id].agency_id, name, last)
        for (agent_id, name), last in newest.items()
        if now - last > stream_quiet
    ]
    return found + sorted(quiet, key=lambda one: one.last_heard_at)
