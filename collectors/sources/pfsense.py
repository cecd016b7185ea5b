"""pfSense and OPNsense: the packet filter's ``filterlog`` records, and sign-ins to the web interface, by syslog.

A filterlog record is values between commas, whose places depend on the version of IP and on the protocol. What ECS has
no name for stays under ``pfsense``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import add_head, read_head, when
from soc.normalise.network_words import (
    add,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    table,
)

SOURCE = Source(
    name="pfsense",
    product="pfSense and OPNsense",
    arrives_by="syslog",
    reference="pfSense documentation, 'Raw Filter Log Format'; OPNsense filterlog, 'Description of the format'",
    namespaces=("pfsense",),
)
_STRUCTURED = r"(?:-|\[[^\]]{0,200}\])"
FILTER = re.compile(
    rf"\bfilterlog(?:\[\d{{1,8}}\]: ?|: ?| (?:-|\d{{1,8}}) (?:-|\S{{1,32}}) {_STRUCTURED} )(?=\d{{0,6}},)"
)
CLAIM = re.compile(FILTER.pattern.encode())
WEB = re.compile(
    rf"\bphp-fpm(?:\[\d{{1,8}}\]: ?| (?:-|\d{{1,8}}) (?:-|\S{{1,32}}) {_STRUCTURED} )(?=/\S{{1,60}}: )"
)
WEB_CLAIM = re.compile(WEB.pattern.encode())
SIGNED = re.compile(
    r"/\S{1,60}: (Successful login|webConfigurator authentication error|User logged out) for user '([^']{0,128})'"
    r"(?: from: ?(\S{2,45}))?"
)
FIRST = (
    "rule", "sub_rule", "anchor", "tracker", "interface", "reason", "action", "direction", "ip_version",
)  # fmt: skip
IPV4 = (
    "tos", "ecn", "ttl", "id", "offset", "flags", "protocol_id", "protocol", "length", "src", "dst",
)  # fmt: skip
IPV6 = ("class", "flow_label", "hop_limit", "protocol", "protocol_id", "length", "src", "dst")
PORTS = ("src_port", "dst_port", "data_length")
TCP = (*PORTS, "tcp_flags", "sequence", "ack", "window", "urg", "options")
ICMP = ("icmp_type", "icmp_id", "icmp_sequence")
AFTER = {"tcp": TCP, "udp": PORTS, "icmp": ICMP, "ipv6-icmp": ICMP, "icmp6": ICMP, "icmpv6": ICMP}
NAMES = table(
    {
        "ip_version": "", "protocol": "", "protocol_id": "", "action": "", "direction": "", "data_length": "",
        "sequence": "", "ack": "", "urg": "", "tos": "", "ecn": "", "offset": "", "id": "", "class": "",
        "flow_label": "", "rule": "rule.id", "tracker": "rule.uuid", "anchor": "rule.ruleset",
        "interface": "observer.ingress.interface.name", "reason": "event.reason", "length": "network.bytes",
        "src": "source.ip", "dst": "destination.ip", "src_port": "source.port", "dst_port": "destination.port",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a filterlog record, or a line of the web interface."""
    start = raw[:500]
    if b"filterlog" in start:
        return CLAIM.search(start) is not None
    return b"php-fpm" in start and WEB_CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is neither a filterlog record nor a line of the web interface, or the record is cut short.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    packet = FILTER.search(line[:600])
    web = WEB.search(line[:600]) if packet is None else None
    mark = packet or web
    if mark is None:
        reason = "no pfSense line: filterlog or php-fpm is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    fields: Fields = {
        "event.kind": "event",
        "event.module": "pfsense",
        "event.dataset": "pfsense.filterlog" if packet else "pfsense.web",
        "observer.vendor": "Netgate",
        "observer.product": "OPNsense" if "OPNsense" in head.host else "pfSense",  # its first name
        "observer.type": "firewall",
    }
    if packet:
        values = line[mark.end() : mark.end() + 2_000].split(",")
        if len(values) < len(FIRST):
            reason = (
                f"a filterlog record of {len(values)} values; at least {len(FIRST)} are expected"
            )
            raise RecordError(reason, source=SOURCE.name, raw=record.raw)
        _packet(fields, values)
    else:
        _web(fields, line[mark.end() :])
    add_head(fields, head, record)
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)


def _packet(fields: Fields, values: Sequence[str]) -> None:
    said = dict(zip(FIRST, values, strict=False))
    version, rest = said["ip_version"], values[len(FIRST) :]
    places = {"4": IPV4, "6": IPV6}.get(version, ())
    said |= dict(zip(places, rest, strict=False))
    protocol = said.get("protocol", "").lower()
    said |= dict(zip(AFTER.get(protocol, ()), rest[len(places) :], strict=False))
    add(fields, NAMES, said, "pfsense")
    add_transport(fields, said.get("protocol_id", ""))
    if version in ("4", "6"):
        fields["network.type"] = f"ipv{version}"
    action, direction = said["action"].lower(), said["direction"].lower()
    add_connection(fields, blocked=action in ("block", "reject"))
    fields["event.action"] = action or "unknown"
    if direction == "out":  # the interface is the one that the packet leaves by
        interface = fields.pop("observer.ingress.interface.name", None)
        if interface is not None:
            fields["observer.egress.interface.name"] = interface
    if direction in ("in", "out"):
        fields["network.direction"] = "ingress" if direction == "in" else "egress"


def _web(fields: Fields, words: str) -> None:
    if words:
        fields["message"] = words[:4_000]
    signed = SIGNED.match(words)
    if signed is None:
        fields["event.category"], fields["event.type"] = ["host"], ["info"]
        return
    leaves = signed[1] == "User logged out"
    add_sign_in(
        fields, "logout" if leaves else "login", success="error" not in signed[1], end=leaves
    )
    add_user(fields, signed[2])
    add(fields, NAMES, {"src": signed[3] or ""}, "pfsense")
