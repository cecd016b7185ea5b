"""OpenTelemetry logs over HTTP (OTLP 1.x), protobuf or JSON: each log record becomes one JSON record of ours.

Reference: OpenTelemetry protocol, "OTLP/HTTP", and the logs data model. A record says its resource's and its own
attributes by name, the body as ``message``; what is not an ECS name the reader keeps as a label. OTLP has no ids.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from soc.errors import BatchError
from soc.receive.posted import Post, Posted

DEPTH = 12  # levels of values within values
_SCALARS = ("stringValue", "boolValue", "intValue", "doubleValue")


def read(body: bytes, content_type: str) -> Posted:
    """The log records of a request.

    Raises:
        BatchError: it cannot be read, or is of another content type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            documents = list(_of_json(orjson.loads(body)))
        elif kind == "application/x-protobuf":
            documents = list(_of_protobuf(body))
        else:
            raise BatchError(
                f"OTLP: {kind[:80]!r}; send application/x-protobuf or application/json"
            )
        return Posted([Post(orjson.dumps(document)) for document in documents])
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BatchError(f"OTLP: {str(error)[:300]}") from error


def _document(
    attributes: Iterable[tuple[str, Any]],
    *,
    nanoseconds: int,
    severity: str,
    body: Any,
    trace: str,
    span: str,
) -> dict[str, Any]:
    """One log record under ECS names. A record without a time has none: the reader says so."""
    document = dict(attributes)
    if nanoseconds:
        document["@timestamp"] = nanoseconds / 1e6
    named = {"log.level": severity, "trace.id": trace, "span.id": span}
    document |= {name: value for name, value in named.items() if value}
    if isinstance(body, dict):
        document |= body
    elif body not in (None, ""):
        document["message"] = body if isinstance(body, str) else orjson.dumps(body).decode()
    return document


# ── JSON (the protobuf mapping with ids in hexadecimal) ──────────────────────────────────────────────────────────


def _of_json(request: Any) -> Iterator[dict[str, Any]]:
    for resource in request.get("resourceLogs", ()):
        shared = list(_pairs(resource.get("resource", {}).get("attributes", ())))
        for scope in resource.get("scopeLogs", ()):
            for one in scope.get("logRecords", ()):
                yield _document(
                    [*shared, *_pairs(one.get("attributes", ()))],
                    nanoseconds=int(
                        one.get("timeUnixNano") or one.get("observedTimeUnixNano") or 0
                    ),
                    severity=str(one.get("severityText", "")),
                    body=_value(one.get("body")),
                    trace=str(one.get("traceId", "")),
                    span=str(one.get("spanId", "")),
                )


def _pairs(attributes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for one in attributes:
        yield str(one["key"]), _value(one.get("value"))


def _value(written: Any, depth: int = 0) -> Any:
    """An AnyValue of the JSON encoding as a plain value."""
    if depth > DEPTH:
        raise ValueError(f"values nested deeper than {DEPTH}")
    if not written:
        return None
    for name in _SCALARS:
        if name in written:
            return int(written[name]) if name == "intValue" else written[name]
    if "arrayValue" in written:
        return [_value(one, depth + 1) for one in written["arrayValue"].get("values", ())]
    if "kvlistValue" in written:
        values = written["kvlistValue"].get("values", ())
        return {str(one["key"]): _value(one.get("value"), depth + 1) for one in values}
    return written.get("bytesValue")


# ── protobuf ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_protobuf(body: bytes) -> Iterator[dict[str, Any]]:
    from google.protobuf.message import DecodeError  # loaded by the first who needs it
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    for resource in request.resource_logs:
        shared = [(one.key, _plain(one.value)) for one in resource.resource.attributes]
        for scope in resource.scope_logs:
            for one in scope.log_records:
                yield _document(
                    [*shared, *((each.key, _plain(each.value)) for each in one.attributes)],
                    nanoseconds=one.time_unix_nano or one.observed_time_unix_nano,
                    severity=one.severity_text,
                    body=_plain(one.body),
                    trace=one.trace_id.hex(),
                    span=one.span_id.hex(),
                )


def _plain(value: Any, depth: int = 0) -> Any:
    """An AnyValue message as a plain value."""
    if depth > DEPTH:
        raise ValueError(f"values nested deeper than {DEPTH}")
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [_plain(one, depth + 1) for one in held.values]
    if kind == "kvlist_value":
        return {one.key: _plain(one.value, depth + 1) for one in held.values}
    return base64.b64encode(held).decode() if kind == "bytes_value" else held
