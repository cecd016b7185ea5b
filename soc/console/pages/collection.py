"""Collection health: what arrives, what is missing, what waits to be read, what the rules cannot see."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from soc.console.charts import filled, histogram
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.console.view import render

router = APIRouter(prefix="/collection", include_in_schema=False)
Watcher = Annotated[SignedIn, Depends(require("health.read"))]
MOST_SHOWN_RAW = 100_000  # bytes


@router.get("", name="collection", response_class=HTMLResponse)
def collection(request: Request, parts: Parts, who: Watcher) -> HTMLResponse:
    """Processes, agents, streams with their gaps, set-aside records, store, rules, outbox."""
    now = parts.clock()
    health = parts.health.health(who.scope, now=now)
    start = now - timedelta(hours=24)
    hunt = parts.hunt.hunt(who.scope, "", start=start, end=now, size=1)
    buckets = filled(dict(hunt.histogram), start, now, hunt.bucket)
    return render(
        request,
        "collection.html",
        who,
        health=health,
        stored=sum(count for _, count in hunt.histogram),
        chart=histogram(buckets, width=700, height=150),
        months=parts.settings.retention_months,
    )


@router.get("/set-aside/{record_id}", name="set_aside_page", response_class=HTMLResponse)
def set_aside(request: Request, parts: Parts, who: Watcher, record_id: str) -> HTMLResponse:
    """One record that could not be read: its reason and its bytes."""
    row = parts.health.set_aside_record(who.scope, record_id)
    return render(
        request,
        "set_aside.html",
        who,
        row=row,
        raw=row.raw[:MOST_SHOWN_RAW],
        cut=max(0, len(row.raw) - MOST_SHOWN_RAW),
    )
