"""The desk of one device: a firewall, router, sensor or server that speaks of itself in the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from soc.errors import NotFound
from soc.model.scope import Scope
from soc.normalise.query_text import value_text
from soc.ports import EventStore
from soc.records.agents import AgentRow, StreamRow
from soc.records.alerts import AlertRow
from soc.records.batches import SetAsideRow
from soc.records.database import Database
from soc.records.register import AssetRow
from soc.records.silence import SilenceEpisodeRow
from soc.respond.health_desk import Gap, gaps_between
from soc.respond.names import Names
from soc.respond.network_desk import KERNEL, KNOWN_FOR

UNPARSED = "unparsed"
NAMES = ("host.name", "observer.name", "observer.hostname")
MOST_ALERTS, MOST_EPISODES, MOST_STREAMS = 10, 5, 100


@dataclass(frozen=True, slots=True)
class Sent:
    """Events of one dataset in the period."""

    dataset: str
    events: int
    newest: datetime | None
    per_minute: float


@dataclass(frozen=True, slots=True)
class DeviceStream:
    row: StreamRow
    carrier: str  # the relay's or agent's name: the site
    gaps: tuple[Gap, ...]
    lost: int  # records named lost
    is_silent: bool

    @property
    def missing(self) -> int:
        return sum(gap.records for gap in self.gaps)


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a device. Events are of [start, end), streams and owner of the last 30 days."""

    name: str
    asset: AssetRow | None
    agency_name: str
    system_name: str
    level: int  # 0 unknown
    products: tuple[str, ...]
    addresses: tuple[str, ...]
    sites: tuple[str, ...]  # relays and agents that carry what it says
    zones: tuple[str, ...]  # of the times that it writes, where a reader says so
    sent: tuple[Sent, ...]
    events: int
    unparsed: int
    set_aside: int  # records that could not be read and wait
    offsets: tuple[float, float] | None  # least and greatest clock offset in seconds, ahead of ours
    drop_rate: float | None  # greatest share of packets missed, 0-1
    kernel_lost: (
        int | None
    )  # by its sites' kernels, whichever device sent it; None: no site is visible
    streams: tuple[DeviceStream, ...]
    episodes: tuple[SilenceEpisodeRow, ...]  # newest first
    alerts: tuple[AlertRow, ...]  # newest first

    @property
    def is_silent(self) -> bool:
        return any(stream.is_silent for stream in self.streams)


