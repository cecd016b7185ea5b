"""Datagrams of any exporter in, flows out: the state of all exporters, and what they all have in common.

A flow is a mapping that becomes one JSON line (docs/wire.md, 'flow_export'). Times are µs since 1970; counts are as
exported, ``sampled_one_in`` says what they stand for. State is bounded (:mod:`collectors.flow_export.exporters`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from collectors.flow_export import netflow_5, sflow_5
from collectors.flow_export.elements import address, layout, values
from collectors.flow_export.exporters import Domain, Exporter, Exporters
from collectors.flow_export.messages import (
    IPFIX,
    NETFLOW_9,
    DataSet,
    ExportError,
    Head,
    Template,
    read_head,
    records,
    sets,
)
from collectors.flow_export.options import learn, rate_for
from collectors.flow_export.sequences import before_ms

MEBIBYTE = 1024 * 1024
MOST_RECORDS = 4_096  # of one datagram; the smallest real records have about twenty bytes
MOST_VALUES = 131_072  # of one datagram
FORMATS = {NETFLOW_9: "netflow_v9", IPFIX: "ipfix"}
V5_NAMES = {
    "ingress": "ingressInterface", "egress": "egressInterface", "packets": "packetDeltaCount",
    "octets": "octetDeltaCount", "source_port": "sourceTransportPort",
    "destination_port": "destinationTransportPort", "tcp_flags": "tcpControlBits",
    "protocol": "protocolIdentifier", "type_of_service": "ipClassOfService",
    "source_as": "bgpSourceAsNumber", "destination_as": "bgpDestinationAsNumber",
    "source_prefix": "sourceIPv4PrefixLength", "destination_prefix": "destinationIPv4PrefixLength",
}  # fmt: skip
STARTS = (
    "flowStartMilliseconds",
    "flowStartSeconds",
    "flowStartMicroseconds",
    "flowStartNanoseconds",
)
ENDS = ("flowEndMilliseconds", "flowEndSeconds", "flowEndMicroseconds", "flowEndNanoseconds")
OBSERVED = tuple(
    f"observationTime{unit}" for unit in ("Milliseconds", "Seconds", "Microseconds", "Nanoseconds")
)

Flow = dict[str, Any]


class Decoder:
    """What one receiver knows of its exporters."""

    def __init__(self, *, at_most_bytes: int = 24 * MEBIBYTE, share_bytes: int = MEBIBYTE) -> None:
        """``share_bytes`` is what one exporter may take of ``at_most_bytes``."""
        self.exporters = Exporters(at_most_bytes=at_most_bytes, share_bytes=share_bytes)
        self.counter_samples = self.other_samples = 0

    def take(self, exporter: str, datagram: bytes, received_us: int) -> tuple[list[Flow], str]:
        """The flows of a datagram, and why it was refused, wholly or from some place on (else "").

        Among them are flows of earlier datagrams whose template this one brought (``waited``).
        """
        known, flows, reason = self.exporters.take(exporter), list[Flow](), ""
        try:
            for flow in self._flows(known, datagram, received_us):
                flow["exporter"] = exporter
                flows.append(flow)
        except ExportError as error:
            known.unread += 1
            reason = str(error)
        self.exporters.put(exporter, known)
        return flows, reason

    def _flows(self, known: Exporter, datagram: bytes, received_us: int) -> Iterator[Flow]:
        version = int.from_bytes(datagram[:2])
        if version == 5:
            return _netflow_5(known, datagram)
        if version in FORMATS:
            return _templated(known, datagram)
        if datagram[:4] == b"\0\0\0\5":
            return self._sflow_5(known, datagram, received_us)
        raise ExportError("neither NetFlow v5 or v9, nor IPFIX, nor sFlow v5")

    def _sflow_5(self, known: Exporter, datagram: bytes, received_us: int) -> Iterator[Flow]:
        read = sflow_5.read_datagram(datagram)
        known.is_proved = True
        self.counter_samples += read.counters
        self.other_samples += read.other
        boot_ms = received_us // 1_000 - read.uptime_ms
        known.domain(read.sub_agent).sequence.take(read.sequence, 1, boot_ms)
        for rate, packet in read.flows:
            yield {
                "format": "sflow_v5", "domain": read.sub_agent, "sequence": read.sequence,
                "exported": received_us, "agent": read.agent, "sampled_one_in": rate, "flow": packet,
            }  # fmt: skip


def _netflow_5(known: Exporter, datagram: bytes) -> Iterator[Flow]:
    read = netflow_5.read_datagram(datagram)
    known.is_proved = True
    number = read.engine[0] << 8 | read.engine[1]
    exported = read.exported_s * 1_000_000 + min(read.exported_ns, 999_999_999) // 1_000
    boot_ms = exported // 1_000 - read.uptime_ms
    known.domain(number).sequence.take(read.sequence, len(read.flows), boot_ms)
    for place, one in enumerate(read.flows):
        facts = asdict(one)
        flow = {name: facts[own] for own, name in V5_NAMES.items()}
        flow["sourceIPv4Address"] = address(one.source)
        flow["destinationIPv4Address"] = address(one.destination)
        flow["ipNextHopIPv4Address"] = address(one.next_hop)
        yield {
            "format": "netflow_v5", "domain": number, "sequence": (read.sequence + place) % 2**32,
            "exported": exported, "sampled_one_in": read.sampled_one_in,
            "start": exported - before_ms(read.uptime_ms, one.first_uptime_ms) * 1_000,
            "end": exported - before_ms(read.uptime_ms, one.last_uptime_ms) * 1_000,
            "flow": flow,
        }  # fmt: skip


def _templated(known: Exporter, datagram: bytes) -> Iterator[Flow]:
    head = read_head(datagram)
    domain = known.domain(head.domain)
    told: set[int] = set()
    count: int | None = 1 if head.version == NETFLOW_9 else 0
    left = MOST_RECORDS
    try:
        for part in sets(datagram, head):
            if isinstance(part, Template):
                known.tell(head.domain, part)
                told.add(part.number)
                for older, data in (
                    known.waiting_for(head.domain, part.number) if part.fields else ()
                ):
                    for flow in _records(known, older, domain, data, part, left):
                        left -= 1
                        domain.waited += "flow" in flow
                        yield from [flow | {"waited": True}] if flow else []
                continue
            template = known.find(head.domain, part.template)
            if template is None:
                known.wait(head.domain, head, part)
                count = count if head.version == NETFLOW_9 else None
                continue
            known.is_proved |= part.template not in told
            for flow in _records(known, head, domain, part, template, left):
                left -= 1
                if head.version == IPFIX and count is not None:
                    count += 1
                if flow:
                    yield flow
    except ExportError:
        count = count if head.version == NETFLOW_9 else None
        raise
    finally:
        boot_ms = None if head.uptime_ms is None else head.exported_s * 1_000 - head.uptime_ms
        domain.sequence.take(head.sequence, count, boot_ms)


def _records(
    known: Exporter, head: Head, domain: Domain, data: DataSet, template: Template, left: int
) -> Iterator[Flow]:
    """The flows of one set; an options record is learnt from and gives an empty mapping."""
    columns = layout(template, head.version)
    at_most = min(left, MOST_VALUES // len(columns))
    for record in records(data, template, at_most=at_most):
        said = values(record, columns)
        if template.is_options:
            learn(domain, said)
            yield {}
            continue
        flow: Flow = {
            "format": FORMATS[head.version], "domain": head.domain, "sequence": head.sequence,
            "template": template.number, "exported": head.exported_s * 1_000_000,
            "sampled_one_in": rate_for(domain, said), "flow": said,
        }  # fmt: skip
        yield flow | _times(head, domain, said)


def _times(head: Head, domain: Domain, said: Mapping[str, Any]) -> dict[str, int]:
    """Start and end, by whichever clock the record has them."""
    start, end = _first(said, STARTS), _first(said, ENDS)
    exported = head.exported_s * 1_000_000
    if start is None:
        start = _by_uptime(head, domain, said.get("flowStartSysUpTime"))
    if end is None:
        end = _by_uptime(head, domain, said.get("flowEndSysUpTime"))
    if start is None and isinstance(delta := said.get("flowStartDeltaMicroseconds"), int):
        start = exported - delta
    if end is None and isinstance(delta := said.get("flowEndDeltaMicroseconds"), int):
        end = exported - delta
    if end is None:
        end = _first(said, OBSERVED)
    if end is None and start is not None:
        for name, unit in (("flowDurationMilliseconds", 1_000), ("flowDurationMicroseconds", 1)):
            if isinstance(took := said.get(name), int):
                end = start + took * unit
    return {name: at for name, at in (("start", start), ("end", end)) if at is not None}


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((said[name] for name in names if isinstance(said.get(name), int)), None)


def _by_uptime(head: Head, domain: Domain, uptime: object) -> int | None:
    if not isinstance(uptime, int):
        return None
    if head.uptime_ms is not None:
        return head.exported_s * 1_000_000 - before_ms(head.uptime_ms, uptime) * 1_000
    return None if domain.started_us is None else domain.started_us + uptime * 1_000
