"""TLS and SSL 3 over TCP: one record for each handshake, as far as it is in the clear.

Formats: RFC 8446 (1.3), RFC 5246 (1.2) and its elders. Certificates are seen up to TLS 1.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.errors import NotThisProtocol
from collectors.sensor.protocols import certificate
from collectors.sensor.protocols.tls_hello import (
    EARLY_DATA,
    SNI,
    Hello,
    client_hello,
    ja3,
    ja3s,
    ja4,
    server_hello,
)

CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
LARGEST_RECORD, LARGEST_MESSAGE = (1 << 14) + 2048, 1 << 17
VERSION_NAMES = {
    0x0002: ("ssl", "2.0"), 0x0300: ("ssl", "3.0"), 0x0301: ("tls", "1.0"), 0x0302: ("tls", "1.1"),
    0x0303: ("tls", "1.2"), 0x0304: ("tls", "1.3"),
}  # fmt: skip
MOST_CERTIFICATES = 16


class _Side:
    """Bytes of one side: records, and the handshake messages inside them."""

    __slots__ = ("is_encrypted", "messages", "records")

    def __init__(self) -> None:
        self.records = bytearray()
        self.messages = bytearray()
        self.is_encrypted = False


class Tls(Conversation):
    """One connection, until its handshake is over."""

    __slots__ = (
        "_alert",
        "_certificates",
        "_client",
        "_has_finished",
        "_hellos",
        "_server",
        "_server_hello",
        "_start",
    )
    name = "tls"

    def __init__(self) -> None:
        super().__init__()
        self._client, self._server = _Side(), _Side()
        self._hellos: list[Hello] = []
        self._server_hello: Hello | None = None
        self._certificates: list[bytes] = []
        self._alert = ""
        self._start = 0
        self._has_finished = False  # both sides have gone over to encryption

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        self._start = self._start or time
        side = self._client if from_client else self._server
        held = side.records
        held += data
        while len(held) >= 5 and not self.done:
            kind, size = held[0], held[3] << 8 | held[4]
            if not CHANGE_CIPHER <= kind <= 24 or held[1] != 3 or size > LARGEST_RECORD:
                return self._stop(time)
            if kind == APPLICATION:  # nothing is in the clear any more
                return self._encrypted(side, time)
            if len(held) < 5 + size:
                break
            body = bytes(held[5 : 5 + size])
            del held[: 5 + size]
            if self._record(side, from_client, kind, body):
                return self._stop(time)
        return NOTHING

    def _record(self, side: _Side, from_client: bool, kind: int, body: bytes) -> bool:
        """Read one record; whether the handshake is over as far as we can see it."""
        if kind == CHANGE_CIPHER:
            return self._changes_cipher(side)
        if kind == ALERT:
            if not side.is_encrypted and len(body) == 2:
                self._alert = ALERTS.get(body[1]) or f"alert {body[1]}"
                return body[0] == 2 or self._server_hello is not None
            return False
        if kind != HANDSHAKE or side.is_encrypted:
            return False
        side.messages += body
        messages = side.messages
        while len(messages) >= 4:
            size = int.from_bytes(messages[1:4], "big")
            if size > LARGEST_MESSAGE:
                return True
            if len(messages) < 4 + size:
                return False
            message = bytes(messages[4 : 4 + size])
            kind = messages[0]
            del messages[: 4 + size]
            try:
                self._message(side, from_client, kind, message)
            except NotThisProtocol:
                return True
        return False

    def _message(self, side: _Side, from_client: bool, kind: int, body: bytes) -> None:
        if kind == CLIENT_HELLO:
            if not from_client and not self._hellos and not self._server_hello:
                self.is_swapped = True
                self._client, self._server = self._server, self._client
            if len(self._hellos) < 2:
                self._hellos.append(client_hello(body))
        elif kind == SERVER_HELLO:
            if from_client and not self._hellos:
                self.is_swapped = True
                self._client, self._server = self._server, self._client
            hello = server_hello(body)
            if not hello.is_retry:
                self._server_hello = hello
                side.is_encrypted = hello.highest >= 0x0304
        elif kind == CERTIFICATE and side is self._server:
            self._certificates = list(_certificates(body))

    def _changes_cipher(self, side: _Side) -> bool:
        """Both have changed: over. In TLS 1.3 it is for show, but the ServerHello was the last thing in the clear."""
        hello = self._server_hello
        if hello is not None and hello.highest < 0x0304:
            side.is_encrypted = True
        self._has_finished = self._client.is_encrypted and self._server.is_encrypted
        return self._has_finished or (hello is not None and hello.highest >= 0x0304)

    def _encrypted(self, side: _Side, time: int) -> Sequence[Said]:
        """Encrypted data: with TLS 1.3's early data the ServerHello is still to come."""
        early = bool(self._hellos) and EARLY_DATA in self._hellos[0].extensions
        if side is self._client and early and self._server_hello is None:
            held = side.records
            size = held[3] << 8 | held[4]
            if len(held) >= 5 + size:
                del held[: 5 + size]
                return self.take(True, b"", time) if held else NOTHING
            return NOTHING
        return self._stop(time)

    def _stop(self, time: int) -> Sequence[Said]:
        said = self.end(time)
        self.done = True
        return said

    def end(self, time: int) -> Sequence[Said]:
        """What is known of the handshake."""
        if self.done or not (self._hellos or self._server_hello or self._certificates):
            return NOTHING
        self.done = True
        fields = hello_fields(self._hellos, self._server_hello)
        fields["tls.established"] = self._server_hello is not None and not self._alert
        if self._certificates:
            fields |= certificate.fields(self._certificates)
        if self._alert:
            fields["sensor.tls.alert"] = self._alert
        if self._is_resumed():
            fields["tls.resumed"] = True
        return [("tls", self._start, fields)]

    def _is_resumed(self) -> bool:
        """Up to TLS 1.2: the server took up the client's session, and so sent no certificate."""
        chosen = self._server_hello
        return (
            chosen is not None
            and bool(self._hellos)
            and chosen.highest < 0x0304
            and not self._certificates
            and self._has_finished
        )


