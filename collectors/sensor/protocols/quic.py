"""QUIC Initial packets: who asks for which name, with which client. The rest of QUIC is encrypted.

Formats: RFC 9000, RFC 9001 (packet protection; an Initial's keys follow from its connection id), RFC 9369 (version 2),
the IETF drafts 22-34, and Google's QUIC 39-50 as far as its hello is in the clear.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from typing import NamedTuple

from collectors.sensor.conversation import NOTHING, Conversation, Said
from collectors.sensor.errors import NotThisProtocol
from collectors.sensor.protocols.tls import hello_fields
from collectors.sensor.protocols.tls_hello import Hello, client_hello, server_hello

V1, V2 = 1, 0x6B3343CF
SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
SALT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
INITIAL, ZERO_RTT, HANDSHAKE, RETRY = 0, 1, 2, 3
LARGEST_HELLO = 1 << 16
MOST_PIECES = 64
MOST_INITIALS = 24


class _Long(NamedTuple):
    """A packet with a long header: ``body`` begins at the packet number, which is still masked."""

    kind: int
    version: int
    destination: bytes
    source: bytes
    start: int
    number_at: int
    end: int


def salt(version: int) -> bytes | None:
    """The salt of a version's Initial keys; None for a version that has none or that we do not know."""
    if version == V1:
        return SALT_V1
    if version == V2:
        return SALT_V2
    if version >> 8 == 0xFF0000:
        draft = version & 0xFF
        return SALT_29 if 29 <= draft <= 34 else SALT_23 if 23 <= draft <= 28 else None
    return None


def looks_like(data: bytes) -> bool:
    """Whether a datagram begins with a long header of a version that we can read."""
    if len(data) < 20 or not data[0] & 0x80:
        return False
    return salt(int.from_bytes(data[1:5], "big")) is not None and data[5] <= 20


class Quic(Conversation):
    """One connection; the hellos may be spread over several datagrams, in any order."""

    __slots__ = ("_hello", "_initials", "_is_said", "_key_id", "_pieces", "_start", "_version")
    name = "quic"

    def __init__(self) -> None:
        super().__init__()
        self._key_id = b""
        self._version = 0
        self._pieces: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        self._hello: Hello | None = None
        self._initials = 0
        self._start = 0
        self._is_said = False

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        self._start = self._start or time
        said: list[Said] = []
        for packet in packets(data):
            self._version = packet.version
            if packet.kind == RETRY:
                self._key_id, self._pieces = packet.source, ({}, {})
            elif packet.kind == INITIAL:
                self._initials += 1
                said += self._initial(from_client, packet, data, time)
        if self._initials > MOST_INITIALS or (said and not from_client):
            self.done = True
        return said

    def _initial(self, from_client: bool, packet: _Long, data: bytes, time: int) -> Sequence[Said]:
        if from_client and (not self._key_id or self._hello is None):
            self._key_id = self._key_id or packet.destination
        plain = open_initial(packet, data, self._key_id, from_client)
        if plain is None and from_client and packet.destination != self._key_id:
            plain = open_initial(packet, data, packet.destination, True)
            if plain is not None:  # a new attempt, after a Retry that we did not see
                self._key_id, self._pieces = packet.destination, ({}, {})
        if plain is None:
            return NOTHING
        pieces = self._pieces[not from_client]
        for offset, piece in crypto_frames(plain):
            fits = len(pieces) < MOST_PIECES and offset + len(piece) <= LARGEST_HELLO
            if fits and len(piece) > len(pieces.get(offset, b"")):
                pieces[offset] = piece
        message = whole_message(pieces)
        if message is None:
            return NOTHING
        pieces.clear()
        return self._message(from_client, message, time)

    def _message(self, from_client: bool, message: bytes, time: int) -> Sequence[Said]:
        try:
            if from_client and message[0] == 1:
                self._hello = client_hello(message[4:])
                fields = hello_fields([self._hello], None, "q")
            elif not from_client and message[0] == 2:
                chosen = server_hello(message[4:])
                if chosen.is_retry:
                    return NOTHING
                fields = hello_fields([], chosen)
                fields["sensor.tls.server.extensions"] = chosen.extensions
                if self._hello is not None:
                    fields |= {"tls.client.server_name": self._hello.server_name}
            else:
                return NOTHING
        except NotThisProtocol:
            return NOTHING
        fields["sensor.quic.version"] = version_text(self._version)
        fields["sensor.quic.message"] = "client_hello" if from_client else "server_hello"
        return (("quic", time, {name: value for name, value in fields.items() if value != ""}),)


def version_text(version: int) -> str:
    """A version as people write it.

    >>> version_text(1), version_text(0xFF00001D)
    ('1', 'draft-29')
    """
    if version >> 8 == 0xFF0000:
        return f"draft-{version & 0xFF}"
    return {V1: "1", V2: "2"}.get(version) or f"0x{version:08x}"


