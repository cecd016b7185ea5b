"""The agents' door: HTTPS in, signed batches to the ingest thread, and an answer only when they are stored."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from soc.errors import (
    BatchError,
    BatchTooLarge,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Overloaded,
    SettingsError,
    SocError,
    StoreError,
)
from soc.receive import enrolment
from soc.receive.batches import open_batch, to_epoch_microseconds
from soc.receive.bodies import RETRY_SECONDS, Bodies
from soc.receive.command_routes import add_command_routes
from soc.receive.commands import CommandPost
from soc.receive.configuration import Configuration
from soc.receive.ingest import Ingest
from soc.receive.shipping.routes import ShippingParts, add_shipping_routes
from soc.receive.shipping.tokens import Shippers
from soc.receive.signatures import ClockWrong, Verifier, check_digest
from soc.records.agents import AgentRow
from soc.records.database import Database

ENROLMENT_BYTES = 64 * 1024
_LOOPBACK = {"127.0.0.1", "::1"}
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class DoorParts:
    """What a door is made of. ``replay`` runs in the ingest thread; ``admin_secret`` is for loopback callers only."""

    database: Database
    ingest: Ingest
    verifier: Verifier
    configuration: Configuration
    shippers: Shippers
    max_batch_bytes: int
    max_batch_plain_bytes: int
    replay: Callable[[list[str]], Mapping[str, Any]]
    admin_secret: str
    commands: CommandPost
    zone: str = "Asia/Ho_Chi_Minh"  # of times that other shippers write without one
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    bodies: Bodies = field(default_factory=Bodies)
    heard: dict[str, datetime] = field(default_factory=dict)  # agents that only asked, to be noted


def create_door(parts: DoorParts) -> FastAPI:
    """The door's application; starting it starts the ingest thread, stopping it drains that."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.ingest.start()
        yield
        await run_in_threadpool(parts.ingest.stop)

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    _add_error_answers(app, parts)
    _add_agent_routes(app, parts)
    _add_own_routes(app, parts)
    add_command_routes(
        app,
        parts.commands,
        parts.verifier,
        parts.bodies,
        parts.clock,
        lambda agent_id, at: parts.heard.__setitem__(agent_id, at),
    )
    add_shipping_routes(
        app,
        ShippingParts(
            parts.shippers,
            parts.ingest,
            parts.bodies,
            parts.zone,
            parts.max_batch_bytes,
            parts.max_batch_plain_bytes,
            parts.clock,
        ),
    )
    return app


def _add_agent_routes(app: FastAPI, parts: DoorParts) -> None:
    @app.post("/v1/enrol")
    async def enrol(request: Request) -> JSONResponse:
        """Make an agent known by its one-time token."""
        body = await parts.bodies.read(request, ENROLMENT_BYTES)
        wanted, key = enrolment.read_request(body)
        now = parts.clock()
        agent_id = await run_in_threadpool(enrolment.enrol, parts.database, wanted, key, now)
        log.info("agent enrolled", agent=agent_id, host=wanted.name)
        made = {
            "agent_id": agent_id,
            "platform_time": to_epoch_microseconds(now),
            "command_certificate": parts.commands.certificate(),
        }
        return JSONResponse(made, status_code=201)

    @app.post("/v1/batches")
    async def batches(request: Request) -> JSONResponse:
        """Take a batch; 200 says that all of it is stored."""
        heard_at = parts.clock()
        agent = await run_in_threadpool(
            parts.verifier.verify, "POST", "/v1/batches", request.headers, heard_at
        )
        parts.ingest.check_room()
        body = await parts.bodies.read(request, parts.max_batch_bytes)
        return await _take(parts, agent, body, request.headers["content-digest"], heard_at)

    @app.get("/v1/config")
    async def config(request: Request) -> Response:
        """The inputs of the agent's group."""
        agent = await run_in_threadpool(
            parts.verifier.verify, "GET", "/v1/config", request.headers, parts.clock()
        )
        check_digest(request.headers["content-digest"], b"")
        parts.heard[agent.id] = parts.clock()
        wanted = parts.configuration.of_group(agent.group)
        etag = f'"{wanted.version}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        return JSONResponse(
            {"version": wanted.version, "inputs": wanted.inputs}, headers={"ETag": etag}
        )


