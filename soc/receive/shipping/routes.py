"""The addresses that other shippers know, and the answers that they expect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from soc.errors import BatchError
from soc.model.event import SHIPPED
from soc.receive.batches import StreamName
from soc.receive.bodies import Bodies, plain
from soc.receive.ingest import Ingest
from soc.receive.plans import Receipt
from soc.receive.posted import Posted, PostedBatch, batch_of
from soc.receive.shipping import bulk, hec, otlp, windows_events
from soc.receive.shipping.tokens import Shipper, Shippers

PRODUCT = {
    "X-Elastic-Product": "Elasticsearch"
}  # without it Elastic's own shippers refuse to speak
VERSION = "8.19.0"  # of Elasticsearch, whose _bulk this speaks


@dataclass(slots=True)
class ShippingParts:
    """What these doors are made of. ``zone``: of times written without one."""

    shippers: Shippers
    ingest: Ingest
    bodies: Bodies
    zone: str
    max_bytes: int
    max_plain_bytes: int
    clock: Callable[[], datetime]


def add_shipping_routes(app: FastAPI, parts: ShippingParts) -> None:
    """Add the doors to the application of the agents' door."""
    _add_elastic(app, parts)
    _add_hec(app, parts)
    _add_others(app, parts)


def _add_elastic(app: FastAPI, parts: ShippingParts) -> None:
    @app.post("/_bulk")
    @app.put("/_bulk")
    @app.post("/{index}/_bulk")
    @app.put("/{index}/_bulk")
    async def take_bulk(request: Request, index: str = "") -> Response:
        """Documents by Elasticsearch's ``_bulk``; answered when all of them are stored."""
        began = time.monotonic()
        sent = await _receive(request, parts)
        read = await run_in_threadpool(bulk.read, sent.body, index)
        batch = sent.batch("bulk", f"{SHIPPED}{sent.shipper.source}", read.posted)
        receipt = await _store(parts, batch)
        if receipt.reason:
            return _json({"error": _why(receipt), "status": 400}, 400, PRODUCT)
        took = int((time.monotonic() - began) * 1000)
        return _json(bulk.answer(read.items, batch.records, took), 200, PRODUCT)

    @app.get("/")
    @app.head("/")
    async def hello(request: Request) -> Response:
        """What Elastic's shippers ask first: whether this speaks their language."""
        await _who(request, parts)
        version = {"number": VERSION, "build_flavor": "default", "lucene_version": "9.12.2"}
        told = {"name": "soc", "cluster_name": "soc", "version": version}
        return _json(told | {"tagline": "You Know, for Search"}, 200, PRODUCT)

    @app.get("/_license")
    async def licence(request: Request) -> Response:
        """Logstash and Beats want to see one."""
        await _who(request, parts)
        return _json({"license": {"status": "active", "type": "basic"}}, 200, PRODUCT)

    @app.get("/_cluster/health")
    async def cluster_health(request: Request) -> Response:
        """Green, or red while nothing is taken."""
        await _who(request, parts)
        status = "red" if parts.ingest.closed_because else "green"
        return _json({"cluster_name": "soc", "status": status}, 200, PRODUCT)


def _add_hec(app: FastAPI, parts: ShippingParts) -> None:
    @app.post("/services/collector")
    @app.post("/services/collector/event")
    @app.post("/services/collector/event/1.0")
    async def take_hec(request: Request) -> Response:
        """Events by Splunk's HTTP Event Collector."""
        sent = await _receive(request, parts)
        posted = await run_in_threadpool(hec.read, sent.body)
        batch = sent.batch("hec", f"{SHIPPED}{sent.shipper.source}", posted)
        return _hec_answer(await _store(parts, batch))

    @app.post("/services/collector/raw")
    @app.post("/services/collector/raw/1.0")
    async def take_hec_raw(request: Request, host: str = "") -> Response:
        """Lines by Splunk's HTTP Event Collector; ``?host=`` names the machine that they are about."""
        sent = await _receive(request, parts)
        posted = await run_in_threadpool(hec.read_raw, sent.body)
        batch = sent.batch("hec:raw", sent.shipper.source, posted, host)
        return _hec_answer(await _store(parts, batch))

    @app.get("/services/collector/health")
    @app.get("/services/collector/health/1.0")
    async def hec_health() -> Response:
        """Whether events are taken at this moment."""
        if parts.ingest.closed_because:
            return _json({"text": parts.ingest.closed_because, "code": 18}, 503)
        return _json({"text": "HEC is healthy", "code": 17}, 200)


