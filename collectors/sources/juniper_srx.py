"""Juniper SRX firewalls (Junos): structured lines ``[junos@2636... name="value"]``, and RT_FLOW as text.

Sessions, IDP, screens and UTM are read; of any other event the head, the tag and its pairs are told. What ECS has no
name for stays under ``juniper.srx``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import add_head, read_head, when
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
from soc.normalise.pairs import quoted_pairs

SOURCE = Source(
    name="juniper_srx",
    product="Juniper SRX firewalls (Junos)",
    arrives_by="syslog",
    reference="Junos OS System Log Explorer: RT_FLOW_SESSION_*, IDP_ATTACK_LOG_EVENT, RT_SCREEN_*, WEBFILTER_*, UI_*",
    namespaces=("juniper",),
)
STRUCTURED = "[junos@"
TEXT = re.compile(r"RT_FLOW(?:\[\d{1,8}\])?: (?:%\S{0,20}-)?(RT_FLOW_SESSION_[A-Z_]{4,20}): ")
CLAIM = re.compile(
    rb"\[junos@[\d.]{1,40} |RT_FLOW(?:\[\d{1,8}\])?: (?:%\S{0,20}-)?RT_FLOW_SESSION_"
)
END = r"([0-9A-Fa-f:.]{2,45})/(\d{1,5})->([0-9A-Fa-f:.]{2,45})/(\d{1,5})"
SESSION = re.compile(
    rf"session (?:(?:created|denied) |closed (?P<reason>[^:]{{1,60}}): ){END}(?: 0x[0-9a-f]{{1,8}})? (\S{{1,64}}) "
)
NATTED = re.compile(rf"{END}(?: 0x[0-9a-f]{{1,8}})? ")
RULES = re.compile(
    r"(?:(?:source rule|destination rule|static rule|\S{1,64}) ){2,6}?"
    r"(\d{1,3}) (\S{1,128}) (\S{1,64}) (\S{1,64})(?: (\d{1,20}))?(?: |$)"
)
DENIED = re.compile(r"(\d{1,3})\((\d{1,5})\) (\S{1,128}) (\S{1,64}) (\S{1,64})(?: |$)")
VOLUME = re.compile(r"(\d{1,18})\((\d{1,18})\) (\d{1,18})\((\d{1,18})\) (\d{1,10})\b")
ENDS = ("source-address", "source-port", "destination-address", "destination-port")
TRANSLATED = tuple(f"nat-{name}" for name in ENDS)
_ZONES = ("source-zone-name", "destination-zone-name")
REFUSED = ("protocol-id", "icmp-type", "policy-name", *_ZONES)
RULED = ("protocol-id", "policy-name", *_ZONES, "session-id-32")
MEASURED = (
    "packets-from-client", "bytes-from-client", "packets-from-server", "bytes-from-server", "elapsed-time",
)  # fmt: skip
NAMES = table(
    {
        "protocol-id": "", "protocol-name": "", "username": "", "epoch-time": "", "elapsed-time": "",
        "source-address": "source.ip", "source-port": "source.port", "destination-address": "destination.ip",
        "destination-port": "destination.port", "nat-source-address": "source.nat.ip",
        "nat-source-port": "source.nat.port", "nat-destination-address": "destination.nat.ip",
        "nat-destination-port": "destination.nat.port", "service-name": "network.protocol",
        "application": "network.application", "application-name": "network.application",
        "policy-name": "rule.name", "source-zone-name": "observer.ingress.zone",
        "destination-zone-name": "observer.egress.zone", "source-zone": "observer.ingress.zone",
        "packet-incoming-interface": "observer.ingress.interface.name",
        "source-interface-name": "observer.ingress.interface.name", "interface-name": "observer.ingress.interface.name",
        "destination-interface-name": "observer.egress.interface.name",
        "packets-from-client": "source.packets", "bytes-from-client": "source.bytes",
        "packets-from-server": "destination.packets", "bytes-from-server": "destination.bytes",
        "inbound-bytes": "source.bytes", "outbound-bytes": "destination.bytes", "reason": "event.reason",
        "session-id-32": "juniper.srx.session_id", "session-id": "juniper.srx.session_id", "url": "url.original",
        "obj": "url.path", "filename": "file.name", "file-name": "file.name", "message": "message",
        "client-address": "source.ip", "command": "process.command_line",
    }
)  # fmt: skip
SEVERITY = MappingProxyType(
    {
        "critical": 1,
        "high": 2,
        "major": 2,
        "medium": 3,
        "minor": 3,
        "low": 4,
        "warning": 4,
        "info": 5,
    }
)
BLOCKING = re.compile(r"drop|block|deny|close|reject", re.IGNORECASE)


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a structured Junos line, or RT_FLOW as text."""
    start = raw[:300]
    return (b"[junos@" in start or b"RT_FLOW" in start) and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has neither ``[junos@...`` nor ``RT_FLOW:``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    place = line.find(STRUCTURED, 0, 600)
    if place >= 0:
        head = read_head(line, record, place)
        *_, program, _, tag = ["", "", "", *line[:place].split()]
        said = quoted_pairs(line, place)
    else:
        found = TEXT.search(line[:600])
        if found is None:
            reason = "no SRX line: [junos@... or RT_FLOW: RT_FLOW_SESSION_... is expected"
            raise RecordError(reason, source=SOURCE.name, raw=record.raw)
        head = read_head(line, record, found.start())
        program, tag = "RT_FLOW", found[1]
        said = _session(line[found.end() : found.end() + 2_000])
    fields: Fields = {
        "event.kind": "event",
        "event.module": "juniper_srx",
        "event.dataset": "juniper_srx.log",
        "event.code": tag or "unknown",
        "event.action": (tag or "unknown").lower().replace("_", "-"),
        "event.provider": program or "unknown",
        "observer.vendor": "Juniper",
        "observer.product": "SRX",
        "observer.type": "firewall",
    }
    add(fields, NAMES, said, "juniper.srx")
    add_transport(fields, said.get("protocol-id") or said.get("protocol-name", ""))
    if said.get("username", "") != "unknown-user":
        add_user(fields, said.get("username", ""))
    _classify(fields, tag, said)
    add_head(fields, head, record)
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)


