"""What the tests of the door are built from: a plain store on disk, a plain reader, agents, batches, requests."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collectors.agent import wire
from soc.collect import discovery
from soc.collect.contract import Reader, Source
from soc.errors import RecordError
from soc.flow import Flow, Rules
from soc.model.event import Event, RawRecord, Signal, signal_id
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.ports import Appended, Expiry, Page, StoreHealth
from soc.receive.batches import Batch, StreamName, decode
from soc.receive.posted import NO_ID, Post, Posted, PostedBatch, batch_of, key_of
from soc.receive.signatures import content_digest, signature_base
from soc.records.agents import AgentRow
from soc.records.database import Database

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
INCARNATION = "0" * 31 + "a"
PROVINCE = Scope.province("tests")


# ── a reader ─────────────────────────────────────────────────────────────────────────────────────────────────────


def read_plain(record: RawRecord) -> Iterator[Event]:
    """UTF-8 text is one event; ``TWO`` gives two, ``NONE`` none, ``FAULT`` makes the reader itself fail."""
    try:
        text = record.raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("not UTF-8", source=record.source, raw=record.raw) from error
    if text.startswith("FAULT"):
        raise KeyError("a fault of the reader")
    observed_at = record.collected_at or record.received_at
    for ordinal in range({"TWO": 2, "NON": 0}.get(text[:3], 1)):
        yield Event(
            source="plain",
            observed_at=observed_at,
            fields={"message": text, "event.module": "plain", "event.sequence": ordinal},
            raw=record.raw,
        )


PLAIN = Reader(Source("plain", "plain text", "file", "this file", version="7"), read_plain)


def use_plain_reader(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Make ``plain`` the only reader."""

    def read(record: RawRecord) -> Iterator[Event]:
        if record.source != "plain":
            raise RecordError("there is no reader", source=record.source, raw=record.raw)
        return read_plain(record)

    replace(discovery, "readers", lambda: MappingProxyType({"plain": PLAIN}))
    replace(discovery, "read", read)


# ── a store ──────────────────────────────────────────────────────────────────────────────────────────────────────


