"""No other site may act in a signed-in person's name: the check of every unsafe request.

Three lines of defence: SameSite cookies, the browser's own word (Sec-Fetch-Site, Origin), and a token that only
our own pages know (form field ``csrf`` or header X-CSRF-Token). Requests with a bearer token carry no cookie's
authority and are not checked; nor is the API's sign-in, which takes its password from the body.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from soc.access.desk import AccessDesk
from soc.console.session_cookie import bearer_token, form_token, session_token

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
BEFORE_SIGN_IN = frozenset({"/sign-in", "/preferences"})  # forms that people without a session send
NO_COOKIES_USED = frozenset({("POST", "/api/v1/session")})
LARGEST_FORM = 8 * 2**20  # bytes
FIELD = "csrf"
HEADER = "x-csrf-token"


class ForgeryGuard:
    """ASGI middleware; see the module's text."""

    def __init__(
        self, app: ASGIApp, *, access: AccessDesk, now_of: Callable[[Request], datetime]
    ) -> None:
        self.app, self.access, self.now_of = app, access, now_of

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        if bearer_token(request.headers) is not None:
            await self.app(scope, receive, send)
            return
        if _declared_length(request) > LARGEST_FORM:
            await _refuse(request, 413, "the form is too large")(scope, receive, send)
            return
        body = await _body(request)
        if body is None:
            await _refuse(request, 413, "the form is too large")(scope, receive, send)
            return
        reason = await self._objection(scope, body)
        if reason:
            await _refuse(request, 403, reason)(scope, receive, send)
            return
        await self.app(scope, _again(body, receive), send)

    async def _objection(self, scope: AsgiScope, body: bytes) -> str:
        """Why the request is refused; empty when it is not."""
        request = Request(scope, _again(body, None))
        if not _from_our_pages(request):
            return "the request comes from another site"
        if (request.method, request.url.path) in NO_COOKIES_USED:
            return ""
        expected = await self._expected(request)
        if expected is None:
            return ""  # nobody is signed in: the route itself asks who it is
        given = request.headers.get(HEADER) or await _form_field(request)
        if not expected or not secrets.compare_digest(given.encode(), expected.encode()):
            return "the form is out of date: go back, reload the page and send it again"
        return ""

    async def _expected(self, request: Request) -> str | None:
        """The token that must be repeated; None when the request has no authority that could be abused."""
        token = session_token(request)
        if token:
            kept = await run_in_threadpool(self.access.csrf_of, token, now=self.now_of(request))
            if kept is not None:
                return kept
        return form_token(request) if request.url.path in BEFORE_SIGN_IN else None


def _from_our_pages(request: Request) -> bool:
    """What the browser says of where the request comes from. Programs say nothing, and have no cookies to abuse."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    said, host = urlsplit(origin), request.headers.get("host", "")
    return said.netloc != "" and said.netloc == host and said.scheme == request.url.scheme


def _declared_length(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdecimal() else 0


async def _body(request: Request) -> bytes | None:
    """The whole body, or None when it is larger than a form may be."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_FORM:
            return None
        parts.append(part)
    return b"".join(parts)


async def _form_field(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return ""
    async with request.form() as form:
        value = form.get(FIELD)
        return value if isinstance(value, str) else ""


def _again(body: bytes, rest: Receive | None) -> Receive:
    """A channel that gives the body once more, then what really comes (the disconnect)."""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        if rest is None:
            return {"type": "http.disconnect"}
        message: Any = await rest()
        return dict(message)

    return receive


def _refuse(request: Request, status: int, reason: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"reason": reason}, status_code=status)
    return PlainTextResponse(reason, status_code=status)
