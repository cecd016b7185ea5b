"""The desk of those who keep the platform awake: what arrives, what is missing, what waits, what cannot be seen.

A gap is computed from the numbers that the agents give their records, never guessed: a number below the highest one
received that neither arrived nor was named lost by the agent is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import NotFound
from soc.model.scope import Scope
from soc.ports import EventStore, StoreHealth
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import SetAsideRow
from soc.records.database import Database
from soc.records.jobs import HeartbeatRow, RuleStateRow
from soc.records.outbox import OutboxRow
from soc.records.silence import SilenceEpisodeRow
from soc.respond.names import Names

SILENT_AFTER = timedelta(minutes=5)  # an agent speaks at least once a minute
STOPPED_AFTER = timedelta(seconds=60)  # a process writes its heartbeat every few seconds
SKEWED_AFTER_SECONDS = 120.0
MOST_ROWS = 200
RuleStates = Callable[[Iterable[tuple[str, str]]], Sequence[str]]
"""The recorded states of usable rules, given by id and path."""
MOST_SAMPLES = 3
SAMPLE_BYTES = 2000


@dataclass(frozen=True, slots=True)
class ProcessView:
    name: str
    at: datetime
    alive: bool
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AgentView:
    row: AgentRow
    agency_name: str
    system_name: str
    state: str  # ok, silent, skewed, revoked, never


@dataclass(frozen=True, slots=True)
class Gap:
    """Records ``first`` to ``last`` of a stream: missing, or named lost with a ``reason``."""

    first: int
    last: int
    reason: str = ""

    @property
    def records(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class StreamView:
    row: StreamRow
    agent_name: str
    agency_name: str
    gaps: tuple[Gap, ...]  # missing without a word
    losses: tuple[Gap, ...]  # named by the agent
    is_silent: bool = False  # missed by now, see soc.collect.silence

    @property
    def missing(self) -> int:
        return sum(gap.records for gap in self.gaps)

    @property
    def lost(self) -> int:
        return sum(loss.records for loss in self.losses)


@dataclass(frozen=True, slots=True)
class SetAsideGroup:
    """Records of one source that could not be read for one reason."""

    source: str
    reason: str
    records: int
    newest: datetime
    replayed: int
    samples: tuple[SetAsideRow, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What the health page shows."""

    processes: tuple[ProcessView, ...]
    agents: tuple[AgentView, ...]
    streams: tuple[StreamView, ...]
    set_aside: tuple[SetAsideGroup, ...]
    store: StoreHealth
    rules: Mapping[
        str, int
    ]  # recorded state (active, testing, off), or refused, cannot_match: to count
    rules_wrong: tuple[RuleStateRow, ...]  # refused, cannot_match
    outbox: Mapping[str, int]  # state to count
    outbox_open: tuple[OutboxRow, ...]  # waiting, sending, dead

    @property
    def missing(self) -> int:
        return sum(stream.missing for stream in self.streams)

    @property
    def lost(self) -> int:
        return sum(stream.lost for stream in self.streams)

    @property
    def set_aside_waiting(self) -> int:
        return sum(group.records - group.replayed for group in self.set_aside)

    @property
    def silent(self) -> int:
        return sum(agent.state in ("silent", "never") for agent in self.agents)


def all_active(rules: Iterable[tuple[str, str]]) -> list[str]:
    """For a desk without recorded decisions."""
    return ["active" for _ in rules]


class HealthDesk:
    """Reads what the processes and the doors wrote down; changes nothing."""

    def __init__(
        self, database: Database, store: EventStore, *, rule_states: RuleStates = all_active
    ) -> None:
        self.database, self.store, self.rule_states = database, store, rule_states

    def health(self, scope: Scope, *, now: datetime) -> Health:
        """Everything at once, within the scope where a thing belongs to an agency."""
        with self.database.session(scope) as session:
            agents = _agents(session, now)
            usable, states, wrong = _rules(session)
            counts, waiting = _outbox(session)
            return Health(
                processes=_processes(session, now),
                agents=agents,
                streams=_streams(session, agents),
                set_aside=_set_aside(session),
                store=self.store.health(scope),
                rules=states | Counter(self.rule_states(usable)),
                rules_wrong=wrong,
                outbox=counts,
                outbox_open=waiting,
            )

    def set_aside_record(self, scope: Scope, record_id: str) -> SetAsideRow:
        """One set-aside record with its bytes. Raises NotFound."""
        with self.database.session(scope) as session:
            row = session.scalar(select(SetAsideRow).where(SetAsideRow.id == record_id))
        if row is None:
            raise NotFound("set-aside record", record_id)
        return row


def agent_state(row: AgentRow, now: datetime) -> str:
    """``ok``, ``silent``, ``skewed`` (its clock is wrong), ``revoked`` or ``never`` (nothing was heard yet)."""
    if row.revoked_at is not None:
        return "revoked"
    if row.last_seen_at is None:
        return "never"
    if now - row.last_seen_at > SILENT_AFTER:
        return "silent"
    return "skewed" if abs(row.clock_offset_seconds) > SKEWED_AFTER_SECONDS else "ok"


