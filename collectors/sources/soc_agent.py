"""What an agent says of itself: started, stopped, cannot see something, has lost something."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import orjson

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.timestamps import from_iso

SOURCE = Source(
    name="soc_agent",
    product="The platform's own agent",
    arrives_by="agent",
    reference="docs/wire.md, 'soc_agent'",
    namespaces=("soc",),
)
LEVELS = MappingProxyType(
    {
        "start": "informational",
        "stop": "informational",
        "unclean_stop": "warning",
        "blind_spot": "warning",
        "drop": "error",
        "kernel_lost": "error",
        "input_error": "error",
        "batch_refused": "error",
        "spool_damage": "error",
        "clock": "warning",
        "over_limit": "warning",
        "flow_export": "warning",
        "input_end": "informational",
        "configuration": "informational",
        "repeated": "informational",
    }
)


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a notice."""
    return raw[:1] == b"{" and b'"kind"' in raw and b'"message"' in raw and b'"version"' in raw


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a notice; its facts stand under ``soc.agent``.

    Raises:
        RecordError: not a JSON object with ``time`` and ``kind``.
    """
    try:
        notice = orjson.loads(record.raw)
        if not isinstance(notice, dict) or not isinstance(notice.get("kind"), str):
            raise ValueError("no JSON object with a kind")
        observed_at = from_iso(str(notice.get("time", "")))
    except ValueError as error:  # JSONDecodeError is a ValueError
        raise RecordError(f"agent notice: {error}", source=SOURCE.name, raw=record.raw) from error
    fields = _fields(notice, record)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _fields(notice: dict[str, Any], record: RawRecord) -> Fields:
    kind = notice["kind"]
    fields: Fields = {
        "event.kind": "event",
        "event.module": "soc",
        "event.dataset": "soc.agent",
        "event.category": ["host"],
        "event.type": ["info"],
        "event.action": kind,
        "log.level": LEVELS.get(kind, "notice"),
        "message": _text(notice.get("message")),
        "agent.version": _text(notice.get("version")),
        "agent.type": "soc-agent",
        "host.name": record.host or _text(notice.get("host")),
    }
    for name, fact in notice.items():
        if name.isidentifier() and name not in ("time", "kind", "message", "version", "host"):
            fields[f"soc.agent.{name}"] = fact if isinstance(fact, int | float) else _text(fact)
    return {name: value for name, value in fields.items() if value != ""}


def _text(fact: object) -> str:
    if fact is None or isinstance(fact, str):
        return fact or ""
    return orjson.dumps(fact).decode()
