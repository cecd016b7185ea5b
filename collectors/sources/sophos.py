"""Sophos Firewall (SFOS, XG): key=value lines of every log type, as syslog brings them.

The older form (``device="SFW" date=.. time=.. timezone=..``) is local to the device; the newer (``device_name=
timestamp="2026-11-20T09:00:00+0700"``) tells its offset. What ECS has no name for stays under ``sophos``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import Head, add_head, from_date_and_time, read_head, when
from soc.normalise.network_words import (
    add,
    add_change,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    table,
)
from soc.normalise.pairs import quoted_pairs

SOURCE = Source(
    name="sophos",
    product="Sophos Firewall (SFOS)",
    arrives_by="syslog",
    reference="Sophos Firewall syslog guide, 'Log ID structure', 'Log fields' of each log type",
    namespaces=("sophos",),
)
MARK = re.compile(r'\bdevice(?:_name)?="[^"]{0,64}" (?:date=\d{4}-\d\d-\d\d time=|timestamp=")')
CLAIM = re.compile(MARK.pattern.encode())
SEVERITY = MappingProxyType(
    {
        "emergency": 1,
        "alert": 1,
        "critical": 1,
        "error": 2,
        "warning": 3,
        "notice": 4,
        "notification": 4,
        "information": 5,
    }
)
BLOCKED = frozenset({"denied", "drop", "dropped", "virus", "reject", "spam", "pua", "malicious"})
ALERTS = MappingProxyType(
    {
        "idp": "intrusion_detection",
        "ips": "intrusion_detection",
        "anti-virus": "malware",
        "atp": "malware",
        "sandbox": "malware",
        "waf": "intrusion_detection",
    }
)
NAMES = table(
    {
        "device": "", "date": "", "time": "", "timezone": "", "timestamp": "", "protocol": "", "user_name": "",
        "user": "", "priority": "", "severity": "", "log_version": "",
        "device_name": "observer.name", "device_id": "observer.serial_number",
        "device_serial_id": "observer.serial_number", "device_model": "observer.product",
        "log_id": "event.code", "src_ip": "source.ip", "dst_ip": "destination.ip", "sourceip": "source.ip",
        "destinationip": "destination.ip", "src_port": "source.port", "dst_port": "destination.port",
        "tran_src_ip": "source.nat.ip", "tran_src_port": "source.nat.port", "tran_dst_ip": "destination.nat.ip",
        "tran_dst_port": "destination.nat.port", "src_trans_ip": "source.nat.ip", "src_trans_port": "source.nat.port",
        "dst_trans_ip": "destination.nat.ip", "dst_trans_port": "destination.nat.port",
        "src_mac": "source.mac", "dst_mac": "destination.mac", "sent_bytes": "source.bytes",
        "bytes_sent": "source.bytes", "recv_bytes": "destination.bytes", "bytes_received": "destination.bytes",
        "sent_pkts": "source.packets", "packets_sent": "source.packets", "recv_pkts": "destination.packets",
        "packets_received": "destination.packets", "in_interface": "observer.ingress.interface.name",
        "out_interface": "observer.egress.interface.name", "srczone": "observer.ingress.zone",
        "src_zone": "observer.ingress.zone", "dstzone": "observer.egress.zone", "dst_zone": "observer.egress.zone",
        "fw_rule_id": "rule.id", "fw_rule_name": "rule.name", "src_country_code": "source.geo.name",
        "dst_country_code": "destination.geo.name", "src_country": "source.geo.name",
        "dst_country": "destination.geo.name",
        "application": "network.application", "app_name": "network.application", "url": "url.original",
        "domain": "url.domain", "domainname": "url.domain", "user_agent": "user_agent.original",
        "referer": "http.request.referrer", "status_code": "http.response.status_code",
        "httpresponsecode": "http.response.status_code", "reason": "event.reason", "message": "message",
        "from_email_address": "email.from.address", "to_email_address": "email.to.address",
        "email_subject": "email.subject", "subject": "email.subject", "filename": "file.name", "file_name": "file.name",
        "user_group": "user.group.name", "usergroupname": "user.group.name",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of a Sophos Firewall."""
    start = raw[:400]
    return b"device" in start and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``device=`` with a time, or no ``log_type``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    said = quoted_pairs(line, mark.start()) if mark else {}
    if mark is None or not said.get("log_type"):
        reason = 'no Sophos line: device="..." with a time and log_type= are expected'
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    kind = said["log_type"].lower()
    fields: Fields = {
        "event.kind": "event",
        "event.module": "sophos",
        "event.dataset": f"sophos.{re.sub(r'[^a-z0-9]', '_', kind)[:40]}",
        "observer.vendor": "Sophos",
        "observer.product": "Sophos Firewall",
        "observer.type": "firewall",
    }
    add(fields, NAMES, said, "sophos")
    add_transport(fields, said.get("protocol", ""))
    user = said.get("user_name") or said.get("user", "")
    add_user(fields, user)
    _classify(fields, said, kind)
    level = (said.get("priority") or said.get("severity", "")).lower()
    if level in SEVERITY:
        fields["event.severity"] = SEVERITY[level]
    if isinstance(name := fields.get("observer.name"), str):
        fields["host.name"] = name
    add_head(fields, head, record)
    yield Event(
        source=SOURCE.name, observed_at=_time(said, head, record), fields=fields, raw=record.raw
    )


