"""Cisco ASA, PIX and FTD firewalls: ``%ASA-6-302013: words``, as syslog brings them.

The words of the messages that matter are read by a table, one expression a number; of any other message the head, the
number and the words are told. A teardown does not say who began the connection: the end with the smaller port is taken
for the server. What ECS has no name for stays under ``cisco.asa``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from collectors.sources.cisco_asa.messages import MESSAGES
from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.device_head import add_head, read_head, when
from soc.normalise.network_words import (
    add,
    add_change,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    count,
    specified_address,
    table,
)
from soc.normalise.syslog_codes import code_fields

SOURCE = Source(
    name="cisco_asa",
    product="Cisco ASA and Firepower Threat Defense (FTD)",
    arrives_by="syslog",
    reference="Cisco Secure Firewall ASA Series Syslog Messages; "
    "Cisco Secure Firewall Threat Defense Syslog Messages, 'Security Event Syslog Messages'",
    namespaces=("cisco",),
)
MARK = re.compile(r"%(ASA|FTD|PIX)-(?:[a-z]{1,16}-)?([0-7])-(\d{5,6}):? ")
CLAIM = re.compile(MARK.pattern.encode())
LISTED = re.compile(r", (?=[A-Za-z][A-Za-z0-9_ ]{0,40}: )")
Said = Mapping[str, str]
Tell = Callable[[Fields, Said], None]


def claims(raw: bytes) -> bool:
    """Whether the bytes have the mark of an ASA, a PIX or an FTD near their beginning."""
    return CLAIM.search(raw[:300]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``%ASA-level-number``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    if mark is None:
        reason = "no ASA line: %ASA-, %FTD- or %PIX- with a level and a number is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    product, level, code = mark.groups()
    words = line[mark.end() :].strip()
    fields: Fields = {
        "event.kind": "event",
        "event.module": "cisco_asa",
        "event.dataset": f"cisco_asa.{'ftd' if product == 'FTD' else 'asa'}",
        "event.code": code,
        "event.category": ["network"],
        "event.type": ["info"],
        "message": words,
        "observer.vendor": "Cisco",
        "observer.product": product,
        "observer.type": "firewall",
    }
    _say(fields, code, words)
    if not words or code in SECURITY_EVENTS:  # whose words are all in fields
        del fields["message"]
    add_head(fields, head, record)
    fields.update(code_fields(int(level), None))
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)


def _say(fields: Fields, code: str, words: str) -> None:
    if code in SECURITY_EVENTS:
        _security_event(fields, code, words)
        return
    known = MESSAGES.get(code)
    if known is None:
        return
    pattern, kind, action = known
    found = pattern.search(words[:2_000])
    if found is None:  # a release that words it otherwise: the number and the words are kept
        return
    said = {name: value.strip() for name, value in found.groupdict().items() if value}
    if action:
        fields["event.action"] = action
    _ends(fields, said)
    add(fields, NAMES, said, "cisco.asa")
    if "user" in said:
        add_user(fields, said["user"])
    elif "source.user.name" in fields:
        fields["user.name"] = fields["source.user.name"]
    KINDS[kind](fields, said)


def _ends(fields: Fields, said: Said) -> None:
    """Source and destination, turned round where the connection was begun from the second end named."""
    first, second = "source", "destination"
    if said.get("way") == "outbound" or _second_end_began(said):
        first, second = second, first
    for end, letter in ((first, "s"), (second, "d")):
        _address(fields, end, said.get(f"{letter}ip", ""))
        if port := port_number(said.get(f"{letter}port", "")):
            fields[f"{end}.port"] = port
        natted = specified_address(said.get(f"{letter}nat", ""))
        nat_port = port_number(said.get(f"{letter}natport", ""))
        if natted and (natted != fields.get(f"{end}.ip") or nat_port != port):
            fields[f"{end}.nat.ip"] = natted
            if nat_port:
                fields[f"{end}.nat.port"] = nat_port
        if f"{letter}user" in said:
            add_user(fields, _account(said[f"{letter}user"]), prefix=f"{end}.user")
        if interface := said.get(f"{letter}if"):
            way = "ingress" if end == "source" else "egress"
            fields[f"observer.{way}.interface.name"] = interface


def _second_end_began(said: Said) -> bool:
    if "way" in said or "duration" not in said:
        return False
    return int(said.get("sport", 0)) < int(said.get("dport", 0))


def _address(fields: Fields, end: str, written: str) -> None:
    """An address, or a name that the device has for it."""
    if not written:
        return
    address = ip_address(written)
    fields[f"{end}.ip" if address else f"{end}.domain"] = address or written


def _account(written: str) -> str:
    r"""``LOCAL\name`` is an account of the device itself."""
    return written.removeprefix("LOCAL\\")


def _denied(fields: Fields, said: Said) -> None:
    add_connection(fields, blocked=True)
    add_transport(fields, said.get("proto", "").removeprefix("protocol "))


def _listed(fields: Fields, said: Said) -> None:
    add_connection(fields, blocked=said["verdict"] == "denied")
    fields["event.action"] = said["verdict"]
    add_transport(fields, said.get("proto", ""))


def _built(fields: Fields, said: Said) -> None:
    ended = fields["event.action"] == "connection-ended"
    add_connection(fields, blocked=False, step="end" if ended else "start")
    add_transport(fields, said.get("proto", ""))
    if said.get("way") in ("inbound", "outbound"):
        fields["network.direction"] = said["way"]
    if "duration" in said:
        hours, minutes, seconds = said["duration"].split(":")
        whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
        fields["event.duration"] = whole * 1_000_000_000
    if (size := count(said.get("bytes", ""))) is not None:
        fields["network.bytes"] = size


def _translated(fields: Fields, said: Said) -> None:
    fields["event.type"] = ["connection", "end" if "duration" in said else "start"]
    add_transport(fields, said.get("proto", ""))
    if natted := specified_address(said["nat"]):
        fields["source.nat.ip"] = natted
    if port := port_number(said["natport"]):
        fields["source.nat.port"] = port


def _filtered(fields: Fields, said: Said) -> None:
    add_connection(fields, blocked=said["verdict"] == "dropped")
    add_transport(fields, said.get("proto", ""))
    fields["event.kind"] = "alert"
    fields["event.category"] = ["intrusion_detection", "network"]


def _signed_in(fields: Fields, said: Said) -> None:
    good = said["verdict"].lower() in ("permitted", "succeeded", "successful", "successfully")
    add_sign_in(fields, "login", success=good)


def _session(fields: Fields, said: Said) -> None:
    fields["event.category"] = ["network", "session"]
    ended = "ended" in said or "closed" in said
    fields["event.type"] = ["end" if ended else "start"]
    fields["event.outcome"] = "success"


def _commanded(fields: Fields, said: Said) -> None:
    add_change(fields, "command-executed")


def _looked(fields: Fields, said: Said) -> None:
    fields["event.category"] = ["configuration"]
    fields["event.type"] = ["access"]
    fields["event.outcome"] = "success"


def _threatened(fields: Fields, said: Said) -> None:
    fields["event.kind"] = "alert"
    fields["event.category"] = ["intrusion_detection", "network"]
    if address := ip_address(said["object"].strip()):
        fields["source.ip"] = address


def _security_event(fields: Fields, code: str, words: str) -> None:
    pairs = (piece.partition(": ") for piece in LISTED.split(words))
    said = {name.strip().replace(" ", "_"): value.strip() for name, _, value in pairs}
    if said.get("ThreatName") in NO_NAME:
        del said["ThreatName"]
    add(fields, FTD_NAMES, said, "cisco.ftd")
    user = said.get("User", "")
    if user and user not in NO_USER:
        add_user(fields, user)
    named = ("AccessControlRuleAction", "InlineResult", "FileAction")
    verdict = next((said[name].lower() for name in named if said.get(name)), "")
    blocked = verdict.startswith("block") or verdict in ("dropped", "malware block")
    step = {"430002": "start", "430003": "end"}.get(code, "")
    add_connection(fields, blocked=blocked, step=step)
    fields["event.action"] = verdict.replace(" ", "-") or SECURITY_EVENTS[code]
    add_transport(fields, said.get("Protocol", ""))
    if code == "430001":
        fields["event.kind"] = "alert"
        fields["event.category"] = ["intrusion_detection", "network"]
    elif code in ("430004", "430005"):
        malware = code == "430005" and (blocked or said.get("SHA_Disposition") == "Malware")
        fields["event.category"] = ["malware" if malware else "file", "network"]
        if malware:
            fields["event.kind"] = "alert"


SECURITY_EVENTS = MappingProxyType(
    {
        "430001": "intrusion",
        "430002": "connection-started",
        "430003": "connection-ended",
        "430004": "file",
        "430005": "malware",
    }
)
NO_NAME = frozenset({"Unknown", "Invalid ID"})
NO_USER = frozenset({"No Authentication Required", "Not Found", "Unknown", "Special Identities"})
NAMES = table(
    {
        "sip": "", "sport": "", "dip": "", "dport": "", "sif": "", "dif": "", "snat": "", "snatport": "", "dnat": "",
        "dnatport": "", "suser": "", "duser": "", "user": "", "way": "", "proto": "", "duration": "", "verdict": "",
        "nat": "", "natport": "", "bytes": "", "ended": "", "closed": "",
        "acl": "rule.name", "group": "user.group.name", "reason": "event.reason", "command": "process.command_line",
        "sent": "source.bytes", "received": "destination.bytes", "assigned": "source.nat.ip", "object": "rule.name",
        "service": "network.protocol", "interface": "observer.ingress.interface.name",
        "category": "rule.category",
    }
)  # fmt: skip
FTD_NAMES = table(
    {
        "SrcIP": "source.ip", "DstIP": "destination.ip", "SrcPort": "source.port", "DstPort": "destination.port",
        "Protocol": "", "User": "", "AccessControlRuleAction": "",
        "IngressInterface": "observer.ingress.interface.name", "EgressInterface": "observer.egress.interface.name",
        "IngressZone": "observer.ingress.zone", "EgressZone": "observer.egress.zone",
        "AccessControlRuleName": "rule.name", "ACPolicy": "rule.ruleset", "AccessControlRuleReason": "event.reason",
        "ApplicationProtocol": "network.protocol", "WebApplication": "network.application",
        "InitiatorPackets": "source.packets", "ResponderPackets": "destination.packets",
        "InitiatorBytes": "source.bytes", "ResponderBytes": "destination.bytes",
        "UserAgent": "user_agent.original", "URL": "url.original", "ReferencedHost": "url.domain",
        "HTTPReferer": "http.request.referrer", "HTTPResponse": "http.response.status_code",
        "DNSQuery": "dns.question.name", "FileName": "file.name", "FileSHA256": "file.hash.sha256",
        "FileSize": "file.size", "FileAction": "", "FilePolicy": "rule.ruleset", "URI": "url.original",
        "ThreatName": "rule.name", "GID": "cisco.ftd.gid", "SID": "rule.id", "Message": "rule.description",
        "Classification": "rule.category", "DeviceUUID": "observer.serial_number",
        "NAT_InitiatorIP": "source.nat.ip", "NAT_InitiatorPort": "source.nat.port",
        "NAT_ResponderIP": "destination.nat.ip", "NAT_ResponderPort": "destination.nat.port",
    }
)  # fmt: skip
KINDS: Mapping[str, Tell] = MappingProxyType(
    {
        "denied": _denied,
        "listed": _listed,
        "built": _built,
        "translated": _translated,
        "filtered": _filtered,
        "signed_in": _signed_in,
        "session": _session,
        "commanded": _commanded,
        "looked": _looked,
        "threatened": _threatened,
    }
)
