"""SonicWall firewalls (SonicOS 5 to 7): key=value lines that begin with ``id=``, as syslog brings them.

``time`` is the device's, with ``UTC`` where it says so. ``src`` and ``dst`` hold address, port, interface and name with
colons between; an address of IPv6 stands beside them. What ECS has no name for stays under ``sonicwall``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

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
    table,
)
from soc.normalise.pairs import quoted_pairs
from soc.normalise.syslog_codes import code_fields

SOURCE = Source(
    name="sonicwall",
    product="SonicWall firewalls (SonicOS)",
    arrives_by="syslog",
    reference="SonicOS Log Events Reference Guide, 'Index of Log Event Messages', 'Syslog tags'",
    namespaces=("sonicwall",),
)
MARK = re.compile(r"\bid=\S{1,40} +sn=\S{1,40} +time=\"")
CLAIM = re.compile(MARK.pattern.encode())
SINGLE = re.compile(r"='([^'\"]{0,255})'")  # SonicOS 6.5 puts names of applications so
END = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3})?:(\d{1,5})?(?::([^:]{0,64}))?(?::(.{0,255}))?")
BLOCKED = re.compile(r"drop|denied|deny|block|reject|prevention", re.IGNORECASE)
ALERT = re.compile(
    r"(?:IPS|Gateway Anti-Virus|Anti-Spyware|Capture ATP|GAV|Botnet|Geo-IP)[\w ]{0,30}?(?:Alert|Prevention|Detection)|"
    r"\bSpoof|\bport scan|\bSyn Flood|\bflood\b|attack",
    re.IGNORECASE,
)
SIGN_IN = re.compile(r"\blog(?:ged )?(?:in|out|on|off)\b|login", re.IGNORECASE)
LEAVES = re.compile(r"logged out|logout|log(?:ged)? off|session (?:ended|expired)", re.IGNORECASE)
CHANGED = re.compile(r"\b(?:added|deleted|modified|changed)\b|configuration", re.IGNORECASE)
BLOCKING = frozenset({"drop", "reject", "deny"})
STEPS = {"98": "start", "537": "end"}  # Connection Opened, Connection Closed
WEB = frozenset({"14", "16", "97"})  # denied, denied by keyword, hit
NAMES = table(
    {
        "id": "", "time": "", "src": "", "dst": "", "srcV6": "", "dstV6": "", "natSrc": "", "natDst": "", "proto": "",
        "pri": "", "usr": "", "user": "", "fw": "", "rule": "", "n": "",
        "sn": "observer.serial_number", "m": "event.code", "msg": "message", "sent": "source.bytes",
        "rcvd": "destination.bytes", "spkt": "source.packets", "rpkt": "destination.packets",
        "srcMac": "source.mac", "dstMac": "destination.mac", "srcZone": "observer.ingress.zone",
        "dstZone": "observer.egress.zone", "dstname": "url.domain", "arg": "url.path", "note": "event.reason",
        "fw_action": "event.action", "appName": "network.application", "sid": "rule.id",
        "Category": "rule.category", "op": "sonicwall.op", "result": "http.response.status_code",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a SonicWall's line."""
    start = raw[:400]
    return b" sn=" in start and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``id=``, ``sn=`` and ``time=``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    if mark is None:
        reason = "no SonicWall line: id=, sn= and time= are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    said = quoted_pairs(SINGLE.sub(r'="\1"', line) if "='" in line else line, mark.start())
    fields: Fields = {
        "event.kind": "event",
        "event.module": "sonicwall",
        "event.dataset": "sonicwall.log",
        "observer.vendor": "SonicWall",
        "observer.product": "SonicOS",
        "observer.type": "firewall",
    }
    if (address := ip_address(said.get("fw", ""))) is not None:
        fields["observer.ip"] = [address]
    add(fields, NAMES, said, "sonicwall")
    _ends(fields, said)
    protocol, _, service = said.get("proto", "").partition("/")
    add_transport(fields, protocol)
    if service and not service.isdecimal():
        fields["network.protocol"] = service.lower()
    if rule := said.get("rule"):
        fields["rule.name"] = rule
    user = said.get("usr") or said.get("user", "")
    if not user.startswith("Unknown"):
        add_user(fields, user)
    _classify(fields, said)
    add_head(fields, head, record)
    if said.get("pri", "") in ("0", "1", "2", "3", "4", "5", "6", "7"):
        fields.update(code_fields(int(said["pri"]), None))
    yield Event(
        source=SOURCE.name, observed_at=_time(said, head, record), fields=fields, raw=record.raw
    )


