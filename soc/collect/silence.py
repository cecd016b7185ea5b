"""Sources that have gone quiet: each is missed after a while that fits its own habits, by one alert for each silence.

What is expected to speak: relays and their devices, other shippers, and the agents of machines that belong to a system;
a workstation may be switched off. When a whole agent is quiet, its streams are not told apart from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from soc.collect.habits import WEIGHTY_LEVEL, Habits
from soc.model.alert import Disposition
from soc.model.own_rules import SOURCE_SILENT
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.records.agents import AgentRow, StreamRow
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.shippers import ShipperRow
from soc.records.silence import HabitRow, SilenceEpisodeRow

NEVER = datetime.max.replace(tzinfo=UTC)
LOOKS_WITHIN = timedelta(minutes=5)  # else something may have come and gone between two looks
WORKER = Scope.province("silence")
MOST_SYSTEMS_NAMED = 20
OWN_STREAMS = frozenset({"agent"})  # what an agent says of itself comes when it comes
USUAL = (Disposition.FALSE_POSITIVE, Disposition.BENIGN)
EPISODES_KEPT = timedelta(days=30)

Key = tuple[str, str]  # agent id, stream ("" is the whole agent)
OwnerOf = Callable[[AgentRow, str], Owner]  # of the device behind a stream
NamesOf = Callable[[Owner], tuple[str, str]]  # of agency and system


@dataclass(frozen=True, slots=True)
class Silence:
    """Something that should be heard and is not. ``stream`` is empty when the whole agent is quiet."""

    agent: AgentRow
    stream: str
    owner: Owner
    level: int  # of the weightiest system that is unwatched now
    last_heard_at: datetime
    limit: timedelta

    @property
    def key(self) -> Key:
        return self.agent.id, self.stream


@dataclass(slots=True)
class _Heard:
    """One look at the records."""

    agents: dict[str, AgentRow]
    streams: dict[str, list[str]] = field(default_factory=dict)  # agent id to its streams
    last: dict[Key, datetime] = field(default_factory=dict)


class SilenceWatch:
    """The worker's duty. ``owner_of`` says whose the device behind a stream is, ``names_of`` what it is called.

    ``is_listening``: whether the door is there to hear anything; while it was not, nobody was silent.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner_of: OwnerOf,
        names_of: NamesOf,
        is_listening: Callable[[datetime], bool] = lambda _: True,
    ) -> None:
        self.database, self.owner_of, self.names_of = database, owner_of, names_of
        self.is_listening, self._listening_since = is_listening, NEVER
        self._looked_at = NEVER
        self._last: dict[Key, datetime] = {}

    def look(self, now: datetime) -> int:
        """Learn what is usual, begin and end silences; returns how many began."""
        if not self.is_listening(now):
            self._listening_since = self._looked_at = NEVER
            return 0
        self._listening_since = min(self._listening_since, now)
        saw_all = timedelta(0) <= now - self._looked_at <= LOOKS_WITHIN
        self._looked_at = now
        still_open = select(SilenceEpisodeRow).where(SilenceEpisodeRow.ended_at.is_(None))
        with self.database.session(WORKER) as session:
            heard = _heard(session)
            rows = {
                (row.agent_id, row.stream): row.hours for row in session.scalars(select(HabitRow))
            }
            episodes = {(row.agent_id, row.stream): row for row in session.scalars(still_open)}
        habits = {key: Habits.of_row(rows.get(key, {})) for key in heard.last}
        silences = list(self._silent(heard, habits, now))
        changed = self._learned(heard, habits, episodes) if saw_all else []
        self._last = heard.last
        with self.database.write(WORKER) as session:
            for key in changed:
                agency = heard.agents[key[0]].agency_id
                session.merge(
                    HabitRow(
                        agent_id=key[0], stream=key[1], agency_id=agency, hours=habits[key].plain()
                    )
                )
            self._end(session, heard, episodes, now)
            began = [one for one in silences if one.key not in episodes]
            for one in began:
                self._begin(session, one, heard, now)
            _learn_what_was_usual(session, now)
        return len(began)

    def _silent(
        self, heard: _Heard, habits: Mapping[Key, Habits], now: datetime
    ) -> Iterator[Silence]:
        for agent in heard.agents.values():
            owners = {name: self.owner_of(agent, name) for name in heard.streams.get(agent.id, ())}
            whole = self._one(agent, "", owners.values(), heard, habits, now)
            if whole is not None:
                yield whole
                continue
            for stream, owner in owners.items():
                silence = self._one(agent, stream, [owner], heard, habits, now)
                if silence is not None:
                    yield silence

    def _one(
        self,
        agent: AgentRow,
        stream: str,
        behind: Iterable[Owner],
        heard: _Heard,
        habits: Mapping[Key, Habits],
        now: datetime,
    ) -> Silence | None:
        """The weightiest of those who stand behind a source decides how long it is given."""
        last = heard.last[agent.id, stream]
        owner = self.owner_of(agent, stream)
        level = max([owner.level, *(one.level for one in behind)])
        limit = habits[agent.id, stream].limit(now, level)
        quiet = now - max(last, self._listening_since)
        return Silence(agent, stream, owner, level, last, limit) if quiet > limit else None

    def _learned(
        self, heard: _Heard, habits: Mapping[Key, Habits], episodes: Mapping[Key, SilenceEpisodeRow]
    ) -> list[Key]:
        """Pauses that nobody missed are habits, a silence is none; whose habits changed."""
        changed = []
        for key, last in heard.last.items():
            before = self._last.get(key)
            is_news = before is not None and last > before and key not in episodes
            if is_news and habits[key].learn(before or last, last):
                changed.append(key)
        return changed

    def _end(
        self,
        session: Session,
        heard: _Heard,
        episodes: Mapping[Key, SilenceEpisodeRow],
        now: datetime,
    ) -> None:
        """Over when something came, or when nothing is expected any more."""
        for key, episode in episodes.items():
            last = heard.last.get(key)
            if last is None or last > episode.last_heard_at:
                session.merge(episode).ended_at = last or now

    def _begin(self, session: Session, one: Silence, heard: _Heard, now: datetime) -> None:
        key = "\x1f".join((SOURCE_SILENT.id, *one.key, one.last_heard_at.isoformat())).encode()
        identity = hashlib.blake2b(key, digest_size=16).hexdigest()
        session.add(
            SilenceEpisodeRow(
                id=identity,
                agent_id=one.agent.id,
                stream=one.stream,
                agency_id=one.owner.agency_id,
                last_heard_at=one.last_heard_at,
                noticed_at=now,
            )
        )
        weighty = one.level >= WEIGHTY_LEVEL
        device = one.stream.partition("/")[2] if one.stream.startswith("syslog:") else ""
        host = device.partition("/")[0] or one.agent.name
        session.add(
            SignalRow(
                id=identity,
                rule_id=SOURCE_SILENT.id,
                rule_title=SOURCE_SILENT.title,
                level="high" if weighty else SOURCE_SILENT.level,
                event_id="",
                observed_at=now,
                received_at=now,
                agency_id=one.owner.agency_id,
                system_id=one.owner.system_id,
                system_level=one.level,
                host=host[:200],
                entity=f"input:{one.agent.name} {one.stream}".rstrip()[:400],
                fields=self._fields(one, host, heard, now),
            )
        )

    def _fields(self, one: Silence, host: str, heard: _Heard, now: datetime) -> dict[str, object]:
        agency, system = self.names_of(one.owner)
        quiet = round((now - one.last_heard_at).total_seconds() / 60)
        fields: dict[str, object] = {
            "host.name": host,
            "agent.name": one.agent.name,
            "soc.silence.since": f"{one.last_heard_at:%Y-%m-%dT%H:%M:%SZ}",
            "soc.silence.limit_seconds": round(one.limit.total_seconds()),
            "message": said_of(one.agent.name, one.stream, system or agency, quiet),
        }
        if one.stream:
            fields["soc.stream"] = one.stream
        elif named := self._systems_behind(one.agent, heard):
            fields["soc.silence.systems"] = named
        return fields

    def _systems_behind(self, agent: AgentRow, heard: _Heard) -> list[str]:
        """The systems that are unwatched while a whole relay is quiet."""
        owners = {self.owner_of(agent, stream) for stream in heard.streams.get(agent.id, ())}
        named = {self.names_of(owner)[1] for owner in owners if owner.system_id}
        return sorted(named - {""})[:MOST_SYSTEMS_NAMED]


