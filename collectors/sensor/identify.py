"""What the first bytes of a connection are: by what they say, helped by the ports where they say little."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from collectors.sensor.conversation import NOTHING, Conversation, Said
from collectors.sensor.protocols import dns, gquic, quic, smb
from collectors.sensor.protocols.dcerpc import FROM_CLIENT, KINDS, Dcerpc
from collectors.sensor.protocols.dhcp import Dhcp
from collectors.sensor.protocols.ftp import Ftp
from collectors.sensor.protocols.gquic import Gquic
from collectors.sensor.protocols.http import Http
from collectors.sensor.protocols.krb5 import TAGS, Krb5
from collectors.sensor.protocols.ldap import Ldap
from collectors.sensor.protocols.quic import Quic
from collectors.sensor.protocols.rdp import Rdp
from collectors.sensor.protocols.smb import Smb
from collectors.sensor.protocols.smtp import Smtp
from collectors.sensor.protocols.socks import Socks
from collectors.sensor.protocols.ssh import Ssh
from collectors.sensor.protocols.tls import Tls

MOST_BYTES, MOST_PIECES = 4096, 12
CLIENT, SERVER = True, False
METHODS = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE"
    rb"|LOCK|UNLOCK|SEARCH|REPORT|SUBSCRIBE|NOTIFY|M-SEARCH|RPC_IN_DATA|RPC_OUT_DATA|BITS_POST)[ \t]"
)
ANY_REQUEST = re.compile(rb"[!-~]{1,40}[ \t]+[^\r\n]*\sHTTP/1\.[01]\s*\r?\n")
MAIL_PORTS, FTP_PORTS, WEB_PORTS = (
    frozenset({25, 465, 587, 2525}),
    frozenset({21, 2121}),
    {80, 8080},
)
LDAP_TAGS = frozenset(
    {0x42, 0x60, 0x61, 0x63, 0x64, 0x65, 0x66, 0x68, 0x4A, 0x6C, 0x6E, 0x77, 0x78}
)

Guess = tuple[Callable[[], Conversation], bool | None]
"""(a parser, who speaks: the client, the server, or either)."""


class Undecided(Conversation):
    """A TCP connection of which nobody knows yet what it speaks. Keeps its first bytes for who comes after."""

    __slots__ = ("_keep_headers", "_pieces", "_ports", "_size")

    def __init__(self, source_port: int, destination_port: int, keep_headers: bool = False) -> None:
        super().__init__()
        self._ports = (source_port, destination_port)
        self._keep_headers = keep_headers
        self._pieces: list[tuple[bool, bytes, int]] = []
        self._size = 0

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        self._pieces.append((from_client, data, time))
        self._size += len(data)
        joined = data if len(self._pieces) == 1 else self._said_by(from_client)
        guess = self._guess(joined)
        if guess is None:
            if self._size > MOST_BYTES or len(self._pieces) >= MOST_PIECES:
                self.done = True
                self._pieces = []
            return NOTHING
        make, speaker = guess
        return self._hand_over(make(), speaker is not None and speaker != from_client)

    def _said_by(self, from_client: bool) -> bytes:
        return b"".join(data for who, data, _ in self._pieces if who == from_client)

    def _hand_over(self, found: Conversation, is_swapped: bool) -> Sequence[Said]:
        said: list[Said] = []
        for who, data, time in self._pieces:
            said += found.take(who != is_swapped, data, time)
            if found.done:
                break
            found = found.successor or found
        self._pieces = []
        self.is_swapped = is_swapped != found.is_swapped
        found.is_swapped = False
        self.successor = found
        self.done = found.done
        return said

    def gap(self, from_client: bool, size: int, time: int) -> Sequence[Said]:
        """What came before the hole says nothing any more."""
        self._pieces, self._size = [], 0
        return NOTHING

    def _guess(self, data: bytes) -> Guess | None:
        first = data[0]
        if first == 0x16 or (first & 0x80 and len(data) > 2 and data[2] == 1):
            return _tls(data)
        if data.startswith(b"SSH-"):
            return Ssh, None
        if data.startswith(b"HTTP/1."):
            return self._http, SERVER
        if METHODS.match(data) or ANY_REQUEST.match(data):
            return self._http, CLIENT
        return self._by_text(data) or self._by_bytes(data)

    def _http(self) -> Conversation:
        return Http(self._keep_headers)

    def _is_on(self, ports: frozenset[int] | set[int]) -> bool:
        return bool(ports.intersection(self._ports))

    def _by_text(self, data: bytes) -> Guess | None:
        start = data[:8].upper()
        if start.startswith((b"EHLO", b"HELO", b"LHLO")) and start[4:5] in (b" ", b"\r", b"\n"):
            return Smtp, CLIENT
        if start.startswith((b"220 ", b"220-")):
            line = data[:512].upper()
            if self._is_on(MAIL_PORTS) or b"SMTP" in line:
                return Smtp, SERVER
            if self._is_on(FTP_PORTS) or b"FTP" in line:
                return Ftp, SERVER
        if self._is_on(FTP_PORTS) and start.startswith((b"USER ", b"AUTH ", b"FEAT", b"QUIT")):
            return Ftp, CLIENT
        if self._is_on(WEB_PORTS) and b"\n" in data and data[:1].isalpha() and b" " in data[:40]:
            return self._http, CLIENT
        return None

    def _by_bytes(self, data: bytes) -> Guess | None:
        if data[4:8] in smb.STARTS and data[0] == 0:
            return Smb, _smb_speaker(data)
        if (
            (
                len(data) >= 16
                and data[0] == 5
                and data[1] <= 1
                and data[2] in KINDS
                and data[3] < 0x80
            )
            and data[4] in (0x00, 0x10)
            and data[5] == 0
        ):
            return Dcerpc, data[2] in FROM_CLIENT
        if len(data) >= 7 and data[0] == 3 and data[1] == 0 and data[5] & 0xF0 in (0xE0, 0xD0):
            return Rdp, data[5] & 0xF0 == 0xE0
        if self._is_on({88}) and len(data) > 5 and data[4] in TAGS:
            return _krb5_stream, CLIENT if data[4] in (0x6A, 0x6C) else SERVER
        if self._is_on({53}) and len(data) >= 14 and dns.is_message(data[2:]):
            return dns.DnsStream, not data[4] & 0x80
        if _is_ldap(data):
            return Ldap, None
        if data[0] == 0x81 and len(data) >= 72:  # a NetBIOS session request
            return Smb, CLIENT
        return _socks(data)


def _tls(data: bytes) -> Guess | None:
    if data[0] != 0x16:  # the hello of SSL 2, which may ask for TLS
        return None
    if len(data) < 6:
        return None
    if data[1] != 3 or data[2] > 4:
        return None
    return Tls, {1: CLIENT, 2: SERVER}.get(data[5])


def _smb_speaker(data: bytes) -> bool | None:
    if data[4:8] == smb.SMB2 and len(data) >= 24:
        return not data[20] & 1
    if data[4:8] == smb.SMB1 and len(data) >= 14:
        return not data[13] & 0x80
    return None


def _is_ldap(data: bytes) -> bool:
    if data[0] != 0x30 or len(data) < 7:
        return False
    at = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    number = data[at + 1] if at + 1 < len(data) and data[at] == 2 else 0
    end = at + 2 + number
    return 1 <= number <= 4 and end < len(data) and data[end] in LDAP_TAGS


def _socks(data: bytes) -> Guess | None:
    if data[0] == 5 and len(data) >= 3 and len(data) == data[1] + 2 and data[1] <= 10:
        return Socks, CLIENT
    if data[0] == 4 and data[1:2] in (b"\1", b"\2") and len(data) >= 9 and data[-1] == 0:
        return Socks, CLIENT
    return None


def _krb5_stream() -> Conversation:
    return Krb5(is_stream=True)


DNS_PORTS = {53: "dns", 5353: "mdns", 5355: "llmnr"}


def datagrams(source_port: int, destination_port: int, payload: bytes) -> Conversation | None:
    """The parser of a UDP flow, by its ports and its first payload."""
    for port in (destination_port, source_port):
        name = DNS_PORTS.get(port)
        if name is not None:
            return dns.DnsDatagrams(name)
        if port in (67, 68):
            return Dhcp()
        if port == 88:
            return Krb5(is_stream=False)
    if quic.looks_like(payload):
        return Quic()
    return Gquic() if gquic.looks_like(payload) else None
