"""The sensor: packets in, records out. Pure: the clock is the packets', and nothing is read or written.

Most packets of a network are Ethernet, IPv4 without options, TCP in order or UDP. They take the short way through
``take`` and ``_tcp``, which copies no headers and makes no objects; everything else takes ``_internet``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.sensor import decode, identify
from collectors.sensor.community import ANSWER, ANSWER6, ICMP, ICMP6, PORTS, TCP, UDP
from collectors.sensor.conversation import Conversation, Said
from collectors.sensor.flows import (
    ACK,
    CLOSED,
    ESTABLISHED,
    FIN,
    NEW,
    RST,
    SYN,
    Flow,
    FlowTable,
    Side,
    time_text,
)
from collectors.sensor.internet import Fragments, Ip, ip_packet
from collectors.sensor.protocols import icmp
from collectors.sensor.tcp import MODULUS, Piece, Reassembly

TCP_FACTS = struct.Struct("!IIBB").unpack_from  # from the fifth byte of the header
IPV4_HERE = b"\x08\x00E"  # EtherType, version 4, no options
WHOLE = frozenset({b"\x00\x00", b"\x40\x00"})  # no fragment
IP_IN_IP, IPV6_IN_IP, GRE, SCTP = 4, 41, 47, 132
VXLAN, VXLAN_LINUX, GENEVE = 4789, 8472, 6081
MOST_TUNNELS = 5
TWICE_WITHIN_US = 1000  # a segment again so soon was captured twice, not sent twice
LARGEST_FRAME = 1600  # bytes of an IP packet that no Ethernet without jumbo frames carries


@dataclass(frozen=True, slots=True)
class Limits:
    """What the sensor holds at most."""

    flows: int = 100_000
    held_bytes: int = 64 << 20  # TCP segments out of order, all flows
    held_bytes_of_side: int = 1 << 18
    fragments: int = 4096
    fragment_bytes: int = 16 << 20


class Sensor:
    """One capture, or one interface. Each record goes to ``say`` as soon as it is complete."""

    def __init__(
        self,
        say: Callable[[dict[str, Any]], None],
        *,
        limits: Limits = Limits(),
        http_headers: bool = False,
    ) -> None:
        self._say = say
        self.http_headers = http_headers
        self.flows = FlowTable(self._ended, most=limits.flows)
        self.fragments = Fragments(most=limits.fragments, most_bytes=limits.fragment_bytes)
        self.streams = Reassembly(
            most_bytes=limits.held_bytes_of_side, most_in_all=limits.held_bytes
        )
        self._tcp_sides = self.flows.table(TCP)
        self._udp_sides = self.flows.table(UDP)
        self._clock = 0
        self.packets = self.bytes = self.not_ip = self.malformed = self.cut = 0
        self.oversized = self.one_sided = self.flows_said = self.duplicates = 0

    def take(self, time: int, link: int, data: bytes, length: int) -> None:
        """One packet: its time in µs, link type, captured bytes, and length on the wire."""
        self.packets += 1
        self.bytes += length
        if not 0 <= time - self._clock < 1_000_000:
            self._clock = time
            self.flows.sweep(time)
        if link == 1 and data[12:15] == IPV4_HERE and data[20:22] in WHOLE:
            size = data[16] << 8 | data[17]
            end = 14 + size
            if 34 <= end <= len(data):
                protocol = data[23]
                if protocol == TCP:
                    return self._tcp(time, data, data[26:38], 34, end, size)
                if protocol == UDP and not self._may_be_tunnel(data, 34):
                    return self._udp(time, data, data[26:38], 34, end, size)
        if length > len(data):
            self.cut += 1
        found = decode.frame(link, data)
        if found.at < 0:
            self.not_ip += 1
            return None
        return self._internet(time, data, found.at, found.vlans, ())

    def finish(self) -> None:
        """The capture is over: every flow ends."""
        self.flows.end_all()

    def counts(self) -> dict[str, Any]:
        """What the sensor saw of the network, and how well: the record of the end, and of each interval."""
        streams = self.streams
        return {
            "record": "sensor",
            "@timestamp": time_text(self._clock),
            "network.packets": self.packets,
            "network.bytes": self.bytes,
            "sensor.packets.not_ip": self.not_ip,
            "sensor.packets.malformed": self.malformed,
            "sensor.packets.cut_by_capture": self.cut,
            "sensor.packets.captured_twice": self.duplicates,
            "sensor.packets.larger_than_the_wire": self.oversized,
            "sensor.flows.ended": self.flows_said,
            "sensor.flows.one_sided": self.one_sided,
            "sensor.flows.evicted": self.flows.evicted,
            "sensor.tcp.segments_reordered": streams.reordered,
            "sensor.tcp.segments_repeated": streams.repeated,
            "sensor.tcp.gaps": streams.gaps,
            "sensor.fragments.given_up": self.fragments.given_up,
        }

    def _internet(
        self, time: int, data: bytes, at: int, vlans: tuple[int, ...], tunnels: tuple[str, ...]
    ) -> None:
        packet = ip_packet(data, at)
        if packet is None:
            self.malformed += 1
            return
        self.oversized += packet.size > LARGEST_FRAME
        if packet.fragment is not None:
            whole = self.fragments.take(packet, data, time)
            if whole is None:
                return
            data, packet = (
                whole,
                packet._replace(at=0, end=len(whole), size=len(whole) + 20, fragment=None),
            )
        inner, name = self._inner(data, packet, tunnels)
        if inner is not None and inner.at >= 0:
            self._internet(time, data, inner.at, vlans + inner.vlans, (*tunnels, name))
            return
        self._transport(time, data, packet, vlans, tunnels)
        if packet.protocol == UDP and len(tunnels) < MOST_TUNNELS:
            inner, name = _inner_of_udp(data, packet.at, packet.end)
            if inner is not None and inner.at >= 0:
                self._internet(time, data, inner.at, inner.vlans, (*tunnels, name))

    def _inner(
        self, data: bytes, packet: Ip, tunnels: tuple[str, ...]
    ) -> tuple[decode.Frame | None, str]:
        """The packet inside a tunnel of IP's own; its outer packets make no flow."""
        protocol = packet.protocol
        if len(tunnels) >= MOST_TUNNELS:
            return None, ""
        if protocol == GRE:
            return decode.gre(data, packet.at, packet.end), "gre"
        if protocol in (IP_IN_IP, IPV6_IN_IP):
            return decode.Frame(packet.at), "ipip" if protocol == IP_IN_IP else "6in4"
        return None, ""

    def _transport(
        self,
        time: int,
        data: bytes,
        packet: Ip,
        vlans: tuple[int, ...],
        tunnels: tuple[str, ...],
    ) -> None:
        protocol, at, end = packet.protocol, packet.at, packet.end
        ends = packet.source + packet.destination
        if protocol == TCP and at + 20 <= end:
            key = ends + data[at : at + 4]
            self._tcp(time, data, key, at, end, packet.size, vlans, tunnels)
        elif protocol == UDP and at + 8 <= end:
            key = ends + data[at : at + 4]
            self._udp(time, data, key, at, end, packet.size, vlans, tunnels)
        elif protocol in (TCP, UDP):
            self.malformed += 1
        else:
            self._other(time, data, packet, vlans, tunnels)

    def _tcp(
        self,
        time: int,
        data: bytes,
        key: bytes,
        at: int,
        end: int,
        size: int,
        vlans: tuple[int, ...] = (),
        tunnels: tuple[str, ...] = (),
    ) -> None:
        if at + 20 > end:
            self.malformed += 1
            return
        seq, ack, offset, flags = TCP_FACTS(data, at + 4)
        side = self._tcp_sides.get(key)
        if side is None:
            side = self._open_tcp(key, time, flags, vlans, tunnels)
        elif flags & SYN or time - side.flow.last > side.flow.idle:
            side = self._again(side, key, time, seq, flags, vlans, tunnels)
        flow = side.flow
        pause = time - flow.last
        if pause > 0:
            flow.last = time
        side.packets += 1
        side.size += size
        side.flags |= flags
        begin = at + (offset >> 4 << 2)
        length = end - begin
        if flags & SYN:
            seq = (seq + 1) & MODULUS
            if side.next is None:
                side.next = seq
        if length > 0:
            if offset < 0x50:
                self.malformed += 1
                return
            if side.next == seq:
                side.next = (seq + length) & MODULUS
                app = flow.app
                if app is not None:
                    said = app.take(side.is_client, data[begin:end], time)
                    if said or app.done or app.successor is not None:
                        self._heard(flow, app, said)
                if side.held is not None:
                    self._feed(side, self.streams.ready(side), time)
            else:
                self._unordered(side, seq, data[begin:end], time, pause)
        if flags & ACK and side.peer.held is not None:
            self._feed(side.peer, self.streams.acknowledged(side.peer, ack), time)
        if flags & 5:
            self._closing(flow, flags)
        elif flow.state == NEW and flags & ACK and side.peer.packets and not flags & SYN:
            flow.enter(ESTABLISHED)

    def _open_tcp(
        self, key: bytes, time: int, flags: int, vlans: tuple[int, ...], tunnels: tuple[str, ...]
    ) -> Side:
        back = _back(key)
        if flags & (SYN | ACK) == SYN | ACK:  # the answer to a SYN that we did not see
            key, back = back, key
        flow = self.flows.open(key, back, TCP, time)
        flow.vlans, flow.tunnels = vlans, tunnels
        flow.app = identify.Undecided(*_ports(key), self.http_headers)
        return flow.server if flags & (SYN | ACK) == SYN | ACK else flow.client

    def _again(
        self,
        side: Side,
        key: bytes,
        time: int,
        seq: int,
        flags: int,
        vlans: tuple[int, ...],
        tunnels: tuple[str, ...],
    ) -> Side:
        """A pause too long, or a SYN of a flow that has had one: perhaps the ports are used anew."""
        flow = side.flow
        is_late = time - flow.last > flow.idle
        is_new = (
            flags & (SYN | ACK) == SYN
            and (flow.state != NEW or side.flags & RST or side.peer.flags & RST)
            and side.next is not None
            and (seq + 1) & MODULUS != side.next
        )
        if not is_late and not is_new:
            return side
        self.flows.close(flow, "timeout" if is_late else "ports_used_anew")
        return self._open_tcp(key, time, flags, vlans, tunnels)

    def _closing(self, flow: Flow, flags: int) -> None:
        if flags & RST or (flow.client.flags & flow.server.flags & FIN):
            if flow.state != CLOSED:
                flow.enter(CLOSED)
        elif flow.state == NEW and flow.client.packets and flow.server.packets:
            flow.enter(ESTABLISHED)

    def _unordered(self, side: Side, seq: int, payload: bytes, time: int, pause: int) -> None:
        before = self.streams.repeated
        pieces = self.streams.take(side, seq, payload)
        if self.streams.repeated > before and pause < TWICE_WITHIN_US:
            self.duplicates += 1
        self._feed(side, pieces, time)

    def _feed(self, side: Side, pieces: Sequence[Piece], time: int) -> None:
        flow = side.flow
        for piece in pieces:
            app: Conversation | None = flow.app
            if isinstance(piece, int):
                flow.gaps += piece
                if app is not None:
                    self._heard(flow, app, app.gap(side.is_client, piece, time))
            elif app is not None:
                self._heard(flow, app, app.take(side.is_client, piece, time))

    def _udp(
        self,
        time: int,
        data: bytes,
        key: bytes,
        at: int,
        end: int,
        size: int,
        vlans: tuple[int, ...] = (),
        tunnels: tuple[str, ...] = (),
    ) -> None:
        if at + 8 > end:
            self.malformed += 1
            return
        side = self._udp_sides.get(key)
        if side is not None and time - side.flow.last > side.flow.idle:
            self.flows.close(side.flow, "timeout")
            side = None
        if side is None:
            flow = self.flows.open(key, _back(key), UDP, time)
            flow.vlans, flow.tunnels = vlans, tunnels
            flow.app = identify.datagrams(*_ports(key), data[at + 8 : end])
            side = flow.client
        flow = side.flow
        if time > flow.last:
            flow.last = time
        side.packets += 1
        side.size += size
        if flow.state == NEW and side.peer.packets:
            flow.enter(ESTABLISHED)
        app = flow.app
        if app is not None and at + 8 < end:
            said = app.take(side.is_client, data[at + 8 : end], time)
            if said or app.done or app.is_swapped:
                self._heard(flow, app, said)

    def _other(
        self,
        time: int,
        data: bytes,
        packet: Ip,
        vlans: tuple[int, ...],
        tunnels: tuple[str, ...],
    ) -> None:
        protocol, at = packet.protocol, packet.at
        ends, back_ends = bytes(4), bytes(4)
        is_icmp = protocol in (ICMP, ICMP6)
        if is_icmp and at + 2 <= packet.end:
            kind, code = data[at], data[at + 1]
            answer = (ANSWER if protocol == ICMP else ANSWER6).get(kind, kind)
            ends, back_ends = bytes((0, kind, 0, code)), bytes((0, answer, 0, code))
        elif protocol in PORTS and at + 4 <= packet.end:
            ends = data[at : at + 4]
            back_ends = ends[2:] + ends[:2]
        key = packet.source + packet.destination + ends
        back = packet.destination + packet.source + back_ends
        side = self.flows.table(protocol).get(key)
        if side is not None and time - side.flow.last > side.flow.idle:
            self.flows.close(side.flow, "timeout")
            side = None
        if side is None:
            flow = self.flows.open(key, back, protocol, time)
            flow.vlans, flow.tunnels = vlans, tunnels
            side = flow.client
        flow = side.flow
        flow.last = max(flow.last, time)
        side.packets += 1
        side.size += packet.size
        if flow.state == NEW and side.peer.packets:
            flow.enter(ESTABLISHED)
        if is_icmp:
            for fields in icmp.read(protocol == ICMP6, data[at : packet.end]):
                self._tell(flow, ("icmp", time, fields))

    def _heard(self, flow: Flow, app: Conversation, said: Sequence[Said]) -> None:
        """What a parser said, and what becomes of it."""
        if app.is_swapped:
            app.is_swapped = False
            if not (flow.client.flags | flow.server.flags) & SYN:
                flow.swap()
        following = app.successor
        if following is not None:
            app.successor = None
            flow.app = app = following
        if app.name and app.name != flow.protocol_name:
            flow.protocol_name = app.name
        for one in said:
            self._tell(flow, one)
        if app.done:
            flow.app = None

    def _tell(self, flow: Flow, said: Said) -> None:
        kind, time, fields = said
        record = {"record": kind, "@timestamp": time_text(time), **flow.facts(), **fields}
        if flow.protocol_name:
            record.setdefault("network.protocol", flow.protocol_name)
        self._say(record)

    def _ended(self, flow: Flow, reason: str) -> None:
        if flow.protocol == TCP:
            for side in (flow.client, flow.server):
                if side.held is not None:
                    self._feed(side, self.streams.finish(side), flow.last)
        app = flow.app
        if app is not None:
            self._heard(flow, app, app.end(flow.last))
            flow.app = None
        self.flows_said += 1
        self.one_sided += flow.protocol == TCP and _is_one_sided(flow)
        self._say(flow.to_record(reason))

    @staticmethod
    def _may_be_tunnel(data: bytes, at: int) -> bool:
        port = data[at + 2 : at + 4]
        return port in TUNNEL_PORTS or data[at + 8 : at + 9] in TEREDO_STARTS


