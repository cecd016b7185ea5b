"""Suricata's EVE: one JSON object a line, of every event type. An alert of Suricata's is an alert here.

Both ends are ECS fields, with the Community ID that joins them to other sensors' records; the protocol's own part is
mapped for dns, http, tls, ssh, smtp, fileinfo and flow, and stays whole under ``suricata.eve``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord, Scalar, Value
from soc.normalise.addresses import ip_address
from soc.normalise.timestamps import from_iso

SOURCE = Source(
    name="suricata",
    product="Suricata IDS",
    arrives_by="file, syslog",
    reference="Suricata User Guide, 'Eve JSON Format'",
    namespaces=("suricata",),
)
DEPTH, MOST_FIELDS, MOST_ITEMS, LONGEST_NAME = 12, 1_000, 500, 200
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "app_proto": "network.protocol",
        "community_id": "network.community_id",
        "in_iface": "observer.ingress.interface.name",
        "alert.signature": "rule.name",
        "alert.category": "rule.category",
        "alert.action": "event.action",
        "dns.rrname": "dns.question.name",
        "dns.rrtype": "dns.question.type",
        "dns.rcode": "dns.response_code",
        "dns.type": "dns.type",
        "http.hostname": "url.domain",
        "http.url": "url.original",
        "http.http_user_agent": "user_agent.original",
        "http.http_method": "http.request.method",
        "http.status": "http.response.status_code",
        "http.http_refer": "http.request.referrer",
        "http.length": "http.response.body.bytes",
        "tls.sni": "tls.client.server_name",
        "tls.subject": "tls.server.subject",
        "tls.issuerdn": "tls.server.issuer",
        "tls.fingerprint": "tls.server.hash.sha1",
        "tls.version": "tls.version",
        "tls.ja3.hash": "tls.client.ja3",
        "tls.ja3s.hash": "tls.server.ja3s",
        "tls.notbefore": "tls.server.not_before",
        "tls.notafter": "tls.server.not_after",
        "smtp.mail_from": "email.from.address",
        "smtp.rcpt_to": "email.to.address",
        "email.subject": "email.subject",
        "fileinfo.filename": "file.path",
        "fileinfo.size": "file.size",
        "fileinfo.md5": "file.hash.md5",
        "fileinfo.sha1": "file.hash.sha1",
        "fileinfo.sha256": "file.hash.sha256",
        "flow.pkts_toserver": "source.packets",
        "flow.pkts_toclient": "destination.packets",
        "flow.bytes_toserver": "source.bytes",
        "flow.bytes_toclient": "destination.bytes",
    }
)
LISTED = frozenset({"email.from.address", "email.to.address"})
WHOLE = frozenset({"http.response.status_code", "http.response.body.bytes", "file.size"}) | {
    f"{side}.{what}" for side in ("source", "destination") for what in ("packets", "bytes")
}
KINDS: Mapping[str, tuple[list[str], list[str]]] = MappingProxyType(
    {
        "alert": (["intrusion_detection", "network"], ["allowed"]),
        "drop": (["network"], ["denied"]),
        "flow": (["network"], ["connection", "end"]),
        "netflow": (["network"], ["connection"]),
        "http": (["web", "network"], ["access", "protocol"]),
        "fileinfo": (["file", "network"], ["info"]),
        "stats": (["host"], ["info"]),
    }
)
SEVERITY_OF = MappingProxyType({1: 1, 2: 2, 3: 3})
GREATEST = 2**63 - 1


def claims(raw: bytes) -> bool:
    """Whether the bytes look like an EVE object."""
    start = raw.lstrip()[:600]
    return start[:1] == b"{" and b'"event_type"' in start and b'"timestamp"' in start


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: no JSON object, no ``event_type``, no ``timestamp``, or over a limit of depth and names.
    """
    try:
        eve = orjson.loads(record.raw)
        if not isinstance(eve, dict) or not isinstance(eve.get("event_type"), str):
            raise ValueError("not an EVE object: event_type is missing")
        observed_at = from_iso(str(eve.get("timestamp", "")), record.zone)
        fields = _fields(eve)
    except (ValueError, TypeError) as error:
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    if record.host:
        fields.setdefault("host.name", record.host)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _fields(eve: dict[str, Any]) -> Fields:
    kind = eve["event_type"]
    category, types = KINDS.get(kind, (["network"], ["protocol"]))
    fields: Fields = {
        "event.kind": "alert" if kind == "alert" else "metric" if kind == "stats" else "event",
        "event.category": list(category),
        "event.type": list(types),
        "event.module": "suricata",
        "event.dataset": f"suricata.{kind if kind.isidentifier() else 'other'}"[:60],
        "observer.vendor": "OISF",
        "observer.product": "Suricata",
        "observer.type": "ids",
    }
    for side, name in (("source", "src"), ("destination", "dest")):
        address = ip_address(str(eve.get(f"{name}_ip", "")))
        if address is not None:
            fields[f"{side}.ip"] = address
        port = eve.get(f"{name}_port")
        if isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65_536:
            fields[f"{side}.port"] = port
    if isinstance(eve.get("proto"), str) and eve["proto"]:
        fields["network.transport"] = eve["proto"].lower()[:40]
    if isinstance(eve.get("flow_id"), int):
        fields["suricata.eve.flow_id"] = str(eve["flow_id"])
    for number, (name, value) in enumerate(_leaves(eve, "", 1)):
        if number >= MOST_FIELDS:
            raise ValueError(f"more than {MOST_FIELDS} values")
        _add(fields, name, value)
    _add_alert(fields, eve)
    _add_answers(fields, eve)
    return fields


