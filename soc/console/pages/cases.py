"""Incidents: the list, one incident with its clocks, questions, playbook run, form and reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from soc.console import toasts
from soc.console.deps import SignedIn, require
from soc.console.forms import Sent, changed, values_of
from soc.console.pages.playbook_runs import steps_of
from soc.console.parts import ConsoleParts, Parts
from soc.console.view import render
from soc.errors import FormError, NotFound
from soc.model.case import CaseStatus
from soc.records.cases import CaseRow
from soc.respond.case_views import CaseView

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 50
FORM = "mau-03"

Reader = Annotated[SignedIn, Depends(require("cases.read"))]
Actor = Annotated[SignedIn, Depends(require("cases.act"))]
Sender = Annotated[SignedIn, Depends(require("reports.send"))]
Ids = Annotated[list[str] | None, Form(alias="id", max_length=500)]
Answer = Annotated[str, Form(pattern="^(yes|no|)$")]


@router.get("/cases", name="cases", response_class=HTMLResponse)
def cases(
    request: Request,
    parts: Parts,
    who: Reader,
    closed: bool = False,
    new: bool = False,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """Incidents, the newest first; ``new`` opens the form for one reported by telephone."""
    status = (CaseStatus.CLOSED,) if closed else tuple(set(CaseStatus) - {CaseStatus.CLOSED})
    offset = (page - 1) * PAGE_SIZE
    found, total = parts.cases.cases(who.scope, status=status, offset=offset, size=PAGE_SIZE)
    return render(
        request,
        "cases.html",
        who,
        cases=found,
        total=total,
        closed=closed,
        new=new,
        page=page,
        pages=max(1, -(-total // PAGE_SIZE)),
        register=parts.situation.register(who.scope) if new else None,
    )


@router.post("/cases", name="case_open")
def open_case(
    parts: Parts,
    who: Actor,
    ids: Ids = None,
    title: Annotated[str, Form(max_length=300)] = "",
    detected: Annotated[str, Form(max_length=40)] = "",
    agency_id: Annotated[str, Form(max_length=40)] = "",
    system_id: Annotated[str, Form(max_length=40)] = "",
    playbook_id: Annotated[str, Form(max_length=80)] = "",
) -> RedirectResponse:
    """Open an incident from alerts, or from a report by telephone with the time of detection (local).

    With ``playbook_id`` that playbook begins at once.
    """
    detected_at = _local_time(detected, parts.settings.zone) if detected else None
    case_id = parts.cases.open(
        who.scope,
        title=title,
        alert_ids=ids or [],
        detected_at=detected_at,
        agency_id=agency_id or None,
        system_id=system_id or None,
        playbook_id=playbook_id,
        now=parts.clock(),
    )
    return toasts.back_to(_address(case_id, "run" * bool(playbook_id)), toasts.Toast("opened"))


@router.post("/cases/add", name="case_add_alerts")
def add_alerts(
    parts: Parts, who: Actor, case_id: Annotated[str, Form(max_length=40)], ids: Ids = None
) -> RedirectResponse:
    """Add alerts to an open incident."""
    parts.cases.add_alerts(who.scope, case_id, ids or [], now=parts.clock())
    return toasts.back_to(_address(case_id), toasts.Toast("attached", len(ids or [])))


@router.get("/cases/{case_id}", name="case_page", response_class=HTMLResponse)
def case_page(request: Request, parts: Parts, who: Reader, case_id: str) -> HTMLResponse:
    """One incident with its clocks, alerts, playbook run, form, reports and log."""
    return _case_page(request, parts, who, case_id)


@router.post("/cases/{case_id}/note", name="case_note")
def note(
    parts: Parts,
    who: Actor,
    case_id: str,
    text: Annotated[str, Form(min_length=1, max_length=8000)],
) -> RedirectResponse:
    parts.cases.note(who.scope, case_id, text, now=parts.clock())
    return toasts.back_to(_address(case_id, "log"), toasts.Toast("noted"))


@router.post("/cases/{case_id}/move", name="case_move")
def move(
    parts: Parts,
    who: Actor,
    case_id: str,
    to: Annotated[CaseStatus, Form()],
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> RedirectResponse:
    """Bring the incident into another state."""
    parts.cases.move(who.scope, case_id, to, reason=reason, now=parts.clock())
    return toasts.back_to(_address(case_id), toasts.Toast("moved"))


@router.post("/cases/{case_id}/decide", name="case_decide")
def decide(
    parts: Parts,
    who: Actor,
    case_id: str,
    serious: Answer = "",
    national_security: Answer = "",
    serious_disruption: Answer = "",
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> RedirectResponse:
    """Answer the three questions; an empty answer is "not yet decided"."""
    meaning = {"yes": True, "no": False, "": None}
    parts.cases.decide(
        who.scope,
        case_id,
        serious=meaning[serious],
        national_security=meaning[national_security],
        serious_disruption=meaning[serious_disruption],
        reason=reason,
        now=parts.clock(),
    )
    return toasts.back_to(_address(case_id), toasts.Toast("decided"))


@router.post("/cases/{case_id}/waive", name="case_waive")
def waive(
    parts: Parts,
    who: Actor,
    case_id: str,
    obligation_id: Annotated[str, Form(max_length=60)],
    reason: Annotated[str, Form(min_length=1, max_length=4000)],
) -> RedirectResponse:
    """Say why a report is not owed, or how it was made outside the platform."""
    parts.cases.waive(who.scope, case_id, obligation_id, reason=reason, now=parts.clock())
    return toasts.back_to(_address(case_id), toasts.Toast("moved"))


@router.post("/cases/{case_id}/facts", name="case_facts", response_class=HTMLResponse)
def fill(request: Request, parts: Parts, who: Actor, case_id: str, sent: Sent) -> Response:
    """Keep the fields of the form that somebody changed; mistakes are named on the page."""
    shown = _form(parts, who, _found(parts, who, case_id).summary.row)
    kinds = {field.id: field.kind for field in shown["form"].fields()}
    facts = changed(values_of(sent, kinds), shown["values"])
    try:
        parts.cases.fill(who.scope, case_id, facts, now=parts.clock())
    except FormError as error:
        return _case_page(request, parts, who, case_id, problems=error.problems, status=400)
    return toasts.back_to(_address(case_id, "form"), toasts.Toast("filled"))


@router.post("/cases/{case_id}/reports", name="case_report", response_class=HTMLResponse)
def make_report(
    request: Request,
    parts: Parts,
    who: Actor,
    case_id: str,
    form: Annotated[str, Form(max_length=40)] = FORM,
) -> Response:
    """Make a report of the incident; what the form lacks is named on the page."""
    try:
        parts.cases.make_report(who.scope, case_id, form, now=parts.clock())
    except FormError as error:
        return _case_page(request, parts, who, case_id, problems=error.problems, status=400)
    return toasts.back_to(_address(case_id, "reports"), toasts.Toast("made"))


@router.post("/documents/{document_id}/send", name="document_send")
def send_report(parts: Parts, who: Sender, document_id: str) -> RedirectResponse:
    """Put a report into the outbox towards the national centre."""
    case_id = parts.cases.document(who.scope, document_id).case_id or ""
    parts.cases.send_report(who.scope, document_id, now=parts.clock())
    return toasts.back_to(_address(case_id, "reports"), toasts.Toast("sent"))


@router.get("/documents/{document_id}", name="document")
def document(parts: Parts, who: Reader, document_id: str) -> Response:
    """The bytes of a report, as they were made."""
    row = parts.cases.document(who.scope, document_id)
    name = quote(row.file_name)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(row.content, media_type=row.media_type, headers=headers)


def _address(case_id: str, part: str = "") -> str:
    return f"/cases/{quote(case_id, safe='')}" + (f"#{part}" if part else "")


def _local_time(text: str, zone: str) -> datetime:
    """``dd/mm/yyyy hh:mm`` in the zone of the pages. Raises FormError."""
    try:
        return datetime.strptime(text.strip(), "%d/%m/%Y %H:%M").replace(tzinfo=ZoneInfo(zone))
    except ValueError as error:
        raise FormError("incident", [f"not dd/mm/yyyy hh:mm: {text}"]) from error


def _found(parts: ConsoleParts, who: SignedIn, case_id: str) -> CaseView:
    view = parts.cases.find(who.scope, case_id, now=parts.clock())
    if view is None:
        raise NotFound("case", case_id)
    return view


def _form(parts: ConsoleParts, who: SignedIn, case: CaseRow) -> dict[str, Any]:
    """The form in use now, and its values as they stand."""
    now = parts.clock()
    with parts.database.session(who.scope) as session:
        values = parts.reports.values(session, case, FORM, now=now)
    return {"form": parts.reports.form(FORM, now), "values": values}


def _case_page(
    request: Request,
    parts: ConsoleParts,
    who: SignedIn,
    case_id: str,
    *,
    problems: tuple[str, ...] = (),
    status: int = 200,
) -> HTMLResponse:
    view = _found(parts, who, case_id)
    return render(
        request,
        "case.html",
        who,
        status=status,
        view=view,
        case=view.summary.row,
        runs=[{"run": run.row, "steps": steps_of(run)} for run in view.runs],
        choices=parts.cases.playbook_choices(),
        problems=problems,
        sent_of={row.document_id: row for row in view.outbox if row.document_id},
        form_kind=FORM,
        **_form(parts, who, view.summary.row),
    )
