"""A door with its parts at hand, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi.testclient import TestClient

from soc.flow import Flow
from soc.receive.commands import CommandPost
from soc.receive.configuration import Configuration
from soc.receive.door import DoorParts, create_door
from soc.receive.enrolment import Identities
from soc.receive.ingest import Ingest
from soc.receive.shipping.tokens import Shippers
from soc.receive.signatures import Verifier
from soc.records.database import Database
from tests.receive.builders import LogStore, Sender

SECRET = "the secret of this machine"


@dataclass
class Door:
    """A door with its parts at hand."""

    client: TestClient
    parts: DoorParts
    store: LogStore
    flow: Flow

    def send(self, sender: Sender, body: bytes, **how):
        headers = sender.headers("POST", "/v1/batches", body, **how)
        return self.client.post("/v1/batches", content=body, headers=headers)

    def configuration(self, sender: Sender, **more: str):
        headers = sender.headers("GET", "/v1/config", b"") | more
        return self.client.get("/v1/config", headers=headers)


@contextmanager
def open_door(database: Database, store: LogStore, flow: Flow, folder: Path) -> Iterator[Door]:
    parts = DoorParts(
        database=database,
        ingest=Ingest(flow, waiting_bytes=300_000),
        verifier=Verifier(Identities(database, fresh_seconds=0).find),
        configuration=Configuration(folder / "agents.yaml"),
        shippers=Shippers(database, fresh_seconds=0),
        max_batch_bytes=200_000,
        max_batch_plain_bytes=400_000,
        replay=lambda ids: {"stored": ids, "stay": {}},
        admin_secret=SECRET,
        commands=CommandPost(database, folder / "evidence", lambda: "the certificate"),
    )
    with TestClient(create_door(parts), client=("127.0.0.1", 5555)) as client:
        yield Door(client, parts, store, flow)
