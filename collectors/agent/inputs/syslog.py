"""Syslog receivers: UDP, and TCP with octet counting or newlines (RFC 6587). A record is one message.

Each device that sends has a stream of its own, named by its address: ``syslog:udp:514/192.0.2.7``. So the platform
knows who sent, and sees who has fallen silent.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from collectors.agent.inputs.udp_port import KernelDrops, open_port
from collectors.agent.intake import Intake
from collectors.agent.wire import MAX_RECORD_BYTES

SOURCE = "auto"
PEERS_NAMED = 4_096  # addresses that get a stream of their own; a datagram's may be made up
MESSAGES_AT_ONCE = 500
CHECK_LOOKS = 20


class Frames:
    """Cuts one TCP connection into messages. Pure: bytes in, messages out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, chunk: bytes) -> Iterator[bytes]:
        self._held += chunk
        while self._held:
            end = self._end_of_counted()
            if end is None:
                newline = self._held.find(b"\n")
                if newline < 0 and len(self._held) < MAX_RECORD_BYTES:
                    return
                stop = newline if newline >= 0 else MAX_RECORD_BYTES
                message = bytes(self._held[:stop]).strip(b"\r\0")
                del self._held[: stop + (newline >= 0)]
            else:
                start, stop = end
                if stop > len(self._held):
                    return
                message = bytes(self._held[start:stop])
                del self._held[:stop]
            if message:
                yield message

    def rest(self) -> bytes:
        """What stands there without its end when the peer closes."""
        return bytes(self._held)

    def _end_of_counted(self) -> tuple[int, int] | None:
        """(start, end) of a message that begins with its length, None if it begins otherwise."""
        digits = bytes(self._held[:9]).partition(b" ")
        if not digits[1] or not digits[0].isdigit() or digits[0].startswith(b"0"):
            return None
        start, length = len(digits[0]) + 1, int(digits[0])
        return (start, start + length) if length <= MAX_RECORD_BYTES else None


class Streams:
    """The names of the streams of one door; those who come after ``PEERS_NAMED`` others share one."""

    def __init__(self, kind: str, port: int) -> None:
        self._door = f"syslog:{kind}:{port}"
        self._names: dict[tuple[str, str], str] = {}

    def of(self, address: str, certificate: str = "") -> str:
        """The stream of a peer; ``certificate`` is the name that its certificate proves.

        >>> Streams("tls", 6514).of("::ffff:192.0.2.7", "fw-01.tinh.gov.vn")
        'syslog:tls:6514/192.0.2.7/fw-01.tinh.gov.vn'
        """
        name = self._names.get((address, certificate))
        if name is None:
            if len(self._names) >= PEERS_NAMED:
                return self._door
            bare = address.removeprefix("::ffff:").partition("%")[0]
            name = "/".join(filter(None, (self._door, bare, certificate)))
            self._names[address, certificate] = name
        return name


@dataclass(slots=True)
class Peer:
    """One TCP connection."""

    stream: str
    frames: Frames = field(default_factory=Frames)


class Syslog:
    """Listens on a UDP and a TCP address, either may be left out."""

    def __init__(
        self,
        *,
        udp: tuple[str, int] | None = None,
        tcp: tuple[str, int] | None = None,
        source: str = SOURCE,
    ) -> None:
        """Addresses are (host, port); ``source`` is whose lines they are."""
        self.udp, self.tcp, self.source = udp, tcp, source
        self._udp_streams = Streams("udp", udp[1] if udp else 0)
        self._tcp_streams = Streams("tcp", tcp[1] if tcp else 0)
        named = {"udp": udp, "tcp": tcp}
        ports = [f"{kind}:{address[1]}" for kind, address in named.items() if address]
        self.name = "syslog:" + ",".join(ports)
        self._drops = KernelDrops(udp[1]) if udp else None

    def run(self, intake: Intake, stop: threading.Event) -> None:
        with ExitStack() as opened, selectors.DefaultSelector() as selector:
            if self.udp and (one := self._listen(self.udp, socket.SOCK_DGRAM, intake)):
                opened.enter_context(one)
                selector.register(one, selectors.EVENT_READ, "udp")
            if self.tcp and (one := self._listen(self.tcp, socket.SOCK_STREAM, intake)):
                opened.enter_context(one)
                selector.register(one, selectors.EVENT_READ, "listener")
            if selector.get_map():
                intake.notices.sees_again(self.name)
                self._serve(selector, intake, stop)

    def _listen(
        self, address: tuple[str, int], kind: socket.SocketKind, intake: Intake
    ) -> socket.socket | None:
        try:
            return open_port(address) if kind == socket.SOCK_DGRAM else _listener(address)
        except OSError as error:
            intake.notices.blind(self.name, f"{address[0]}:{address[1]}: {error.strerror}")
            return None

    def _serve(
        self, selector: selectors.BaseSelector, intake: Intake, stop: threading.Event
    ) -> None:
        looks = 0
        try:
            while not stop.is_set():
                for key, _ in selector.select(0.25):
                    assert isinstance(key.fileobj, socket.socket)
                    if key.data == "udp":
                        self._take_datagrams(key.fileobj, intake)
                    elif key.data == "listener":
                        peer, address = key.fileobj.accept()
                        peer.setblocking(False)
                        one = Peer(self._tcp_streams.of(address[0]))
                        selector.register(peer, selectors.EVENT_READ, one)
                    elif self._take_bytes(key.fileobj, key.data, intake):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                looks += 1
                if self._drops and looks % CHECK_LOOKS == 0:
                    self._count_drops(intake)
        finally:
            for key in list(selector.get_map().values()):
                if isinstance(key.data, Peer) and isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()

    def _take_datagrams(self, one: socket.socket, intake: Intake) -> None:
        found: dict[str, list[bytes]] = {}  # by address
        try:
            for _ in range(MESSAGES_AT_ONCE):
                message, address = one.recvfrom(65535)
                if message := message.rstrip(b"\n\0"):
                    found.setdefault(address[0], []).append(message)
        except BlockingIOError:
            pass
        for host, messages in found.items():
            intake.put(self._udp_streams.of(host), self.source, messages)

    def _take_bytes(self, connection: socket.socket, peer: Peer, intake: Intake) -> bool:
        """Bring what one connection has sent; whether it has ended."""
        try:
            chunk = connection.recv(256 * 1024)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        messages = list(peer.frames.take(chunk))
        if not chunk and peer.frames.rest():
            messages.append(peer.frames.rest())
        if messages:
            intake.put(peer.stream, self.source, messages)
        return not chunk

    def _count_drops(self, intake: Intake) -> None:
        assert self._drops
        if lost := self._drops.since_last():
            message = f"the kernel dropped {lost} datagrams on UDP port {self._drops.port}"
            intake.notices.tell("kernel_lost", message, input=self.name, lost=lost)


def _listener(address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket of (host, port)."""
    one = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(address)
        one.listen(128)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one
