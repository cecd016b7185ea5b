"""Reconciliation: what we say we sent, beside the list of what the centre says it has, row by row."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from soc.errors import DeliveryError
from soc.model.scope import Scope
from soc.records.cases import DocumentRow
from soc.records.database import Database
from soc.records.outbox import OutboxRow

LONGEST_LIST = 256 * 2**20  # bytes of the centre's list


class Verdict(StrEnum):
    """What the two lists say of one message. All but the first three want a person."""

    ACCEPTED = "accepted"  # sent here, there once, with the same bytes and receipt
    REFUSED = "refused"  # given up here, not there
    WAITING = "waiting"  # not delivered yet, not there
    UNCONFIRMED = "unconfirmed"  # there, but no receipt of it held here
    LOST = "lost"  # a receipt here, but it is not there
    TWICE = "twice"  # there more than once
    OTHER_BYTES = "other_bytes"  # there, with another SHA-256
    OTHER_RECEIPT = "other_receipt"  # there, under another receipt than the one given to us
    UNKNOWN = "unknown"  # there, and we never had it


SETTLED = frozenset({Verdict.ACCEPTED, Verdict.REFUSED, Verdict.WAITING})


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as we know it; ``state`` of the outbox, ``receipt_id`` empty when there is none."""

    key: str
    state: str
    sha256: str
    receipt_id: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the centre's list."""

    key: str
    sha256: str
    receipt_id: str


@dataclass(frozen=True, slots=True)
class Line:
    """The verdict on one message."""

    key: str
    verdict: Verdict


def reconcile(ours: Iterable[Sent], theirs: Iterable[Listed]) -> list[Line]:
    """One line for each key of either list, sorted by key."""
    there: dict[str, list[Listed]] = defaultdict(list)
    for one in theirs:
        there[one.key].append(one)
    lines = [Line(sent.key, _verdict(sent, there.pop(sent.key, []))) for sent in ours]
    lines.extend(Line(key, Verdict.UNKNOWN) for key in there)
    return sorted(lines, key=lambda line: line.key)


def _verdict(sent: Sent, there: list[Listed]) -> Verdict:
    if not there:
        absent = {"sent": Verdict.LOST, "dead": Verdict.REFUSED}
        return absent.get(sent.state, Verdict.WAITING)
    if len(there) > 1:
        return Verdict.TWICE
    (one,) = there
    if one.sha256 != sent.sha256:
        return Verdict.OTHER_BYTES
    if sent.state != "sent":
        return Verdict.UNCONFIRMED
    return Verdict.ACCEPTED if one.receipt_id == sent.receipt_id else Verdict.OTHER_RECEIPT


def read_peer_list(body: bytes) -> list[Listed]:
    """The centre's list: a JSON array of objects with ``key``, ``sha256`` and ``receipt_id``.

    Raises:
        DeliveryError: it cannot be read; with the entry, so that no half of a list is reconciled.
    """
    if len(body) > LONGEST_LIST:
        raise DeliveryError(f"the centre's list is longer than {LONGEST_LIST} bytes")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DeliveryError(f"the centre's list is not JSON: {error}") from error
    if not isinstance(told, list):
        raise DeliveryError("the centre's list is not a JSON array")
    return [_listed(number, entry) for number, entry in enumerate(told, start=1)]


def _listed(number: int, entry: object) -> Listed:
    values = [entry.get(name) for name in Listed.__slots__] if isinstance(entry, dict) else [None]
    if not all(isinstance(value, str) and value for value in values):
        names = ", ".join(Listed.__slots__)
        raise DeliveryError(f"entry {number} of the centre's list lacks a text in one of {names}")
    return Listed(*map(str, values))


def sent_messages(database: Database, scope: Scope, channel: str) -> list[Sent]:
    """The outbox of ``channel`` as the caller may see it."""
    rows = (
        select(OutboxRow.id, OutboxRow.state, OutboxRow.receipt, DocumentRow.content_sha256)
        .outerjoin(DocumentRow, DocumentRow.id == OutboxRow.document_id)
        .where(OutboxRow.channel == channel)
    )
    with database.session(scope) as session:
        return [
            Sent(key, state, sha256 or "", str(receipt.get("receipt_id", "")))
            for key, state, receipt, sha256 in session.execute(rows)
        ]