def hello_fields(hellos: list[Hello], chosen: Hello | None, carrier: str = "t") -> dict[str, Any]:
    """The fields of the hellos; a second ClientHello answers a HelloRetryRequest."""
    fields: dict[str, Any] = {}
    if hellos:
        first = hellos[0]
        if SNI in first.extensions and first.server_name:
            fields["tls.client.server_name"] = first.server_name
        fields["tls.client.ja3"] = ja3(first)
        marks = list(dict.fromkeys(ja4(hello, carrier) for hello in hellos))
        fields["labels.ja4"] = marks[0] if len(marks) == 1 else marks
        fields["tls.client.supported_ciphers"] = [f"0x{one:04x}" for one in first.ciphers]
        fields["sensor.tls.client.extensions"] = first.extensions
        if first.signatures:
            fields["sensor.tls.client.signature_algorithms"] = first.signatures
        if first.protocols:
            fields["sensor.tls.client.protocols"] = [text(one) for one in first.protocols]
        fields["sensor.tls.client.version"] = _version(first.version)
    if chosen is not None:
        fields["tls.server.ja3s"] = ja3s(chosen)
        fields["tls.cipher"] = f"0x{chosen.ciphers[0]:04x}"
        if chosen.protocols:
            fields["tls.next_protocol"] = text(chosen.protocols[0])
    version = chosen.highest if chosen is not None else hellos[0].highest if hellos else 0
    name, number = VERSION_NAMES.get(version) or ("tls", f"0x{version:04x}")
    fields["tls.version_protocol"], fields["tls.version"] = name, number
    return fields


def _version(version: int) -> str:
    name, number = VERSION_NAMES.get(version) or ("tls", f"0x{version:04x}")
    return f"{name.upper()} {number}"


def _certificates(body: bytes) -> Sequence[bytes]:
    found: list[bytes] = []
    at, end = 3, 3 + int.from_bytes(body[:3], "big")
    while at + 3 <= min(end, len(body)) and len(found) < MOST_CERTIFICATES:
        size = int.from_bytes(body[at : at + 3], "big")
        one = body[at + 3 : at + 3 + size]
        if len(one) < size or not size:
            break
        found.append(one)
        at += 3 + size
    return found


ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
    40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate",
    44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension",
    110: "unsupported_extension", 112: "unrecognized_name", 116: "certificate_required",
    120: "no_application_protocol",
}  # fmt: skip
