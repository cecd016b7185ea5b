"""The cookies and headers that carry a session, and how they are set."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

SESSION = "soc_session"
FORM = "soc_form"  # before there is a session: the token that the sign-in form repeats
BEARER = "bearer "


def cookie_name(connection: HTTPConnection, plain: str) -> str:
    """With the prefix ``__Host-`` on https, which browsers accept from this host and path / only."""
    return f"__Host-{plain}" if is_secure(connection) else plain


def is_secure(connection: HTTPConnection) -> bool:
    return connection.url.scheme == "https"


def session_token(connection: HTTPConnection) -> str:
    return connection.cookies.get(cookie_name(connection, SESSION), "")


def form_token(connection: HTTPConnection) -> str:
    return connection.cookies.get(cookie_name(connection, FORM), "")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of an ``Authorization: Bearer`` header; None without one."""
    value = headers.get("authorization", "")
    return value[len(BEARER) :].strip() if value[: len(BEARER)].lower() == BEARER else None


def set_cookie(request: Request, response: Response, plain: str, value: str) -> None:
    """Keep until the browser closes; scripts cannot read it, other sites' forms do not send it."""
    response.set_cookie(
        cookie_name(request, plain),
        value,
        path="/",
        httponly=True,
        secure=is_secure(request),
        samesite="lax",
    )


def drop_cookie(request: Request, response: Response, plain: str) -> None:
    response.delete_cookie(
        cookie_name(request, plain),
        path="/",
        httponly=True,
        secure=is_secure(request),
        samesite="lax",
    )
