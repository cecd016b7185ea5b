"""The desk of the network: who moves how much, what the firewalls stopped, what each input is known to miss.

The same flow is often told several times: by the sensor, by an exporter, by the firewall. So figures are of one kind of
witness at a time, the first of ``KINDS`` that speaks unless another one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import or_, select

from soc.model.event import EPOCH
from soc.model.scope import Scope
from soc.ports import EventStore
from soc.records.agents import AgentRow, StreamRow
from soc.records.database import Database
from soc.records.silence import SilenceEpisodeRow
from soc.respond.health_desk import AgentView, agent_state, gaps_between
from soc.respond.hunt_desk import bucket_of
from soc.respond.names import Names

KINDS: Mapping[str, str] = MappingProxyType(  # witness to the query that finds its flows
    {
        "sensor": "event.dataset:sensor.flow",
        "export": "event.dataset:(netflow.flow OR ipfix.flow OR sflow.flow)",
        "suricata": "event.dataset:suricata.flow",
        "firewall": "observer.type:firewall AND event.category:network AND event.type:connection",
    }
)
_STOPPED = (
    "(event.type:denied OR event.action:(deny OR denied OR drop OR dropped OR block OR blocked"
    " OR reject OR rejected))"
)
_PASSED = "(event.type:allowed OR event.action:(allow OR allowed OR accept OR accepted OR permit))"
BLOCKED = f"observer.type:firewall AND event.category:network AND {_STOPPED}"
ALLOWED = f"observer.type:firewall AND event.category:network AND {_PASSED} AND NOT {_STOPPED}"
DROPS = "_exists_:sensor.drop_rate"
KERNEL = "event.dataset:soc.agent AND event.action:kernel_lost"
KNOWN_FOR = timedelta(days=30)  # an input of the network that said nothing for so long is forgotten
UNOWNED = "-"  # the key of events without an agency or system
MOST_OWNERS, MOST_ADDRESSES = 1_000, 15
COUNTED = (
    "network.bytes", "network.packets", "source.bytes", "source.packets", "destination.bytes",
    "destination.packets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Talker:
    """What the flows of one agency, system or address carried, both ways; of an address what it sent."""

    key: str  # "" for events of nobody
    name: str
    bytes: int
    packets: int
    flows: int


@dataclass(frozen=True, slots=True)
class Input:
    """A relay, or an agent that sends network events. Counts of drops are of the period that was asked for."""

    agent: AgentView
    streams: int
    silent: int  # streams that are missed now
    last_data_at: datetime | None
    lag: timedelta | None  # from the newest event's own time to its arrival
    missing: int  # records, by their numbers
    lost: int  # records that the agent named lost
    kernel_lost: int  # messages and datagrams that the kernel dropped before the agent saw them
    kernel_times: int  # how often the agent told of it; some counters give no number
    drop_rate: (
        float | None
    )  # greatest share of packets that its sensor missed, 0-1; None: none was told


@dataclass(frozen=True, slots=True)
class Network:
    """What the overview shows of [start, end)."""

    kind: str  # of KINDS; "" when none has a flow
    flows_by_kind: Mapping[str, int]
    agencies: tuple[Talker, ...]  # the most bytes first
    systems: tuple[Talker, ...]
    addresses: tuple[Talker, ...]
    addresses_approximate: bool  # more different ones than the store can order exactly
    verdicts: tuple[tuple[datetime, int, int], ...]  # start of bucket, allowed, blocked
    bucket: timedelta
    inputs: tuple[Input, ...]  # those that want a look first

    @property
    def blocked(self) -> int:
        return sum(blocked for _, _, blocked in self.verdicts)

    @property
    def allowed(self) -> int:
        return sum(allowed for _, allowed, _ in self.verdicts)


class NetworkDesk:
    """Reads events and records within the caller's scope; changes nothing."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self.database, self.store = database, store

    def overview(
        self, scope: Scope, *, start: datetime, end: datetime, now: datetime, kind: str = ""
    ) -> Network:
        """The network in [start, end). An unknown ``kind`` means the first witness that speaks."""
        times = {"start": start, "end": end}
        flows = {name: self.store.count(scope, query, **times) for name, query in KINDS.items()}
        if kind not in KINDS:
            kind = next((name for name, count in flows.items() if count), "")
        agencies: tuple[Talker, ...] = ()
        systems, addresses, approximate = agencies, agencies, False
        if kind:
            agencies = self._owners(scope, KINDS[kind], "soc.agency_id", times)
            systems = self._owners(scope, KINDS[kind], "soc.system_id", times)
            addresses, approximate = self._addresses(scope, KINDS[kind], times)
        bucket = bucket_of(end - start)
        return Network(
            kind=kind,
            flows_by_kind=flows,
            agencies=agencies,
            systems=systems,
            addresses=addresses,
            addresses_approximate=approximate,
            verdicts=self._verdicts(scope, bucket, times),
            bucket=bucket,
            inputs=self.inputs(scope, start=start, end=end, now=now),
        )

    def inputs(
        self, scope: Scope, *, start: datetime, end: datetime, now: datetime
    ) -> tuple[Input, ...]:
        """Relays, and agents that sent network events in the last 30 days."""
        seen = self._by_agent(scope, "event.category:network", {}, end - KNOWN_FOR, end)
        kernel = self._by_agent(
            scope, KERNEL, {"of": {"sum": {"field": "soc.agent.lost"}}}, start, end
        )
        drops = self._by_agent(
            scope, DROPS, {"of": {"max": {"field": "sensor.drop_rate"}}}, start, end
        )
        with self.database.session(scope) as session:
            wanted = select(AgentRow).where(or_(AgentRow.kind == "relay", AgentRow.id.in_(seen)))
            agents = session.scalars(wanted.order_by(AgentRow.name).limit(MOST_OWNERS)).all()
            ids = [row.id for row in agents]
            streams = session.scalars(select(StreamRow).where(StreamRow.agent_id.in_(ids))).all()
            episode = SilenceEpisodeRow
            going_on = select(episode.agent_id, episode.stream).where(
                episode.agent_id.in_(ids), episode.ended_at.is_(None)
            )
            silent = {(agent_id, stream) for agent_id, stream in session.execute(going_on)}
            names = Names.load(
                session,
                agencies=(row.agency_id for row in agents),
                systems=(row.system_id for row in agents),
            )
        views = [
            AgentView(
                row, names.agency(row.agency_id), names.system(row.system_id), agent_state(row, now)
            )
            for row in agents
        ]
        found = [
            _input(
                view,
                [row for row in streams if row.agent_id == view.row.id],
                silent,
                kernel.get(view.row.id),
                drops.get(view.row.id),
            )
            for view in views
        ]
        return tuple(sorted(found, key=_turn))

    def _by_agent(
        self, scope: Scope, query: str, nested: Mapping[str, Any], start: datetime, end: datetime
    ) -> dict[str, dict[str, Any]]:
        aggs = {"agents": {"terms": {"field": "agent.id", "size": MOST_OWNERS}, "aggs": nested}}
        found = self.store.aggregate(scope, query, aggs, start=start, end=end)
        return {str(one["key"]): one for one in found["agents"]["buckets"]}

    def _owners(
        self, scope: Scope, query: str, field: str, times: Mapping[str, datetime]
    ) -> tuple[Talker, ...]:
        """Every owner of flows. Totals are ``network.*`` where an event has them, else both ways together."""
        terms = {"field": field, "size": MOST_OWNERS, "missing": UNOWNED}
        sums = {name: {"sum": {"field": name}} for name in COUNTED}
        aggs = {"owners": {"terms": terms, "aggs": sums}}
        carried: dict[str, list[int]] = {}
        for told, condition in ((True, ""), (False, "NOT ")):
            asked = f"({query}) AND {condition}_exists_:network.bytes"
            found = self.store.aggregate(scope, asked, aggs, **times)
            for one in found["owners"]["buckets"]:
                total = carried.setdefault(str(one["key"]), [0, 0, 0])
                for place, unit in enumerate(("bytes", "packets")):
                    total[place] += _carried(one, unit, whole=told)
                total[2] += int(one["doc_count"])
        names = self._names(scope, field, carried)
        talkers = [
            Talker("" if key == UNOWNED else key, names.get(key, key), *total)
            for key, total in carried.items()
        ]
        return tuple(sorted(talkers, key=lambda one: (-one.bytes, -one.flows, one.key)))

    def _names(self, scope: Scope, field: str, keys: Iterable[str]) -> dict[str, str]:
        """The store folds keys, the register does not; an event of nobody has an empty name."""
        with self.database.session(scope) as session:
            names = Names.of_keys(session)
        named = names.agency if field == "soc.agency_id" else names.system
        return {key: "" if key == UNOWNED else named(key) for key in keys}

    def _addresses(
        self, scope: Scope, query: str, times: Mapping[str, datetime]
    ) -> tuple[tuple[Talker, ...], bool]:
        order = {"bytes": "desc"}
        aggs = {
            "top": {
                "terms": {"field": "source.ip", "size": MOST_ADDRESSES, "order": order},
                "aggs": {
                    "bytes": {"sum": {"field": "source.bytes"}},
                    "packets": {"sum": {"field": "source.packets"}},
                },
            }
        }
        found = self.store.aggregate(scope, query, aggs, **times)["top"]
        talkers = (
            Talker(
                str(one["key"]),
                str(one["key"]),
                int(one["bytes"]["value"] or 0),
                int(one["packets"]["value"] or 0),
                int(one["doc_count"]),
            )
            for one in found["buckets"]
        )
        return tuple(talkers), bool(found.get("approximate"))

    def _verdicts(
        self, scope: Scope, bucket: timedelta, times: Mapping[str, datetime]
    ) -> tuple[tuple[datetime, int, int], ...]:
        width = f"{bucket // timedelta(seconds=1)}s"
        aggs = {"time": {"date_histogram": {"field": "@timestamp", "fixed_interval": width}}}
        counts: dict[int, list[int]] = {}
        for place, query in enumerate((ALLOWED, BLOCKED)):
            for one in self.store.aggregate(scope, query, aggs, **times)["time"]["buckets"]:
                counts.setdefault(one["key"], [0, 0])[place] = int(one["doc_count"])
        return tuple(
            (EPOCH + timedelta(milliseconds=key), *counts[key])  # type: ignore[misc]  # two of them
            for key in sorted(counts)
        )


