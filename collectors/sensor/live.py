"""Packets of an interface, by Linux's packet sockets, with what the kernel had to drop.

References: packet(7) (PACKET_AUXDATA, PACKET_STATISTICS, PACKET_ADD_MEMBERSHIP), socket(7) (SO_TIMESTAMPNS,
SO_RCVBUFFORCE).
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from collectors.sensor.errors import CaptureError

ETH_P_ALL = 3
SOL_PACKET, ADD_MEMBERSHIP, STATISTICS, AUXDATA, PROMISCUOUS = 263, 1, 6, 8, 1
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
VLAN_VALID, VLAN_TPID_VALID, VLAN_TPID = 0x10, 0x40, 0x8100
AUX = struct.Struct("=IIIHHHH")  # status, length, captured, mac, net, VLAN tag, VLAN protocol
TIME = struct.Struct("@ll")  # seconds, nanoseconds
COUNTERS = struct.Struct("=II")  # packets, drops since the last look
BUFFER_BYTES = 64 << 20
LARGEST = 1 << 16
ETHERNET = 1  # link type
SENT_TO_ITSELF = (4, 772)  # PACKET_OUTGOING of ARPHRD_LOOPBACK
WAIT_SECONDS = 0.5

Packet = tuple[int, int, bytes, int]  # as in collectors.sensor.capture


@dataclass(slots=True)
class Counted:
    """Packets that the kernel gave us or had to drop."""

    packets: int = 0
    dropped: int = 0

    @property
    def drop_rate(self) -> float:
        """The share that was dropped, 0-1."""
        return self.dropped / self.packets if self.packets else 0.0


class Interface:
    """One interface in promiscuous mode. ``buffer_bytes`` is what the kernel holds for us while we are busy."""

    def __init__(self, name: str, *, buffer_bytes: int = BUFFER_BYTES) -> None:
        """Raises CaptureError: no such interface, or no right to see its packets."""
        self.name = name
        self.total = Counted()
        try:
            one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        except PermissionError as error:
            raise CaptureError("packets need root, or the capability CAP_NET_RAW") from error
        try:
            with suppress(PermissionError):
                one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes)
            one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            one.setsockopt(SOL_PACKET, AUXDATA, 1)
            one.bind((name, ETH_P_ALL))
            number = socket.if_nametoindex(name)
            wanted = struct.pack("=iHH8s", number, PROMISCUOUS, 0, b"")
            one.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, wanted)
        except OSError as error:
            one.close()
            raise CaptureError(f"interface {name}: {error.strerror}") from error
        one.settimeout(WAIT_SECONDS)
        self._socket = one
        self.count()  # what came before the socket was bound is nobody's loss

    def close(self) -> None:
        self._socket.close()

    def packet(self) -> Packet | None:
        """The next packet; None when there was none for half a second.

        Raises:
            CaptureError: the interface went away.
        """
        try:
            data, notes, _, sender = self._socket.recvmsg(LARGEST, 256)
            while sender[2:4] == SENT_TO_ITSELF:  # the loopback shows each packet a second time
                data, notes, _, sender = self._socket.recvmsg(LARGEST, 256)
        except TimeoutError:
            return None
        except OSError as error:
            raise CaptureError(f"interface {self.name}: {error.strerror}") from error
        time, length = 0, len(data)
        for level, kind, value in notes:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = TIME.unpack_from(value)
                time = seconds * 1_000_000 + nanoseconds // 1000
            elif level == SOL_PACKET and kind == AUXDATA:
                status, length, _, _, _, tag, protocol = AUX.unpack_from(value)
                if status & VLAN_VALID:  # the card has taken it off
                    protocol = protocol if status & VLAN_TPID_VALID else VLAN_TPID
                    data = data[:12] + struct.pack("!HH", protocol, tag) + data[12:]
                    length += 4
        return time, ETHERNET, data, length

    def count(self) -> Counted:
        """What the kernel counted since the last call; ``total`` grows with it."""
        raw = self._socket.getsockopt(SOL_PACKET, STATISTICS, COUNTERS.size)
        packets, dropped = COUNTERS.unpack(raw)
        self.total.packets += packets
        self.total.dropped += dropped
        return Counted(packets, dropped)
