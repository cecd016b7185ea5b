"""The network: who moves how much, one device, one flow with everything that speaks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from soc.console.charts import Chart, filled, share, stacked
from soc.console.deps import SignedIn, require
from soc.console.pages.search import SPANS
from soc.console.parts import Parts
from soc.console.summaries import summary
from soc.console.view import render
from soc.errors import QueryError
from soc.model.event import Event
from soc.respond.network_desk import KINDS, Network, Talker

router = APIRouter(prefix="/network", include_in_schema=False)
Hunter = Annotated[SignedIn, Depends(require("events.search"))]
MOST_SHOWN = 15  # talkers of a table
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
LATEST = datetime(9998, 1, 1, tzinfo=UTC)
AROUND = timedelta(hours=12)  # of the time that a link to a flow names


@dataclass(frozen=True, slots=True)
class Period:
    """A span that ends now."""

    span: str
    start: datetime
    end: datetime


def read_period(parts: Parts, span: Annotated[str, Query(max_length=10)] = "24h") -> Period:
    """An unknown span means 24 hours."""
    span = span if span in SPANS else "24h"
    now = parts.clock()
    return Period(span, now - SPANS[span], now)


Wanted = Annotated[Period, Depends(read_period)]


@router.get("", name="network", response_class=HTMLResponse)
def overview(
    request: Request,
    parts: Parts,
    who: Hunter,
    period: Wanted,
    kind: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Top talkers, blocked against allowed, and what each input is known to miss."""
    network = parts.network.overview(
        who.scope, start=period.start, end=period.end, now=period.end, kind=kind
    )
    return render(
        request,
        "network.html",
        who,
        network=network,
        period=period,
        spans=tuple(SPANS),
        kinds=tuple(KINDS),
        chart=_verdicts(network, period),
        agencies=_shares(network.agencies),
        systems=_shares(network.systems),
        addresses=_shares(network.addresses),
    )


@router.get("/device", name="network_device", response_class=HTMLResponse)
def device(
    request: Request,
    parts: Parts,
    who: Hunter,
    period: Wanted,
    name: Annotated[str, Query(min_length=1, max_length=200)],
) -> HTMLResponse:
    """One firewall, router, sensor or server."""
    found = parts.devices.device(who.scope, name, start=period.start, end=period.end)
    return render(
        request,
        "network_device.html",
        who,
        device=found,
        period=period,
        spans=tuple(SPANS),
    )


@router.get("/flow", name="network_flow", response_class=HTMLResponse)
def flow(
    request: Request,
    parts: Parts,
    who: Hunter,
    period: Wanted,
    community_id: Annotated[str, Query(alias="id", max_length=200)] = "",
    at: datetime | None = None,
) -> HTMLResponse:
    """Everything of one flow; around ``at`` where a link names a time. A bad id is shown with its reason."""
    start, end = (period.start, period.end) if at is None else around(at)
    story, error = None, None
    if community_id.strip():
        try:
            story = parts.flows.flow(who.scope, community_id, start=start, end=end)
        except QueryError as refused:
            error = refused
    return render(
        request,
        "network_flow.html",
        who,
        status=400 if error else 200,
        asked=community_id.strip(),
        story=story,
        error=error,
        period=period,
        spans=tuple(SPANS),
        at=at,
        start=start,
        end=end,
        rows=[{"event": event, "text": _said(event)} for event in (story.events if story else ())],
    )


def around(at: datetime) -> tuple[datetime, datetime]:
    """Twelve hours to either side, within the years that a store knows; a time without a zone is UTC.

    >>> around(datetime(1, 1, 1))[0].year
    1970
    """
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    middle = min(max(at, EARLIEST), LATEST).astimezone(UTC)
    return middle - AROUND, middle + AROUND


def _said(event: Event) -> str:
    """The event's summary, with the two ends where it names none."""
    ends = [_end(event, side) for side in ("source", "destination")]
    line = summary(event.fields)
    if not all(ends):
        return line
    both = " → ".join(ends)
    return both if line in ("", event.fields.get("source.ip")) else f"{line} · {both}"


def _end(event: Event, side: str) -> str:
    ip, port = event.fields.get(f"{side}.ip"), event.fields.get(f"{side}.port")
    if not isinstance(ip, str):
        return ""
    shown = f"[{ip}]" if ":" in ip and port is not None else ip
    return shown if port is None else f"{shown}:{port}"


def _shares(talkers: Sequence[Talker]) -> list[tuple[Talker, int]]:
    """With the percentage of the greatest, for the bar beside."""
    most = max((one.bytes for one in talkers), default=0)
    return [(one, share(one.bytes, most)) for one in talkers[:MOST_SHOWN]]


def _verdicts(network: Network, period: Period) -> Chart:
    counts = {start: (allowed, blocked) for start, allowed, blocked in network.verdicts}
    totals = {start: sum(both) for start, both in counts.items()}
    slots: list[tuple[datetime, dict[str, int]]] = []
    for start, _ in filled(totals, period.start, period.end, network.bucket):
        allowed, blocked = counts.get(start, (0, 0))
        slots.append((start, {"informational": allowed, "high": blocked}))
    return stacked(slots, ("informational", "high"), width=980, height=150)
