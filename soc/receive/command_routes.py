"""Routes of response commands at the agents' door (docs/wire.md, Commands)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from soc.receive.batches import to_epoch_microseconds
from soc.receive.bodies import Bodies
from soc.receive.commands import EVIDENCE_BYTES, RESULT_BYTES, CommandPost
from soc.receive.signatures import Verifier, check_digest
from soc.records.agents import AgentRow


def add_command_routes(
    app: FastAPI,
    post: CommandPost,
    verifier: Verifier,
    bodies: Bodies,
    clock: Callable[[], datetime],
    hear: Callable[[str, datetime], None],
) -> None:
    """Add them; each request is signed, and the signature proved before its body is read.

    ``hear`` notes who asked, and when.
    """

    async def signed(request: Request) -> AgentRow:
        return await run_in_threadpool(
            verifier.verify, request.method, request.url.path, request.headers, clock()
        )

    @app.get("/v1/commands")
    async def commands(request: Request) -> JSONResponse:
        """What is signed for this agent and not answered, and the certificate of the command key."""
        agent = await signed(request)
        check_digest(request.headers["content-digest"], b"")
        now = clock()
        hear(agent.id, now)
        found = await run_in_threadpool(post.commands_of, agent, now)
        return JSONResponse(
            {
                "platform_time": to_epoch_microseconds(now),
                "command_certificate": await run_in_threadpool(post.certificate),
                "commands": [
                    {
                        "document": base64.b64encode(document).decode(),
                        "signature": base64.b64encode(signature).decode(),
                    }
                    for document, signature in found
                ],
            }
        )

    @app.post("/v1/commands/results")
    async def results(request: Request) -> JSONResponse:
        """Keep an agent's answer as it came; 200 says that it is stored."""
        agent = await signed(request)
        body = await bodies.read(request, RESULT_BYTES)
        check_digest(request.headers["content-digest"], body)
        digest = await run_in_threadpool(post.take_answer, agent, body, request.headers, clock())
        return JSONResponse({"sha256": digest})

    @app.post("/v1/commands/evidence/{command_id}")
    async def evidence(request: Request, command_id: str) -> JSONResponse:
        """Keep the bundle that a command asked for."""
        agent = await signed(request)
        await run_in_threadpool(post.check_evidence, agent, command_id)
        body = await bodies.read(request, EVIDENCE_BYTES)
        check_digest(request.headers["content-digest"], body)
        digest = await run_in_threadpool(post.take_evidence, agent, command_id, body)
        return JSONResponse({"sha256": digest, "bytes": len(body)})
