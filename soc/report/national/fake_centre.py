"""A national centre to practise with: takes reports over HTTP, keeps them in a folder, gives receipts.

It is not the real one and copies no published interface. Reports are kept once for each idempotency key. ``POST
/v1/trouble`` makes the next answers fail, and ``POST /v1/mood`` a share of all answers, for drills and tests:

``500``, ``503``  refused before it is kept
``slow``          kept, answered late
``drop``          kept, and the connection is cut in the middle of the receipt
``twice``         taken twice, as from a network that repeats a request
``garbage``       kept, with a receipt that is none
``other_hash``    kept, with a receipt for other bytes
``other_number``  kept, with the number of a receipt that was never given: only a reconciliation finds it
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import sleep
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Header, HTTPException, Response, UploadFile
from pydantic import BaseModel, Field

KEY = re.compile(r"[A-Za-z0-9._-]{1,80}")
LARGEST = 32 * 2**20  # bytes of a document
Kind = Literal["500", "503", "slow", "drop", "twice", "garbage", "other_hash", "other_number"]


class Trouble(BaseModel):
    """``times`` answers fail in that way; ``slow`` keeps the report, then answers after ``seconds``."""

    kind: Kind
    times: int = Field(1, ge=0, le=1000)
    seconds: float = Field(0.0, ge=0, le=60)


class Mood(BaseModel):
    """``share`` of all answers fail, in one of ``kinds`` by a seeded dice."""

    kinds: list[Kind] = Field(min_length=1)
    share: float = Field(ge=0, le=1)
    seed: int = 0
    seconds: float = Field(0.0, ge=0, le=60)


class Shelf:
    """The folder of reports: ``<key>.json`` (metadata and receipt) and ``<key>.document``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._kept = sum(1 for _ in folder.glob("*.json"))

    def keep(self, key: str, metadata: dict[str, Any], name: str, content: bytes) -> dict[str, Any]:
        """The entry of ``key``: the one that is there, or a new one. Raises HTTPException 409 for other bytes."""
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            known = self.find(key)
            if known is not None:
                if known["sha256"] != digest:
                    raise HTTPException(409, "the same key came with another document")
                return known
            now = datetime.now(UTC)
            entry = {
                "key": key,
                "receipt_id": f"QG-{now.year}-{self._kept + 1:05}",
                "received_at": now.isoformat(),
                "sha256": digest,
                "file_name": name,
                "size_bytes": len(content),
                "metadata": metadata,
            }
            self._write(f"{key}.document", content)
            self._write(f"{key}.json", json.dumps(entry, ensure_ascii=False, indent=1).encode())
            self._kept += 1
            return entry

    def find(self, key: str) -> dict[str, Any] | None:
        path = self.folder / f"{key}.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else None

    def document(self, key: str) -> bytes:
        return (self.folder / f"{key}.document").read_bytes()

    def entries(self) -> list[dict[str, Any]]:
        """In the order of their arrival."""
        read = (json.loads(path.read_text("utf-8")) for path in self.folder.glob("*.json"))
        return sorted(read, key=lambda entry: str(entry["received_at"]))

    def _write(self, name: str, content: bytes) -> None:
        part = self.folder / f"{name}.part"
        part.write_bytes(content)
        os.replace(part, self.folder / name)  # noqa: PTH105 - atomic, and Path.replace is the same call


def fake_centre(folder: Path) -> FastAPI:
    """The application; ``folder`` keeps what it got."""
    app = FastAPI(title="Fake national centre", docs_url=None, redoc_url=None, openapi_url=None)
    shelf = Shelf(folder)
    trouble: deque[Trouble] = deque()
    moods: list[tuple[Mood, Random]] = []

    def next_trouble() -> Trouble | None:
        if trouble:
            return trouble.popleft()
        for mood, dice in moods:
            if dice.random() < mood.share:
                return Trouble(kind=dice.choice(mood.kinds), seconds=mood.seconds)
        return None

    @app.post("/v1/reports", status_code=201)
    def take(
        metadata: Annotated[UploadFile, File()],
        document: Annotated[UploadFile, File()],
        idempotency_key: Annotated[str, Header()],
    ) -> Response:
        if not KEY.fullmatch(idempotency_key):
            raise HTTPException(400, "Idempotency-Key: 1 to 80 of A-Z a-z 0-9 . _ -")
        coming = next_trouble()
        if coming is not None and coming.kind in {"500", "503"}:
            raise HTTPException(int(coming.kind), "out of order, as asked")
        content = document.file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise HTTPException(413, f"a document has at most {LARGEST} bytes")
        told = _metadata(metadata)
        if told.get("sha256") != hashlib.sha256(content).hexdigest():
            raise HTTPException(400, "the document is not the one that the metadata names")
        entry = shelf.keep(idempotency_key, told, document.filename or "", content)
        if coming is not None and coming.kind == "twice":
            entry = shelf.keep(idempotency_key, told, document.filename or "", content)
        return _answer(entry, coming)

    @app.get("/v1/reports")
    def reports() -> list[dict[str, Any]]:
        return shelf.entries()

    @app.get("/v1/reports/{key}/document")
    def report_document(key: str) -> Response:
        if not KEY.fullmatch(key) or shelf.find(key) is None:
            raise HTTPException(404, f"no report {key}")
        return Response(shelf.document(key), media_type="application/octet-stream")

    @app.post("/v1/trouble", status_code=204)
    def make_trouble(wanted: Trouble) -> None:
        trouble.clear()
        trouble.extend([wanted] * wanted.times)

    @app.post("/v1/mood", status_code=204)
    def set_mood(wanted: Mood) -> None:
        moods[:] = [(wanted, Random(wanted.seed))]

    return app


def _metadata(part: UploadFile) -> dict[str, Any]:
    try:
        told = json.loads(part.file.read(2**20))
    except ValueError as error:
        raise HTTPException(400, f"metadata is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise HTTPException(400, "metadata is not a JSON object")
    return told


def _answer(entry: dict[str, Any], coming: Trouble | None) -> Response:
    receipt = {name: entry[name] for name in ("receipt_id", "received_at", "sha256")}
    if coming is not None and coming.kind == "slow":
        sleep(coming.seconds)
    if coming is not None and coming.kind == "garbage":
        return Response("<html>proxy error</html>", 200, media_type="text/html")
    if coming is not None and coming.kind == "other_hash":
        receipt["sha256"] = "0" * 64
    if coming is not None and coming.kind == "other_number":
        receipt["receipt_id"] = f"QG-0000-{receipt['receipt_id'][-5:]}"
    if coming is not None and coming.kind == "drop":
        cut = {"Content-Length": str(len(json.dumps(receipt)))}
        return Response('{"receipt', 201, cut, media_type="application/json")
    return Response(json.dumps(receipt), 201, media_type="application/json")
