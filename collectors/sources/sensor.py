"""The platform's packet sensor: flows, and what was said in them. The names are ECS already; here they get their class.

A flow is an event of the time at which it ended. What the sensor counted of itself (``record: sensor``) is a metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord, Scalar, Value
from soc.normalise.fields import GREATEST_LONG, conform, is_known
from soc.normalise.timestamps import from_iso

SOURCE = Source(
    name="sensor",
    product="The platform's packet sensor (soc-sensor)",
    arrives_by="packets",
    reference="docs/sensor.md",
    namespaces=("sensor",),
)
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {  # kind of record: event.category, event.type
        "flow": (("network",), ("connection", "end")),
        "dns": (("network",), ("protocol", "info")),
        "http": (("network", "web"), ("protocol", "access")),
        "kerberos": (("network", "authentication"), ("protocol",)),
        "ldap": (("network", "authentication"), ("protocol",)),
        "smb": (("network", "file"), ("protocol",)),
        "smtp": (("network", "email"), ("protocol",)),
        "ssh": (("network", "session"), ("protocol",)),
        "rdp": (("network", "session"), ("protocol",)),
    }
)
OTHERS = (("network",), ("protocol",))
COUNTS = "sensor"  # the record of what the sensor counted
GIVEN = ("record", "@timestamp")
FIELDS, ITEMS, NAME = 500, 1_000, 200


def claims(raw: bytes) -> bool:
    """Whether the bytes begin as the sensor's lines do."""
    return raw.startswith(b'{"record":"')


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: no JSON object, no kind, no time, or over a limit.
    """
    try:
        said = orjson.loads(record.raw)
        if not isinstance(said, dict):
            raise ValueError("not a JSON object")
        kind = said.get("record")
        if not isinstance(kind, str) or not kind.isidentifier() or len(kind) > 40:
            raise ValueError("no kind of record")
        if len(said) > FIELDS:
            raise ValueError(f"more than {FIELDS} fields")
        time = said.get("event.end") if kind == "flow" else None
        observed_at = from_iso(str(time or said.get("@timestamp", "")), record.zone)
        fields = _head(kind) | dict(_fields(said))
    except (ValueError, TypeError) as error:
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    if record.host:
        fields.setdefault("observer.hostname", record.host)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _head(kind: str) -> Fields:
    is_counts = kind == COUNTS
    category, types = (("network",), ("info",)) if is_counts else KINDS.get(kind, OTHERS)
    return {
        "event.kind": "metric" if is_counts else "event",
        "event.category": list(category),
        "event.type": list(types),
        "event.module": "sensor",
        "event.dataset": "sensor.counts" if is_counts else f"sensor.{kind}",
        "observer.type": "sensor",
    }


def _fields(said: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    for name, written in said.items():
        if name in GIVEN or len(name) > NAME or not is_known(name) or name.startswith("soc."):
            continue  # only what the sensor is known to say
        if isinstance(written, list):
            kept = [_scalar(name, one) for one in written[:ITEMS]]
            found: list[Scalar] = [one for one in kept if one is not None]
            if found:
                yield name, found
        elif (value := _scalar(name, written)) is not None:
            yield name, value


def _scalar(name: str, written: Any) -> Scalar | None:
    if written is None or written == "":
        return None
    if isinstance(written, dict | list):
        return orjson.dumps(written).decode()
    if isinstance(written, int) and not isinstance(written, bool) and abs(written) > GREATEST_LONG:
        return None
    return conform(name, written)
