"""The worker's duty: what the EDR feed says becomes the tables of protected machines and of detections, each once.

The events are read in the order of arrival, and how far is saved in one transaction with the rows. A row is merged so
that neither order nor repeats matter: each thing that a source says of a machine is kept with the time at which it said
it, and only a later word replaces it; of two words of one time the greater stays. So rows that come late, again, or
by two ways at once never move a state backwards. A source's clock that runs ahead is believed up to the arrival only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.model.event import EPOCH, Event
from soc.model.scope import Scope
from soc.normalise.protection.machines import machine_key
from soc.normalise.protection.row import BEST_HASH
from soc.normalise.timestamps import from_iso
from soc.ports import EventStore, Page
from soc.records.database import Database
from soc.records.edr import EdrDetectionRow, EdrMachineRow, EdrReadingRow

QUERY = "event.module:edr"
PAGE = 2_000
PAGES_AT_ONCE = 10  # then other duties have their turn
SETTLED = timedelta(seconds=4)  # batches that arrived at one time are committed one after the other
SCOPE = Scope.province("edr")
ROW = 1
ASKED_AT_ONCE = 500
HANDLED = ("quarantined", "deleted", "cleaned", "blocked")
RANK = {word: rank for rank, word in enumerate(("unknown", "none", "allowed", "failed", *HANDLED))}
"""Of two words for one detection the later of these stays: the second can only tell what became of it."""


class ProtectionWatch:
    """Reads the stored events on; ``work`` is the duty."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self.database, self.store = database, store

    def work(self, now: datetime) -> int:
        """Read on; returns how many events were taken into the tables."""
        taken = 0
        for _ in range(PAGES_AT_ONCE):
            is_full, count = self._page(now - SETTLED)
            taken += count
            if not is_full:
                break
        return taken

    def _page(self, horizon: datetime) -> tuple[bool, int]:
        """One page: whether there may be more at once, and how many events were new."""
        with self.database.session(SCOPE) as session:
            row = session.get(EdrReadingRow, ROW)
        row = row or EdrReadingRow(id=ROW, cursor="", read_to=EPOCH, events=0)
        page = self.store.search(
            SCOPE, QUERY, sort="received_at", size=PAGE, after=row.cursor or None
        )
        fresh, is_whole, reached = _fresh(page, row.read_to, horizon)
        is_full = is_whole and page.after is not None
        if not fresh and not is_full:
            return False, 0
        if is_full:
            row.cursor, row.read_to = page.after or "", EPOCH
        else:
            row.read_to = max(row.read_to, reached)
        row.events += len(fresh)
        with self.database.write(SCOPE) as session:
            take_in(session, fresh)
            session.merge(row)
        return is_full, len(fresh)


def _fresh(page: Page, read_to: datetime, horizon: datetime) -> tuple[list[Event], bool, datetime]:
    """The events that were not read before; whether the page ends within what has settled; the last arrival."""
    fresh: list[Event] = []
    reached = EPOCH
    for event in page.events:
        if event.received_at > horizon:
            return fresh, False, reached
        reached = max(reached, event.received_at)
        if event.received_at > read_to:
            fresh.append(event)
    return fresh, True, reached


def begin_anew(database: Database) -> None:
    """Read every stored event again, e.g. after set-aside rows were replayed under the time they came: what is known
    already stays as it is."""
    with database.write(SCOPE) as session:
        row = session.get(EdrReadingRow, ROW)
        if row is not None:
            session.delete(row)


def take_in(session: Session, events: Sequence[Event]) -> None:
    """Merge events into the two tables."""
    machines = _known(session, EdrMachineRow, (_machine_id(event) for event in events))
    detections = _known(session, EdrDetectionRow, (detection_id(event) for event in events))
    for event in events:
        key = machine_key(str(event.fields.get("host.name", "")))
        if key:
            identity = _machine_id(event)
            if identity not in machines:
                machines[identity] = _new_machine(identity, key, event)
                session.add(machines[identity])
            _merge_machine(machines[identity], event)
        if event.fields.get("event.kind") == "alert":
            identity = detection_id(event)
            if identity not in detections:
                detections[identity] = _new_detection(identity, key, event)
                session.add(detections[identity])
            _merge_detection(detections[identity], event)