def _add_own_routes(app: FastAPI, parts: DoorParts) -> None:
    @app.get("/health")
    async def health() -> JSONResponse:
        """``ok``, or why batches are refused. The door itself answers, so it is 200 in both cases."""
        return JSONResponse({"status": parts.ingest.closed_because or "ok"})

    @app.post("/v1/admin/replay")
    async def replay(request: Request) -> JSONResponse:
        """Read set-aside records again: `{"ids": [...]}`, from this machine and with the secret of the keys folder."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        local = request.client is not None and request.client.host in _LOOPBACK
        if not local or not hmac.compare_digest(given.encode(), parts.admin_secret.encode()):
            raise NotAllowed("replay is for this machine's own administrator")
        body = await parts.bodies.read(request, ENROLMENT_BYTES)
        try:
            ids = [str(one) for one in json.loads(body)["ids"]]
        except (ValueError, KeyError, TypeError) as error:
            raise BatchError(f'expected {{"ids": [...]}}: {error!r}') from error
        done = await asyncio.wrap_future(parts.ingest.call(lambda: parts.replay(ids)))
        return JSONResponse(dict(done))


async def _take(
    parts: DoorParts, agent: AgentRow, body: bytes, digest: str, heard_at: datetime
) -> JSONResponse:
    def opened() -> Any:
        check_digest(digest, body)
        return open_batch(body, agent, limit_bytes=parts.max_batch_plain_bytes)

    try:
        batch = await run_in_threadpool(opened)
    except BatchTooLarge:
        raise
    except BatchError as error:
        return JSONResponse({"reason": error.reason, "stored": 0}, status_code=400)
    batch.heard_at = heard_at
    waiting = parts.ingest.submit(batch)
    receipt = await asyncio.wrap_future(waiting)
    if receipt.reason:
        log.warning("half a batch", agent=agent.id, batch=receipt.batch, reason=receipt.reason)
        return JSONResponse({"reason": receipt.reason, "stored": receipt.records}, status_code=400)
    done: dict[str, Any] = {
        "batch": receipt.batch,
        "records": receipt.records,
        "events": receipt.events,
        "set_aside": receipt.set_aside,
        "duplicates": receipt.duplicates,
    }
    if agent.id in parts.commands.waiting:
        done["commands"] = True
    return JSONResponse(done)


def _add_error_answers(app: FastAPI, parts: DoorParts) -> None:
    """One answer for each kind of error; what is not ours to explain is a 503, and the sender keeps its batch."""

    def refused(status: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
        async def answer(_: Request, error: Exception) -> JSONResponse:
            return JSONResponse({"reason": str(error)}, status_code=status)

        return answer

    async def not_authenticated(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, ClockWrong):
            await run_in_threadpool(
                enrolment.note_clock, parts.database, error.agent.id, error.offset
            )
        now = to_epoch_microseconds(parts.clock())
        return JSONResponse({"reason": str(error), "platform_time": now}, status_code=401)

    async def overloaded(_: Request, error: Exception) -> JSONResponse:
        seconds = error.retry_after_seconds if isinstance(error, Overloaded) else RETRY_SECONDS
        reason = error.reason if isinstance(error, Overloaded) else str(error)
        return JSONResponse({"reason": reason}, 429, headers={"Retry-After": str(seconds)})

    async def not_stored(_: Request, error: Exception) -> JSONResponse:
        log.error("a request failed", error=repr(error)[:500])
        return JSONResponse(
            {"reason": str(error) if isinstance(error, SocError) else type(error).__name__},
            status_code=503,
            headers={"Retry-After": str(RETRY_SECONDS)},
        )

    app.add_exception_handler(ClientDisconnect, refused(400))  # nobody hears it
    app.add_exception_handler(BatchTooLarge, refused(413))
    app.add_exception_handler(BatchError, refused(400))
    app.add_exception_handler(NotAllowed, refused(403))
    app.add_exception_handler(NotFound, refused(404))
    app.add_exception_handler(NotAuthenticated, not_authenticated)
    app.add_exception_handler(Overloaded, overloaded)
    for kind in (StoreError, SettingsError, SQLAlchemyError, OSError):
        app.add_exception_handler(kind, not_stored)
