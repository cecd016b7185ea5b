"""The situation room: what runs out first, what is open, who is silent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from soc.console.charts import stacked
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.console.view import render
from soc.model.alert import Severity

router = APIRouter(include_in_schema=False)
FROM_BELOW = tuple(str(severity) for severity in Severity)


@router.get("/", name="overview", response_class=HTMLResponse)
def overview(
    request: Request, parts: Parts, who: Annotated[SignedIn, Depends(require("alerts.read"))]
) -> HTMLResponse:
    """Clocks, open alerts by hour, agencies, agents, the national link, open incidents."""
    situation = parts.situation.situation(who.scope, now=parts.clock())
    chart = stacked(situation.per_hour, FROM_BELOW, width=720, height=196)
    return render(request, "overview.html", who, situation=situation, chart=chart)