def _known(session: Session, table: Any, wanted: Iterable[str]) -> dict[str, Any]:
    ids = sorted(set(wanted))
    found: dict[str, Any] = {}
    for start in range(0, len(ids), ASKED_AT_ONCE):
        some = select(table).where(table.id.in_(ids[start : start + ASKED_AT_ONCE]))
        found |= {row.id: row for row in session.scalars(some)}
    return found


def _machine_id(event: Event) -> str:
    fields = event.fields
    key = machine_key(str(fields.get("host.name", "")))
    return _digest(event.agency_id or "", key, str(fields.get("event.dataset", "")))


def detection_id(event: Event) -> str:
    """What tells one detection from another: machine, second, threat, and the file by its hash or path."""
    fields = event.fields
    return _digest(
        event.agency_id or "",
        machine_key(str(fields.get("host.name", ""))),
        str(fields.get("event.dataset", "")),
        event.observed_at.replace(microsecond=0).isoformat(),
        str(fields.get("rule.name", "")).casefold(),
        _hash(event) or str(fields.get("file.path", "")).casefold(),
    )


def _digest(*parts: str) -> str:
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _text(value: object, longest: int) -> str:
    """As both databases take it: no lone surrogates, no NUL; empty where there is nothing."""
    text = "" if value is None else str(value)
    return text[:longest].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _hash(event: Event) -> str:
    return next((str(event.fields[name]) for name in BEST_HASH if name in event.fields), "")


def _new_machine(identity: str, key: str, event: Event) -> EdrMachineRow:
    fields = event.fields
    return EdrMachineRow(
        id=identity,
        agency_id=event.agency_id,
        key=_text(key, 200),
        machine=_text(fields["host.name"], 200),
        product=_text(fields.get("observer.product"), 120),
        version="",
        protection="",
    )


def _merge_machine(row: EdrMachineRow, event: Event) -> None:
    at = min(
        event.observed_at, event.received_at
    )  # a server tells of the past: that is no wrong clock
    fields = event.fields
    row.machine = min(row.machine, _text(fields["host.name"], 200))
    contacts = [row.last_contact, at if event.fields.get("event.kind") == "alert" else None]
    contacts.append(_moment(fields.get("edr.last_contact"), event.received_at))
    row.last_contact = max((one for one in contacts if one is not None), default=None)
    version = _text(fields.get("edr.product.version"), 80)
    if version and _is_later(at, version, row.version_at, row.version):
        row.version, row.version_at = version, at
    protection = str(fields.get("edr.protection", ""))
    if protection in ("on", "off") and _is_later(at, protection, row.protection_at, row.protection):
        row.protection, row.protection_at = protection, at
    signature = _moment(fields.get("edr.signature.date"), event.received_at)
    if signature is not None:
        held = row.signature_date or EPOCH
        if _is_later(at, signature, row.signature_at, held):
            row.signature_date, row.signature_at = signature, at


def _is_later(at: datetime, value: Any, held_at: datetime | None, held: Any) -> bool:
    return held_at is None or (at, value) > (held_at, held)


def _moment(written: object, received_at: datetime) -> datetime | None:
    """A time that was told, no later than its arrival."""
    try:
        return min(from_iso(str(written), "UTC"), received_at) if written else None
    except ValueError:  # not our readers': an event that came as ECS may say anything
        return None


def _new_detection(identity: str, key: str, event: Event) -> EdrDetectionRow:
    fields = event.fields
    return EdrDetectionRow(
        id=identity,
        agency_id=event.agency_id,
        machine_key=_text(key, 200),
        machine=_text(fields.get("host.name"), 200),
        product=_text(fields.get("observer.product"), 120),
        at=event.observed_at.replace(microsecond=0),
        threat=_text(fields.get("rule.name"), 400),
        threat_type="",
        path="",
        hash=_text(_hash(event), 64),
        action="unknown",
        user="",
        event_id=event.id,
    )


def _merge_detection(row: EdrDetectionRow, event: Event) -> None:
    fields = event.fields
    row.action = max(row.action, _text(fields.get("edr.action"), 20), key=_rank)
    row.threat_type = max(row.threat_type, _text(fields.get("edr.threat_type"), 120))
    row.path = max(row.path, _text(fields.get("file.path"), 8_000))
    row.user = max(row.user, _text(fields.get("user.name"), 200))
    row.event_id = min(row.event_id, event.id)


def _rank(word: str) -> int:
    return RANK.get(word, 0)
