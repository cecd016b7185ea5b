"""FortiGate firewalls (FortiOS 5.6 to 7.x): key=value lines of the types traffic, utm and event, as syslog brings them.

``eventtime`` (seconds, since 6.2 nanoseconds) is believed before ``date`` and ``time``, which are local to the device:
``tz`` names their zone, else the record's. What ECS has no name for stays under ``fortinet.firewall``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord, Scalar
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.network_words import count
from soc.normalise.pairs import quoted_pairs
from soc.normalise.timestamps import from_epoch_microseconds, from_iso

SOURCE = Source(
    name="fortigate",
    product="Fortinet FortiGate",
    arrives_by="syslog",
    reference="FortiOS Log Message Reference: 'Log field format', 'Sample logs by log type'",
    namespaces=("fortinet",),
)
START = re.compile(
    r"(?:<\d{1,3}>)?.{0,200}?(?=\b(?:date=\d{4}-|logver=|timestamp=\d|devname=|eventtime=\d))",
    re.DOTALL,
)
CLAIM = re.compile(
    rb"\b(?:devid=\"?F|logid=\"?\d{8,10}\"? |type=\"?(?:traffic|utm|event)\"? subtype=)"
)
PROTOCOLS = MappingProxyType(
    {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "ipv6-icmp"}
)
BLOCKED = frozenset(
    {"deny", "denied", "blocked", "block", "dropped", "drop", "reset", "ip-conn", "clear_session"}
)
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "srcname": "source.domain",
        "dstname": "destination.domain",
        "srcmac": "source.mac",
        "dstmac": "destination.mac",
        "srccountry": "source.geo.country_name",
        "dstcountry": "destination.geo.country_name",
        "srcintf": "observer.ingress.interface.name",
        "dstintf": "observer.egress.interface.name",
        "devname": "observer.name",
        "devid": "observer.serial_number",
        "policyid": "rule.id",
        "policyname": "rule.name",
        "user": "user.name",
        "unauthuser": "source.user.name",
        "group": "user.group.name",
        "service": "network.protocol",
        "hostname": "url.domain",
        "url": "url.original",
        "agent": "user_agent.original",
        "referralurl": "http.request.referrer",
        "httpmethod": "http.request.method",
        "qname": "dns.question.name",
        "qtype": "dns.question.type",
        "filename": "file.name",
        "filehash": "file.hash.sha256",
        "msg": "message",
        "logid": "event.code",
        "app": "network.application",
        "from": "email.from.address",
        "to": "email.to.address",
        "subject": "email.subject",
        "reason": "event.reason",
    }
)
ADDRESSES = MappingProxyType(
    {
        "srcip": "source.ip",
        "dstip": "destination.ip",
        "transip": "source.nat.ip",
        "tranip": "destination.nat.ip",
        "remip": "source.ip",
        "locip": "destination.ip",
        "ipaddr": "dns.resolved_ip",
    }
)
PORTS = MappingProxyType(
    {
        "srcport": "source.port",
        "dstport": "destination.port",
        "transport": "source.nat.port",
        "tranport": "destination.nat.port",
        "remport": "source.port",
        "locport": "destination.port",
    }
)
COUNTS = MappingProxyType(
    {
        "sentbyte": "source.bytes",
        "rcvdbyte": "destination.bytes",
        "sentpkt": "source.packets",
        "rcvdpkt": "destination.packets",
    }
)
SEVERITY = MappingProxyType(
    dict.fromkeys(("emergency", "alert", "critical"), 1)
    | {"error": 2, "high": 2, "warning": 3, "medium": 3, "notice": 4, "low": 4, "information": 5}
)
LISTS = frozenset({"dns.resolved_ip", "email.to.address"})
As = Callable[[str], Scalar | None] | None
KNOWN: dict[str, tuple[str, As]] = {
    name: (ours, as_type)
    for names, as_type in (
        (NAMES, None),
        (COUNTS, count),
        (PORTS, port_number),
        (ADDRESSES, ip_address),
    )
    for name, ours in names.items()
}
GONE = frozenset({"date", "time", "tz", "eventtime", "action", "proto"})  # other fields say it
FROM = re.compile(
    r"\(([0-9A-Fa-f:.]{3,45})\)"
)  # ui="https(10.20.0.9)": whence an administrator works


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a FortiGate's line."""
    return b"=" in raw[:200] and b"type=" in raw[:1_500] and CLAIM.search(raw[:1_500]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``type``, or no time that can be read.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    start = START.match(line)
    pairs = quoted_pairs(line, start.end() if start else 0)
    said = {name.lower(): value for name, value in pairs.items()}
    if "type" not in said:
        reason = "no FortiGate line: key=value pairs with type= are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    try:
        observed_at = _time(said, record.zone)
    except ValueError as error:
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    fields: Fields = {
        "event.kind": "event",
        "event.module": "fortigate",
        "event.dataset": f"fortigate.{re.sub(r'[^a-z0-9]', '_', said['type'].lower())[:40]}",
        "observer.vendor": "Fortinet",
        "observer.product": "FortiGate",
        "observer.type": "firewall",
    }
    for name, value in said.items():
        if name not in GONE and value != "":
            _add(fields, name, value)
    _classify(fields, said)
    if "observer.name" in fields:
        fields["host.name"] = fields["observer.name"]
    elif record.host:
        fields["host.name"] = record.host
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _time(said: Mapping[str, str], zone: str) -> datetime:
    written = said.get("eventtime", "")
    if written.isascii() and written.isdecimal() and 10 <= len(written) <= 19:
        return from_epoch_microseconds(int(written.ljust(19, "0")[:19]) // 1000)
    if "date" not in said or "time" not in said:
        raise ValueError("no time: eventtime, or date and time, are expected")
    offset = said.get("tz", "")
    zoned = f"{offset[:3]}:{offset[3:]}" if re.fullmatch(r"[+-]\d{4}", offset) else ""
    return from_iso(f"{said['date']}T{said['time']}{zoned}", zone)


def _add(fields: Fields, name: str, value: str) -> None:
    """One pair under its ECS name; what does not fit there, and all else, under the vendor's."""
    known = KNOWN.get(name)
    if known is not None:
        ours, as_type = known
        typed = value if as_type is None else as_type(value)
        if typed is not None:
            fields.setdefault(ours, [typed] if ours in LISTS else typed)
            return
    fields[f"fortinet.firewall.{name}"] = value


def _classify(fields: Fields, said: Mapping[str, str]) -> None:
    """What kind of event it is, by type, subtype and action."""
    kind, subtype, action = (
        said["type"].lower(),
        said.get("subtype", "").lower(),
        said.get("action", "").lower(),
    )
    if action:
        fields["event.action"] = said["action"]
    blocked = action in BLOCKED or said.get("utmaction", "").lower() in ("block", "blocked")
    if kind == "event":
        _classify_event(fields, said, subtype, action)
    else:
        fields["event.category"] = ["network"]
        fields["event.type"] = ["connection", "denied" if blocked else "allowed"]
        fields["event.outcome"] = "failure" if blocked else "success"
    if kind == "utm" and subtype in ("ips", "virus", "waf", "anomaly"):
        fields["event.kind"] = "alert"
        fields["event.category"] = (
            ["malware", "network"] if subtype == "virus" else ["intrusion_detection", "network"]
        )
        for named in ("attack", "virus"):
            if said.get(named):
                fields["rule.name"] = said[named]
    elif kind == "utm" and subtype == "webfilter":
        fields["event.category"] = ["web", "network"]
    if (
        severity := SEVERITY.get((said.get("severity") or said.get("level", "")).lower())
    ) is not None:
        fields["event.severity"] = severity
    if (protocol := said.get("proto", "")).isdecimal() and len(protocol) < 4:
        fields["network.iana_number"] = str(int(protocol))
        if int(protocol) in PROTOCOLS:
            fields["network.transport"] = PROTOCOLS[int(protocol)]


def _classify_event(fields: Fields, said: Mapping[str, str], subtype: str, action: str) -> None:
    if action in (
        "login",
        "logout",
        "tunnel-up",
        "ssl-login-fail",
        "ssl-new-con",
        "authentication",
    ):
        fields["event.category"] = ["authentication"]
        fields["event.type"] = ["end" if action == "logout" else "start"]
    elif said.get("cfgpath"):
        fields["event.category"] = ["configuration"]
        fields["event.type"] = ["change"]
    else:
        fields["event.category"] = ["network" if subtype == "vpn" else "host"]
        fields["event.type"] = ["info"]
    whence = FROM.search(said.get("ui", ""))
    if whence is not None and (address := ip_address(whence[1])) is not None:
        fields.setdefault("source.ip", address)
    status = said.get("status", "").lower()
    if status in ("success", "failed", "failure") or action == "ssl-login-fail":
        fields["event.outcome"] = "success" if status == "success" else "failure"
