"""Bulletins: what the centre tells agencies, and the one-tap answers of who got them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from soc.console import toasts
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts
from soc.console.view import render
from soc.errors import FormError, NotFound
from soc.model.bulletin import Answer
from soc.report.bulletins.letter import to_pdf
from soc.report.bulletins.written import LARGEST, read_bulletin

router = APIRouter(prefix="/bulletins", include_in_schema=False)
Reader = Annotated[SignedIn, Depends(require("bulletins.read"))]
Writer = Annotated[SignedIn, Depends(require("bulletins.write"))]
Approver = Annotated[SignedIn, Depends(require("bulletins.approve"))]
Answering = Annotated[SignedIn, Depends(require("bulletins.answer"))]
Key = Annotated[str, Form(max_length=40)]
DRAFT = """---
kind: advisory
title:
tlp: TLP:AMBER
severity: medium
due_on:
cves: []
products: []
summary:
actions:
  -
audience: {everybody: true}
---
"""


@router.get("", name="bulletins", response_class=HTMLResponse)
def bulletins(request: Request, parts: Parts, who: Reader) -> HTMLResponse:
    """Those of the scope, the newest first."""
    return render(request, "bulletins.html", who, bulletins=list(parts.bulletins.all(who.scope)))


@router.get("/new", name="bulletin_new", response_class=HTMLResponse)
def new(request: Request, who: Writer) -> HTMLResponse:
    """Compose one."""
    return render(request, "bulletin_new.html", who, text=DRAFT, problems=())


@router.post("", name="bulletin_write")
def write(
    request: Request,
    parts: Parts,
    who: Writer,
    text: Annotated[str, Form(max_length=LARGEST)],
) -> Response:
    """Keep a draft, or show what is wrong with it."""
    try:
        bulletin = read_bulletin(text.replace("\r\n", "\n").encode("utf-8", "replace"), "bulletin")
        key = parts.bulletins.write(who.scope, bulletin, parts.clock())
    except (FormError, NotFound) as error:
        problems = error.problems if isinstance(error, FormError) else (str(error),)
        return render(request, "bulletin_new.html", who, status=400, text=text, problems=problems)
    return toasts.back_to(_address(key), toasts.Toast("drafted"))


@router.post("/submit", name="bulletin_submit")
def submit(parts: Parts, who: Writer, bulletin_id: Key) -> RedirectResponse:
    parts.bulletins.submit(who.scope, bulletin_id, parts.clock())
    return toasts.back_to(_address(bulletin_id), toasts.Toast("submitted"))


@router.post("/approve", name="bulletin_approve")
def approve(parts: Parts, who: Approver, bulletin_id: Key) -> RedirectResponse:
    """The second person's yes: from here on it is on its way."""
    agencies = parts.bulletins.approve(who.scope, bulletin_id, parts.clock())
    return toasts.back_to(_address(bulletin_id), toasts.Toast("approved", agencies))


@router.post("/close", name="bulletin_close")
def close(
    parts: Parts,
    who: Writer,
    bulletin_id: Key,
    reason: Annotated[str, Form(min_length=1, max_length=2_000)],
) -> RedirectResponse:
    parts.bulletins.close(who.scope, bulletin_id, reason, parts.clock())
    return toasts.back_to(_address(bulletin_id), toasts.Toast("ended"))


@router.get("/{bulletin_id}", name="bulletin_page", response_class=HTMLResponse)
def bulletin_page(request: Request, parts: Parts, who: Reader, bulletin_id: str) -> HTMLResponse:
    """Its text, and where the agencies of the scope stand."""
    standing = parts.bulletins.standing(who.scope, bulletin_id)
    return render(request, "bulletin.html", who, standing=standing, bulletin=standing.bulletin)


@router.get("/{bulletin_id}/letter", name="bulletin_letter")
def letter(parts: Parts, who: Reader, bulletin_id: str) -> Response:
    """The bulletin on A4, to one's own agency where there is only one."""
    standing = parts.bulletins.standing(who.scope, bulletin_id)
    own = standing.recipients[0].agency if len(standing.recipients) == 1 else ""
    content = to_pdf(
        standing.bulletin,
        number=bulletin_id,
        agency=own or "các cơ quan theo danh sách",
        centre=parts.settings.centre_name,
        approved_at=standing.row.approved_at or standing.row.created_at,
    )
    name = f'inline; filename="{quote(bulletin_id)}.pdf"'
    return Response(content, media_type="application/pdf", headers={"Content-Disposition": name})


@router.post("/{bulletin_id}/answer", name="bulletin_answer")
def answer(
    parts: Parts,
    who: Answering,
    bulletin_id: str,
    agency_id: Key,
    says: Annotated[str, Form(pattern="^(acknowledged|not_affected|fixed|needs_help)$")],
    note: Annotated[str, Form(max_length=2_000)] = "",
) -> RedirectResponse:
    """An agency's own answer, or what it told the centre by telephone."""
    said = None if says == "acknowledged" else Answer(says)
    parts.bulletins.answer(who.scope, bulletin_id, agency_id, said, parts.clock(), note=note)
    return toasts.back_to(_address(bulletin_id), toasts.Toast("answered"))


def _address(bulletin_id: str) -> str:
    return f"/bulletins/{quote(bulletin_id, safe='')}"
