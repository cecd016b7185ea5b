"""Cisco IOS, IOS XE and Catalyst: ``%SEC-6-IPACCESSLOGP: words``, as syslog brings them.

Before the mark stand, in any mixture, a relay's head, a sequence number, the device's name and its own time, with ``*``
or ``.`` where its clock is not set; the last time before the mark is the device's. Access lists, logins, logouts,
settings, links, SSH and 802.1X are read; of any other message the head, the mark and the words are told. What ECS has
no name for stays under ``cisco.ios``.
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
    table,
)
from soc.normalise.syslog_codes import code_fields

SOURCE = Source(
    name="cisco_ios",
    product="Cisco IOS and IOS XE routers and switches",
    arrives_by="syslog",
    reference="Cisco IOS System Message Guide, 'How to Read System Messages'; Cisco IOS XE System Message Guides",
    namespaces=("cisco",),
)
MARK = re.compile(r"%([A-Z][A-Z0-9_-]{1,60})-([0-7])-([A-Z][A-Z0-9_]{1,60}) ?: ?")
CLAIM = re.compile(rb"%(?!ASA-|FTD-|PIX-)[A-Z][A-Z0-9_-]{1,60}-[0-7]-[A-Z][A-Z0-9_]{1,60} ?: ")
OWN_TIME = re.compile(
    r"[*.]?("
    r"(?:[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,6})?)"
    r"(?: [A-Z]{3,4}\b(?:[+-]\d{1,2}(?::\d\d)?)?)?)"
)
OWN_NAME = re.compile(
    r"(?:<\d{1,3}>)?(?:\d{1,12})?(?:: )?([A-Za-z][\w.-]{0,62}): "
    r"(?=(?:\d{1,12}: )?[*.]?[A-Z][a-z]{2} )"
)
_END = r"([0-9A-Fa-f:.]{2,45})"
LISTED = re.compile(
    rf"(?:access-)?list (?P<acl>\S{{1,128}}) (?P<verdict>permitted|denied|permit|deny) (?P<proto>\S{{1,12}}) "
    rf"(?:\S{{17}} )?(?P<sip>{_END})(?:\((?P<sport>\d{{1,6}})\))? ?(?:\([^()]{{1,60}}\) |\S{{1,60}})?-> "
    rf"(?P<dip>{_END})(?:\((?P<dport>\d{{1,6}})\))?"
    rf"(?: \((?P<icmp>\d{{1,3}}(?:/\d{{1,3}})?)\))?(?:, (?P<packets>\d{{1,12}}) packets?)?"
)
LISTED_SOURCE = re.compile(
    rf"list (?P<acl>\S{{1,128}}) (?P<verdict>permitted|denied) (?P<sip>{_END}) (?P<packets>\d{{1,12}}) packets?"
)
LOGIN = re.compile(
    r"\[user: ?(?P<user>[^\]]{0,128})\] \[Source: ?(?P<sip>[^\]]{0,45})\] \[localport: ?(?P<dport>[^\]]{0,6})\]"
    r"(?: \[Reason: ?(?P<reason>[^\]]{0,120})\])?"
)
LOGOUT = re.compile(
    r"User (?P<user>\S{1,128}) has exited tty session \d{1,6} ?\((?P<sip>[^)]{0,45})\)"
)
CONFIGURED = re.compile(
    r"Configured from (?P<from>\S{1,60}) by (?P<user>\S{1,128})(?: on (?P<line>\S{1,40}))?(?: \((?P<sip>[^)]{1,45})\))?"
)
COMMANDED = re.compile(r"User:(?P<user>\S{1,128}) +logged command:(?P<command>.{1,1000})")
SSH = re.compile(
    r"(?:User '(?P<user>[^']{1,128})' authentication for )?SSH2? [Ss]ession (?:request )?"
    r"from (?P<sip>\S{2,45}) .{0,200}?"
    r"(?P<verdict>Succeeded|Failed)"
)
LINK = re.compile(r"Interface (?P<interface>[^,]{1,60}), changed state to (?P<state>[a-z ]{1,30})")
CLIENT = re.compile(
    r"Authentication (?P<verdict>\w{1,12}) for client \((?P<mac>[^)]{1,40})\) on Interface (?P<interface>\S{1,40})"
)
AAA = re.compile(
    r"Authentication (?P<verdict>\w{1,12}).{0,80}?\buser[ :]+'?(?P<user>[^\s']{1,128})"
)
SIGNATURE = re.compile(
    rf"Sig:(?P<sig>\d{{1,8}}) Subsig:(?P<subsig>\d{{1,6}}) Sev:(?P<sev>\S{{1,12}}) (?P<name>.{{1,200}}?) "
    rf"\[(?P<sip>{_END}):(?P<sport>\d{{1,6}}) -> (?P<dip>{_END}):(?P<dport>\d{{1,6}})\]"
)
NAMES = table(
    {
        "sip": "source.ip", "sport": "source.port", "dip": "destination.ip", "dport": "destination.port",
        "acl": "rule.name", "packets": "network.packets", "reason": "event.reason", "command": "process.command_line",
        "interface": "observer.ingress.interface.name", "proto": "", "verdict": "", "user": "", "sig": "rule.id",
        "name": "rule.name",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes have the mark of an IOS message near their beginning."""
    return CLAIM.search(raw[:300]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``%FACILITY-level-MNEMONIC:``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    if mark is None:
        reason = "no IOS line: %FACILITY-level-MNEMONIC: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    facility, level, mnemonic = mark.groups()
    words = line[mark.end() :].strip()
    fields: Fields = {
        "event.kind": "event",
        "event.module": "cisco_ios",
        "event.dataset": "cisco_ios.log",
        "event.code": mnemonic,
        "event.provider": facility,
        "event.category": ["network"],
        "event.type": ["info"],
        "event.action": mnemonic.lower().replace("_", "-"),
        "observer.vendor": "Cisco",
        "observer.product": "IOS",
        "observer.type": "router",
    }
    if words:
        fields["message"] = words
    _say(fields, facility, mnemonic, words[:2_000])
    head = read_head(line, record, mark.start())
    observed_at = when(head, record)
    own = list(OWN_TIME.finditer(line, 0, mark.start()))
    if own and (head.observed_at is None or len(own) > 1):  # the device's own time comes last
        observed_at = read_head(own[-1][1] + ":", record).observed_at or observed_at
    if not head.host and (named := OWN_NAME.match(line)):
        head = head._replace(host=named[1])
    if head.host.isdecimal():  # a sequence number
        head = head._replace(host="")
    add_head(fields, head, record)
    fields.update(code_fields(int(level), None))
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _say(fields: Fields, facility: str, mnemonic: str, words: str) -> None:
    if "ACCESSLOG" in mnemonic:
        if said := _found(LISTED, words) or _found(LISTED_SOURCE, words):
            _told(fields, said)
            blocked = said["verdict"].startswith("den")
            add_connection(fields, blocked=blocked)
            fields["event.action"] = "denied" if blocked else "permitted"
    elif mnemonic in ("LOGIN_SUCCESS", "LOGIN_FAILED"):
        _told(fields, _found(LOGIN, words))
        add_sign_in(fields, "login", success=mnemonic == "LOGIN_SUCCESS")
    elif mnemonic == "LOGOUT":
        _told(fields, _found(LOGOUT, words))
        add_sign_in(fields, "logout", success=True, end=True)
    elif mnemonic in ("CONFIG_I", "CONFIG_P"):
        _told(fields, _found(CONFIGURED, words))
        add_change(fields, "configured")
    elif mnemonic == "CFGLOG_LOGGEDCMD":
        _told(fields, _found(COMMANDED, words))
        add_change(fields, "command-executed")
    elif facility == "SSH" and (said := _found(SSH, words)):
        _told(fields, said)
        add_sign_in(
            fields, mnemonic.lower().replace("_", "-"), success=said["verdict"] == "Succeeded"
        )
    elif facility in ("LINK", "LINEPROTO") and (said := _found(LINK, words)):
        _told(fields, said)
        what = "link" if facility == "LINK" else "protocol"
        fields["event.action"] = f"{what}-{said['state'].strip().replace(' ', '-')}"
    elif mnemonic == "SIGNATURE" and (said := _found(SIGNATURE, words)):
        _told(fields, said)
        fields["event.kind"] = "alert"
        fields["event.category"] = ["intrusion_detection", "network"]
    elif facility in ("DOT1X", "MAB", "AUTHMGR", "AAA") and (
        said := _found(CLIENT, words) or _found(AAA, words)
    ):
        _told(fields, said)
        add_sign_in(fields, "network-login", success=said["verdict"].lower().startswith("succe"))


def _found(pattern: re.Pattern[str], words: str) -> Mapping[str, str]:
    found = pattern.search(words)
    if found is None:
        return MappingProxyType({})
    return {name: value for name, value in found.groupdict().items() if value}


def _told(fields: Fields, said: Mapping[str, str]) -> None:
    add(fields, NAMES, said, "cisco.ios")
    add_transport(fields, said.get("proto", ""))
    add_user(fields, said.get("user", ""))
