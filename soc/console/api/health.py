"""Health of the platform for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.respond.health_desk import Gap as StreamGap

router = APIRouter(prefix="/health", tags=["health"])
Watcher = Annotated[SignedIn, Depends(require("health.read"))]


class Process(BaseModel):
    name: str
    at: datetime
    alive: bool
    detail: dict[str, Any]


class Agent(BaseModel):
    id: str
    name: str
    agency: str
    state: str
    last_seen_at: datetime | None
    version: str
    blind_spots: list[Any]


class Gap(BaseModel):
    """Records ``first`` to ``last`` of a stream, both missing."""

    first: int
    last: int
    records: int
    reason: str


class Stream(BaseModel):
    agent: str
    name: str
    source: str
    records: int
    last_received_at: datetime | None
    gaps: list[Gap]
    losses: list[Gap]


class SetAside(BaseModel):
    source: str
    reason: str
    records: int
    replayed: int
    newest: datetime


class Store(BaseModel):
    state: str
    events: int
    size_bytes: int
    disk_used: float
    partitions: int


class Health(BaseModel):
    """What arrives, what is missing, what waits."""

    processes: list[Process]
    agents: list[Agent]
    streams: list[Stream]
    set_aside: list[SetAside]
    store: Store
    rules: dict[str, int]
    outbox: dict[str, int]
    missing_records: int
    lost_records: int


@router.get("", name="api_health")
def health(parts: Parts, who: Watcher) -> Health:
    """Processes, agents, streams with their gaps, set-aside records, store, rules and outbox."""
    found = parts.health.health(who.scope, now=parts.clock())
    return Health(
        processes=[
            Process(name=each.name, at=each.at, alive=each.alive, detail=dict(each.detail))
            for each in found.processes
        ],
        agents=[
            Agent(
                id=each.row.id,
                name=each.row.name,
                agency=each.agency_name,
                state=each.state,
                last_seen_at=each.row.last_seen_at,
                version=each.row.version,
                blind_spots=each.row.blind_spots,
            )
            for each in found.agents
        ],
        streams=[
            Stream(
                agent=each.agent_name,
                name=each.row.name,
                source=each.row.source,
                records=each.row.records,
                last_received_at=each.row.last_received_at,
                gaps=[_gap(gap) for gap in each.gaps],
                losses=[_gap(loss) for loss in each.losses],
            )
            for each in found.streams
        ],
        set_aside=[
            SetAside(
                source=each.source,
                reason=each.reason,
                records=each.records,
                replayed=each.replayed,
                newest=each.newest,
            )
            for each in found.set_aside
        ],
        store=Store(
            state=found.store.state,
            events=found.store.events,
            size_bytes=found.store.size_bytes,
            disk_used=found.store.disk_used,
            partitions=found.store.partitions,
        ),
        rules=dict(found.rules),
        outbox=dict(found.outbox),
        missing_records=found.missing,
        lost_records=found.lost,
    )


def _gap(gap: StreamGap) -> Gap:
    return Gap(first=gap.first, last=gap.last, records=gap.records, reason=gap.reason)
