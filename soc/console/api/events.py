"""Events for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from soc.console.api.shapes import Bucket, Events, StoredEvent
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts

router = APIRouter(prefix="/events", tags=["events"])
Hunter = Annotated[SignedIn, Depends(require("events.search"))]
DEFAULT_SPAN = timedelta(hours=24)


@router.get("", name="api_events")
def events(
    parts: Parts,
    who: Hunter,
    q: Annotated[str, Query(max_length=8000, description="Lucene query string on ECS names")] = "",
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    size: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[str, Query(max_length=2000)] = "",
) -> Events:
    """Events by the time they happened, the newest first; the last 24 hours unless said otherwise."""
    last = end or parts.clock()
    first = start or last - DEFAULT_SPAN
    found = parts.hunt.hunt(who.scope, q, start=first, end=last, size=size, after=after or None)
    return Events(
        events=[StoredEvent.of(event) for event in found.page.events],
        total=found.page.total,
        after=found.page.after,
        took_seconds=found.page.took.total_seconds(),
        partial=found.page.partial,
        partial_reason=found.page.partial_reason,
        histogram=[Bucket(start=at, events=count) for at, count in found.histogram],
    )


@router.get("/{event_id}", name="api_event")
def event(parts: Parts, who: Hunter, event_id: str) -> StoredEvent:
    """One event with its raw record."""
    return StoredEvent.of(parts.hunt.event(who.scope, event_id), with_raw=True)
