"""Response: measures in force, what waits for a second person, and every command with its answers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from soc.console import toasts
from soc.console.deps import SignedIn, require
from soc.console.parts import ConsoleParts, Parts
from soc.console.view import render
from soc.errors import FormError, NotFound
from soc.model.response import ResponseAction
from soc.respond.response_states import is_in_force, state_of_row

router = APIRouter(prefix="/responses", include_in_schema=False)
Reader = Annotated[SignedIn, Depends(require("responses.read"))]
Actor = Annotated[SignedIn, Depends(require("responses.act"))]
Approver = Annotated[SignedIn, Depends(require("responses.approve"))]
Key = Annotated[str, Form(min_length=1, max_length=40)]
Reason = Annotated[str, Form(min_length=1, max_length=2_000)]
SHOWN = 100


@router.get("", name="responses", response_class=HTMLResponse)
def responses(request: Request, parts: Parts, who: Reader) -> HTMLResponse:
    """What is in force, what waits, what was done."""
    return _page(request, parts, who)


@router.post("", name="response_ask")
def ask(
    request: Request,
    parts: Parts,
    who: Actor,
    agent: Annotated[str, Form(min_length=1, max_length=200)],
    action: Annotated[ResponseAction, Form()],
    reason: Reason,
    target: Annotated[str, Form(max_length=4_096)] = "",
    hours: Annotated[float, Form(gt=0, le=168)] = 4,
    case_id: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Ask one machine for an action, or show what is wrong with the form."""
    try:
        asked = parts.responses.ask(
            who.scope,
            [parts.responses.find_agent(who.scope, agent)],
            action,
            parameters_of(action, target.strip(), timedelta(hours=hours)),
            reason=reason,
            case_id=case_id,
            now=parts.clock(),
        )
    except FormError as error:
        return _page(request, parts, who, status=400, problems=error.problems)
    return toasts.back_to(_address(asked.command_ids[0]), toasts.Toast("commanded"))


@router.post("/approve", name="response_approve")
def approve(parts: Parts, who: Approver, command_id: Key) -> RedirectResponse:
    parts.responses.approve(who.scope, command_id, parts.clock())
    return toasts.back_to(_address(command_id), toasts.Toast("commanded"))


@router.post("/cancel", name="response_cancel")
def cancel(parts: Parts, who: Actor, command_id: Key, reason: Reason) -> RedirectResponse:
    parts.responses.cancel(who.scope, command_id, reason, parts.clock())
    return toasts.back_to("/responses", toasts.Toast("taken_back"))


@router.post("/undo", name="response_undo")
def undo(parts: Parts, who: Actor, command_id: Key, reason: Reason) -> RedirectResponse:
    """Lift a measure: one person is enough."""
    parts.responses.undo(who.scope, command_id, reason, parts.clock())
    return toasts.back_to("/responses", toasts.Toast("commanded"))


@router.get("/{command_id}", name="response_page", response_class=HTMLResponse)
def response_page(request: Request, parts: Parts, who: Reader, command_id: str) -> HTMLResponse:
    """One command, who stands behind it, and the answers as they came."""
    row = parts.responses.find(who.scope, command_id)
    if row is None:
        raise NotFound("command", command_id)
    now = parts.clock()
    answers = parts.responses.results(who.scope, command_id)
    return render(
        request,
        "response.html",
        who,
        row=row,
        state=state_of_row(row, now),
        in_force=is_in_force(row, now),
        parameters=json.dumps(row.parameters, ensure_ascii=False, indent=1),
        names=parts.responses.names(who.scope, [row]),
        answers=[(one, _pretty(one.raw)) for one in answers],
    )


def parameters_of(action: ResponseAction, target: str, lasts: timedelta) -> dict[str, Any]:
    """What the one line of the form means for each action.

    >>> parameters_of(ResponseAction.QUARANTINE_FILE, "/srv/x", timedelta(hours=1))
    {'path': '/srv/x'}

    Raises:
        FormError: a process is named otherwise than pid:start_ticks:boot_id.
    """
    if action is ResponseAction.ISOLATE_HOST:
        return {"seconds": int(lasts.total_seconds())}
    if action is ResponseAction.STOP_PROCESS:
        parts = target.split(":")
        if len(parts) != 3 or not all(one.isdecimal() for one in parts[:2]):
            raise FormError(action, ["target: pid:start_ticks:boot_id"])
        return {"pid": int(parts[0]), "start_ticks": int(parts[1]), "boot_id": parts[2]}
    if action is ResponseAction.QUARANTINE_FILE:
        return {"path": target}
    if action is ResponseAction.DISABLE_ACCOUNT:
        return {"account": target}
    if action is ResponseAction.COLLECT_TRIAGE:
        return {"files": target.split()}
    return {"what": target}


def _page(
    request: Request,
    parts: ConsoleParts,
    who: SignedIn,
    *,
    status: int = 200,
    problems: tuple[str, ...] = (),
) -> HTMLResponse:
    now, desk = parts.clock(), parts.responses
    measures, waiting = desk.measures(who.scope, now), desk.waiting(who.scope, now)
    rows = desk.all(who.scope, size=SHOWN)
    return render(
        request,
        "responses.html",
        who,
        status=status,
        problems=problems,
        measures=measures,
        waiting=waiting,
        rows=[(row, state_of_row(row, now)) for row in rows],
        names=desk.names(who.scope, [*measures, *waiting, *rows]),
    )


def _pretty(raw: bytes) -> str:
    """An answer for people; what cannot be read is shown as it is."""
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False, indent=1)[:100_000]
    except (ValueError, RecursionError):
        return raw[:100_000].decode(errors="replace")


def _address(command_id: str) -> str:
    return f"/responses/{quote(command_id, safe='')}"
