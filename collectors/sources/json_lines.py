"""Events that are ECS already: one JSON object each, nested or with dotted names.

Names outside the published field list become labels, dots written as underscores, and so do values that do not fit
their field's type. Names that the platform itself gives (``soc.*``, ``agent.id``, ``event.id``, ``event.ingested``)
are taken from nobody: they become labels too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord, Scalar, Value
from soc.normalise.fields import ECS, GREATEST_LONG, conform, is_known
from soc.normalise.timestamps import from_epoch_microseconds, from_iso

SOURCE = Source(
    name="json_lines",
    product="Any product that writes ECS as JSON lines (Beats, Logstash, Vector, own scripts)",
    arrives_by="file",
    reference="Elastic Common Schema 9",
)
CLAIMS_LAST = True
TIME = "@timestamp"
OURS = frozenset({"agent.id", "event.id", "event.ingested", "labels"})
DEPTH, FIELDS, ITEMS, NAME = (
    20,
    2_000,
    1_000,
    512,
)  # limits: levels, names, list items, characters of a name


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a JSON object with a time."""
    return raw.lstrip()[:1] == b"{" and b'"@timestamp"' in raw


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: not a JSON object, no usable ``@timestamp``, or over a limit of depth, names or items.
    """
    try:
        written = orjson.loads(record.raw)
        if not isinstance(written, dict):
            raise ValueError("not a JSON object")
        flat = dict(_flatten(written, "", 1))
        if len(flat) > FIELDS:
            raise ValueError(f"more than {FIELDS} fields")
        observed_at = _time(flat.pop(TIME, None), record.zone)
        fields: Fields = {}
        for name, value in flat.items():
            _add(fields, name, value)
    except (ValueError, TypeError) as error:  # JSONDecodeError; orjson's "Recursion limit reached"
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    if "host.name" not in fields and record.host:
        fields["host.name"] = record.host
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _flatten(branch: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH}")
    for key, value in branch.items():
        name = f"{prefix}{key}"
        if len(name) > NAME:
            raise ValueError(f"a name longer than {NAME} characters: {name[:60]!r}")
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}.", depth + 1)
        elif value is not None and value not in ("", []):
            yield name, value


def _time(written: object, zone: str) -> datetime:
    """An ISO time, or milliseconds since 1970 as Elasticsearch takes them."""
    if isinstance(written, str):
        return from_iso(written, zone)
    if isinstance(written, int | float) and not isinstance(written, bool) and abs(written) < 1e15:
        return from_epoch_microseconds(int(written * 1000))
    raise ValueError("no usable @timestamp")


def _add(fields: Fields, name: str, written: Any) -> None:
    """One field, as the published list wants it, or as a label."""
    value = _value(written)
    if value == []:
        return
    if is_known(name) and name not in OURS and not name.startswith("soc."):
        fitting = _fit(name, value)
        if fitting is not None:
            fields[name] = fitting
            return
    label = name.removeprefix("labels.").strip(".").replace(".", "_") or "unnamed"
    fields[f"labels.{label}"] = value


def _value(written: Any) -> Value:
    """A scalar, or a list of scalars; what is nested inside a list is kept as JSON text."""
    if not isinstance(written, list):
        return _scalar(written)
    if len(written) > ITEMS:
        raise ValueError(f"a list of more than {ITEMS} items")
    return [_scalar(one) for one in written if one is not None]


def _scalar(written: Any) -> Scalar:
    if isinstance(written, str | float) or (
        isinstance(written, int) and abs(written) <= GREATEST_LONG
    ):
        return written
    return orjson.dumps(written).decode()


def _fit(name: str, value: Value) -> Value | None:
    if name not in ECS:
        return value
    if not isinstance(value, list):
        return conform(name, value)
    fitting = [conform(name, one) for one in value]
    return None if None in fitting else fitting
