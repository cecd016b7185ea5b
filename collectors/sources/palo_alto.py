"""Palo Alto Networks firewalls (PAN-OS 9 to 11): comma-separated records, as syslog brings them.

TRAFFIC, THREAT, SYSTEM, CONFIG, GLOBALPROTECT and USERID are read by the place of each value; of other types the
common head is told. The generated time is believed, in the device's zone. What ECS has no name for stays under
``palo_alto``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
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

SOURCE = Source(
    name="palo_alto",
    product="Palo Alto Networks firewalls (PAN-OS)",
    arrives_by="syslog",
    reference="PAN-OS Administrator's Guide, 'Syslog Field Descriptions': Traffic, Threat, System, Config, "
    "GlobalProtect and User-ID Log Fields",
    namespaces=("palo_alto",),
)
TYPES = (
    "TRAFFIC|THREAT|SYSTEM|CONFIG|GLOBALPROTECT|USERID|HIPMATCH|HIP-MATCH|AUTHENTICATION|DECRYPTION"
)
MORE_TYPES = "CORRELATION|IPTAG|TUNNEL|START|END|SCTP|GTP|AUDIT|OTHERS"
MARK = re.compile(
    r"(?<![^\s>:])\d{0,12},\d{4}[/-]\d\d[/-]\d\d[ T][^,]{8,20},[^,\s]{0,32},"
    rf"(?:{TYPES}|{MORE_TYPES}),"
)
CLAIM = re.compile(MARK.pattern.encode())
TYPED = re.compile(rf",(?:{TYPES}|{MORE_TYPES}),".encode())  # the quick look
FIRST = ("", "", "serial", "type", "subtype", "", "time")
FLOW = (
    "src", "dst", "natsrc", "natdst", "rule", "srcuser", "dstuser", "app", "vsys", "from", "to", "inbound_if",
    "outbound_if", "logset", "", "sessionid", "repeatcnt", "sport", "dport", "natsport", "natdport", "flags", "proto",
    "action",
)  # fmt: skip
PLACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "TRAFFIC": (
            *FIRST, *FLOW, "bytes", "bytes_sent", "bytes_received", "packets", "start", "elapsed", "category", "",
            "seqno", "", "srcloc", "dstloc", "", "pkts_sent", "pkts_received", "session_end_reason", "", "", "", "",
            "vsys_name", "device_name", "action_source", "src_uuid", "dst_uuid", "tunnelid", "monitortag",
            "parent_session_id", "", "tunnel", "", "", "", "", "rule_uuid",
        ),
        "THREAT": (
            *FIRST, *FLOW, "misc", "threatid", "category", "severity", "direction", "seqno", "", "srcloc", "dstloc", "",
            "contenttype", "pcap_id", "filedigest", "cloud", "", "user_agent", "filetype", "xff", "referer", "sender",
            "subject", "recipient", "reportid", "", "", "", "", "vsys_name", "device_name", "", "src_uuid", "dst_uuid",
            "http_method", "tunnelid", "monitortag", "parent_session_id", "", "tunnel", "thr_category", "contentver",
            "", "", "", "", "url_category_list", "rule_uuid",
        ),
        "SYSTEM": (
            *FIRST, "vsys", "eventid", "object", "", "", "module", "severity", "opaque", "seqno", "", "", "", "", "",
            "vsys_name", "device_name",
        ),
        "CONFIG": (
            *FIRST, "host", "vsys", "cmd", "admin", "client", "result", "path", "seqno", "", "", "", "", "",
            "vsys_name", "device_name",
        ),
        "GLOBALPROTECT": (
            *FIRST, "vsys", "eventid", "stage", "auth_method", "tunnel_type", "srcuser", "srcregion", "machinename",
            "public_ip", "public_ipv6", "private_ip", "private_ipv6", "hostid", "serialnumber", "client_ver",
            "client_os", "client_os_ver", "repeatcnt", "reason", "error", "opaque", "status", "location",
            "login_duration", "connect_method", "error_code", "portal", "seqno", "", "", "selection_type",
            "response_time", "priority", "attempted_gateways", "gateway", "", "", "", "", "vsys_name", "device_name",
        ),
        "USERID": (
            *FIRST, "vsys", "ip", "user", "datasourcename", "eventid", "repeatcnt", "timeout", "beginport", "endport",
            "datasource", "datasourcetype", "seqno", "", "", "", "", "", "vsys_name", "device_name",
        ),
    }
)  # fmt: skip
NAMES = table(
    {
        "": "", "type": "", "time": "", "proto": "", "start": "", "severity": "", "srcuser": "", "dstuser": "",
        "user": "", "admin": "",
        "serial": "observer.serial_number", "device_name": "observer.name",
        "src": "source.ip", "sport": "source.port", "natsrc": "source.nat.ip", "natsport": "source.nat.port",
        "dst": "destination.ip", "dport": "destination.port",
        "natdst": "destination.nat.ip", "natdport": "destination.nat.port",
        "bytes": "network.bytes", "bytes_sent": "source.bytes", "bytes_received": "destination.bytes",
        "packets": "network.packets", "pkts_sent": "source.packets", "pkts_received": "destination.packets",
        "rule": "rule.name", "rule_uuid": "rule.uuid", "app": "network.application",
        "from": "observer.ingress.zone", "to": "observer.egress.zone",
        "inbound_if": "observer.ingress.interface.name", "outbound_if": "observer.egress.interface.name",
        "srcloc": "source.geo.name", "dstloc": "destination.geo.name", "action": "event.action",
        "session_end_reason": "event.reason", "user_agent": "user_agent.original",
        "referer": "http.request.referrer", "http_method": "http.request.method", "sender": "email.from.address",
        "recipient": "email.to.address", "subject": "email.subject", "eventid": "event.code",
        "opaque": "message", "host": "source.ip", "public_ip": "source.ip", "ip": "source.ip",
        "machinename": "source.domain", "client_os": "user_agent.os.name", "reason": "event.reason",
    }
)  # fmt: skip
SEVERITY = MappingProxyType({"critical": 1, "high": 2, "medium": 3, "low": 4, "informational": 5})
ALLOWED = frozenset({"allow", "alert", "continue", "allow-override", "override", "forward", ""})
MALWARE = frozenset({"virus", "wildfire-virus", "wildfire", "ml-virus"})
SIGNATURE = re.compile(r"(.{1,400}?)\((\d{1,12})\)", re.DOTALL)
PERSON = re.compile(r"\b[Uu]ser(?:name)?:? '?([^\s',]{1,128})")
WHENCE = re.compile(r"\b(?:[Ff]rom|Login from|Client IP):? ?([0-9A-Fa-f:.]{2,45})")


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a PAN-OS record."""
    start = raw[:400]
    return TYPED.search(start) is not None and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: there is no PAN-OS record in it.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    if mark is None:
        reason = "no PAN-OS line: a number, a time, a serial number and a type are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    values = _values(line[mark.start() :])
    kind = values[3]
    said = dict(zip(PLACES.get(kind, FIRST), values, strict=False))
    fields: Fields = {
        "event.kind": "event",
        "event.module": "palo_alto",
        "event.dataset": f"palo_alto.{re.sub(r'[^a-z]', '_', kind.lower())}",
        "observer.vendor": "Palo Alto Networks",
        "observer.product": "PAN-OS",
        "observer.type": "firewall",
    }
    add(fields, NAMES, said, "palo_alto")
    _KINDS.get(kind, _other)(fields, said)
    severity = said.get("severity", "")
    if severity in SEVERITY:
        fields["event.severity"] = SEVERITY[severity]
    if isinstance(name := fields.get("observer.name"), str):
        fields["host.name"] = name
    add_head(fields, head, record)
    yield Event(
        source=SOURCE.name,
        observed_at=_time(said, head, record),
        fields=fields,
        raw=record.raw,
    )