class DeviceDesk:
    """Reads events and records within the caller's scope; changes nothing."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self.database, self.store = database, store

    def device(self, scope: Scope, name: str, *, start: datetime, end: datetime) -> Device:
        """The device of that name.

        Raises:
            NotFound: no event of 30 days, no asset, no agent and no alert has the name within the scope.
        """
        query = " OR ".join(f"{field}:{value_text(name)}" for field in NAMES)
        known = self.store.aggregate(scope, query, _identity(), start=end - KNOWN_FOR, end=end)
        told = self.store.aggregate(scope, query, _figures(), start=start, end=end)
        agent_ids = _keys(known["agents"])
        with self.database.session(scope) as session:
            asset = session.scalars(select(AssetRow).where(_named(AssetRow.name, name))).first()
            own = session.scalars(select(AgentRow).where(_named(AgentRow.name, name))).all()
            carriers = session.scalars(select(AgentRow).where(AgentRow.id.in_(agent_ids))).all()
            newest = select(AlertRow).where(_named(AlertRow.host, name))
            alerts = session.scalars(
                newest.order_by(AlertRow.last_seen_at.desc()).limit(MOST_ALERTS)
            ).all()
            if not agent_ids and not _keys(known["datasets"]) and not (asset or own or alerts):
                raise NotFound("device", name)
            streams, episodes = _streams(session, own, carriers, _keys(known["streams"]))
            agency_id = asset.agency_id if asset else _first(known["agencies"], own, "agency_id")
            system_id = asset.system_id if asset else _first(known["systems"], own, "system_id")
            names = Names.of_keys(session)
            unread = select(func.count(SetAsideRow.id)).where(
                _named(SetAsideRow.host, name), SetAsideRow.replayed_at.is_(None)
            )
            set_aside = int(session.scalar(unread) or 0)
        sent = _sent(told["datasets"], end - start)
        levels = [int(key) for key in _keys(known["levels"])]
        return Device(
            name=name,
            asset=asset,
            agency_name=names.agency((agency_id or "").lower()),
            system_name=names.system((system_id or "").lower()),
            level=max(levels, default=0),
            products=tuple(_keys(known["products"])),
            addresses=tuple(
                dict.fromkeys([*(asset.addresses if asset else ()), *_keys(known["peers"])])
            ),
            sites=tuple(sorted({row.name for row in carriers})),
            zones=tuple(_keys(known["zones"])),
            sent=sent,
            events=sum(one.events for one in sent),
            unparsed=sum(one.events for one in sent if one.dataset == UNPARSED),
            set_aside=set_aside,
            offsets=_offsets(told),
            drop_rate=told["drops"]["value"],
            kernel_lost=self._kernel_lost(scope, [row.id for row in carriers], start, end),
            streams=streams,
            episodes=episodes,
            alerts=tuple(alerts),
        )

    def _kernel_lost(
        self, scope: Scope, agent_ids: Sequence[str], start: datetime, end: datetime
    ) -> int | None:
        if not agent_ids:
            return None
        which = " OR ".join(f"agent.id:{value_text(key)}" for key in agent_ids)
        aggs = {"lost": {"sum": {"field": "soc.agent.lost"}}}
        found = self.store.aggregate(scope, f"{KERNEL} AND ({which})", aggs, start=start, end=end)
        return int(found["lost"]["value"] or 0)


def _identity() -> dict[str, Any]:
    fields = {
        "agents": "agent.id", "agencies": "soc.agency_id", "systems": "soc.system_id",
        "levels": "soc.level", "products": "observer.product", "peers": "soc.peer_ip",
        "zones": "event.timezone", "datasets": "event.dataset",
    }  # fmt: skip
    asked = {name: {"terms": {"field": field}} for name, field in fields.items()}
    return asked | {"streams": {"terms": {"field": "soc.stream", "size": MOST_STREAMS}}}


def _figures() -> dict[str, Any]:
    newest = {"newest": {"max": {"field": "@timestamp"}}}
    return {
        "datasets": {"terms": {"field": "event.dataset", "size": 50}, "aggs": newest},
        "least": {"min": {"field": "soc.clock.offset_seconds"}},
        "greatest": {"max": {"field": "soc.clock.offset_seconds"}},
        "drops": {"max": {"field": "sensor.drop_rate"}},
    }


def _keys(found: dict[str, Any]) -> list[str]:
    return [str(one["key"]) for one in found["buckets"]]


def _named(column: Any, name: str) -> Any:
    return or_(column == name, func.lower(column) == name.lower())


def _first(found: dict[str, Any], own: Sequence[AgentRow], column: str) -> str | None:
    """The commonest owner of its events, else of the agent that has its name."""
    keys = _keys(found)
    if keys:
        return keys[0]
    return next((getattr(row, column) for row in own), None)


def _sent(found: dict[str, Any], span: timedelta) -> tuple[Sent, ...]:
    minutes = max(span / timedelta(minutes=1), 1.0)
    return tuple(
        Sent(
            str(one["key"]),
            int(one["doc_count"]),
            datetime.fromisoformat(one["newest"]["value_as_string"]),
            one["doc_count"] / minutes,
        )
        for one in found["buckets"]
    )


def _offsets(told: dict[str, Any]) -> tuple[float, float] | None:
    least, greatest = told["least"]["value"], told["greatest"]["value"]
    return None if least is None or greatest is None else (float(least), float(greatest))


def _streams(
    session: Session,
    own: Sequence[AgentRow],
    carriers: Sequence[AgentRow],
    names: Sequence[str],
) -> tuple[tuple[DeviceStream, ...], tuple[SilenceEpisodeRow, ...]]:
    """The streams that carry the device, all of its own agent among them; when they fell silent."""
    name_by_id = {row.id: row.name for row in (*carriers, *own)}
    own_ids, wanted = {row.id for row in own}, {name.lower() for name in names}
    rows = session.scalars(
        select(StreamRow)
        .where(StreamRow.agent_id.in_(name_by_id))
        .order_by(StreamRow.last_received_at.desc())
    )
    rows_of_it = [row for row in rows if row.agent_id in own_ids or row.name.lower() in wanted]
    keys = {(row.agent_id, row.name) for row in rows_of_it} | {(key, "") for key in name_by_id}
    episodes = [
        one
        for one in session.scalars(
            select(SilenceEpisodeRow)
            .where(SilenceEpisodeRow.agent_id.in_(name_by_id))
            .order_by(SilenceEpisodeRow.noticed_at.desc())
        )
        if (one.agent_id, one.stream) in keys
    ]
    silent = {(one.agent_id, one.stream) for one in episodes if one.ended_at is None}
    streams = tuple(
        DeviceStream(
            row,
            name_by_id[row.agent_id],
            gaps_between(row.ranges, row.losses),
            sum(int(loss[1]) - int(loss[0]) + 1 for loss in row.losses),
            (row.agent_id, row.name) in silent or (row.agent_id, "") in silent,
        )
        for row in rows_of_it[:MOST_STREAMS]
    )
    return streams, tuple(episodes[:MOST_EPISODES])