def said_of(agent: str, stream: str, whose: str, minutes: int) -> str:
    """The alert's line, in Vietnamese and in English.

    >>> said_of("ct-01", "", "Một cửa", 7)
    'Không còn dữ liệu từ ct-01 của Một cửa, đã 7 phút. / Nothing from ct-01 of Một cửa for 7 min.'
    """
    what = f"{stream} ({agent})" if stream else agent
    vi, en = (f" của {whose}", f" of {whose}") if whose else ("", "")
    return (
        f"Không còn dữ liệu từ {what}{vi}, đã {minutes} phút. / "
        f"Nothing from {what}{en} for {minutes} min."
    )


def _heard(session: Session) -> _Heard:
    """When everything that is expected to speak was last heard; of a stream's incarnations the newest counts."""
    shippers = select(ShipperRow.agent_id)
    is_expected = or_(
        AgentRow.kind == "relay", AgentRow.system_id.is_not(None), AgentRow.id.in_(shippers)
    )
    rows = session.scalars(select(AgentRow).where(AgentRow.revoked_at.is_(None), is_expected))
    found = _Heard({row.id: row for row in rows})
    for agent in found.agents.values():
        found.last[agent.id, ""] = agent.last_seen_at or agent.enrolled_at
    for row in session.scalars(select(StreamRow).where(StreamRow.agent_id.in_(found.agents))):
        if row.name in OWN_STREAMS:
            continue
        key, last = (row.agent_id, row.name), row.last_received_at
        if last is not None and last > found.last.get(key, last - timedelta(1)):
            if key not in found.last:
                found.streams.setdefault(row.agent_id, []).append(row.name)
            found.last[key] = last
    return found


def _learn_what_was_usual(session: Session, now: datetime) -> None:
    """A silence that somebody called a false alarm, or right but permitted, is a habit from then on."""
    told = SilenceEpisodeRow
    called = (
        select(told)
        .join(SignalRow, SignalRow.id == told.id)
        .join(AlertRow, AlertRow.id == SignalRow.alert_id)
        .where(
            told.ended_at > now - EPISODES_KEPT,
            told.usual.is_(False),
            AlertRow.disposition.in_(USUAL),
        )
    )
    for episode in session.scalars(called):
        key = (episode.agent_id, episode.stream)
        row = session.get(HabitRow, key)
        learned = Habits.of_row(row.hours if row else {})
        learned.learn(episode.last_heard_at, episode.ended_at or now)
        hours = learned.plain()
        session.merge(
            HabitRow(agent_id=key[0], stream=key[1], agency_id=episode.agency_id, hours=hours)
        )
        episode.usual = True
