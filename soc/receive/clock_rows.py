"""Wrong clocks in the records: what was measured, and one signal for each time that a clock was wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from soc.model.event import EPOCH
from soc.model.own_rules import CLOCK_WRONG
from soc.model.scope import Scope
from soc.receive.batches import to_epoch_microseconds
from soc.receive.clocks import OFF, Clocks, Last, Place
from soc.receive.plans import Plan
from soc.records.agents import AgentRow
from soc.records.batches import SignalRow
from soc.records.clocks import ClockEpisodeRow, ClockRow
from soc.records.database import Database

OFF_US = OFF // timedelta(microseconds=1)
RIGHT_US = OFF_US // 2  # an agent's clock is right again below this: no to and fro at the edge
STEADY = timedelta(
    minutes=1
)  # a lateness that stays the same for so long is a clock that is behind
SAME_US = 60_000_000


def load_clocks(database: Database) -> Clocks:
    """What the records know."""
    clocks = Clocks()
    with database.session(Scope.province("door")) as session:
        for row in session.scalars(select(ClockRow)):
            if row.stream:
                clocks.watched.add((row.agent_id, row.stream, row.host))
            else:
                measured_at = to_epoch_microseconds(row.measured_at)
                clocks.last[row.agent_id] = Last(measured_at, row.offset_us, row.offset_us)
                clocks.stored[row.agent_id] = row.offset_us
    return clocks


def note_clocks(session: Session, plans: Sequence[Plan]) -> None:
    """Keep what the batches said of clocks, within the caller's transaction."""
    for plan in plans:
        if plan.clock is None or not plan.clock.seen:
            continue
        heard = EPOCH + timedelta(microseconds=plan.clock.heard_us)
        for place, offset in plan.clock.seen.items():
            _note(session, plan.batch.agent, place, offset, heard)


def _note(session: Session, agent: AgentRow, place: Place, offset: int, heard: datetime) -> None:
    stream, host = place[0], place[1][:200]
    row = session.get(ClockRow, (agent.id, stream, host))
    if row is None:
        row = ClockRow(agent_id=agent.id, stream=stream, host=host, agency_id=agent.agency_id)
        row.episode_id, row.suspected_at, row.suspected_us = "", None, 0
        session.add(row)
    row.offset_us, row.measured_at = offset, heard
    if not stream:
        own = update(AgentRow).where(AgentRow.id == agent.id)
        session.execute(own.values(clock_offset_seconds=round(offset / 1e6, 3)))
    if _is_wrong(row, offset, heard):
        _go_on(session, row, host or agent.name, agent.system_id, heard)
    elif row.episode_id and abs(offset) < (OFF_US if stream else RIGHT_US):
        episode = session.get(ClockEpisodeRow, row.episode_id)
        if episode is not None:
            episode.ended_at = heard
        row.episode_id = ""


def _is_wrong(row: ClockRow, offset: int, heard: datetime) -> bool:
    """Whether it is the clock. Messages that seem late may be late: only a lateness that stays the same is a clock."""
    if abs(offset) < OFF_US:
        row.suspected_at, row.suspected_us = None, 0
        return False
    if offset > 0 or not row.stream or row.episode_id:
        return True
    if row.suspected_at is None or abs(offset - row.suspected_us) > SAME_US:
        row.suspected_at, row.suspected_us = heard, offset
        return False
    return heard - row.suspected_at >= STEADY


def _go_on(
    session: Session, row: ClockRow, host: str, system_id: str | None, heard: datetime
) -> None:
    """An episode begins with its one signal; of one that goes on the worst is kept."""
    if row.episode_id:
        episode = session.get(ClockEpisodeRow, row.episode_id)
        if episode is not None and abs(row.offset_us) > abs(episode.worst_us):
            episode.worst_us = row.offset_us
        return
    began = heard.isoformat()
    key = "\x1f".join((CLOCK_WRONG.id, row.agent_id, row.stream, row.host, began)).encode()
    row.episode_id = hashlib.blake2b(key, digest_size=16).hexdigest()
    session.add(
        ClockEpisodeRow(
            id=row.episode_id,
            agent_id=row.agent_id,
            stream=row.stream,
            host=host,
            agency_id=row.agency_id,
            began_at=heard,
            worst_us=row.offset_us,
        )
    )
    session.add(
        SignalRow(
            id=row.episode_id,
            rule_id=CLOCK_WRONG.id,
            rule_title=CLOCK_WRONG.title,
            level=CLOCK_WRONG.level,
            event_id="",
            observed_at=heard,
            received_at=heard,
            agency_id=row.agency_id,
            system_id=system_id,
            system_level=0,
            host=host,
            entity=f"host:{host}"[:400],
            fields={
                "host.name": host,
                "soc.clock.offset_seconds": round(row.offset_us / 1e6),
                "soc.stream": row.stream,
                "message": said_of(host, row.offset_us, row.stream),
            },
        )
    )


def said_of(host: str, offset_us: int, stream: str = "") -> str:
    """The alert's line, in Vietnamese and in English.

    >>> said_of("may01", 86_400_000_000)
    'Đồng hồ của may01 nhanh 1 ngày 00:00:00. / The clock of may01 is 1 d 00:00:00 ahead.'
    """
    days, seconds = divmod(round(abs(offset_us) / 1e6), 86_400)
    rest = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    vi, en = (f"{days} ngày {rest}", f"{days} d {rest}") if days else (rest, rest)
    way = ("nhanh", "ahead") if offset_us > 0 else ("chậm", "behind")
    where = (f" (trong {stream})", f" (in {stream})") if stream else ("", "")
    return f"Đồng hồ của {host}{where[0]} {way[0]} {vi}. / The clock of {host}{where[1]} is {en} {way[1]}."
