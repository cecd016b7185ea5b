"""Sign in and out, one's own password and authenticator, language and theme."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from soc.access.desk import LANGUAGES, THEMES
from soc.access.second_factor import provisioning_uri
from soc.console.deps import (
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    SignedIn,
    access_of,
    current_even_if_owing,
    find_signed_in,
    now_of,
    visitor_of,
)
from soc.console.session_cookie import FORM, SESSION, drop_cookie, form_token, is_secure, set_cookie
from soc.console.toasts import own_address
from soc.console.view import render
from soc.errors import FormError, NotAuthenticated, Overloaded

router = APIRouter(include_in_schema=False)
YEAR_SECONDS = 365 * 24 * 3600
ISSUER = "SOC"
Mine = Annotated[SignedIn, Depends(current_even_if_owing)]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a sign-in was refused: ``wrong`` with the tries left, or ``wait`` with the minutes."""

    reason: str = ""  # wrong, wait
    tries_left: int = 0
    minutes: int = 0


@router.get("/sign-in", name="sign_in", response_class=HTMLResponse)
def sign_in_page(
    request: Request, onward: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """The form; whoever has signed in goes on."""
    if find_signed_in(request) is not None:
        return RedirectResponse(own_address(onward), status_code=303)
    return _sign_in_form(request, onward)


@router.post("/sign-in", name="sign_in_send", response_class=HTMLResponse)
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=500)] = "",
    code: Annotated[str, Form(max_length=20)] = "",
    onward: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Open a session and go on to where the person wanted to be."""
    access, visitor, now = access_of(request), visitor_of(request), now_of(request)
    name = name.strip().lower()
    try:
        made = access.sign_in(name, password, code=code, visitor=visitor, now=now)
    except NotAuthenticated:
        left = access.attempts.left(name, visitor.address)
        return _sign_in_form(request, onward, name=name, refusal=Refusal("wrong", tries_left=left))
    except Overloaded as error:
        minutes = -(-error.retry_after_seconds // 60)
        page = _sign_in_form(request, onward, name=name, refusal=Refusal("wait", minutes=minutes))
        page.headers["Retry-After"] = str(error.retry_after_seconds)
        return page
    place = "/account/password" if made.must_change else own_address(onward)
    response = RedirectResponse(place, status_code=303)
    set_cookie(request, response, SESSION, made.token)
    drop_cookie(request, response, FORM)
    return response


@router.post("/sign-out", name="sign_out")
def sign_out(request: Request, who: Mine) -> Response:
    """End this session."""
    access_of(request).sign_out(who.identity, visitor=visitor_of(request), now=now_of(request))
    response = RedirectResponse("/sign-in", status_code=303)
    drop_cookie(request, response, SESSION)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.get("/account/password", name="password_page", response_class=HTMLResponse)
def password_page(request: Request, who: Mine) -> HTMLResponse:
    """The form for a new password; a one-time password leads here."""
    return _password_form(request, who)


@router.post("/account/password", name="password_change", response_class=HTMLResponse)
def change_password(
    request: Request,
    who: Mine,
    old: Annotated[str, Form(max_length=500)] = "",
    new: Annotated[str, Form(max_length=500)] = "",
    again: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Replace one's own password; the account's other sessions end."""
    if new != again:
        return _password_form(request, who, problems=["differ"])
    try:
        access_of(request).change_password(who.identity, old, new, now=now_of(request))
    except NotAuthenticated:
        return _password_form(request, who, problems=["old"])
    except Overloaded:
        return _password_form(request, who, problems=["wait"], status=429)
    except FormError as error:
        return _password_form(request, who, problems=list(error.problems))
    return RedirectResponse("/", status_code=303)


@router.get("/account/second-factor", name="second_factor_page", response_class=HTMLResponse)
def second_factor_page(request: Request, who: Mine) -> HTMLResponse:
    """A new secret for an authenticator app, as a picture and as text."""
    return _second_factor_form(request, who, access_of(request).propose_second_factor())


@router.post("/account/second-factor", name="second_factor_keep", response_class=HTMLResponse)
def keep_second_factor(
    request: Request,
    who: Mine,
    secret: Annotated[str, Form(min_length=32, max_length=64, pattern="^[A-Z2-7]+$")],
    code: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Keep the secret when a code of it is right."""
    try:
        access_of(request).keep_second_factor(who.identity, secret, code, now=now_of(request))
    except FormError as error:
        return _second_factor_form(request, who, secret, problems=list(error.problems))
    return RedirectResponse("/", status_code=303)


@router.post("/preferences", name="preferences")
def keep_preferences(
    request: Request,
    language: Annotated[str | None, Form(max_length=5)] = None,
    theme: Annotated[str | None, Form(max_length=10)] = None,
    single_keys: Annotated[bool | None, Form()] = None,
    onward: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """Keep language, theme or single-key shortcuts: in cookies, and on the account of whoever has signed in."""
    who = find_signed_in(request)
    if who is not None:
        access_of(request).prefer(
            who.identity, language=language, theme=theme, single_keys=single_keys
        )
    if request.headers.get("hx-request") == "true":
        response = Response(status_code=204)
    else:
        response = RedirectResponse(own_address(onward), status_code=303)
    if language in LANGUAGES:
        _keep_choice(request, response, LANGUAGE_COOKIE, str(language))
    if theme in THEMES:
        _keep_choice(request, response, THEME_COOKIE, str(theme))
    return response


def _keep_choice(request: Request, response: Response, cookie: str, value: str) -> None:
    """Readable by scripts: the theme is set before the page is drawn."""
    response.set_cookie(
        cookie, value, max_age=YEAR_SECONDS, path="/", samesite="lax", secure=is_secure(request)
    )


def _sign_in_form(
    request: Request, onward: str, *, name: str = "", refusal: Refusal | None = None
) -> HTMLResponse:
    token = form_token(request) or secrets.token_urlsafe(32)
    status = {"wrong": 401, "wait": 429}.get(refusal.reason if refusal else "", 200)
    page = render(
        request,
        "sign_in.html",
        status=status,
        csrf=token,
        next=own_address(onward),
        account_name=name,
        refusal=refusal or Refusal(),
    )
    set_cookie(request, page, FORM, token)
    page.headers["Cache-Control"] = "no-store"
    return page


def _password_form(
    request: Request, who: SignedIn, *, problems: list[str] | None = None, status: int = 400
) -> HTMLResponse:
    page = render(
        request,
        "change_password.html",
        status=status if problems else 200,
        who=who,
        csrf=who.csrf,
        owed=who.identity.owes == "password",
        problems=problems or [],
    )
    page.headers["Cache-Control"] = "no-store"
    return page


def _second_factor_form(
    request: Request, who: SignedIn, secret: str, *, problems: list[str] | None = None
) -> HTMLResponse:
    uri = provisioning_uri(secret, account=who.account, issuer=ISSUER)
    picture = segno.make(uri, error="m").svg_inline(scale=5, omitsize=True, svgclass=None)
    page = render(
        request,
        "second_factor.html",
        status=400 if problems else 200,
        who=who,
        csrf=who.csrf,
        secret=secret,
        picture=picture,
        problems=problems or [],
    )
    page.headers["Cache-Control"] = "no-store"
    return page