def gaps_between(
    ranges: Iterable[Sequence[int]], losses: Iterable[Sequence[object]]
) -> tuple[Gap, ...]:
    """The numbers from 1 to the highest known one that neither arrived nor were named lost.

    >>> gaps_between([[1, 10], [15, 20]], [[11, 12, "spool full"]])
    (Gap(first=13, last=14, reason=''),)
    """
    known = [(int(first), int(last)) for first, last in ranges]
    known += [(int(str(loss[0])), int(str(loss[1]))) for loss in losses]
    found, expected = [], 1
    for first, last in sorted(known):
        if first > expected:
            found.append(Gap(expected, first - 1))
        expected = max(expected, last + 1)
    return tuple(found)


def _processes(session: Session, now: datetime) -> tuple[ProcessView, ...]:
    rows = session.scalars(select(HeartbeatRow).order_by(HeartbeatRow.process))
    return tuple(
        ProcessView(row.process, row.at, now - row.at <= STOPPED_AFTER, row.detail) for row in rows
    )


def _agents(session: Session, now: datetime) -> tuple[AgentView, ...]:
    rows = session.scalars(select(AgentRow).order_by(AgentRow.name).limit(MOST_ROWS)).all()
    names = Names.load(
        session, agencies=(row.agency_id for row in rows), systems=(row.system_id for row in rows)
    )
    views = [
        AgentView(
            row, names.agency(row.agency_id), names.system(row.system_id), agent_state(row, now)
        )
        for row in rows
    ]
    order = ("silent", "never", "skewed", "ok", "revoked")
    return tuple(sorted(views, key=lambda view: order.index(view.state)))


def _streams(session: Session, agents: Sequence[AgentView]) -> tuple[StreamView, ...]:
    agent_by_id = {view.row.id: view for view in agents}
    episode = SilenceEpisodeRow
    going_on = select(episode.agent_id, episode.stream).where(episode.ended_at.is_(None))
    silent = {(agent_id, stream) for agent_id, stream in session.execute(going_on)}
    newest = select(StreamRow).order_by(StreamRow.last_received_at.desc()).limit(MOST_ROWS)
    views = []
    for row in session.scalars(newest):
        agent = agent_by_id.get(row.agent_id)
        views.append(
            StreamView(
                row,
                agent.row.name if agent else row.agent_id,
                agent.agency_name if agent else "",
                gaps_between(row.ranges, row.losses),
                tuple(Gap(int(first), int(last), str(why)) for first, last, why in row.losses),
                (row.agent_id, row.name) in silent or (row.agent_id, "") in silent,
            )
        )

    def turn(view: StreamView) -> tuple[bool, int, int, str]:
        return not view.is_silent, -view.missing, -view.lost, view.agent_name

    return tuple(sorted(views, key=turn))


def _set_aside(session: Session) -> tuple[SetAsideGroup, ...]:
    counted = (
        select(
            SetAsideRow.source,
            SetAsideRow.reason,
            func.count(SetAsideRow.id),
            func.max(SetAsideRow.received_at),
            func.count(SetAsideRow.replayed_at),
        )
        .group_by(SetAsideRow.source, SetAsideRow.reason)
        .order_by(func.count(SetAsideRow.id).desc())
        .limit(MOST_ROWS)
    )
    groups = []
    for source, reason, records, newest, replayed in session.execute(counted).all():
        samples = session.scalars(
            select(SetAsideRow)
            .where(SetAsideRow.source == source, SetAsideRow.reason == reason)
            .order_by(SetAsideRow.received_at.desc())
            .limit(MOST_SAMPLES)
        )
        groups.append(SetAsideGroup(source, reason, records, newest, replayed, tuple(samples)))
    return tuple(groups)


def _rules(
    session: Session,
) -> tuple[list[tuple[str, str]], dict[str, int], tuple[RuleStateRow, ...]]:
    """The usable rules by id and path; how many others there are of each state; and those."""
    row = RuleStateRow
    usable = select(row.rule_id, row.path).where(row.state == "active")
    counted = select(row.state, func.count(row.rule_id)).where(row.state != "active")
    states = dict(session.execute(counted.group_by(row.state)).all())
    wrong = select(row).where(row.state != "active").order_by(row.state.desc(), row.path)
    found = [(rule_id, path) for rule_id, path in session.execute(usable)]
    return found, states, tuple(session.scalars(wrong).fetchmany(MOST_ROWS))


def _outbox(session: Session) -> tuple[dict[str, int], tuple[OutboxRow, ...]]:
    counted = select(OutboxRow.state, func.count(OutboxRow.id)).group_by(OutboxRow.state)
    counts = dict(session.execute(counted).all())
    waiting = select(OutboxRow).where(OutboxRow.state != "sent").order_by(OutboxRow.created_at)
    return counts, tuple(session.scalars(waiting.limit(MOST_ROWS)))
