"""ModSecurity: the audit log in JSON (versions 2.9 and 3), and its lines in the error log of Apache httpd and nginx.

A request has one event. Its rules are those that the record names, the first of which names the event; the rule that
only adds up the scores (949110, 959100, 980130) comes last. What ECS has no name for stays under ``modsecurity``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord, Value
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.device_head import add_device, from_date_and_time
from soc.normalise.timestamps import MONTHS

SOURCE = Source(
    name="modsecurity",
    product="ModSecurity (audit log in JSON; error log of Apache httpd and nginx)",
    arrives_by="file, syslog",
    reference="ModSecurity Reference Manual, 'SecAuditLogFormat', 'Data Formats: Alert Action Description'",
    namespaces=("modsecurity",),
)
ERROR_CLAIM = re.compile(
    rb"ModSecurity: (?:Access denied|Warning|Audit log|Rule|collection|Request|Response)"
)
JSON_CLAIM = re.compile(rb'\{\s{0,4}"transaction"\s{0,4}:\s{0,4}\{')
MARK = "ModSecurity: "
TAG = re.compile(r'\[(\w{1,24}) "([^"\\]*+(?:\\.[^"\\]*+)*+)"\]', re.DOTALL)
CLIENT = re.compile(r"\[client (\S{2,45}?)(?::(\d{1,5}))?\]")
NGINX_CLIENT = re.compile(r", client: ([0-9A-Fa-f:.]{2,45})()(?=,|$)")
CODE = re.compile(r"with code (\d{3})")
NGINX_REQUEST = re.compile(r', request: "([A-Z]{3,10}) (\S{1,2000})')
APACHE_TIME = re.compile(
    r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d(?:\.\d{1,6})?) (\d{4})\]"
)
TRANSACTION_TIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})")
AUDIT_TIME = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d)(?:\.\d{1,6})? ([+-]\d{4})"
)
SUMS = frozenset({"949110", "949111", "959100", "959101", "980130", "980170"})
LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
SEVERITY = (1, 1, 1, 2, 3, 4, 5, 5)
MOST_RULES = 50
HEADERS = {
    "host": "url.domain",
    "user-agent": "user_agent.original",
    "referer": "http.request.referrer",
}


def claims(raw: bytes) -> bool:
    """Whether the bytes look like an audit record or an error-log line of ModSecurity."""
    if JSON_CLAIM.match(raw[:40].lstrip()) is not None:
        return b'"messages"' in raw or b'"audit_data"' in raw or b'"producer"' in raw
    return ERROR_CLAIM.search(raw[:800]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a record.

    Raises:
        RecordError: it is neither an audit record in JSON nor an error-log line of ModSecurity.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    fields: Fields = {
        "event.kind": "event",
        "event.module": "modsecurity",
        "event.category": ["web"],
        "observer.vendor": "OWASP",
        "observer.product": "ModSecurity",
        "observer.type": "waf",
    }
    if text[:1] == "{":
        observed_at = _audit(fields, text, record)
    elif MARK in text[:1_200]:
        observed_at = _error(fields, text, record)
    else:
        reason = "no ModSecurity record: JSON with a transaction, or ModSecurity: in an error log"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    add_device(fields, "", record)
    kept = {name: _encodable(value) for name, value in fields.items() if value not in ("", [])}
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=kept, raw=record.raw)


def _error(fields: Fields, text: str, record: RawRecord) -> datetime:
    start, _, words = text.partition(MARK)
    said = dict(reversed(TAG.findall(words)[:MOST_RULES]))
    fields["event.dataset"] = "modsecurity.error"
    fields["message"] = words.partition(" [file")[0][:2_000]
    if client := CLIENT.search(start) or NGINX_CLIENT.search(words[:20_000]):
        _end(fields, "source", client[1], client[2] or "")
    fields["url.domain"] = said.get("hostname", "")
    fields["url.path"] = said.get("uri", "")
    fields["event.id"] = said.get("unique_id", "")
    if request := NGINX_REQUEST.search(words[:20_000]):
        fields["http.request.method"], fields["url.original"] = request.groups()
    tags = [value for name, value in TAG.findall(words)[:MOST_RULES] if name == "tag"]
    _rules(fields, [(said.get("id", ""), said.get("msg", ""), said.get("data", ""))], tags)
    blocked = words.startswith("Access denied")
    if blocked and (code := CODE.search(words[:200])):
        fields["http.response.status_code"] = int(code[1])
    _verdict(fields, blocked=blocked)
    _level(fields, said.get("severity", ""))
    return _error_time(start, record)


def _error_time(start: str, record: RawRecord) -> datetime:
    try:
        if apache := APACHE_TIME.search(start):
            month, day, clock, year = apache.groups()
            return _local(year, month, day, clock, record.zone)
        return from_date_and_time(start[:19], record.zone)  # nginx
    except ValueError:
        return record.collected_at or record.received_at


def _audit(fields: Fields, text: str, record: RawRecord) -> datetime:
    try:
        written = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"no JSON: {error!r:.200}", source=SOURCE.name, raw=record.raw) from error
    transaction = _object(_object(written), "transaction")
    if not transaction:
        reason = "no ModSecurity record: a transaction is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields["event.dataset"] = "modsecurity.audit"
    if "audit_data" in written or "time" in transaction:
        _second(fields, written, transaction)
    else:
        _third(fields, transaction)
    return _audit_time(transaction, record)


def _third(fields: Fields, transaction: Mapping[str, Any]) -> None:
    """Version 3: all is within the transaction."""
    request, response = _object(transaction, "request"), _object(transaction, "response")
    _end(fields, "source", _text(transaction, "client_ip"), _text(transaction, "client_port"))
    _end(fields, "destination", _text(transaction, "host_ip"), _text(transaction, "host_port"))
    fields["event.id"] = _text(transaction, "unique_id") or _text(transaction, "id")
    fields["http.request.method"] = _text(request, "method")
    fields["url.original"] = _text(request, "uri")
    fields["url.path"] = _text(request, "uri").partition("?")[0]
    _headers(fields, _object(request, "headers"))
    status = _status(fields, response.get("http_code"))
    found, tags, severity = [], [], ""
    for message in _list(transaction, "messages"):
        details = _object(message, "details")
        found.append((_text(details, "ruleId"), _text(message, "message"), _text(details, "data")))
        tags += [str(tag) for tag in _list(details, "tags")]
        severity = severity or _text(details, "severity")
    engine = _text(_object(transaction, "producer"), "secrules_engine")
    _rules(fields, found, tags)
    _verdict(fields, blocked=bool(found) and status == 403 and engine != "DetectionOnly")
    _level(fields, severity)


def _second(fields: Fields, written: Mapping[str, Any], transaction: Mapping[str, Any]) -> None:
    """Version 2.9: parts beside the transaction, rules as the text of the error log."""
    request, audit = _object(written, "request"), _object(written, "audit_data")
    _end(fields, "source", _text(transaction, "remote_address"), _text(transaction, "remote_port"))
    _end(
        fields, "destination", _text(transaction, "local_address"), _text(transaction, "local_port")
    )
    fields["event.id"] = _text(transaction, "transaction_id")
    method, _, rest = _text(request, "request_line").partition(" ")
    fields["http.request.method"] = method
    fields["url.original"] = rest.rpartition(" ")[0] or rest
    fields["url.path"] = str(fields["url.original"]).partition("?")[0]
    _headers(fields, _object(request, "headers"))
    _status(fields, _object(written, "response").get("status"))
    found, tags, severity = [], [], ""
    for message in _list(audit, "messages"):
        pairs = TAG.findall(str(message)[:20_000])
        said = dict(reversed(pairs))
        if "id" in said:
            found.append((said["id"], said.get("msg", ""), said.get("data", "")))
        tags += [value for name, value in pairs if name == "tag"]
        severity = severity or said.get("severity", "")
    _rules(fields, found, tags)
    _verdict(fields, blocked=_object(audit, "action").get("intercepted") is True)
    _level(fields, severity)


def _rules(fields: Fields, found: list[tuple[str, str, str]], tags: list[str]) -> None:
    found = [rule for rule in found if rule[0] or rule[1]][:MOST_RULES]
    if not found:
        return
    fields["event.kind"] = "alert"
    fields["event.category"] = ["intrusion_detection", "web"]
    found.sort(key=lambda rule: rule[0] in SUMS)
    fields["rule.id"], fields["rule.name"], data = found[0]
    fields["modsecurity.data"] = data[:2_000]
    fields["modsecurity.rule_ids"] = [rule[0] for rule in found if rule[0]]
    fields["modsecurity.tags"] = list(dict.fromkeys(tag for tag in tags if tag))[:MOST_RULES]


def _verdict(fields: Fields, *, blocked: bool) -> None:
    fields["event.type"] = ["access", "denied" if blocked else "allowed"]
    fields["event.action"] = "blocked" if blocked else "detected"
    fields["event.outcome"] = "failure" if blocked else "success"


def _level(fields: Fields, written: str) -> None:
    """By number (version 3) or by name."""
    if written.lower() in LEVELS:
        fields["event.severity"] = SEVERITY[LEVELS.index(written.lower())]
    elif len(written) == 1 and written in "01234567":
        fields["event.severity"] = SEVERITY[int(written)]


def _status(fields: Fields, written: object) -> int:
    if isinstance(written, int) and not isinstance(written, bool) and 100 <= written <= 999:
        fields["http.response.status_code"] = written
        return written
    return 0


def _headers(fields: Fields, headers: Mapping[str, Any]) -> None:
    for name, value in list(headers.items())[:100]:
        ours = HEADERS.get(name.lower())
        if ours and isinstance(value, str):
            fields[ours] = value[:2_000]


def _end(fields: Fields, end: str, address: str, port: str) -> None:
    fields[f"{end}.ip"] = ip_address(address) or ""
    if number := port_number(port):
        fields[f"{end}.port"] = number


def _audit_time(transaction: Mapping[str, Any], record: RawRecord) -> datetime:
    try:
        if parts := TRANSACTION_TIME.fullmatch(_text(transaction, "time_stamp")):
            month, day, clock, year = parts.groups()
            return _local(year, month, day, clock, record.zone)
        if parts := AUDIT_TIME.fullmatch(_text(transaction, "time")):
            day, month, year, clock, offset = parts.groups()
            return _local(year, month, day, f"{clock}{offset}", record.zone)
        raise ValueError("no time in a known form")
    except ValueError:
        return record.collected_at or record.received_at


def _local(year: str, month: str, day: str, clock: str, zone: str) -> datetime:
    number = MONTHS.get(month, 0)
    return from_date_and_time(f"{year}-{number}-{day} {clock}", zone).astimezone(UTC)


def _encodable(value: Value) -> Value:
    r"""JSON may say ``\ud800``, which is no character and cannot be stored."""
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", errors="replace").decode("utf-8")
    return value


def _object(value: Any, name: str = "") -> Mapping[str, Any]:
    inner = value.get(name) if name and isinstance(value, dict) else value if not name else None
    return inner if isinstance(inner, dict) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    inner = value.get(name)
    return inner[:MOST_RULES] if isinstance(inner, list) else []


def _text(value: Mapping[str, Any], name: str) -> str:
    inner = value.get(name)
    if isinstance(inner, str):
        return inner
    return str(inner) if isinstance(inner, int) and not isinstance(inner, bool) else ""
