"""Hunting: a query, its histogram, its hits, the values that are common in them, and one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from soc.console.charts import filled, histogram, share
from soc.console.deps import SignedIn, require
from soc.console.flows import flow_address
from soc.console.parts import ConsoleParts, Parts
from soc.console.summaries import summary
from soc.console.view import render
from soc.errors import QueryError
from soc.respond.hunt_desk import Hunt

router = APIRouter(include_in_schema=False)
SPANS = MappingProxyType(
    {
        "15m": timedelta(minutes=15),
        "1h": timedelta(hours=1),
        "24h": timedelta(hours=24),
        "7d": timedelta(days=7),
        "30d": timedelta(days=30),
    }
)
SIDE_FIELDS = (
    "host.name",
    "event.dataset",
    "event.code",
    "user.name",
    "process.name",
    "process.parent.name",
    "source.ip",
    "destination.ip",
    "event.action",
    "event.outcome",
    "soc.agency_id",
    "soc.level",
)
PAGE_SIZE = 50
MOST_SHOWN_RAW = 100_000  # bytes of a raw record on the page

Hunter = Annotated[SignedIn, Depends(require("events.search"))]


@dataclass(frozen=True, slots=True)
class HuntQuery:
    """What the address of the search page says. ``start`` and ``end`` are set when a bar was clicked."""

    text: str
    span: str
    start: datetime
    end: datetime
    fixed: bool
    field: str
    after: str

    def address(self, **changed: Any) -> str:
        values: dict[str, Any] = {"q": self.text, "span": self.span, "field": self.field}
        if self.fixed:
            values |= {"start": self.start.isoformat(), "end": self.end.isoformat()}
        kept = {name: value for name, value in (values | changed).items() if value}
        return "/search" + (f"?{urlencode(kept)}" if kept else "")


def read_query(
    parts: Parts,
    q: Annotated[str, Query(max_length=8000)] = "",
    span: str = "24h",
    start: datetime | None = None,
    end: datetime | None = None,
    field: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=2000)] = "",
) -> HuntQuery:
    """Times without a zone are UTC; an end before the start is put right."""
    span = span if span in SPANS else "24h"
    now = parts.clock()
    if start is None or end is None:
        return HuntQuery(q.strip(), span, now - SPANS[span], now, False, field, after)
    first, last = sorted(_aware(at) for at in (start, end))
    if first == last:
        last = first + timedelta(seconds=1)
    return HuntQuery(q.strip(), span, first, last, True, field, after)


Wanted = Annotated[HuntQuery, Depends(read_query)]


@router.get("/search", name="search", response_class=HTMLResponse)
def search(request: Request, parts: Parts, who: Hunter, wanted: Wanted) -> HTMLResponse:
    """The search page; a query that cannot be read is shown with its reason, not as an error page."""
    try:
        hunt = parts.hunt.hunt(
            who.scope,
            wanted.text,
            start=wanted.start,
            end=wanted.end,
            size=PAGE_SIZE,
            after=wanted.after or None,
        )
    except QueryError as error:
        return render(
            request,
            "search.html",
            who,
            status=400,
            wanted=wanted,
            spans=tuple(SPANS),
            hunt=None,
            error=error,
        )
    buckets = filled(dict(hunt.histogram), wanted.start, wanted.end, hunt.bucket)
    return render(
        request,
        "search.html",
        who,
        wanted=wanted,
        spans=tuple(SPANS),
        hunt=hunt,
        error=None,
        chart=histogram(buckets),
        bars=[_zoom(wanted, start, hunt.bucket) for start, _ in buckets],
        rows=[{"event": event, "text": summary(event.fields)} for event in hunt.page.events],
        sides=_sides(parts, who, wanted, hunt),
    )


@router.get("/events/{event_id}", name="event_page", response_class=HTMLResponse)
def event_page(request: Request, parts: Parts, who: Hunter, event_id: str) -> HTMLResponse:
    """One event: every field, the stamps of the platform, and the bytes as they arrived."""
    event = parts.hunt.event(who.scope, event_id)
    register = parts.situation.register(who.scope)
    names = {agency.id: agency.name for agency in register.agencies}
    names |= {system.id: system.name for system in register.systems}
    template = "event_flyout.html" if "HX-Request" in request.headers else "event.html"
    return render(
        request,
        template,
        who,
        event=event,
        text=summary(event.fields),
        agency_name=names.get(event.agency_id or "", event.agency_id or ""),
        system_name=names.get(event.system_id or "", event.system_id or ""),
        flow=flow_address(event.fields, event.observed_at),
        raw=event.raw[:MOST_SHOWN_RAW],
        cut=max(0, len(event.raw) - MOST_SHOWN_RAW),
    )


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _zoom(wanted: HuntQuery, start: datetime, width: timedelta) -> str:
    return wanted.address(start=start.isoformat(), end=(start + width).isoformat(), after="")


def _sides(
    parts: ConsoleParts, who: SignedIn, wanted: HuntQuery, hunt: Hunt
) -> Sequence[Mapping[str, Any]]:
    """Fields of the hits for the sidebar; the chosen one with its commonest values of all hits."""
    seen: dict[str, int] = {}
    for event in hunt.page.events:
        for name in event.fields:
            seen[name] = seen.get(name, 0) + 1
    first = [name for name in SIDE_FIELDS if name in seen]
    others = sorted(name for name in seen if name not in SIDE_FIELDS)
    opened = wanted.field or (first[0] if first else "")
    return [
        {
            "name": name,
            "known": name in SIDE_FIELDS,
            "values": _top(parts, who, wanted, name, hunt.page.total) if name == opened else (),
        }
        for name in (*first, *others)
    ]


def _top(
    parts: ConsoleParts, who: SignedIn, wanted: HuntQuery, field: str, total: int
) -> list[tuple[str, int, int]]:
    """Value, count, percent."""
    found = parts.hunt.top_values(
        who.scope, wanted.text, field, start=wanted.start, end=wanted.end, size=8
    )
    return [(value, count, share(count, total)) for value, count in found]
