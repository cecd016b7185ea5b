"""One answer for each kind of error: a page in the reader's language, or JSON for programs, with a code to quote."""

from __future__ import annotations

import secrets
import traceback
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from soc.console.deps import wants_json
from soc.console.toasts import own_address
from soc.console.view import render
from soc.errors import (
    BatchError,
    Conflict,
    DeliveryError,
    FormError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Overloaded,
    PlaybookError,
    QueryError,
    RegisterError,
    SocError,
    StoreError,
)

log = structlog.get_logger("soc.console")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reader sees: ``kind`` chooses the words of ``error_body.html``."""

    status: int
    kind: str
    tells: bool = True  # the error's own text may be shown


ANSWERS: tuple[tuple[type[Exception], Answer], ...] = (
    (NotFound, Answer(404, "not_found", tells=False)),
    (NotAuthenticated, Answer(401, "not_allowed", tells=False)),
    (NotAllowed, Answer(403, "not_allowed")),
    (Conflict, Answer(409, "conflict")),
    (PlaybookError, Answer(409, "conflict")),
    (QueryError, Answer(400, "bad_request")),
    (FormError, Answer(400, "bad_request")),
    (RegisterError, Answer(400, "bad_request")),
    (BatchError, Answer(400, "bad_request")),
    (Overloaded, Answer(503, "busy", tells=False)),
    (StoreError, Answer(503, "busy", tells=False)),
    (DeliveryError, Answer(503, "busy", tells=False)),
)
OURS = Answer(500, "ours", tells=False)
BY_STATUS = {403: "not_allowed", 404: "not_found", 405: "bad_request", 409: "conflict"}


def answer_errors(app: FastAPI) -> None:
    """Put the handlers into the application."""
    app.add_exception_handler(SocError, _soc_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _bug)


def _soc_error(request: Request, error: Exception) -> Response:
    answer = next((found for kind, found in ANSWERS if isinstance(error, kind)), OURS)
    return _answer(request, answer, str(error) if answer.tells else "", error)


def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = BY_STATUS.get(status, "bad_request" if status < 500 else "ours")
    return _answer(request, Answer(status, kind), "", error)


def _validation_error(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    said = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'][1:])}: {problem['msg']}"
        for problem in problems
    )
    return _answer(request, Answer(400, "bad_request"), said, error)


def _bug(request: Request, error: Exception) -> Response:
    return _answer(request, OURS, "", error)


def _answer(request: Request, answer: Answer, said: str, error: Exception) -> Response:
    code = secrets.token_hex(4)
    where = f"{request.method} {request.url.path}"
    if answer.status >= 500:
        told = "".join(traceback.format_exception(error))  # without locals: they may hold secrets
        log.error("request failed", code=code, request=where, traceback=told)
    else:
        log.info(
            "request refused", code=code, request=where, status=answer.status, reason=str(error)
        )
    if wants_json(request):
        body = {"error": answer.kind, "reason": said or answer.kind.replace("_", " "), "code": code}
        return JSONResponse(body, answer.status)
    fragment = "HX-Request" in request.headers
    return render(
        request,
        "error_body.html" if fragment else "error.html",
        None,
        status=answer.status,
        kind=answer.kind,
        said=said,
        code=code,
        back=_page_before(request),
    )


def _page_before(request: Request) -> str:
    """The page of ours that the reader came from."""
    shown = urlsplit(request.headers.get("referer", ""))
    if shown.netloc != request.headers.get("host", ""):
        return "/"
    return own_address(shown.path + (f"?{shown.query}" if shown.query else ""))