def packets(data: bytes) -> Iterator[_Long]:
    """The packets with long headers of a datagram, one after the other."""
    at = 0
    try:
        while at + 7 <= len(data) and data[at] & 0x80:
            packet = _long(data, at)
            if packet is None:
                return
            yield packet
            at = packet.end
    except (IndexError, struct.error):
        return


def _long(data: bytes, at: int) -> _Long | None:
    first, start = data[at], at
    version = int.from_bytes(data[at + 1 : at + 5], "big")
    if salt(version) is None:
        return None
    size = data[at + 5]
    destination = data[at + 6 : at + 6 + size]
    at += 6 + size
    source = data[at + 1 : at + 1 + data[at]]
    at += 1 + data[at]
    kind = first >> 4 & 3
    if version == V2:
        kind = (kind - 1) & 3
    if kind == RETRY:
        return _Long(kind, version, destination, source, start, at, len(data))
    if kind == INITIAL:
        size, at = _number(data, at)  # the token
        at += size
    length, at = _number(data, at)
    if at + length > len(data) or at <= start:
        return None
    return _Long(kind, version, destination, source, start, at, at + length)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """(a variable-length integer, where it ends)."""
    width = 1 << (data[at] >> 6)
    if at + width > len(data):
        raise IndexError
    bits = 8 * width - 2
    return int.from_bytes(data[at : at + width], "big") & ((1 << bits) - 1), at + width


def open_initial(packet: _Long, data: bytes, key_id: bytes, from_client: bool) -> bytes | None:
    """The plain frames of an Initial packet; None if the keys do not fit."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    at, start = packet.number_at, packet.start
    sample = data[at + 4 : at + 20]
    if len(sample) < 16:
        return None
    key, iv, mask_key = initial_keys(packet.version, key_id, from_client)
    cipher = Cipher(algorithms.AES(mask_key), modes.ECB())  # noqa: S305 - one block, as RFC 9001 5.4.3 has it
    mask = cipher.encryptor().update(sample)
    first = data[start] ^ mask[0] & 0x0F
    width = (first & 3) + 1
    number = bytes(
        one ^ other for one, other in zip(data[at : at + width], mask[1:5], strict=False)
    )
    head = bytes((first,)) + data[start + 1 : at] + number
    nonce = (int.from_bytes(iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    try:
        return AESGCM(key).decrypt(nonce, data[at + width : packet.end], head)
    except (InvalidTag, ValueError):
        return None


@lru_cache(1024)
def initial_keys(version: int, key_id: bytes, from_client: bool) -> tuple[bytes, bytes, bytes]:
    """(key, IV, header protection key) of one side's Initial packets."""
    secret = digest(salt(version) or SALT_V1, key_id, "sha256")
    own = _expand(secret, b"client in" if from_client else b"server in", 32)
    label = b"quicv2 " if version == V2 else b"quic "
    return (
        _expand(own, label + b"key", 16),
        _expand(own, label + b"iv", 12),
        _expand(own, label + b"hp", 16),
    )


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of TLS 1.3 with no context; one block of SHA-256 is enough."""
    label = b"tls13 " + label
    said = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0\x01"
    return digest(secret, said, sha256)[:size]


def crypto_frames(plain: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of the CRYPTO frames; other frames of an Initial are stepped over."""
    at = 0
    try:
        while at < len(plain):
            kind = plain[at]
            at += 1
            if kind <= 1:  # padding, ping
                continue
            if kind == 6:
                offset, at = _number(plain, at)
                size, at = _number(plain, at)
                yield offset, plain[at : at + size]
                at += size
            elif kind in (2, 3):
                at = _step_over_ack(plain, at, with_counts=kind == 3)
            else:
                return  # connection close, or nothing that belongs here
    except IndexError:
        return


def _step_over_ack(plain: bytes, at: int, *, with_counts: bool) -> int:
    _, at = _number(plain, at)
    _, at = _number(plain, at)
    ranges, at = _number(plain, at)
    for _ in range(min(2 * ranges + 1, len(plain)) + (3 if with_counts else 0)):
        _, at = _number(plain, at)
    return at


def whole_message(pieces: dict[int, bytes]) -> bytes | None:
    """The handshake message at the beginning of the stream, once all of it is there."""
    joined = bytearray()
    for offset in sorted(pieces):
        piece = pieces[offset]
        if offset > len(joined):
            break
        joined += piece[len(joined) - offset :]
    if len(joined) < 4:
        return None
    size = 4 + int.from_bytes(joined[1:4], "big")
    return bytes(joined[:size]) if len(joined) >= size else None