def _leaves(branch: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH}")
    for key, value in branch.items():
        name = f"{prefix}{key}"
        if len(name) > LONGEST_NAME:
            raise ValueError(f"a name longer than {LONGEST_NAME} characters: {name[:60]!r}")
        if isinstance(value, dict):
            yield from _leaves(value, f"{name}.", depth + 1)
        elif value is not None and value not in ("", []):
            yield name, value


SAID = frozenset(
    {"timestamp", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "flow_id"}
)


def _add(fields: Fields, name: str, value: Any) -> None:
    if name in SAID:
        return
    ours = NAMES.get(name)
    if ours in WHOLE:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= GREATEST:
            fields[ours] = value
            return
    elif ours is not None:
        kept = _plain(value)
        first = kept[0] if isinstance(kept, list) else kept
        fields[ours] = _listed(kept) if ours in LISTED else str(first)
        return
    fields[f"suricata.eve.{name}"] = _plain(value)


def _listed(value: Value) -> list[str]:
    return [str(one).strip("<>") for one in (value if isinstance(value, list) else [value])]


def _plain(value: Any) -> Value:
    """A scalar, or a list of scalars: what is deeper stays as JSON text."""
    if isinstance(value, list):
        return [_scalar(one) for one in value[:MOST_ITEMS] if one is not None]
    return _scalar(value)


def _scalar(value: Any) -> Scalar:
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > GREATEST:
        return str(value)
    return value  # type: ignore[no-any-return]


def _add_alert(fields: Fields, eve: Mapping[str, Any]) -> None:
    alert = eve.get("alert")
    if not isinstance(alert, dict):
        return
    number, severity = alert.get("signature_id"), alert.get("severity")
    if isinstance(number, int):
        fields["rule.id"] = str(number)
    if isinstance(severity, int) and severity in SEVERITY_OF:
        fields["event.severity"] = SEVERITY_OF[severity]
    if alert.get("action") == "blocked":
        fields["event.type"] = ["denied"]


def _add_answers(fields: Fields, eve: Mapping[str, Any]) -> None:
    """DNS answers of every version of the format: ``answers``, ``grouped``, or one ``rdata``."""
    dns = eve.get("dns")
    if not isinstance(dns, dict):
        return
    question = dns.get("queries")
    if isinstance(question, list) and question and isinstance(question[0], dict):
        for name, ours in (("rrname", "dns.question.name"), ("rrtype", "dns.question.type")):
            if isinstance(question[0].get(name), str):
                fields.setdefault(ours, question[0][name])
    answers = dns.get("answers")
    found = (
        [one.get("rdata") for one in answers if isinstance(one, dict)]
        if isinstance(answers, list)
        else []
    )
    found.append(dns.get("rdata"))
    data = [one for one in dict.fromkeys(one for one in found if isinstance(one, str)) if one][
        :MOST_ITEMS
    ]
    if data:
        fields["dns.answers.data"] = data
        if addresses := [address for one in data if (address := ip_address(one))]:
            fields["dns.resolved_ip"] = addresses