def _values(text: str) -> list[str]:
    plain = text.split(",")
    if '"' not in text or '"' in "".join(plain[:4]):  # no quote belongs before the type
        return plain
    try:
        return next(csv.reader([text]))
    except csv.Error:  # a value longer than the module takes
        return plain


def _time(said: Mapping[str, str], head: Head, record: RawRecord) -> datetime:
    try:
        return from_date_and_time(said.get("time", ""), record.zone)
    except ValueError:
        return when(head, record)


def _flow(fields: Fields, said: Mapping[str, str]) -> None:
    add_transport(fields, said.get("proto", ""))
    add_user(fields, said.get("srcuser", ""), prefix="source.user")
    add_user(fields, said.get("dstuser", ""), prefix="destination.user")
    if "source.user.name" in fields:
        fields["user.name"] = fields["source.user.name"]


def _traffic(fields: Fields, said: Mapping[str, str]) -> None:
    _flow(fields, said)
    subtype = said.get("subtype", "")
    blocked = subtype in ("drop", "deny") or said.get("action", "") not in ALLOWED
    add_connection(fields, blocked=blocked, step=subtype if subtype in ("start", "end") else "")
    elapsed = said.get("elapsed", "")
    if elapsed.isascii() and elapsed.isdecimal() and len(elapsed) < 9:
        fields["event.duration"] = int(elapsed) * 1_000_000_000