TUNNEL_PORTS = frozenset(port.to_bytes(2, "big") for port in (VXLAN, VXLAN_LINUX, GENEVE))
TEREDO_STARTS = frozenset({b"\0", *(bytes((one,)) for one in range(0x60, 0x70))})


def _inner_of_udp(data: bytes, at: int, end: int) -> tuple[decode.Frame | None, str]:
    """The packet inside a UDP datagram, if it is a tunnel; its outer packets are a flow of their own."""
    if at + 8 > end:
        return None, ""
    port = data[at + 2] << 8 | data[at + 3]
    if port in (VXLAN, VXLAN_LINUX):
        return decode.vxlan(data, at + 8, end), "vxlan"
    if port == GENEVE:
        return decode.geneve(data, at + 8, end), "geneve"
    return decode.teredo(data, at + 8, end), "teredo"


def _is_one_sided(flow: Flow) -> bool:
    """Acknowledgements of something that we never saw: the sensor sees one direction only."""
    one, two = flow.client, flow.server
    return (not two.packets and bool(one.flags & ACK)) or not one.packets


def _back(key: bytes) -> bytes:
    """The key of the other direction of a flow with ports."""
    if len(key) == 12:
        return key[4:8] + key[:4] + key[10:] + key[8:10]
    return key[16:32] + key[:16] + key[34:] + key[32:34]


def _ports(key: bytes) -> tuple[int, int]:
    return key[-4] << 8 | key[-3], key[-2] << 8 | key[-1]
