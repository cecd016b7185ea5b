"""The alert queue, the alert beside it or on its own page, and what people do with alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from soc.console import toasts
from soc.console.conditions import conditions
from soc.console.deps import SignedIn, language_of, require
from soc.console.flows import flow_address
from soc.console.parts import ConsoleParts, Parts
from soc.console.queries import term
from soc.console.summaries import entities, summary, where_from
from soc.console.translation import translations
from soc.console.view import render
from soc.errors import NotFound
from soc.model.alert import AlertStatus, Disposition
from soc.model.event import Event
from soc.model.guidance import Guidance
from soc.respond.check_desk import Answer
from soc.respond.triage import AlertDetail, AlertFilter, AlertPage

router = APIRouter(prefix="/alerts", include_in_schema=False)
PAGE_SIZE = 50
AROUND = timedelta(minutes=30)
MOST_AROUND = 20  # events before, and as many after
TICK = timedelta(microseconds=1)
MOST_NEIGHBOURS = 200
OPEN = frozenset({str(AlertStatus.NEW), str(AlertStatus.ACKNOWLEDGED)})

Reader = Annotated[SignedIn, Depends(require("alerts.read"))]
Actor = Annotated[SignedIn, Depends(require("alerts.act"))]
Ids = Annotated[list[str], Form(alias="id", min_length=1, max_length=500)]
Next = Annotated[str, Form(alias="next", max_length=2000)]


@dataclass(frozen=True, slots=True)
class QueueQuery:
    """What the address of the queue says."""

    status: tuple[str, ...]
    severity: tuple[str, ...]
    level: tuple[int, ...]
    agency: tuple[str, ...]
    text: str
    rule: str
    mine: bool
    sort: str
    page: int

    def filter(self, account: str) -> AlertFilter:
        return AlertFilter(
            status=frozenset(self.status) or OPEN,
            severity=frozenset(self.severity),
            level=frozenset(self.level),
            agency_ids=frozenset(self.agency),
            text=self.text,
            rule_id=self.rule,
            assignee=account if self.mine else "",
        )

    def address(self, **changed: Any) -> str:
        """The queue's address with some of it changed; a change of anything but the page goes to page 1."""
        values: dict[str, Any] = {
            "status": self.status,
            "severity": self.severity,
            "level": self.level,
            "agency": self.agency,
            "text": self.text,
            "rule": self.rule,
            "mine": "1" if self.mine else "",
            "sort": "" if self.sort == "priority" else self.sort,
            "page": "",
        } | changed
        kept = {name: value for name, value in values.items() if value not in ("", (), None)}
        return "/alerts" + (f"?{urlencode(kept, doseq=True)}" if kept else "")


