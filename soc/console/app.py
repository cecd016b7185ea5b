"""The console and the API as one application over the desks that the wiring hands over."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from soc.console.api import alerts as alerts_api
from soc.console.api import cases as cases_api
from soc.console.api import events as events_api
from soc.console.api import health as health_api
from soc.console.api import register as register_api
from soc.console.api import responses as responses_api
from soc.console.api import session as session_api
from soc.console.assets import HOME, Assets, HashedFiles
from soc.console.deps import guard
from soc.console.errors import answer_errors
from soc.console.headers import SecurityHeaders
from soc.console.pages import (
    alerts,
    bulletins,
    cases,
    collection,
    endpoints,
    network,
    overview,
    playbook_runs,
    responses,
    search,
    sign_in,
)
from soc.console.parts import ConsoleParts
from soc.console.view import Views

PAGES = (
    overview,
    alerts,
    cases,
    playbook_runs,
    responses,
    endpoints,
    bulletins,
    search,
    network,
    collection,
    sign_in,
)
APIS = (session_api, alerts_api, cases_api, responses_api, events_api, health_api, register_api)
DESCRIPTION = """
Alerts, incidents, events, health and register of the province's security operations centre.

Sign in with `POST /api/v1/session`, then send `Authorization: Bearer TOKEN`. Every answer is narrowed to the agencies
that the account may see. Times are ISO 8601 in UTC.
"""


def create_app(parts: ConsoleParts) -> FastAPI:
    """The application. Raises SettingsError when the assets were not built."""
    app = FastAPI(
        title="Province SOC",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.parts = parts
    app.state.views = Views(Assets.load(), parts.settings.zone, parts.access.roles)
    guard(app, parts.access, clock=parts.clock)
    answer_errors(app)
    app.add_middleware(SecurityHeaders)
    for page in PAGES:
        app.include_router(page.router)
    for api in APIS:
        app.include_router(api.router, prefix="/api/v1")
    app.add_api_route("/health", alive, include_in_schema=False, name="alive")
    app.mount("/static", HashedFiles(directory=HOME), name="static")
    return app


def alive() -> JSONResponse:
    """For the supervisor: the process answers. It tells nothing else."""
    return JSONResponse({"status": "ok"})
