"""MikroTik RouterOS 6 and 7: ``topics message``, with or without a head, as syslog brings them.

Packets that a firewall rule logs, sign-ins, changed settings and DHCP leases are read; of any other topic the words are
told. A rule does not say what became of the packet: its prefix does, where it has a word such as drop or accept. What
ECS has no name for stays under ``mikrotik``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.device_head import add_head, read_head, when
from soc.normalise.network_words import (
    add_change,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    hardware_address,
)

SOURCE = Source(
    name="mikrotik",
    product="MikroTik RouterOS",
    arrives_by="syslog",
    reference="RouterOS documentation, 'Log' (topics, actions, bsd-syslog) and 'Filter', 'Logging'",
    namespaces=("mikrotik",),
)
_FIRST = (
    "firewall|system|dhcp|ipsec|l2tp|pptp|ppp|ovpn|sstp|pppoe|wireguard|wireless|interface|script|dns|web-proxy|hotspot|"
    "radius|bridge|certificate|route|ospf|bgp|snmp|user-manager|account|critical|error|warning|caps|e-mail|backup"
)
MARK = re.compile(
    rf"(?<![^\s:>])((?:{_FIRST})(?:,[a-z0-9-]{{1,20}}){{0,3}}?,(?:info|warning|error|critical|debug)"
    r"(?:,[a-z0-9-]{1,20}){0,3}) (?=\S)"
)
CLAIM = re.compile(MARK.pattern.encode())
LEVEL = re.compile(rb",(?:info|warning|error|critical|debug)[ ,]")  # the quick look
PACKET = re.compile(
    r"(?:(?P<prefix>\S.{0,80}?) )?(?P<chain>[\w.-]{1,40}): "
    r"in:(?P<in>\([^)]{1,30}\)|[^ ,]{1,60}(?: [^ ,:]{1,40}){0,3}?) "
    r"out:(?P<out>\([^)]{1,30}\)|[^,]{1,60}?), "
)
STATE = re.compile(r"connection-state:([\w,]{1,40})")
ADDRESS = re.compile(r"src-mac ([0-9A-Fa-f:]{17})")
PROTO = re.compile(r"proto (\w[\w-]{0,16})(?: \(([^)]{1,40})\))?, ")
ENDS = re.compile(
    r"(?<![\w(])\[?([0-9A-Fa-f:.]{2,45}?)\]?(?::(\d{1,5}))?"
    r"->\[?([0-9A-Fa-f:.]{2,45}?)\]?(?::(\d{1,5}))?(?=, |$)"
)
NATTED = re.compile(
    r"NAT (?:\([^( ]{2,52}?->([0-9.]{7,15})(?::(\d{1,5}))?\)->"
    r"|[^( ]{2,52}->\([^( ]{2,52}?->([0-9.]{7,15})(?::(\d{1,5}))?\))"
)
LENGTH = re.compile(r"\blen (\d{1,6})")
FAILED = re.compile(r"login failure for user (\S{0,128}) from (\S{2,64}?)(?: via (\S{1,40}))?$")
SIGNED_IN = re.compile(r"user (\S{1,128}) logged (in|out) from (\S{2,64}?)(?: via (\S{1,40}))?$")
CHANGED = re.compile(r"(.{1,120}?) (added|changed|removed|moved|enabled|disabled) by (\S{1,160})")
LEASE = re.compile(
    r"(\S{1,60}) (assigned|deassigned) (\S{7,45}) (?:to|for|from) ([0-9A-Fa-f:]{17})(?: (\S{1,64}))?"
)
HELD_BACK = re.compile(r"drop|block|deny|reject|invalid|blacklist", re.IGNORECASE)
LET_THROUGH = re.compile(r"accept|allow|permit|pass", re.IGNORECASE)


def claims(raw: bytes) -> bool:
    """Whether the bytes have topics of RouterOS near their beginning."""
    start = raw[:200]
    return LEVEL.search(start) is not None and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no topics.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:400])
    if mark is None:
        reason = "no RouterOS line: topics such as firewall,info are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    topics, words = mark[1].split(","), line[mark.end() : mark.end() + 4_000]
    fields: Fields = {
        "event.kind": "event",
        "event.module": "mikrotik",
        "event.dataset": f"mikrotik.{topics[0].replace('-', '_')}",
        "event.category": ["network" if topics[0] == "firewall" else "host"],
        "event.type": ["info"],
        "event.action": topics[0],
        "mikrotik.topics": topics,
        "message": words,
        "observer.vendor": "MikroTik",
        "observer.product": "RouterOS",
        "observer.type": "router",
    }
    _say(fields, words)
    add_head(fields, head, record)
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)


def _say(fields: Fields, words: str) -> None:
    if packet := PACKET.match(words):
        _packet(fields, packet, words[packet.end() :])
    elif failed := FAILED.match(words):
        _signed(fields, failed[1], failed[2], failed[3])
        add_sign_in(fields, "login", success=False)
    elif signed := SIGNED_IN.match(words):
        _signed(fields, signed[1], signed[3], signed[4])
        leaves = signed[2] == "out"
        add_sign_in(fields, "logout" if leaves else "login", success=True, end=leaves)
    elif lease := LEASE.match(words):
        _lease(fields, lease)
    elif changed := CHANGED.match(words):
        _change(fields, changed)


def _packet(fields: Fields, packet: re.Match[str], rest: str) -> None:
    fields["event.type"] = ["connection"]
    fields["event.action"] = "logged"
    fields["mikrotik.chain"] = packet["chain"]
    for name, way in (("in", "ingress"), ("out", "egress")):
        if not packet[name].startswith("("):  # (unknown 0): there is none
            fields[f"observer.{way}.interface.name"] = packet[name]
    if proto := PROTO.search(rest):
        add_transport(fields, proto[1])
        if proto[2]:
            fields["mikrotik.details"] = proto[2]
    if ends := ENDS.search(rest):
        _end(fields, "source", ends[1], ends[2])
        _end(fields, "destination", ends[3], ends[4])
    if natted := NATTED.search(rest):
        inside = natted[1] is not None
        end = "source" if inside else "destination"
        _end(fields, f"{end}.nat", natted[1] or natted[3], natted[2] if inside else natted[4])
    if mac := ADDRESS.search(rest):
        fields["source.mac"] = hardware_address(mac[1]) or mac[1]
    if state := STATE.search(rest):
        fields["mikrotik.connection_state"] = state[1].rstrip(",")
    if length := LENGTH.search(rest):
        fields["network.bytes"] = int(length[1])
    if prefix := packet["prefix"]:
        fields["rule.name"] = prefix
        if HELD_BACK.search(prefix):
            add_connection(fields, blocked=True)
            fields["event.action"] = "dropped"
        elif LET_THROUGH.search(prefix):
            add_connection(fields, blocked=False)
            fields["event.action"] = "accepted"


def _end(fields: Fields, end: str, written: str, port: str | None) -> None:
    if (address := ip_address(written)) is not None:
        fields[f"{end}.ip"] = address
    if number := port_number(port or ""):
        fields[f"{end}.port"] = number


def _signed(fields: Fields, user: str, whence: str, way: str | None) -> None:
    add_user(fields, user)
    if (address := ip_address(whence)) is not None:
        fields["source.ip"] = address
    elif (mac := hardware_address(whence)) is not None:  # Winbox by hardware address
        fields["source.mac"] = mac
    if way:
        fields["network.protocol"] = way.lower()


def _lease(fields: Fields, lease: re.Match[str]) -> None:
    fields["event.category"] = ["network"]
    fields["event.type"] = ["start" if lease[2] == "assigned" else "end"]
    fields["event.action"] = f"dhcp-{lease[2]}"
    fields["mikrotik.dhcp_server"] = lease[1]
    _end(fields, "source", lease[3], None)
    fields["source.mac"] = hardware_address(lease[4]) or lease[4]
    if lease[5]:
        fields["source.domain"] = lease[5]


def _change(fields: Fields, changed: re.Match[str]) -> None:
    """RouterOS 6 ends with the name; 7 with ``tcp-msg(winbox):name@address``."""
    add_change(fields, f"{changed[1]} {changed[2]}".replace(" ", "-"))
    name, _, address = changed[3].rpartition(":")[2].partition("@")
    add_user(fields, name)
    if (whence := ip_address(address)) is not None:
        fields["source.ip"] = whence