def read_query(
    status: Annotated[list[str] | None, Query()] = None,
    severity: Annotated[list[str] | None, Query()] = None,
    level: Annotated[list[int] | None, Query()] = None,
    agency: Annotated[list[str] | None, Query()] = None,
    text: Annotated[str, Query(max_length=200)] = "",
    rule: Annotated[str, Query(max_length=60)] = "",
    mine: bool = False,
    sort: str = "priority",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> QueueQuery:
    """The filters of the queue; ``status`` nothing means open alerts."""
    return QueueQuery(
        status=tuple(status or ()),
        severity=tuple(severity or ()),
        level=tuple(level or ()),
        agency=tuple(agency or ()),
        text=text.strip(),
        rule=rule,
        mine=mine,
        sort=sort if sort in ("priority", "newest", "oldest") else "priority",
        page=page,
    )


Wanted = Annotated[QueueQuery, Depends(read_query)]


@router.get("", name="alerts", response_class=HTMLResponse)
def queue(
    request: Request,
    parts: Parts,
    who: Reader,
    wanted: Wanted,
    shown: Annotated[str, Query(alias="open", max_length=60)] = "",
) -> HTMLResponse:
    """The queue with its filters; ``shown`` names the alert shown beside it."""
    page = _page(parts, who, wanted)
    try:
        detail = _detail(parts, who, shown) if shown else {}
    except NotFound:
        detail = {}
    return render(
        request,
        "alerts.html",
        who,
        page=page,
        wanted=wanted,
        open=shown if detail else "",
        agency_names=_agency_names(parts, who, page),
        pages=max(1, -(-page.total // PAGE_SIZE)),
        page_size=PAGE_SIZE,
        **detail,
    )


@router.get("/new-count", name="alerts_new_count")
def new_count(
    request: Request, parts: Parts, who: Reader, after: Annotated[int, Query(ge=0)] = 0
) -> JSONResponse:
    """How many alerts were made since the page with ``after`` as its newest number, for the chip."""
    count = parts.situation.alerts_after(who.scope, after)
    words = translations(language_of(request))
    text = words.ngettext("%(num)s new alert", "%(num)s new alerts", count) % {"num": count}
    return JSONResponse({"count": count, "text": text})


@router.get("/{alert_id}", name="alert_page", response_class=HTMLResponse)
def alert_page(request: Request, parts: Parts, who: Reader, alert_id: str) -> HTMLResponse:
    """One alert: why it fired, what else happened, what to do."""
    shown = _detail(parts, who, alert_id)
    before, after, position, total = _neighbours(parts, who, alert_id)
    detail: AlertDetail = shown["detail"]
    return render(
        request,
        "alert.html",
        who,
        before=before,
        after=after,
        position=position,
        total=total,
        around=_around(parts, who, detail),
        **shown,
    )


@router.get("/{alert_id}/flyout", name="alert_flyout", response_class=HTMLResponse)
def flyout(
    request: Request,
    parts: Parts,
    who: Reader,
    alert_id: str,
    back: Annotated[str, Query(max_length=2000)] = "/alerts",
) -> HTMLResponse:
    """The alert beside the queue, as a part of a page."""
    shown = _detail(parts, who, alert_id)
    return render(request, "alert_flyout.html", who, back=toasts.own_address(back), **shown)


@router.post("/acknowledge", name="alerts_acknowledge")
def acknowledge(parts: Parts, who: Actor, ids: Ids, back: Next = "/alerts") -> RedirectResponse:
    """Take alerts."""
    parts.triage.acknowledge(who.scope, ids, now=parts.clock())
    return toasts.back_to(back, toasts.Toast("acknowledged", len(ids)))


@router.post("/assign", name="alerts_assign")
def assign(
    parts: Parts,
    who: Actor,
    ids: Ids,
    assignee: Annotated[str, Form(max_length=80)] = "",
    back: Next = "/alerts",
) -> RedirectResponse:
    """Give alerts to somebody; nobody named means to oneself."""
    parts.triage.assign(who.scope, ids, assignee.strip() or who.account, now=parts.clock())
    return toasts.back_to(back, toasts.Toast("assigned", len(ids)))


@router.post("/close", name="alerts_close")
def close(
    parts: Parts,
    who: Actor,
    ids: Ids,
    disposition: Annotated[Disposition, Form()],
    reason: Annotated[str, Form(min_length=1, max_length=4000)],
    back: Next = "/alerts",
) -> RedirectResponse:
    """Close alerts with what they turned out to be, and why."""
    parts.triage.close(who.scope, ids, disposition, reason.strip(), now=parts.clock())
    return toasts.back_to(back, toasts.undoable("closed", ids, "/alerts/reopen"))


@router.post("/reopen", name="alerts_reopen")
def reopen(parts: Parts, who: Actor, ids: Ids, back: Next = "/alerts") -> RedirectResponse:
    """Take a closing back."""
    parts.triage.reopen(who.scope, ids, now=parts.clock())
    return toasts.back_to(back, toasts.Toast("reopened", len(ids)))


def _page(parts: ConsoleParts, who: SignedIn, wanted: QueueQuery) -> AlertPage:
    return parts.triage.page(
        who.scope,
        wanted.filter(who.account),
        sort=wanted.sort,
        offset=(wanted.page - 1) * PAGE_SIZE,
        size=PAGE_SIZE,
    )


def _agency_names(parts: ConsoleParts, who: SignedIn, page: AlertPage) -> Mapping[str, str]:
    """Names for the agencies of the facet."""
    if not page.facets.get("agency_id"):
        return {}
    agencies = parts.situation.register(who.scope).agencies
    return {agency.id: agency.short_name or agency.name for agency in agencies}


def _detail(parts: ConsoleParts, who: SignedIn, alert_id: str) -> dict[str, Any]:
    """What the flyout and the page share."""
    detail = parts.triage.get(who.scope, alert_id)
    event = _event(parts, who, detail)
    fields = event.fields if event else detail.alert.row.fields
    guidance = parts.guide(detail.alert.row.rule_id)
    return {
        "guidance": guidance,
        "answers": _answers(parts, who, detail, guidance, fields),
        "playbook": parts.cases.playbook_choice(guidance.playbook) if guidance else None,
        "detail": detail,
        "alert": detail.alert.row,
        "view": detail.alert,
        "rule": detail.rule,
        "event": event,
        "conditions": conditions(parts.explain(detail.alert.row.rule_id, fields)) if event else (),
        "flow": flow_address(fields, detail.alert.row.last_seen_at),
        "entities": entities({"host.name": detail.alert.row.host, **fields}),
        "dispositions": tuple(str(each) for each in Disposition),
        "open_cases": _open_cases(parts, who),
    }


def _open_cases(parts: ConsoleParts, who: SignedIn) -> tuple[Any, ...]:
    """Incidents that an alert may be added to."""
    if not who.may("cases.act"):
        return ()
    found, _ = parts.cases.cases(who.scope, size=50)
    return tuple(case.row for case in found if case.row.status != "closed")


def _event(parts: ConsoleParts, who: SignedIn, detail: AlertDetail) -> Event | None:
    """The event of the newest signal; None when it is no longer stored, or may not be searched."""
    if not detail.signals or not who.may("events.search"):
        return None
    return parts.store.find(who.scope, detail.signals[0].event_id)


def _answers(
    parts: ConsoleParts,
    who: SignedIn,
    detail: AlertDetail,
    guidance: Guidance | None,
    fields: Mapping[str, Any],
) -> tuple[Answer, ...]:
    """The three questions with what the events say; nothing for those who may not search."""
    if guidance is None or not who.may("events.search"):
        return ()
    row = detail.alert.row
    known = row.fields | dict(fields)
    if row.host:
        known.setdefault("host.name", row.host)
    return parts.checks.answers(
        who.scope,
        guidance.checks,
        known,
        first=row.first_seen_at,
        last=row.last_seen_at,
        own=[signal.event_id for signal in detail.signals],
    )


def _around(parts: ConsoleParts, who: SignedIn, detail: AlertDetail) -> list[dict[str, Any]]:
    """The events of the host nearest to the alert, before and after it, each with its line of text."""
    row = detail.alert.row
    if not row.host or not who.may("events.search"):
        return []
    ours = {signal.event_id for signal in detail.signals}
    host, at = term("host.name", row.host), row.last_seen_at
    before = parts.store.search(
        who.scope, host, start=at - AROUND, end=at + TICK, sort="-observed_at", size=MOST_AROUND
    )
    after = parts.store.search(
        who.scope, host, start=at + TICK, end=at + AROUND, sort="observed_at", size=MOST_AROUND
    )
    return [
        {
            "event": event,
            "text": summary(event.fields),
            "from": where_from(event.fields, event.source),
            "hit": event.id in ours,
        }
        for event in (*reversed(before.events), *after.events)
    ]


def _neighbours(parts: ConsoleParts, who: SignedIn, alert_id: str) -> tuple[str, str, int, int]:
    """The alerts before and after in the queue of open ones, its place there (0: not there), and how many."""
    page = parts.triage.page(who.scope, AlertFilter(status=OPEN), size=MOST_NEIGHBOURS)
    ids = [view.row.id for view in page.alerts]
    if alert_id not in ids:
        return "", "", 0, page.total
    at = ids.index(alert_id)
    before = ids[at - 1] if at else ""
    after = ids[at + 1] if at + 1 < len(ids) else ""
    return before, after, at + 1, page.total