class LogStore:
    """Events as lines of a file. It believes its callers to the letter of the port and is hard on them.

    Each arrival time is a partition of its own, and ids are looked up only with ``maybe_stored`` and only in the
    partition of the event: a wrong vouch or a changed arrival time shows as a second copy. An append commits its
    first half before its second, as a store with several partitions may.
    """

    def __init__(self, path: Path, reached: Callable[[str], None] = lambda step: None) -> None:
        self.path, self.reached = path, reached
        self.state = "ok"
        self.fail: Exception | None = None
        path.touch()

    def events(self) -> list[Event]:
        return [_event(json.loads(line)) for line in self.path.read_text().splitlines()]

    def append(
        self, scope: Scope, events: Sequence[Event], *, maybe_stored: bool = False
    ) -> Appended:
        if self.fail is not None:
            raise self.fail
        known: dict[tuple[datetime, str], bytes] = {}
        if maybe_stored:
            known = {(one.received_at, one.id): one.raw for one in self.events()}
        new = [one for one in events if (one.received_at, one.id) not in known]
        old = [one for one in events if (one.received_at, one.id) in known]
        half = (len(new) + 1) // 2
        self._write(new[:half])
        self.reached("half appended")
        self._write(new[half:])
        other = tuple(one.id for one in old if known[one.received_at, one.id] != one.raw)
        return Appended(
            stored=tuple(one.id for one in new),
            already=tuple(one.id for one in old if one.id not in other),
            conflicting=other,
        )

    def _write(self, events: Iterable[Event]) -> None:
        with self.path.open("a") as file:
            for event in events:
                file.write(json.dumps(_line(event)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def find(self, scope: Scope, event_id: str) -> Event | None:
        return next((one for one in self.events() if one.id == event_id), None)

    def get(self, scope: Scope, event_id: str) -> Event:
        found = self.find(scope, event_id)
        assert found is not None
        return found

    def scan(self, scope: Scope, query: str, **_: Any) -> Iterator[Event]:
        yield from self.events()

    def search(self, scope: Scope, query: str, **_: Any) -> Page:
        found = tuple(self.events())
        return Page(found, len(found), None, timedelta(0))

    def count(self, scope: Scope, query: str, **_: Any) -> int:
        return len(self.events())

    def aggregate(
        self, scope: Scope, query: str, aggs: Mapping[str, Any], **_: Any
    ) -> dict[str, Any]:
        raise NotImplementedError("the door never aggregates")

    def hold(self, scope: Scope, name: str, query: str, **_: Any) -> int:
        raise NotImplementedError("the door never holds")

    def release(self, scope: Scope, name: str) -> None:
        raise NotImplementedError("the door never releases")

    def expire(self, scope: Scope, now: datetime) -> list[Expiry]:
        return []

    def health(self, scope: Scope) -> StoreHealth:
        return StoreHealth(self.state, len(self.events()), 0, 0.5, 1, None)

    def close(self) -> None:
        pass


def _line(event: Event) -> dict[str, Any]:
    return {
        "source": event.source,
        "observed_at": event.observed_at.isoformat(),
        "fields": event.fields,
        "raw": base64.b64encode(event.raw).decode(),
        "id": event.id,
        "received_at": event.received_at.isoformat(),
        "agency_id": event.agency_id,
        "system_id": event.system_id,
        "level": event.level,
        "host": event.host,
    }


def _event(line: dict[str, Any]) -> Event:
    return Event(
        **line
        | {
            "raw": base64.b64decode(line["raw"]),
            "observed_at": datetime.fromisoformat(line["observed_at"]),
            "received_at": datetime.fromisoformat(line["received_at"]),
        }
    )


# ── rules and owners ─────────────────────────────────────────────────────────────────────────────────────────────


def judge_evil(events: Sequence[Event]) -> list[Signal]:
    """The rule ``r-evil``: the message says evil."""
    return [
        Signal(
            id=signal_id("r-evil", event.id),
            rule_id="r-evil",
            rule_title="Says evil",
            level="high",
            event_id=event.id,
            observed_at=event.observed_at,
            received_at=event.received_at,
            agency_id=event.agency_id,
            system_id=event.system_id,
            system_level=event.level,
            host=event.host,
            entity=f"host:{event.host}",
            fields={"message": event.fields["message"]},
        )
        for event in events
        if "evil" in str(event.fields.get("message", ""))
    ]


EVIL = Rules("digest-of-evil", judge_evil)


@dataclass
class Owners:
    """Agents' owners as enrolled; addresses by a table of prefixes as text."""

    addresses: dict[str, Owner] = field(default_factory=dict)
    version: int = 0

    def of_agent(self, agent: AgentRow) -> Owner:
        return Owner(agent.agency_id, agent.system_id, 3 if agent.system_id else 0)

    def of_address(self, ip: str, within: Sequence[str] | None) -> Owner:
        if within is not None and not any(ip.startswith(prefix) for prefix in within):
            return Owner(None)
        return self.addresses.get(ip, Owner(None))


# ── agents and what they send ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Sender:
    """An enrolled agent with its key."""

    row: AgentRow
    key: Ed25519PrivateKey
    nonces: int = 0

    def headers(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        created: datetime | None = None,
        nonce: str | None = None,
    ) -> dict[str, str]:
        self.nonces += 1
        moment = created or datetime.now(UTC)
        nonce = nonce or f"nonce-{self.row.id}-{self.nonces:08}"
        parameters = (
            f'("@method" "@path" "content-digest");created={int(moment.timestamp())}'
            f';nonce="{nonce}";keyid="{self.row.id}";alg="ed25519"'
        )
        digest = content_digest(body)
        signed = self.key.sign(signature_base(method, path, digest, parameters))
        return {
            "content-digest": digest,
            "signature-input": f"sig1={parameters}",
            "signature": f"sig1=:{base64.b64encode(signed).decode()}:",
            "content-type": wire.CONTENT_TYPE,
            "content-encoding": "zstd",
        }


def a_sender(database: Database | None = None, name: str = "ag-1", **values: Any) -> Sender:
    """An agent; with a database it is enrolled there."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    row = AgentRow(
        **{
            "id": name,
            "name": f"host-of-{name}",
            "public_key": key.public_key().public_bytes_raw(),
            "kind": "endpoint",
            "group": "default",
            "agency_id": "agency-1",
            "system_id": None,
            "prefixes": [],
            "enrolled_at": NOW,
            "clock_offset_seconds": 0.0,
        }
        | values
    )
    if database is not None:
        with database.write(PROVINCE) as session:
            session.add(row)
    return Sender(row, key)


def plain_bytes(
    texts: Iterable[str | bytes],
    *,
    first: int = 1,
    stream: str = "file:/var/log/x",
    source: str = "plain",
    losses: Sequence[wire.WireRecord] = (),
    sent_at: datetime = NOW,
) -> bytes:
    """A batch of one stream before compression, encoded by the agent's own code."""
    header = wire.Header(
        INCARNATION, "srv-01", "Asia/Ho_Chi_Minh", _us(sent_at), [wire.StreamName(stream, source)]
    )
    records = [
        wire.WireRecord(
            wire.RECORD, 0, number, _us(NOW), text if isinstance(text, bytes) else text.encode()
        )
        for number, text in enumerate(texts, first)
    ]
    return wire.encode_batch(header, [*records, *losses])


def a_batch(sender: Sender, texts: Iterable[str | bytes], **how: Any) -> Batch:
    return decode(plain_bytes(texts, **how), sender.row)


def posted(*texts: bytes, ids: bool = True, sender: str = "ag-1") -> PostedBatch:
    """A request of some records; each is its own id."""
    posts = [Post(text, key_of(text) if ids else NO_ID) for text in texts]
    return batch_of(
        a_sender(name=sender).row,
        INCARNATION,
        StreamName("bulk", "plain"),
        Posted(posts),
        zone="Asia/Ho_Chi_Minh",
        heard_at=NOW,
    )


def packed(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(plain)


def a_flow(database: Database, store: Any, **how: Any) -> Flow:
    return Flow(
        database,
        store,
        how.pop("rules", EVIL),
        how.pop("ownership", Owners()),
        **{"max_record_bytes": 2**20} | how,
    )


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