def _time(said: Mapping[str, str], head: Head, record: RawRecord) -> datetime:
    written = said.get("timestamp") or f"{said.get('date', '')} {said.get('time', '')}"
    try:
        return from_date_and_time(written, record.zone)
    except ValueError:
        return when(head, record)


def _classify(fields: Fields, said: Mapping[str, str], kind: str) -> None:
    subtype, status = said.get("log_subtype", ""), said.get("status", "").lower()
    fields["event.action"] = (subtype or status or kind).lower().replace(" ", "-")
    if kind == "event" or kind == "system health":
        _event(fields, said, status)
        return
    blocked = subtype.lower() in BLOCKED
    step = {"start": "start", "stop": "end", "interim": ""}.get(
        (said.get("connevent") or said.get("con_event", "")).lower(), ""
    )
    add_connection(fields, blocked=blocked, step=step)
    if kind in ALERTS:
        fields["event.category"] = [ALERTS[kind], "network"]
        if subtype.lower() not in ("allowed", "clean"):
            fields["event.kind"] = "alert"
        for name in ("signature_msg", "threatname", "virus", "threat"):
            if said.get(name):
                fields["rule.name"] = said[name]
                break
        if said.get("signature_id"):
            fields["rule.id"] = said["signature_id"]
    elif kind in ("content filtering", "web content policy"):
        fields["event.category"] = ["web", "network"]
    elif kind == "anti-spam":
        fields["event.category"] = ["email"]
        fields["event.type"] = ["denied" if blocked else "info"]


def _event(fields: Fields, said: Mapping[str, str], status: str) -> None:
    """Sign-ins, settings, and all else that is no traffic."""
    subtype, component = said.get("log_subtype", "").lower(), said.get("log_component", "").lower()
    words = said.get("message", "").lower()
    if (
        subtype == "authentication"
        or "logged in" in words
        or "logged out" in words
        or "login" in words
    ):
        leaves = "logged out" in words or "logout" in words
        failed = status == "failed" or "failed" in words or "wrong credentials" in words
        add_sign_in(fields, "logout" if leaves else "login", success=not failed, end=leaves)
    elif subtype == "admin":
        add_change(fields, component or "settings", success=status != "failed")
    elif "vpn" in component or component in ("ipsec", "l2tp", "pptp"):
        fields["event.category"], fields["event.type"] = ["network", "session"], ["info"]
        if status:
            fields["event.action"] = status.replace(" ", "-")
    else:
        fields["event.category"], fields["event.type"] = ["host"], ["info"]
