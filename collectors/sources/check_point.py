"""Check Point gateways and management: the Log Exporter's ``[action:"Drop"; src:"10.0.0.1"; ...]``, by syslog.

``time`` (Unix seconds) is believed before the head's. A name may come several times, one for each layer of the policy:
the first is the one that decided first, and all rule names are kept. What ECS has no name for stays under
``check_point``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.device_head import Head, add_head, read_head, when
from soc.normalise.network_words import (
    add,
    add_change,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    table,
)
from soc.normalise.timestamps import from_epoch

SOURCE = Source(
    name="check_point",
    product="Check Point gateways and management (Log Exporter)",
    arrives_by="syslog",
    reference="Check Point sk122323 'Log Exporter', format syslog; sk144192 'Log fields description'",
    namespaces=("check_point",),
)
MARK = re.compile(r"CheckPoint \d{1,10} (?:-|\S{1,40}) \[")
CLAIM = re.compile(rb"CheckPoint \d{1,10} (?:-|\S{1,40}) \[|\[action:\"[^\"]{1,40}\"; ")
PAIR = re.compile(r'(?<![\w.])(\w{1,80})::?"([^"\\]*+(?:\\.[^"\\]*+)*+)"; ?', re.DOTALL)
MOST_PAIRS = 300
BLOCKED = frozenset({"drop", "reject", "block", "prevent", "quarantine"})
ALERTING = frozenset({"detect", "prevent", "quarantine", "replace malicious code"})
MALWARE = frozenset(
    {"anti malware", "anti-virus", "anti-bot", "new anti virus", "threat emulation"}
)
VPN = frozenset({"encrypt", "decrypt", "key install", "vpn routing"})
SIGN_IN = MappingProxyType(
    {
        "login": False,
        "authorize": False,
        "logout": True,
        "deauthorize": True,
        "log in": False,
        "log out": True,
        "failed log in": False,
    }
)
NAMES = table(
    {
        "action": "", "time": "", "proto": "", "version": "", "flags": "", "sequencenum": "", "user": "",
        "administrator": "", "rule_name": "", "src_user_name": "", "audit_status": "",
        "src": "source.ip", "dst": "destination.ip", "s_port": "source.port", "service": "destination.port",
        "client_ip": "source.ip", "xlatesrc": "source.nat.ip", "xlatesport": "source.nat.port",
        "xlatedst": "destination.nat.ip", "xlatedport": "destination.nat.port",
        "rule_uid": "rule.uuid", "layer_name": "rule.ruleset", "match_id": "rule.id",
        "service_id": "network.protocol", "appi_name": "network.application", "message_info": "message",
        "sent_bytes": "source.bytes", "received_bytes": "destination.bytes", "bytes": "network.bytes",
        "client_outbound_bytes": "source.bytes", "server_outbound_bytes": "destination.bytes",
        "client_outbound_packets": "source.packets", "server_outbound_packets": "destination.packets",
        "packets": "network.packets", "inzone": "observer.ingress.zone", "outzone": "observer.egress.zone",
        "resource": "url.original", "user_agent": "user_agent.original", "referrer": "http.request.referrer",
        "reason": "event.reason", "reject_category": "event.reason", "additional_info": "message",
        "loguid": "event.id", "protection_name": "rule.description", "protection_id": "check_point.protection_id",
        "file_name": "file.name", "file_md5": "file.hash.md5", "file_sha1": "file.hash.sha1",
        "file_sha256": "file.hash.sha256", "machine": "source.domain", "src_machine_name": "source.domain",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of the Log Exporter."""
    start = raw[:300]
    return (b"CheckPoint " in start or b"[action:" in start) and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``name:"value";``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    pairs = PAIR.findall(line + ";" if line.endswith('"') else line.replace('"]', '";'))[
        :MOST_PAIRS
    ]
    if not pairs:
        reason = 'no Check Point line: name:"value"; is expected'
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start() if mark else line.find("["))
    said = dict(reversed(pairs))  # the first of a name
    fields: Fields = {
        "event.kind": "event",
        "event.module": "check_point",
        "event.dataset": "check_point.log",
        "observer.vendor": "Check Point",
        "observer.product": said.pop("product", "") or "Check Point",
        "observer.type": "firewall",
    }
    origin = ip_address(said.get("origin", ""))
    if origin is not None:
        fields["observer.ip"] = [origin]
        del said["origin"]
    add(fields, NAMES, said, "check_point")
    add_transport(fields, said.get("proto", ""))
    rules = [value for name, value in pairs if name == "rule_name" and value]
    if rules:
        fields["rule.name"] = rules[0]
        if len(rules) > 1:
            fields["check_point.rule_name"] = rules
    _way(fields, said)
    _classify(fields, said)
    add_head(fields, head, record)
    yield Event(
        source=SOURCE.name, observed_at=_time(said, head, record), fields=fields, raw=record.raw
    )


def _time(said: dict[str, str], head: Head, record: RawRecord) -> datetime:
    written = said.get("time", "")
    if written.isascii() and written.isdecimal() and len(written) == 10:
        return from_epoch(written)
    return when(head, record)


def _way(fields: Fields, said: dict[str, str]) -> None:
    direction = said.get("conn_direction", "").lower()
    if direction in ("incoming", "outgoing", "internal"):
        ways = {"incoming": "inbound", "outgoing": "outbound", "internal": "internal"}
        fields["network.direction"] = ways[direction]
    if interface := said.get("ifname"):
        way = "egress" if said.get("ifdir") == "outbound" else "ingress"
        fields[f"observer.{way}.interface.name"] = interface


def _classify(fields: Fields, said: dict[str, str]) -> None:
    action, operation = said.get("action", "").lower(), said.get("operation", "").lower()
    user = said.get("administrator") or said.get("user") or said.get("src_user_name", "")
    add_user(fields, user.partition(" (")[0])
    if action or operation:
        fields["event.action"] = (operation or action).replace(" ", "-")
    if operation in SIGN_IN or action in SIGN_IN:
        failed = said.get("audit_status") == "Failure" or "fail" in f"{action} {operation}"
        leaves = SIGN_IN[operation if operation in SIGN_IN else action]
        add_sign_in(fields, "logout" if leaves else "login", success=not failed, end=leaves)
    elif operation:
        add_change(
            fields, operation.replace(" ", "-"), success=said.get("audit_status") != "Failure"
        )
    elif action in VPN:
        fields["event.category"], fields["event.type"] = ["network"], ["connection"]
    else:
        add_connection(fields, blocked=action in BLOCKED)
    if action in ALERTING or said.get("protection_name"):
        fields["event.kind"] = "alert"
        malware = str(fields["observer.product"]).lower() in MALWARE
        fields["event.category"] = ["malware" if malware else "intrusion_detection", "network"]
        if name := said.get("protection_name"):
            fields["rule.name"] = name
