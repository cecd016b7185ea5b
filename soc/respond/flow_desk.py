"""The desk of one flow: what every witness says of it, joined by Community ID; what the sensors missed meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from soc.errors import QueryError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.normalise.query_text import value_text
from soc.ports import EventStore
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database

COMMUNITY_ID = re.compile(r"1:[A-Za-z0-9+/]{27}=")  # version 1: SHA-1 in base64
MOST_EVENTS = 500
AROUND = timedelta(minutes=1)  # before and after a flow, in which drops concern it
UNNAMED = "-"


@dataclass(frozen=True, slots=True)
class SensorDrops:
    """What one sensor told of the packets it missed; shares of 0-1."""

    sensor: str  # "" when it gave no name
    greatest: float
    mean: float
    records: int


@dataclass(frozen=True, slots=True)
class FlowStory:
    """One flow in [start, end), the earliest event first."""

    community_id: str
    events: tuple[Event, ...]
    total: int  # of events; the earliest MOST_EVENTS are told
    alerts: tuple[AlertRow, ...]  # newest first
    alerts_by_event: dict[str, tuple[str, ...]]
    drops: tuple[SensorDrops, ...]
    sensor_records: int  # that any sensor made around the flow; 0: no drop could have been told

    @property
    def first(self) -> Event | None:
        return self.events[0] if self.events else None

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Datasets, in the order in which they first speak."""
        said = (str(event.fields.get("event.dataset", event.source)) for event in self.events)
        return tuple(dict.fromkeys(said))


def read_community_id(text: str) -> str:
    """The Community ID in a text that a person gave.

    Raises:
        QueryError: it is none.

    >>> read_community_id(" 1:LQU9qZlK+B5F3KDmev6m5PMibrg= ")
    '1:LQU9qZlK+B5F3KDmev6m5PMibrg='
    """
    text = text.strip()
    if COMMUNITY_ID.fullmatch(text) is None:
        raise QueryError(
            "a Community ID is 1: and 28 signs of base64, such as 1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
            query=text[:200],
        )
    return text


class FlowDesk:
    """Reads events and alerts within the caller's scope; changes nothing."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self.database, self.store = database, store

    def flow(self, scope: Scope, community_id: str, *, start: datetime, end: datetime) -> FlowStory:
        """Everything of one flow. Raises QueryError when the text is no Community ID."""
        community_id = read_community_id(community_id)
        page = self.store.search(
            scope,
            f"network.community_id:{value_text(community_id)}",
            start=start,
            end=end,
            sort="observed_at",
            size=MOST_EVENTS,
        )
        # The store folds case and the id does not.
        events = tuple(event for event in page.events if _of(event, community_id))
        alerts, by_event = self._alerts(scope, [event.id for event in events])
        drops, records = self._drops(scope, events)
        return FlowStory(
            community_id,
            events,
            page.total - (len(page.events) - len(events)),
            alerts,
            by_event,
            drops,
            records,
        )

    def _alerts(
        self, scope: Scope, event_ids: list[str]
    ) -> tuple[tuple[AlertRow, ...], dict[str, tuple[str, ...]]]:
        with self.database.session(scope) as session:
            wanted = select(SignalRow.event_id, SignalRow.alert_id).where(
                SignalRow.event_id.in_(event_ids), SignalRow.alert_id.is_not(None)
            )
            pairs = session.execute(wanted.distinct()).all()
            ids = {alert_id for _, alert_id in pairs}
            newest = select(AlertRow).where(AlertRow.id.in_(ids)).order_by(AlertRow.number.desc())
            alerts = tuple(session.scalars(newest))
        seen = {row.id for row in alerts}
        by_event: dict[str, tuple[str, ...]] = {}
        for event_id, alert_id in sorted(pairs):
            if alert_id in seen:
                by_event[event_id] = (*by_event.get(event_id, ()), alert_id)
        return alerts, by_event

    def _drops(
        self, scope: Scope, events: tuple[Event, ...]
    ) -> tuple[tuple[SensorDrops, ...], int]:
        if not events:
            return (), 0
        start, end = events[0].observed_at - AROUND, events[-1].observed_at + AROUND
        records = self.store.count(scope, "event.module:sensor", start=start, end=end)
        rate = {"field": "sensor.drop_rate"}
        aggs = {
            "sensors": {
                "terms": {
                    "field": "host.name", "size": 50, "missing": UNNAMED,
                    "order": {"greatest": "desc"},
                },
                "aggs": {"greatest": {"max": rate}, "mean": {"avg": rate}},
            }
        }  # fmt: skip
        found = self.store.aggregate(scope, "_exists_:sensor.drop_rate", aggs, start=start, end=end)
        drops = (
            SensorDrops(
                "" if one["key"] == UNNAMED else str(one["key"]),
                float(one["greatest"]["value"] or 0),
                float(one["mean"]["value"] or 0),
                int(one["doc_count"]),
            )
            for one in found["sensors"]["buckets"]
        )
        return tuple(drops), records


def _of(event: Event, community_id: str) -> bool:
    said = event.fields.get("network.community_id")
    return said == community_id or (isinstance(said, list) and community_id in said)
