"""Flows that routers, switches and firewalls export: NetFlow v5 and v9, IPFIX, sFlow v5.

The agent that receives the datagrams knows the exporters' templates and ships each flow as one JSON line, its values
under the names of the IPFIX registry. Counts are multiplied by the sampling rate here; the exported ones stand beside.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from collectors.sensor.community import ICMP, ICMP6, PORTS, community_id
from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.fields import GREATEST_LONG
from soc.normalise.network_words import PROTOCOLS
from soc.normalise.timestamps import from_epoch_microseconds

SOURCE = Source(
    name="flow_export",
    product="Flow exporters: NetFlow v5 and v9, IPFIX, sFlow v5",
    arrives_by="flow export",
    reference="docs/wire.md, 'flow_export'; RFC 3954; RFC 7011; IANA 'IPFIX Information Elements'; sFlow Version 5",
    namespaces=("flow_export",),
)
DATASETS = MappingProxyType(
    {
        "netflow_v5": "netflow.flow",
        "netflow_v9": "netflow.flow",
        "ipfix": "ipfix.flow",
        "sflow_v5": "sflow.flow",
    }
)
ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "source": ("sourceIPv4Address", "sourceIPv6Address"),
    "destination": ("destinationIPv4Address", "destinationIPv6Address"),
    "source.nat": ("postNATSourceIPv4Address", "postNATSourceIPv6Address"),
    "destination.nat": ("postNATDestinationIPv4Address", "postNATDestinationIPv6Address"),
}
NUMBERS: Mapping[str, tuple[str, ...]] = {
    "source.port": ("sourceTransportPort", "udpSourcePort", "tcpSourcePort"),
    "destination.port": ("destinationTransportPort", "udpDestinationPort", "tcpDestinationPort"),
    "source.nat.port": ("postNAPTSourceTransportPort",),
    "destination.nat.port": ("postNAPTDestinationTransportPort",),
    "source.as.number": ("bgpSourceAsNumber",),
    "destination.as.number": ("bgpDestinationAsNumber",),
}
TEXTS: Mapping[str, tuple[str, ...]] = {
    "observer.ingress.interface.id": ("ingressInterface",),
    "observer.egress.interface.id": ("egressInterface",),
    "network.vlan.id": ("vlanId", "dot1qVlanId"),
    "source.mac": ("sourceMacAddress",),
    "destination.mac": ("destinationMacAddress",),
    "network.application": ("applicationName", "appId"),
    "user.name": ("userName", "userId"),
}
COUNTS: Mapping[str, tuple[str, ...]] = {  # forward, then back; octets and packets
    "source.bytes": (
        "octetDeltaCount",
        "octetTotalCount",
        "initiatorOctets",
        "postOctetDeltaCount",
    ),
    "source.packets": (
        "packetDeltaCount",
        "packetTotalCount",
        "initiatorPackets",
        "postPacketDeltaCount",
    ),
    "destination.bytes": ("reverseOctetDeltaCount", "reverseOctetTotalCount", "responderOctets"),
    "destination.packets": (
        "reversePacketDeltaCount",
        "reversePacketTotalCount",
        "responderPackets",
    ),
}
MAPPED = frozenset(
    name for names in (ADDRESSES, NUMBERS, TEXTS) for group in names.values() for name in group
) | {"protocolIdentifier"}
DIRECTIONS = {0: "ingress", 1: "egress"}
FIREWALL_EVENTS = {
    1: "flow_created",
    2: "flow_deleted",
    3: "flow_denied",
    4: "flow_alert",
    5: "flow_updated",
}
MOST_FIELDS = 1_100


def claims(raw: bytes) -> bool:
    """Whether the bytes look like such a line."""
    return (
        raw[:1] == b"{"
        and b'"exporter":' in raw
        and b'"sampled_one_in":' in raw
        and b'"flow":{' in raw
    )


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a flow.

    Raises:
        RecordError: no such line, or a datagram that the agent could not read and ships with its bytes.
    """
    try:
        line = orjson.loads(record.raw)
        if not isinstance(line, dict) or not isinstance(line.get("flow"), dict):
            reason = line.get("unread") if isinstance(line, dict) else None
            raise ValueError(
                f"datagram refused: {reason}" if reason else "no JSON object with a flow"
            )
        if line.get("format") not in DATASETS or not _is_whole(line.get("exported")):
            raise ValueError("no known format, or no time of export")
        if len(line["flow"]) > MOST_FIELDS:
            raise ValueError(f"more than {MOST_FIELDS} values")
        end = line["end"] if _is_whole(line.get("end")) else line["exported"]
        observed_at = from_epoch_microseconds(end)
        fields = _fields(line, line["flow"], end)
    except ValueError as error:  # JSONDecodeError is a ValueError
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= GREATEST_LONG


def _fields(line: Mapping[str, Any], flow: Mapping[str, Any], end: int) -> Fields:
    fields: Fields = {
        "event.kind": "event",
        "event.module": "flow_export",
        "event.dataset": DATASETS[line["format"]],
        "event.category": ["network"],
        "event.type": ["connection"],
        "event.action": "flow",
        "flow_export.format": line["format"],
    }
    if exporter := ip_address(str(line.get("exporter", ""))):
        fields["observer.ip"] = [exporter]
    for name in ("domain", "sequence", "template", "agent"):
        value = line.get(name)
        if isinstance(value, int | str) and (said := _kept(value)) is not None:
            fields[f"flow_export.{name}"] = said
    if line.get("waited") is True:
        fields["flow_export.waited"] = True
    _add_times(fields, line, end)
    _add_ends(fields, flow)
    _add_counts(fields, line, flow)
    _add_meaning(fields, flow)
    for name, value in flow.items():
        if (
            name not in MAPPED
            and name.replace("_", "").isalnum()
            and (said := _kept(value)) is not None
        ):
            fields[f"flow_export.{name}"] = said
    _add_transport(fields, flow)
    return fields