def _session(words: str) -> dict[str, str]:
    """RT_FLOW as text, under the names of the structured form; what comes after the zones differs by release."""
    begun = SESSION.match(words)
    if begun is None:
        return {"message": words}
    reason, *ends, service = begun.groups()
    said = dict(zip(ENDS, ends, strict=True))
    said |= {"reason": reason or "", "service-name": service}
    rest = words[begun.end() :]
    if denied := DENIED.match(rest):
        return said | dict(zip(REFUSED, denied.groups(), strict=True))
    if natted := NATTED.match(rest):
        said |= dict(zip(TRANSLATED, natted.groups(), strict=True))
        rest = rest[natted.end() :]
    if rules := RULES.match(rest):
        said |= {name: text for name, text in zip(RULED, rules.groups(), strict=True) if text}
        if volume := VOLUME.match(rest, rules.end()):
            said |= dict(zip(MEASURED, volume.groups(), strict=True))
    return said


def _classify(fields: Fields, tag: str, said: Mapping[str, str]) -> None:
    action = said.get("action", "")
    if "SESSION" in tag and "SESSIONS" not in tag:
        step = "start" if "CREATE" in tag else "end" if "CLOSE" in tag else ""
        add_connection(fields, blocked="DENY" in tag, step=step)
        seconds = count(said.get("elapsed-time", ""))
        if seconds is not None and seconds < 10**9:
            fields["event.duration"] = seconds * 1_000_000_000
    elif tag.startswith(("IDP_", "RT_SCREEN_", "AAMW_", "SECINTEL_", "AV_")):
        add_connection(
            fields, blocked=BLOCKING.search(action) is not None or tag.startswith("RT_SCREEN_")
        )
        malware = tag.startswith(("AAMW_", "AV_"))
        fields["event.kind"] = "alert"
        fields["event.category"] = ["malware" if malware else "intrusion_detection", "network"]
        if attack := said.get("attack-name") or said.get("threat-name") or said.get("name"):
            if "rule.name" in fields:
                fields["rule.ruleset"] = fields["rule.name"]
            fields["rule.name"] = attack
    elif tag.startswith("WEBFILTER_"):
        add_connection(fields, blocked="BLOCKED" in tag)
        fields["event.category"] = ["web", "network"]
    elif "LOGIN" in tag or "LOGOUT" in tag or "AUTH" in tag:
        failed = "FAIL" in tag or "INVALID" in tag
        add_sign_in(
            fields,
            "logout" if "LOGOUT" in tag else "login",
            success=not failed,
            end="LOGOUT" in tag,
        )
    elif tag.startswith("UI_"):
        add_change(fields, str(fields["event.action"]))
    else:
        fields["event.category"], fields["event.type"] = ["network"], ["info"]
    severity = said.get("threat-severity", "").lower()
    if severity in SEVERITY:
        fields["event.severity"] = SEVERITY[severity]