def _add_others(app: FastAPI, parts: ShippingParts) -> None:
    @app.post("/v1/logs")
    async def take_otlp(request: Request) -> Response:
        """Log records by OTLP/HTTP."""
        kind = request.headers.get("content-type", "")
        sent = await _receive(request, parts)
        posted = await run_in_threadpool(otlp.read, sent.body, kind)
        await _store(parts, sent.batch("otlp", f"{SHIPPED}{sent.shipper.source}", posted))
        is_json = kind.startswith("application/json")
        return Response(b"{}" if is_json else b"", media_type=kind.partition(";")[0])

    @app.post("/v1/windows-events")
    async def take_windows_events(request: Request) -> Response:
        """Windows events as XML; the answer counts them."""
        sent = await _receive(request, parts)
        posted = await run_in_threadpool(windows_events.read, sent.body)
        source = "windows_xml" if sent.shipper.source == "auto" else sent.shipper.source
        receipt = await _store(parts, sent.batch("windows-events", source, posted))
        counts = {
            "records": receipt.records,
            "events": receipt.events,
            "set_aside": receipt.set_aside,
            "duplicates": receipt.duplicates,
        }
        if receipt.reason:
            return _json({"reason": receipt.reason, "stored": receipt.records}, 400)
        return _json(counts, 200)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request that was let in: its plain body, and who sent it when."""

    shipper: Shipper
    body: bytes
    heard_at: datetime
    zone: str

    def batch(self, stream: str, source: str, posted: Posted, host: str = "") -> PostedBatch:
        return batch_of(
            self.shipper.agent,
            self.shipper.incarnation,
            StreamName(stream, source),
            posted,
            host=host,
            zone=self.zone,
            heard_at=self.heard_at,
        )


async def _who(request: Request, parts: ShippingParts) -> Shipper:
    authorization = request.headers.get("authorization", "")
    return await run_in_threadpool(parts.shippers.verify, authorization)


async def _receive(request: Request, parts: ShippingParts) -> _Sent:
    """Let a request in: the token, then whether there is room, and only then the body."""
    heard_at = parts.clock()
    shipper = await _who(request, parts)
    parts.ingest.check_room()
    packed = await parts.bodies.read(request, parts.max_bytes)
    encoding = request.headers.get("content-encoding", "")

    def opened() -> bytes:
        return plain(packed, encoding, limit_bytes=parts.max_plain_bytes)

    return _Sent(shipper, await run_in_threadpool(opened), heard_at, parts.zone)


async def _store(parts: ShippingParts, batch: PostedBatch) -> Receipt:
    """What became of a batch, when it is stored.

    Raises:
        BatchError: there is nothing in it.
    """
    if not batch.records and not batch.broken:
        raise BatchError("nothing in the body")
    return await asyncio.wrap_future(parts.ingest.submit(batch))


def _why(receipt: Receipt) -> dict[str, str]:
    reason = f"{receipt.reason}; {receipt.records} records before it are stored"
    return {"type": "illegal_argument_exception", "reason": reason}


def _hec_answer(receipt: Receipt) -> Response:
    if receipt.reason:
        told = {"text": receipt.reason, "code": 6, "invalid-event-number": receipt.records}
        return _json(told, 400)
    return _json({"text": "Success", "code": 0}, 200)


def _json(told: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(told), status, headers, media_type="application/json")
