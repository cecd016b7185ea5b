"""Juniper NetScreen and SSG firewalls (ScreenOS): ``NetScreen device_id=... [Root]system-...``, as syslog brings them.

Traffic is pairs; other messages are sentences, of which administrator, address and attack are read. The device's time
stands at the end, in brackets, or is the start of the session. What ECS has no name for stays under
``juniper.netscreen``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.device_head import Head, add_head, from_date_and_time, read_head, when
from soc.normalise.network_words import (
    add,
    add_change,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    count,
    table,
)

SOURCE = Source(
    name="netscreen",
    product="Juniper NetScreen and SSG (ScreenOS)",
    arrives_by="syslog",
    reference="ScreenOS 6.3 Message Log Reference Guide",
    namespaces=("juniper",),
)
MARK = re.compile(
    r"NetScreen device_id=(\S{1,64}) +(?:\[([^\]]{1,40})\])?system-(\w{1,16})-(\d{5})(?:\((\w{1,20})\))?: ?"
)
CLAIM = re.compile(rb"NetScreen device_id=\S{1,64} ")
PAIR = re.compile(
    r"(?<![\w.-])(src zone|dst zone|src-xlated ip|dst-xlated ip|icmp type|[\w.-]{1,40})=(\"[^\"]{0,200}\"|\S{0,200})"
)
REASON = re.compile(r" reason=(.{1,80})$")
WRITTEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\)\s*$")
BY = re.compile(r"(?:\bby |for admin |[Aa]dmin(?: user)? )\"?([\w.@\\-]{1,64})")
FROM = re.compile(r"\b[Ff]rom(?: host)? ([0-9A-Fa-f.:]{3,45})")
TO = re.compile(r" to ([0-9A-Fa-f.:]{3,45})")
ATTACK = re.compile(r"^(.{3,60}?)!? From ")
PROTOCOL = re.compile(r"\bproto (\w{1,10})")
ATTACK_LEVELS = frozenset({"emergency", "alert", "critical"})
NAMES = table(
    {
        "start_time": "", "proto": "", "port": "", "device_id": "", "duration": "",
        "src": "source.ip", "dst": "destination.ip", "src_port": "source.port", "dst_port": "destination.port",
        "src-xlated ip": "source.nat.ip", "dst-xlated ip": "destination.nat.ip", "sent": "source.bytes",
        "rcvd": "destination.bytes", "src zone": "observer.ingress.zone", "dst zone": "observer.egress.zone",
        "policy_id": "rule.id", "service": "network.protocol", "action": "event.action", "reason": "event.reason",
        "icmp type": "juniper.netscreen.icmp_type", "session_id": "juniper.netscreen.session_id",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes have the mark of a NetScreen."""
    return CLAIM.search(raw[:300]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``NetScreen device_id=`` with the kind of its message.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    if mark is None:
        reason = "no NetScreen line: NetScreen device_id=... system-level-number: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    device, system, level, code, kind = mark.groups()
    words = line[mark.end() : mark.end() + 4_000]
    fields: Fields = {
        "event.kind": "event",
        "event.module": "netscreen",
        "event.dataset": "netscreen.traffic" if kind == "traffic" else "netscreen.log",
        "event.code": code,
        "observer.vendor": "Juniper",
        "observer.product": "NetScreen",
        "observer.type": "firewall",
        "observer.serial_number": device,
        "juniper.netscreen.level": level,
    }
    if system:
        fields["juniper.netscreen.system"] = system
    said: Mapping[str, str] = {}
    if kind == "traffic" or words.startswith("start_time="):
        said = _traffic(fields, words)
    elif words:
        _sentence(fields, words, level)
    else:
        fields["event.category"], fields["event.type"] = ["host"], ["info"]
    add_head(fields, head, record)
    observed_at = _time(words, said, head, record)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _time(words: str, said: Mapping[str, str], head: Head, record: RawRecord) -> datetime:
    written = WRITTEN.search(words[-40:])
    try:
        return from_date_and_time(
            written[1] if written else said.get("start_time", ""), record.zone
        )
    except ValueError:
        return when(head, record)


def _traffic(fields: Fields, words: str) -> Mapping[str, str]:
    said: dict[str, str] = {}
    nat_ports: list[str] = []
    for name, value in PAIR.findall(words):
        if name == "port":  # after each of the two translated addresses
            nat_ports.append(value)
        else:
            said[name] = value.strip('"()')
    if reason := REASON.search(words):
        said["reason"] = reason[1]
    said["action"] = said.get("action", "").lower()
    add(fields, NAMES, said, "juniper.netscreen")
    add_transport(fields, said.get("proto", ""))
    for end, written in zip(("source", "destination"), nat_ports, strict=False):
        if port := port_number(written):
            fields[f"{end}.nat.port"] = port
    add_connection(fields, blocked=said["action"] in ("deny", "reject"))
    seconds = count(said.get("duration", ""))
    if seconds is not None and seconds < 10**9:
        fields["event.duration"] = seconds * 1_000_000_000
    return said


def _sentence(fields: Fields, words: str, level: str) -> None:
    written = WRITTEN.search(words[-40:])
    said = (words[: -len(written[0])] if written else words).strip()
    fields["message"] = said or words
    for pattern, end in ((FROM, "source"), (TO, "destination")):
        if found := pattern.search(said):
            _end(fields, end, found[1].rstrip(".:"))
    if protocol := PROTOCOL.search(said):
        add_transport(fields, protocol[1])
    if level in ATTACK_LEVELS and (attack := ATTACK.search(said)):
        fields["event.kind"] = "alert"
        fields["event.category"] = ["intrusion_detection", "network"]
        fields["event.type"] = ["info"]
        fields["rule.name"] = attack[1]
        return
    if by := BY.search(said):
        add_user(fields, by[1].rstrip("."))
    low = said.lower()
    if "logged" in low or "login" in low or "management session" in low or "authenticat" in low:
        leaves = "logged out" in low or "timed out" in low
        failed = "fail" in low or "denied" in low or "reject" in low
        add_sign_in(fields, "logout" if leaves else "login", success=not failed, end=leaves)
    elif by is not None:
        add_change(fields, "saved" if "saved" in low else "modified")
    else:
        fields["event.category"], fields["event.type"] = ["host"], ["info"]


def _end(fields: Fields, end: str, written: str) -> None:
    """``10.0.0.1:443`` or an address alone."""
    host, colon, port = written.rpartition(":")
    address = ip_address(host if colon and "." in host else written)
    if address is None:
        return
    fields[f"{end}.ip"] = address
    if "." in host and (number := port_number(port)):
        fields[f"{end}.port"] = number