def _carried(bucket: Mapping[str, Any], unit: str, *, whole: bool) -> int:
    """Bytes or packets: the whole as told, else there and back."""
    names = (f"network.{unit}",) if whole else (f"source.{unit}", f"destination.{unit}")
    return sum(int(bucket[name]["value"] or 0) for name in names)


def _input(
    view: AgentView,
    streams: Sequence[StreamRow],
    silent: set[tuple[str, str]],
    kernel: Mapping[str, Any] | None,
    drops: Mapping[str, Any] | None,
) -> Input:
    newest = max((row for row in streams if row.last_received_at), key=_received, default=None)
    lag = None
    if newest is not None and newest.last_received_at and newest.last_observed_at:
        lag = newest.last_received_at - newest.last_observed_at
    return Input(
        agent=view,
        streams=len(streams),
        silent=sum(
            (row.agent_id, row.name) in silent or (row.agent_id, "") in silent for row in streams
        ),
        last_data_at=newest.last_received_at if newest else None,
        lag=lag,
        missing=sum(gap.records for row in streams for gap in gaps_between(row.ranges, row.losses)),
        lost=sum(int(loss[1]) - int(loss[0]) + 1 for row in streams for loss in row.losses),
        kernel_lost=int(kernel["of"]["value"] or 0) if kernel else 0,
        kernel_times=int(kernel["doc_count"]) if kernel else 0,
        drop_rate=drops["of"]["value"] if drops else None,
    )


def _received(row: StreamRow) -> datetime:
    return row.last_received_at or EPOCH


def _turn(one: Input) -> tuple[bool, bool, int, float, str]:
    heard = one.agent.state in ("ok", "revoked")
    dropped = -(one.drop_rate or 0.0)
    return (
        heard,
        not one.silent,
        -(one.missing + one.lost + one.kernel_lost),
        dropped,
        one.agent.row.name,
    )
