"""Elasticsearch's ``_bulk`` request: lines of actions and documents, to records and back to its answer.

Reference: Elasticsearch API, "Bulk index or delete documents". Only what adds a document is taken (``index`` and
``create``); a document is kept as it stands in the line. The document's id is its name: what comes with an id that has
come before is not stored again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from soc.receive.batches import Broken, WireRecord
from soc.receive.posted import NO_ID, Post, Posted, key_of

ADDING = ("create", "index")
OTHERS = {"update": True, "delete": False}  # action: whether a line follows it


@dataclass(frozen=True, slots=True)
class Item:
    """One action of a request. ``place`` is that of its record; None for an action that is not taken."""

    action: str
    index: str
    id: str
    place: int | None


@dataclass(slots=True)
class Bulk:
    """A request: ``items`` in their order, and the records of those that add a document."""

    items: list[Item] = field(default_factory=list)
    posted: Posted = field(default_factory=Posted)


def read(body: bytes, default_index: str = "") -> Bulk:
    """The request as far as its actions can be read; what follows an unreadable one is one broken piece.

    >>> read(b'{"create": {"_index": "logs", "_id": "7"}}\\n{"message": "hello"}\\n').posted.posts[0].raw
    b'{"message": "hello"}'
    """
    bulk = Bulk()
    at, end = 0, len(body)
    while at < end:
        line, after = _line(body, at)
        if not line.strip():
            at = after
            continue
        try:
            action, names = _action(line)
        except ValueError as error:
            bulk.posted.broken.append(Broken(body[at:], f"_bulk, byte {at}: {error}"))
            break
        index = names.get("_index") or default_index
        if action not in ADDING:
            bulk.items.append(Item(action, index, names.get("_id", ""), None))
            at = _line(body, after)[1] if OTHERS[action] else after
            continue
        if after >= end:
            bulk.posted.broken.append(Broken(body[at:], f"_bulk, byte {at}: no document follows"))
            break
        document, at = _line(body, after)
        name = names.get("_id", "")
        bulk.items.append(Item(action, index, name, len(bulk.posted.posts)))
        bulk.posted.posts.append(Post(document, key_of(index, name) if name else NO_ID))
    return bulk


def answer(items: Sequence[Item], records: Sequence[WireRecord], took_ms: int) -> dict[str, Any]:
    """What Elasticsearch would say: 201 for each stored document, 400 for an action that is not taken."""
    told = [_told(item, records) for item in items]
    return {
        "took": took_ms,
        "errors": any(item.place is None for item in items),
        "items": told,
    }


def _told(item: Item, records: Sequence[WireRecord]) -> dict[str, Any]:
    if item.place is None:
        error = {
            "type": "illegal_argument_exception",
            "reason": f"{item.action} is not taken here: events are only added (index, create)",
        }
        return {item.action: {"_index": item.index, "_id": item.id, "status": 400, "error": error}}
    number = records[item.place].sequence
    return {
        item.action: {
            "_index": item.index,
            "_id": item.id or str(number),
            "_version": 1,
            "_seq_no": number,
            "_primary_term": 1,
            "result": "created",
            "status": 201,
        }
    }


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    """The line that begins there, and where the next one does."""
    stop = body.find(b"\n", at)
    if stop < 0:
        return body[at:].removesuffix(b"\r"), len(body)
    return body[at:stop].removesuffix(b"\r"), stop + 1


def _action(line: bytes) -> tuple[str, dict[str, str]]:
    """The action's name, and those of its values that name the document."""
    written = orjson.loads(line)
    if not isinstance(written, dict) or len(written) != 1:
        raise ValueError("an action is an object with one name")
    ((action, values),) = written.items()
    if action not in ADDING and action not in OTHERS:
        raise ValueError(f"no action {action[:40]!r}")
    if not isinstance(values, dict):
        raise ValueError(f"{action} needs an object")
    names = {key: values[key] for key in ("_index", "_id") if values.get(key) is not None}
    return action, {key: str(value) for key, value in names.items()}
