"""Sign in and out for programs: a bearer token instead of a cookie."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from soc.console.deps import SignedIn, access_of, current, now_of, visitor_of
from soc.errors import FormError, NotAuthenticated, Overloaded

router = APIRouter(prefix="/session", tags=["session"])


class Credentials(BaseModel):
    """``new_password`` replaces a one-time password in the same step; ``code`` is the authenticator's."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    password: str = Field(max_length=500)
    code: str = Field("", max_length=20)
    new_password: str | None = Field(None, max_length=500)


class Token(BaseModel):
    """To be sent as ``Authorization: Bearer TOKEN``. ``must_change``: it is good for nothing before that."""

    token: str
    expires_at: datetime
    must_change: bool


class Myself(BaseModel):
    account: str
    full_name: str
    role: str
    permissions: list[str]
    agencies: list[str] | None  # None: the whole province


@router.post("", name="api_sign_in", status_code=201, response_model=Token)
def sign_in(request: Request, credentials: Credentials) -> Token | Response:
    """Open a session for a program. 401: something is not right; 429: too many failures."""
    access, visitor, now = access_of(request), visitor_of(request), now_of(request)
    try:
        made = access.sign_in(
            credentials.name.strip().lower(),
            credentials.password,
            code=credentials.code,
            kind="api",
            visitor=visitor,
            now=now,
        )
        owes = made.must_change
        if credentials.new_password is not None:
            identity = access.find(made.token, kind="api", now=now)
            if identity is None:
                raise NotAuthenticated("the account was disabled meanwhile")
            access.change_password(
                identity, credentials.password, credentials.new_password, now=now
            )
            owes = False
    except NotAuthenticated as error:
        return JSONResponse({"reason": str(error)}, status_code=401)
    except Overloaded as error:
        retry = {"Retry-After": str(error.retry_after_seconds)}
        return JSONResponse({"reason": str(error)}, status_code=429, headers=retry)
    except FormError as error:
        return JSONResponse({"reason": str(error)}, status_code=422)
    return Token(token=made.token, expires_at=made.expires_at, must_change=owes)


@router.get("", name="api_myself")
def myself(who: Annotated[SignedIn, Depends(current)]) -> Myself:
    """Who the token speaks for, and what it permits."""
    agencies = who.scope.agency_ids
    return Myself(
        account=who.account,
        full_name=who.full_name,
        role=who.role,
        permissions=sorted(who.permissions),
        agencies=None if agencies is None else sorted(agencies),
    )


@router.delete("", name="api_sign_out", status_code=204)
def sign_out(request: Request, who: Annotated[SignedIn, Depends(current)]) -> None:
    """End this session."""
    access_of(request).sign_out(who.identity, visitor=visitor_of(request), now=now_of(request))
