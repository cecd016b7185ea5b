"""Incidents for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from soc.console.api.shapes import Case as CaseShape
from soc.console.api.shapes import Cases, Made, WholeCase
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.console.steps import step_to_finish
from soc.errors import NotFound
from soc.model.case import CaseStatus
from soc.respond.case_views import CaseView

router = APIRouter(tags=["cases"])
Reader = Annotated[SignedIn, Depends(require("cases.read"))]
Actor = Annotated[SignedIn, Depends(require("cases.act"))]
Sender = Annotated[SignedIn, Depends(require("reports.send"))]


class Opening(BaseModel):
    """From alerts, or without any: then a title and the time of detection are needed."""

    title: str = Field("", max_length=300)
    alert_ids: list[str] = Field(default_factory=list, max_length=500)
    detected_at: AwareDatetime | None = None
    agency_id: str | None = None
    system_id: str | None = None


class AlertIds(BaseModel):
    alert_ids: list[str] = Field(min_length=1, max_length=500)


class Note(BaseModel):
    text: str = Field(min_length=1, max_length=8000)


class Move(BaseModel):
    to: CaseStatus
    reason: str = Field("", max_length=4000)


class Decision(BaseModel):
    """The three questions; null is "not yet decided", and the stricter clock runs."""

    serious: bool | None = None
    national_security: bool | None = None
    serious_disruption: bool | None = None
    reason: str = Field("", max_length=4000)


class Start(BaseModel):
    playbook_id: str


class Finish(BaseModel):
    result: dict[str, Any] = Field(default_factory=dict)
    note: str = Field("", max_length=8000)


class Skip(BaseModel):
    reason: str = Field(min_length=1, max_length=4000)


class ReportWanted(BaseModel):
    form: str = "mau-03"


@router.get("/cases", name="api_cases")
def cases(
    parts: Parts,
    who: Reader,
    status: Annotated[list[CaseStatus] | None, Query()] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    size: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Cases:
    """Incidents, the newest first."""
    found, total = parts.cases.cases(who.scope, status=status or (), offset=offset, size=size)
    return Cases(cases=[CaseShape.of(summary) for summary in found], total=total)


@router.post("/cases", name="api_case_open", status_code=201)
def open_case(parts: Parts, who: Actor, opening: Opening) -> WholeCase:
    """Open an incident; its clocks of 24 and 72 hours run from the minute of detection."""
    case_id = parts.cases.open(who.scope, **opening.model_dump(), now=parts.clock())
    return _whole(parts, who, case_id)


@router.get("/cases/{case_id}", name="api_case")
def case(parts: Parts, who: Reader, case_id: str) -> WholeCase:
    """One incident with everything that belongs to it."""
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/alerts", name="api_case_alerts")
def add_alerts(parts: Parts, who: Actor, case_id: str, wanted: AlertIds) -> WholeCase:
    parts.cases.add_alerts(who.scope, case_id, wanted.alert_ids, now=parts.clock())
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/notes", name="api_case_note")
def note(parts: Parts, who: Actor, case_id: str, note: Note) -> WholeCase:
    parts.cases.note(who.scope, case_id, note.text, now=parts.clock())
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/status", name="api_case_move")
def move(parts: Parts, who: Actor, case_id: str, move: Move) -> WholeCase:
    parts.cases.move(who.scope, case_id, move.to, reason=move.reason, now=parts.clock())
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/decision", name="api_case_decide")
def decide(parts: Parts, who: Actor, case_id: str, decision: Decision) -> WholeCase:
    """Answer the three questions of classification."""
    parts.cases.decide(who.scope, case_id, **decision.model_dump(), now=parts.clock())
    return _whole(parts, who, case_id)


@router.patch("/cases/{case_id}/facts", name="api_case_facts")
def fill(parts: Parts, who: Actor, case_id: str, facts: dict[str, Any]) -> WholeCase:
    """Keep fields of the report forms."""
    parts.cases.fill(who.scope, case_id, facts, now=parts.clock())
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/runs", name="api_case_playbook", status_code=201)
def start_playbook(parts: Parts, who: Actor, case_id: str, start: Start) -> Made:
    """Begin a playbook on the incident."""
    return Made(
        id=parts.cases.start_playbook(who.scope, case_id, start.playbook_id, now=parts.clock())
    )


@router.post("/cases/{case_id}/runs/{run_id}/steps/{step_id}/begin", name="api_step_begin")
def begin_step(parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str) -> WholeCase:
    parts.cases.begin_step(who.scope, run_id, step_id, now=parts.clock())
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/runs/{run_id}/steps/{step_id}/finish", name="api_step_finish")
def finish_step(
    request: Request,
    parts: Parts,
    who: Actor,
    case_id: str,
    run_id: str,
    step_id: str,
    finish: Finish,
) -> WholeCase:
    """Finish a step with what its inputs ask for; its automatic action runs."""
    step_to_finish(request, who, _found(parts, who, case_id), run_id, step_id)
    parts.cases.finish_step(
        who.scope, run_id, step_id, result=finish.result, note=finish.note, now=parts.clock()
    )
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/runs/{run_id}/steps/{step_id}/skip", name="api_step_skip")
def skip_step(
    parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str, skip: Skip
) -> WholeCase:
    parts.cases.skip_step(who.scope, run_id, step_id, reason=skip.reason, now=parts.clock())
    return _whole(parts, who, case_id)


@router.post("/cases/{case_id}/reports", name="api_case_report", status_code=201)
def make_report(parts: Parts, who: Actor, case_id: str, wanted: ReportWanted) -> Made:
    """Make a report; 400 names every field that the form lacks."""
    return Made(id=parts.cases.make_report(who.scope, case_id, wanted.form, now=parts.clock()))


@router.post("/documents/{document_id}/send", name="api_document_send", status_code=202)
def send_report(parts: Parts, who: Sender, document_id: str) -> Made:
    """Put a report into the outbox towards the national centre; the same report is sent once."""
    return Made(id=parts.cases.send_report(who.scope, document_id, now=parts.clock()))


def _whole(parts: Parts, who: SignedIn, case_id: str) -> WholeCase:
    return WholeCase.of(_found(parts, who, case_id))


def _found(parts: Parts, who: SignedIn, case_id: str) -> CaseView:
    view = parts.cases.find(who.scope, case_id, now=parts.clock())
    if view is None:
        raise NotFound("case", case_id)
    return view