def _kept(value: object) -> str | int | float | None:
    if isinstance(value, bool | float) or _is_whole(value):
        return value  # type: ignore[return-value]
    if isinstance(value, int):
        return GREATEST_LONG
    return value if isinstance(value, str) and value else None


def _add_times(fields: Fields, line: Mapping[str, Any], end: int) -> None:
    fields["event.end"] = from_epoch_microseconds(end).isoformat()
    start = line.get("start")
    if _is_whole(start):
        fields["event.start"] = from_epoch_microseconds(line["start"]).isoformat()
        if 0 <= end - line["start"] < GREATEST_LONG // 1_000:
            fields["event.duration"] = (end - line["start"]) * 1_000


def _add_ends(fields: Fields, flow: Mapping[str, Any]) -> None:
    for field, names in ADDRESSES.items():
        found = [one for name in names if name in flow and (one := ip_address(str(flow[name])))]
        if found and not (field.endswith(".nat") and found[0] in ("0.0.0.0", "::")):  # noqa: S104
            fields[f"{field}.ip"] = found[0]
    for field, names in NUMBERS.items():
        value = _first(flow, names)
        if value and (not field.endswith(".port") or value < 65_536):
            fields[field] = value
    for field, names in TEXTS.items():
        for name in names:
            value = flow.get(name)
            if isinstance(value, str | int) and value not in ("", 0):
                fields.setdefault(field, str(value))


def _first(flow: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of these that is a number; zero where nothing else is told."""
    told = [flow[name] for name in names if _is_whole(flow.get(name)) and flow[name] >= 0]
    return next((one for one in told if one), told[0] if told else None)


def _add_counts(fields: Fields, line: Mapping[str, Any], flow: Mapping[str, Any]) -> None:
    """Counts of the network: as exported, times the sampling rate."""
    rate = line.get("sampled_one_in")
    rate = rate if isinstance(rate, int) and _is_whole(rate) and rate > 1 else 1
    if rate > 1:
        fields["flow_export.sampled_one_in"] = rate
    for field, names in COUNTS.items():
        counted = _first(flow, names)
        if counted is not None:
            fields[field] = min(counted * rate, GREATEST_LONG)
    for what in ("bytes", "packets"):
        both = [
            fields[f"{end}.{what}"]
            for end in ("source", "destination")
            if f"{end}.{what}" in fields
        ]
        if both:
            fields[f"network.{what}"] = min(sum(map(int, both)), GREATEST_LONG)  # type: ignore[arg-type]


def _add_meaning(fields: Fields, flow: Mapping[str, Any]) -> None:
    """Direction, and what a firewall says that it did with the flow (NSEL, IPFIX element 233)."""
    if (direction := DIRECTIONS.get(_number(flow, "flowDirection"))) is not None:
        fields["network.direction"] = direction
    if (action := FIREWALL_EVENTS.get(_number(flow, "firewallEvent"))) is not None:
        fields["event.action"] = action
        if action == "flow_denied":
            fields["event.type"] = ["connection", "denied"]
            fields["event.outcome"] = "failure"


def _number(flow: Mapping[str, Any], name: str) -> int:
    value = flow.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _add_transport(fields: Fields, flow: Mapping[str, Any]) -> None:
    source, destination = fields.get("source.ip"), fields.get("destination.ip")
    if isinstance(source, str):
        fields["network.type"] = "ipv6" if ":" in source else "ipv4"
    protocol = _number(flow, "protocolIdentifier")
    if not 0 <= protocol < 256:
        return
    fields["network.iana_number"] = str(protocol)
    if protocol in PROTOCOLS:
        fields["network.transport"] = PROTOCOLS[protocol]
    ports = _ports(protocol, fields, flow)
    if isinstance(source, str) and isinstance(destination, str) and ports is not None:
        ends = _packed(source), _packed(destination)
        if len(ends[0]) == len(ends[1]):
            fields["network.community_id"] = community_id(protocol, *ends, *ports)


def _ports(protocol: int, fields: Fields, flow: Mapping[str, Any]) -> tuple[int, int] | None:
    """Ports, or ICMP's type and code (which v5 and v9 write as a destination port)."""
    if protocol not in (ICMP, ICMP6):
        if protocol not in PORTS:
            return 0, 0
        ports = fields.get("source.port", 0), fields.get("destination.port", 0)
        return int(ports[0]), int(ports[1])  # type: ignore[arg-type]
    version = 4 if protocol == ICMP else 6
    both = _number(flow, f"icmpTypeCodeIPv{version}")
    if both < 0 and f"icmpTypeIPv{version}" in flow:
        both = _number(flow, f"icmpTypeIPv{version}") * 256 + max(
            0, _number(flow, f"icmpCodeIPv{version}")
        )
    if both < 0:
        both = _number(flow, "destinationTransportPort")
    fields.pop("source.port", None)
    fields.pop("destination.port", None)
    if not 0 <= both < 65_536:
        return None
    fields["flow_export.icmp_type"], fields["flow_export.icmp_code"] = both >> 8, both & 0xFF
    return both >> 8, both & 0xFF


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
