"""Packets that the Linux kernel logs: the LOG target of iptables, ``log`` of nftables, ufw, and routers built on them.

``IN=`` and ``OUT=`` begin the pairs; what stands before them is the rule's own prefix. The kernel does not say what
became of the packet: a prefix with a word such as DROP, BLOCK, DENY or REJECT tells that it was held back, one with
ACCEPT or ALLOW that it passed, and any other leaves it open. What ECS has no name for stays under ``iptables``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import add_head, read_head, when
from soc.normalise.network_words import add, add_connection, add_transport, table

SOURCE = Source(
    name="iptables",
    product="Linux iptables, nftables and ufw",
    arrives_by="syslog",
    reference="iptables-extensions(8), 'LOG'; nft(8), 'LOG STATEMENT'; net/netfilter/nf_log_syslog.c",
    namespaces=("iptables",),
)
MARK = re.compile(r"IN=([\w.@:+-]{0,32}) OUT=([\w.@:+-]{0,32}) ")
CLAIM = re.compile(MARK.pattern.encode() + rb"(?:\S+ ){0,6}SRC=")
PAIR = re.compile(r"(?<!\S)([A-Z][A-Za-z]{1,12})=([^\s\[\]]*+)")
FLAG = re.compile(r"(?<!\S)(SYN|ACK|FIN|RST|PSH|URG|ECE|CWR|DF|MF)(?!\S)")
UPTIME = re.compile(r"\[ *\d{1,10}\.\d{1,6}\] ?")
PROGRAM = re.compile(r"[\s:]*(?:kernel|ulogd)(?:\[\d{1,10}\])?: ?")
HELD_BACK = re.compile(r"DROP|BLOCK|DENY|DENIED|REJECT|DISCARD|INVALID", re.IGNORECASE)
LET_THROUGH = re.compile(r"ACCEPT|ALLOW|PERMIT|PASS", re.IGNORECASE)
ETHERNET = re.compile(
    r"((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}):((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})"
)
INNER = " ["  # an ICMP error quotes the packet that it answers
NAMES = table(
    {
        "IN": "", "OUT": "", "PROTO": "", "MAC": "", "URGP": "", "RES": "",
        "SRC": "source.ip", "DST": "destination.ip", "SPT": "source.port", "DPT": "destination.port",
        "LEN": "network.bytes", "TYPE": "iptables.icmp_type", "CODE": "iptables.icmp_code",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a packet that the kernel logged."""
    return CLAIM.search(raw[:800]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``IN=`` and ``OUT=``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:1_000])
    if mark is None:
        reason = "no packet of the kernel: IN= and OUT= are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    packet = line[mark.start() : 4_000].partition(INNER)[0]
    fields: Fields = {
        "event.kind": "event",
        "event.module": "iptables",
        "event.dataset": "iptables.log",
        "event.action": "logged",
        "observer.vendor": "Linux",
        "observer.product": "netfilter",
        "observer.type": "firewall",
    }
    said = dict(reversed(PAIR.findall(packet)))  # of two LEN= the first is the packet's
    add(fields, NAMES, said, "iptables")
    _verdict(fields, _prefix(line[head.end : mark.start()]))
    add_transport(fields, said.get("PROTO", ""))
    _way(fields, *mark.groups())
    addresses = ETHERNET.match(said.get("MAC", ""))
    if addresses is not None:
        fields["destination.mac"] = addresses[1].replace(":", "-").upper()
        fields["source.mac"] = addresses[2].replace(":", "-").upper()
    if flags := [flag for flag in FLAG.findall(packet) if flag not in ("DF", "MF")]:
        fields["iptables.tcp_flags"] = flags
    add_head(fields, head, record)
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)


def _prefix(before: str) -> str:
    program = PROGRAM.match(before)
    rest = before[program.end() :] if program else before
    uptime = UPTIME.match(rest)
    return (rest[uptime.end() :] if uptime else rest).strip(" :")


def _verdict(fields: Fields, prefix: str) -> None:
    fields["event.category"] = ["network"]
    fields["event.type"] = ["connection"]
    if not prefix:
        return
    fields["rule.name"] = prefix[:200]
    if HELD_BACK.search(prefix):
        add_connection(fields, blocked=True)
        fields["event.action"] = "dropped"
    elif LET_THROUGH.search(prefix):
        add_connection(fields, blocked=False)
        fields["event.action"] = "accepted"


def _way(fields: Fields, arrived: str, leaves: str) -> None:
    """A packet with one interface only is for the computer itself, or from it."""
    if arrived:
        fields["observer.ingress.interface.name"] = arrived
    if leaves:
        fields["observer.egress.interface.name"] = leaves
    if bool(arrived) != bool(leaves):
        fields["network.direction"] = "ingress" if arrived else "egress"
