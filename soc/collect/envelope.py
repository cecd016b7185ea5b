"""What other shippers wrap a record in: a JSON object that holds the line, or one that is the event itself.

A record whose source is ``shipped:NAME`` is such an object. The line in it is read by NAME's reader, as if it had come
alone; host, address and time of the wrapping count where the line says none. The event keeps the bytes of the whole
object. With ``shipped:auto`` an object that is ECS already (it has ``ecs``, ``event`` or ``winlog``) is read as such.

The names of the wrapping are those of rsyslog and syslog-ng templates, Beats, Logstash, Fluent Bit, Vector (ECS and
``message``, ``log``), journald (``MESSAGE``), Splunk HEC (``event``, ``time``, ``host``) and OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from soc.errors import RecordError
from soc.model.event import SHIPPED, Event, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.timestamps import from_epoch_microseconds, from_iso

ECS_READER = "json_lines"
AUTO = "auto"
TEXTS = ("event.original", "message", "MESSAGE", "log", "_raw", "event", "msg")
HOSTS = ("host.name", "host.hostname", "host", "hostname", "HOST", "_HOSTNAME", "agent.hostname")
ADDRESSES = ("fromhost-ip", "SOURCEIP", "log.source.address", "source_ip", "host.ip")
TIMES = ("@timestamp", "timestamp", "time", "date", "ISODATE")
ECS_SIGNS = ("ecs", "ecs.version", "winlog")
HEC_NAMES = frozenset({"time", "host", "source", "sourcetype", "index", "fields", "event"})
LONGEST_HOST = 200
Read = Callable[[RawRecord], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What stands around a line. Empty is unknown."""

    text: str
    host: str
    address: str
    time: datetime | None

    def within(self, around: Wrapping) -> Wrapping:
        """The same, with what it does not say taken from the wrapping around it."""
        return Wrapping(
            self.text,
            self.host or around.host,
            self.address or around.address,
            self.time or around.time,
        )


def read(record: RawRecord, read_inner: Read) -> Iterator[Event]:
    """The events of the record within.

    Raises:
        RecordError: no JSON object, or what is in it cannot be read.
    """
    source = record.source.removeprefix(SHIPPED)
    try:
        written = orjson.loads(record.raw)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}", source=source, raw=record.raw) from error
    if not isinstance(written, dict):
        raise RecordError("not a JSON object", source=source, raw=record.raw)
    content, wrapping = written, unwrapped(written, record.zone)
    event = written.get("event")
    if isinstance(event, dict) and written.keys() <= HEC_NAMES:
        content, wrapping = event, unwrapped(event, record.zone).within(wrapping)
    for found in read_inner(_inner(record, source, content, wrapping)):
        fields = found.fields
        if wrapping.address and "host.ip" not in fields and "observer.ip" not in fields:
            fields["host.ip"] = [wrapping.address]
        yield replace(found, raw=record.raw, host=found.host or wrapping.host)


def _inner(
    record: RawRecord, source: str, content: dict[str, Any], wrapping: Wrapping
) -> RawRecord:
    """The record as its reader wants it."""
    raw = wrapping.text.encode("utf-8", "surrogatepass")
    if source == ECS_READER or (source == AUTO and is_ecs(content)) or not raw:
        at = wrapping.time or record.collected_at or record.received_at
        source, raw = ECS_READER, orjson.dumps({"@timestamp": at.isoformat()} | content)
    return replace(
        record,
        source=source,
        raw=raw,
        host=wrapping.host or record.host,
        collected_at=wrapping.time or record.collected_at,
    )


def is_ecs(content: Mapping[str, Any]) -> bool:
    """Whether an object is an event by itself: it says so, or describes one."""
    return any(sign in content for sign in ECS_SIGNS) or isinstance(content.get("event"), dict)


def unwrapped(written: Mapping[str, Any], zone: str) -> Wrapping:
    """The parts of a wrapping, by the first name of each that is there."""
    text = next((found for name in TEXTS if isinstance(found := _at(written, name), str)), "")
    host = next((found for name in HOSTS if isinstance(found := _at(written, name), str)), "")
    address = next(
        (found for name in ADDRESSES if (found := ip_address(_first(_at(written, name))))), None
    )
    time = next(
        (found for name in TIMES if (found := _time(_at(written, name), zone)) is not None), None
    )
    return Wrapping(text, host[:LONGEST_HOST], address or "", time)


def _at(written: Mapping[str, Any], name: str) -> Any:
    """A value by its dotted name, written flat or nested."""
    if name in written:
        return written[name]
    first, dot, rest = name.partition(".")
    inner = written.get(first) if dot else None
    return _at(inner, rest) if isinstance(inner, dict) else None


def _first(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def _time(value: Any, zone: str) -> datetime | None:
    """An ISO time, or seconds (with a fraction) or milliseconds since 1970."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
            return from_iso(value, zone)
        number = float(value)
        seconds = number / 1000 if number > 1e11 else number
        return from_epoch_microseconds(round(seconds * 1e6))
    except (ValueError, TypeError, OverflowError):
        return None
