"""Who is asking: the dependencies of every page and route, and the guard against forged requests.

``guard(app, access, clock=...)`` is called once by the application: it keeps the access desk at ``app.state.access``,
adds the CSRF check to every unsafe request and answers who has not signed in. A route then says what it needs::

    @router.get("/alerts", name="alerts")
    def alerts(request: Request, who: Annotated[SignedIn, Depends(require("alerts.read"))]) -> HTMLResponse: ...

A route without ``require`` or ``current`` is public, and must stand as such in ``tests/console/routes.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from soc.access.desk import LANGUAGES, THEMES, AccessDesk, Identity, Visitor
from soc.console.forgery import ForgeryGuard
from soc.console.parts import utc_now
from soc.console.session_cookie import bearer_token, session_token
from soc.console.toasts import own_address
from soc.errors import NotAllowed, NotAuthenticated
from soc.model.scope import Scope

SIGN_IN = "/sign-in"
LANGUAGE_COOKIE = "soc_language"
THEME_COOKIE = "soc_theme"
OWED_AT = {"password": "/account/password", "second_factor": "/account/second-factor"}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person behind a request. ``csrf`` goes into each form's field ``csrf`` or the header X-CSRF-Token."""

    account: str
    full_name: str
    role: str
    permissions: frozenset[str]
    scope: Scope
    language: str
    theme: str  # light, dark or "" (as the browser says)
    csrf: str
    single_keys: bool
    identity: Identity

    def may(self, permission: str) -> bool:
        return permission in self.permissions


class SignInNeeded(NotAuthenticated):
    """Nobody is signed in."""


class SomethingOwed(NotAllowed):
    """Signed in, but the password must be changed or the authenticator set up before anything else."""

    def __init__(self, owes: str) -> None:
        self.owes = owes
        super().__init__(f"first set a new {owes.replace('_', ' ')}")


def access_of(request: Request) -> AccessDesk:
    """The access desk of the application that serves ``request``."""
    access: AccessDesk = request.app.state.access
    return access


def now_of(request: Request) -> datetime:
    """The time by the application's clock."""
    clock: Callable[[], datetime] = request.app.state.clock
    return clock()


def visitor_of(request: Request) -> Visitor:
    """Where the request comes from; behind a proxy uvicorn has put the client's address there."""
    address = request.client.host if request.client is not None else ""
    return Visitor(address, request.headers.get("user-agent", ""))


def find_signed_in(request: Request) -> SignedIn | None:
    """The person behind the request's session or bearer token; None when nobody is. Read once a request."""
    if not hasattr(request.state, "signed_in"):
        request.state.signed_in = _read_signed_in(request)
    found: SignedIn | None = request.state.signed_in
    return found


def current_even_if_owing(request: Request) -> SignedIn:
    """Whoever has signed in, also while a password is to be changed: for the account's own pages only."""
    signed_in = find_signed_in(request)
    if signed_in is None:
        raise SignInNeeded("sign in first")
    return signed_in


def current(who: Annotated[SignedIn, Depends(current_even_if_owing)]) -> SignedIn:
    """The person behind the request.

    Raises:
        SignInNeeded: nobody has signed in (pages: 303 to the sign-in page; API: 401).
        SomethingOwed: see there (pages: 303 to where it is done; API: 403).
    """
    if who.identity.owes:
        raise SomethingOwed(who.identity.owes)
    return who


def insist(request: Request, who: SignedIn, permission: str) -> None:
    """Go on only with ``permission``; a refusal is audited.

    Raises:
        NotAllowed: the role does not permit it (403).
    """
    if who.may(permission):
        return
    access_of(request).note_denied(
        who.identity,
        permission,
        f"{request.method} {request.url.path}",
        visitor=visitor_of(request),
        now=now_of(request),
    )
    raise NotAllowed(f"the role {who.role} does not permit {permission}")


def require(permission: str) -> Callable[[Request, SignedIn], SignedIn]:
    """A dependency that lets only roles with ``permission`` pass; see ``insist``."""

    def allowed(request: Request, who: Annotated[SignedIn, Depends(current)]) -> SignedIn:
        insist(request, who, permission)
        return who

    allowed.__dict__["permission"] = permission  # read by the test that walks every route
    return allowed


def language_of(request: Request, default: str = "vi") -> str:
    """The language this browser chose last, else the account's, else ``default``."""
    who = find_signed_in(request)
    chosen = (request.cookies.get(LANGUAGE_COOKIE), who.language if who else "")
    return next((language for language in chosen if language in LANGUAGES), default)


def theme_of(request: Request) -> str:
    """light or dark: what this browser chose last, else the account's; "" where the system decides."""
    who = find_signed_in(request)
    chosen = (request.cookies.get(THEME_COOKIE), who.theme if who else "")
    return next((theme for theme in chosen if theme in THEMES and theme), "")


def wants_json(request: Request) -> bool:
    """Whether a program asks: an API path, a bearer token, or no wish for HTML on an event stream."""
    return (
        request.url.path.startswith("/api/")
        or bearer_token(request.headers) is not None
        or request.headers.get("accept") == "text/event-stream"
    )


def guard(app: FastAPI, access: AccessDesk, *, clock: Callable[[], datetime] = utc_now) -> None:
    """Put the access desk, the CSRF check and the answers to the unknown into the application."""
    app.state.access, app.state.clock = access, clock
    app.add_middleware(ForgeryGuard, access=access, now_of=now_of)
    app.add_exception_handler(SignInNeeded, _answer_sign_in_needed)
    app.add_exception_handler(SomethingOwed, _answer_something_owed)


def _read_signed_in(request: Request) -> SignedIn | None:
    access, now = access_of(request), now_of(request)
    bearer = bearer_token(request.headers)
    if bearer is not None:
        identity = access.find(bearer, kind="api", now=now)
    else:
        token = session_token(request)
        identity = access.find(token, kind="browser", now=now) if token else None
    if identity is None:
        return None
    return SignedIn(
        account=identity.account,
        full_name=identity.full_name,
        role=identity.role,
        permissions=identity.permissions,
        scope=identity.scope,
        language=identity.language,
        theme=identity.theme,
        csrf=identity.csrf,
        single_keys=identity.single_keys,
        identity=identity,
    )


def _answer_sign_in_needed(request: Request, error: Exception) -> Response:
    if wants_json(request):
        headers = {"WWW-Authenticate": "Bearer"}
        return JSONResponse({"reason": str(error)}, status_code=401, headers=headers)
    return _go(request, f"{SIGN_IN}?next={quote(_page_of(request), safe='/')}", refused_status=401)


def _answer_something_owed(request: Request, error: Exception) -> Response:
    owes = error.owes if isinstance(error, SomethingOwed) else "password"
    if wants_json(request):
        return JSONResponse({"reason": str(error), "owes": owes}, status_code=403)
    return _go(request, OWED_AT[owes], refused_status=403)


def _go(request: Request, place: str, *, refused_status: int) -> Response:
    """Send a browser to another page; a part of a page (htmx) is told to leave the whole page."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=refused_status, headers={"HX-Redirect": place})
    return RedirectResponse(place, status_code=303)


def _page_of(request: Request) -> str:
    """The page to come back to: a refused part or form brings back the page it stood on."""
    if request.headers.get("hx-request") == "true" or request.method != "GET":
        shown = urlsplit(
            request.headers.get("hx-current-url") or request.headers.get("referer", "")
        )
        return own_address(shown.path + (f"?{shown.query}" if shown.query else ""))
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
