"""A national centre to practise with: takes reports over HTTP, keeps them in a folder, gives receipts.

It is not the real one and copies no published interface. Reports are kept once for each idempotency key. ``POST
/v1/trouble`` makes the next answers fail (``503``, ``slow``, ``garbage``, ``other_hash``), for drills and tests.
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
from time import sleep
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Header, HTTPException, Response, UploadFile
from pydantic import BaseModel, Field

KEY = re.compile(r"[A-Za-z0-9._-]{1,80}")
LARGEST = 32 * 2**20  # bytes of a document
Kind = Literal["503", "slow", "garbage", "other_hash"]


class Trouble(BaseModel):
    """``times`` answers fail in that way; ``slow`` keeps the report, then answers after ``seconds``."""

    kind: Kind
    times: int = Field(1, ge=0, le=1000)
    seconds: float = Field(0.0, ge=0, le=60)


class Shelf:
    """The folder of reports: ``<key>.json`` (metadata and receipt) and ``<key>.document``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

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
                "receipt_id": f"QG-{now.year}-{len(self.entries()) + 1:05}",
                "received_at": now.isoformat(),
                "sha256": digest,
                "file_name": name,
                "size_bytes": len(content),
                "metadata": metadata,
            }
            self._write(f"{key}.document", content)
            self._write(f"{key}.json", json.dumps(entry, ensure_ascii=False, indent=1).encode())
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

    @app.post("/v1/reports", status_code=201)
    def take(
        metadata: Annotated[UploadFile, File()],
        document: Annotated[UploadFile, File()],
        idempotency_key: Annotated[str, Header()],
    ) -> Response:
        if not KEY.fullmatch(idempotency_key):
            raise HTTPException(400, "Idempotency-Key: 1 to 80 of A-Z a-z 0-9 . _ -")
        coming = trouble.popleft() if trouble else None
        if coming is not None and coming.kind == "503":
            raise HTTPException(503, "out of order, as asked")
        content = document.file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise HTTPException(413, f"a document has at most {LARGEST} bytes")
        told = _metadata(metadata)
        if told.get("sha256") != hashlib.sha256(content).hexdigest():
            raise HTTPException(400, "the document is not the one that the metadata names")
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
    return Response(json.dumps(receipt), 201, media_type="application/json")