def _threat(fields: Fields, said: Mapping[str, str]) -> None:
    _flow(fields, said)
    subtype = said.get("subtype", "")
    add_connection(fields, blocked=said.get("action", "") not in ALLOWED)
    if subtype == "url":
        fields["event.category"] = ["web", "network"]
        _move(fields, said, "misc", "url.original")
        return
    fields["event.kind"] = "alert"
    malware = subtype in MALWARE
    fields["event.category"] = ["malware" if malware else "intrusion_detection", "network"]
    _move(fields, said, "misc", "file.name" if malware or subtype == "file" else "url.original")
    signature = SIGNATURE.fullmatch(said.get("threatid", ""))
    if signature is not None:
        if "rule.name" in fields:
            fields["rule.ruleset"] = fields["rule.name"]
        fields["rule.name"], fields["rule.id"] = signature.groups()


def _move(fields: Fields, said: Mapping[str, str], name: str, ours: str) -> None:
    if fields.pop(f"palo_alto.{name}", None) is not None:
        fields[ours] = said[name]


def _system(fields: Fields, said: Mapping[str, str]) -> None:
    event, words = said.get("eventid", ""), said.get("opaque", "")
    failed = "fail" in event or "failed" in words[:60]
    if "auth" in event or said.get("module") == "auth" or "logged in" in words:
        add_sign_in(fields, "login", success=not failed)
    elif "logged out" in words:
        add_sign_in(fields, "logout", success=True, end=True)
    else:
        fields["event.category"] = ["host"]
        fields["event.type"] = ["info"]
        if event:
            fields["event.action"] = event
    if fields["event.category"] == ["authentication"]:
        if person := PERSON.search(words):
            add_user(fields, person[1].rstrip(".'"))
        if (whence := WHENCE.search(words)) and (address := ip_address(whence[1].rstrip(".:"))):
            fields["source.ip"] = address


def _config(fields: Fields, said: Mapping[str, str]) -> None:
    add_change(fields, said.get("cmd") or "change", success=said.get("result") == "Succeeded")
    add_user(fields, said.get("admin", ""))


def _globalprotect(fields: Fields, said: Mapping[str, str]) -> None:
    stage, status = said.get("stage", ""), said.get("status", "")
    success = status == "success" if status in ("success", "failure") else None
    add_sign_in(
        fields, said.get("eventid") or "connect", success=success, end="logout" in (stage, status)
    )
    if stage not in ("login", "logout", "before-login"):
        fields["event.category"] = ["network", "session"]
    add_user(fields, said.get("srcuser", ""))


def _user_id(fields: Fields, said: Mapping[str, str]) -> None:
    subtype = said.get("subtype") or "login"
    add_sign_in(fields, f"user-id-{subtype}", success=True, end=subtype == "logout")
    add_user(fields, said.get("user", ""))


def _other(fields: Fields, said: Mapping[str, str]) -> None:
    fields["event.category"] = ["host"]
    fields["event.type"] = ["info"]


_KINDS = MappingProxyType(
    {
        "TRAFFIC": _traffic,
        "THREAT": _threat,
        "SYSTEM": _system,
        "CONFIG": _config,
        "GLOBALPROTECT": _globalprotect,
        "USERID": _user_id,
    }
)
