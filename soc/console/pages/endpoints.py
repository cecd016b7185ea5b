"""Endpoint protection: machines without EDR, off, out of date or out of contact, and where else malware was seen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.console.view import render
from soc.errors import QueryError
from soc.respond.edr_desk import PROBLEMS, EdrDesk
from soc.respond.spread_desk import LONGEST, Spread, SpreadDesk

router = APIRouter(prefix="/endpoints", include_in_schema=False)
Reader = Annotated[SignedIn, Depends(require("register.read"))]
MOST_MACHINES, MOST_DETECTIONS = 300, 30


@router.get("", name="endpoints", response_class=HTMLResponse)
def endpoints(
    request: Request,
    parts: Parts,
    who: Reader,
    agency: Annotated[str, Query(max_length=40)] = "",
    problem: Annotated[str, Query(max_length=20)] = "",
    value: Annotated[str, Query(max_length=LONGEST)] = "",
) -> HTMLResponse:
    """The figures by agency, the machines of one list, the newest detections; with ``value``, every agency's answer."""
    now, desk = parts.clock(), EdrDesk(parts.database)
    problem = problem if problem in PROBLEMS else ""
    machines = desk.machines(who.scope, now=now, agency=agency, problem=problem)
    if not problem:
        machines = [one for one in machines if one.problems]
    spread: Spread | None = None
    refused = ""
    if value.strip() and who.may("events.search"):
        try:
            spread = SpreadDesk(parts.database, parts.store).spread(who.scope, value, now=now)
        except QueryError as error:
            refused = error.reason
    return render(
        request,
        "endpoints.html",
        who,
        figures=desk.status(who.scope, now=now, agency=agency),
        machines=machines[:MOST_MACHINES],
        count=len(machines),
        detections=desk.detections(who.scope, agency=agency, size=MOST_DETECTIONS),
        agency=agency,
        problem=problem,
        value=value.strip(),
        spread=spread,
        refused=refused,
    )