def _time(said: Mapping[str, str], head: Head, record: RawRecord) -> datetime:
    written = said.get("time", "")
    bare = written.removesuffix(" UTC")
    try:
        return from_date_and_time(bare, record.zone if bare == written else "UTC")
    except ValueError:
        return when(head, record)


def _ends(fields: Fields, said: Mapping[str, str]) -> None:
    for end, name, way in (("source", "src", "ingress"), ("destination", "dst", "egress")):
        address, port, interface, host = _parts(said.get(name, ""))
        address = ip_address(said.get(f"{name}V6", "")) or address
        if address:
            fields[f"{end}.ip"] = address
        if number := port_number(port):
            fields[f"{end}.port"] = number
        if interface:
            fields[f"observer.{way}.interface.name"] = interface
        if host:
            fields[f"{end}.domain"] = host
        natted, port, _, _ = _parts(said.get(f"nat{name.capitalize()}", ""))
        if natted:
            fields[f"{end}.nat.ip"] = natted
            if number := port_number(port):
                fields[f"{end}.nat.port"] = number


def _parts(written: str) -> tuple[str | None, str, str, str]:
    """Address, port, interface and name of ``10.0.0.1:53:LAN:host``."""
    if ":" not in written:
        return ip_address(written), "", "", ""
    found = END.fullmatch(written)
    if found is None:
        return None, "", "", ""
    address, port, interface, host = found.groups()
    return ip_address(address or ""), port or "", interface or "", host or ""


class Words(NamedTuple):
    """What the sentence of a message says."""

    action: str
    blocked: bool
    failed: bool
    signs_in: bool
    leaves: bool
    alert: bool
    changed: bool


@lru_cache(maxsize=4_096)
def _words(sentence: str) -> Words:
    """The same few sentences come again and again."""
    low = sentence.lower()
    blocked = BLOCKED.search(sentence) is not None
    return Words(
        action=re.sub(r"[^a-z0-9]+", "-", low)[:60].strip("-") or "log",
        blocked=blocked,
        failed=blocked or "fail" in low or "bad credentials" in low,
        signs_in=SIGN_IN.search(sentence) is not None,
        leaves=LEAVES.search(sentence) is not None,
        alert=ALERT.search(sentence) is not None,
        changed=CHANGED.search(sentence) is not None,
    )


def _classify(fields: Fields, said: Mapping[str, str]) -> None:
    sentence, action = said.get("msg", "")[:300], said.get("fw_action", "").lower()
    words, code = _words(sentence), said.get("m", "")
    if action in ("", "na"):
        fields["event.action"] = words.action
    if sentence.startswith("Configuration "):
        success = sentence.startswith("Configuration succeeded")
        add_change(fields, "configuration-changed", success=success)
    elif words.signs_in:
        what = "logout" if words.leaves else "login"
        failed = words.failed or action in BLOCKING
        add_sign_in(fields, what, success=not failed, end=words.leaves)
    elif code in STEPS or "src" in said or "srcV6" in said:
        blocked = words.blocked or action in BLOCKING
        add_connection(fields, blocked=blocked, step=STEPS.get(code, ""))
        if code in WEB:
            fields["event.category"] = ["web", "network"]
        if words.alert:
            fields["event.kind"] = "alert"
            fields["event.category"] = ["intrusion_detection", "network"]
            name = (sentence.partition(": ")[2] or sentence).partition(", SID")[0]
            fields["rule.name"] = name[:200] or sentence
    elif words.changed:
        add_change(fields, words.action)
    else:
        fields["event.category"], fields["event.type"] = ["host"], ["info"]
