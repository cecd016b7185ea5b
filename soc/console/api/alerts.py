"""Alerts for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from soc.console.api.shapes import Alerts, NamedAlert, WholeAlert
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.model.alert import AlertStatus, Disposition, Severity
from soc.respond.triage import AlertFilter

router = APIRouter(prefix="/alerts", tags=["alerts"])
Reader = Annotated[SignedIn, Depends(require("alerts.read"))]
Actor = Annotated[SignedIn, Depends(require("alerts.act"))]


class Which(BaseModel):
    """The alerts to act on."""

    ids: list[str] = Field(min_length=1, max_length=500)


class Assignment(Which):
    assignee: str = Field("", max_length=80, description="Empty: oneself")


class Closing(Which):
    disposition: Disposition
    reason: str = Field(min_length=1, max_length=4000)


@router.get("", name="api_alerts")
def alerts(
    parts: Parts,
    who: Reader,
    status: Annotated[list[AlertStatus] | None, Query()] = None,
    severity: Annotated[list[Severity] | None, Query()] = None,
    level: Annotated[list[int] | None, Query()] = None,
    agency: Annotated[list[str] | None, Query()] = None,
    rule: Annotated[str, Query(max_length=60)] = "",
    assignee: Annotated[str, Query(max_length=80)] = "",
    case: Annotated[str, Query(max_length=60)] = "",
    text: Annotated[str, Query(max_length=200)] = "",
    since: datetime | None = None,
    sort: Annotated[str, Query(pattern="^(priority|newest|oldest)$")] = "priority",
    offset: Annotated[int, Query(ge=0)] = 0,
    size: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Alerts:
    """A page of alerts with the counts of each facet."""
    wanted = AlertFilter(
        status=frozenset(str(each) for each in status or ()),
        severity=frozenset(str(each) for each in severity or ()),
        level=frozenset(level or ()),
        agency_ids=frozenset(agency or ()),
        rule_id=rule,
        assignee=assignee,
        case_id=case,
        text=text,
        since=since,
    )
    page = parts.triage.page(who.scope, wanted, sort=sort, offset=offset, size=size)
    return Alerts(
        alerts=[NamedAlert.of(view) for view in page.alerts],
        total=page.total,
        newest=page.newest,
        facets={name: dict(counts) for name, counts in page.facets.items()},
    )


@router.get("/{alert_id}", name="api_alert")
def alert(parts: Parts, who: Reader, alert_id: str) -> WholeAlert:
    """One alert with its matches, its rule and what it means, what is similar and whom to call."""
    detail = parts.triage.get(who.scope, alert_id)
    return WholeAlert.of_detail(detail, parts.guide(detail.alert.row.rule_id))


@router.post("/acknowledge", name="api_alerts_acknowledge")
def acknowledge(parts: Parts, who: Actor, which: Which) -> list[NamedAlert]:
    """Take alerts."""
    parts.triage.acknowledge(who.scope, which.ids, now=parts.clock())
    return _again(parts, who, which.ids)


@router.post("/assign", name="api_alerts_assign")
def assign(parts: Parts, who: Actor, assignment: Assignment) -> list[NamedAlert]:
    """Give alerts to somebody."""
    assignee = assignment.assignee or who.account
    parts.triage.assign(who.scope, assignment.ids, assignee, now=parts.clock())
    return _again(parts, who, assignment.ids)


@router.post("/close", name="api_alerts_close")
def close(parts: Parts, who: Actor, closing: Closing) -> list[NamedAlert]:
    """Close alerts with what they turned out to be, and why."""
    now = parts.clock()
    parts.triage.close(who.scope, closing.ids, closing.disposition, closing.reason, now=now)
    return _again(parts, who, closing.ids)


@router.post("/reopen", name="api_alerts_reopen")
def reopen(parts: Parts, who: Actor, which: Which) -> list[NamedAlert]:
    """Take a closing back."""
    parts.triage.reopen(who.scope, which.ids, now=parts.clock())
    return _again(parts, who, which.ids)


def _again(parts: Parts, who: SignedIn, ids: list[str]) -> list[NamedAlert]:
    """The alerts as they are now."""
    return [NamedAlert.of(parts.triage.get(who.scope, alert_id).alert) for alert_id in ids]
