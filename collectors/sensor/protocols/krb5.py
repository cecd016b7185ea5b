"""Kerberos 5: who asked for which ticket, with which encryption, and what was refused.

Format: RFC 4120, encryption types of IANA. One record for each answer, with its request where it was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.sensor import asn1
from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.errors import NotThisProtocol

AS_REQ, AS_REP, TGS_REQ, TGS_REP, ERROR = 10, 11, 12, 13, 30
MESSAGES = {10: "KRB_AS_REQ", 11: "KRB_AS_REP", 12: "KRB_TGS_REQ", 13: "KRB_TGS_REP"}
MESSAGES |= {14: "KRB_AP_REQ", 15: "KRB_AP_REP", 30: "KRB_ERROR"}
TAGS = {0x60 | number: number for number in (10, 11, 12, 13)} | {0x7E: ERROR}
ENCRYPTIONS = {
    1: "des-cbc-crc", 2: "des-cbc-md4", 3: "des-cbc-md5", 16: "des3-cbc-sha1",
    17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96", 19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192", 23: "rc4-hmac", 24: "rc4-hmac-exp", -128: "rc4-md4",
    -133: "rc4-hmac-old", -135: "rc4-hmac-old-exp",
}  # fmt: skip
WEAK = frozenset({1, 2, 3, 16, 23, 24, -128, -133, -135})
ERRORS = {
    3: "KDC_ERR_BAD_PVNO", 6: "KDC_ERR_C_PRINCIPAL_UNKNOWN", 7: "KDC_ERR_S_PRINCIPAL_UNKNOWN",
    9: "KDC_ERR_NULL_KEY", 12: "KDC_ERR_POLICY", 13: "KDC_ERR_BADOPTION",
    14: "KDC_ERR_ETYPE_NOSUPP", 18: "KDC_ERR_CLIENT_REVOKED", 23: "KDC_ERR_KEY_EXPIRED",
    24: "KDC_ERR_PREAUTH_FAILED", 25: "KDC_ERR_PREAUTH_REQUIRED", 31: "KRB_AP_ERR_BAD_INTEGRITY",
    32: "KRB_AP_ERR_TKT_EXPIRED", 37: "KRB_AP_ERR_SKEW", 52: "KRB_ERR_RESPONSE_TOO_BIG",
    60: "KRB_ERR_GENERIC", 68: "KDC_ERR_WRONG_REALM",
}  # fmt: skip
LARGEST = 1 << 20
MOST_WAITING = 32
MOST_NAMES = 50


class Krb5(Conversation):
    """Kerberos over UDP, or over TCP with four bytes of length before each message."""

    __slots__ = ("_held", "_is_stream", "_requests")
    name = "kerberos"

    def __init__(self, *, is_stream: bool) -> None:
        super().__init__()
        self._is_stream = is_stream
        self._held = (bytearray(), bytearray())
        self._requests: list[dict[str, Any]] = []

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        if not self._is_stream:
            return self._message(data, time)
        held = self._held[from_client]
        said: list[Said] = []
        held += data
        while len(held) >= 4:
            size = int.from_bytes(held[:4], "big")
            if not 0 < size <= LARGEST:
                self.done = True
                break
            if len(held) < 4 + size:
                break
            said += self._message(bytes(held[4 : 4 + size]), time)
            del held[: 4 + size]
        return said

    def _message(self, data: bytes, time: int) -> Sequence[Said]:
        try:
            fields = read(data)
        except NotThisProtocol:
            return NOTHING
        kind = fields["sensor.kerberos.message"]
        if kind.endswith("_REQ"):
            if len(self._requests) < MOST_WAITING:
                self._requests.append(fields)
            return NOTHING
        request = self._requests.pop(0) if self._requests else {}
        if kind == "KRB_ERROR" and request:
            fields["sensor.kerberos.failed_request"] = request["sensor.kerberos.message"]
        kept = {name: value for name, value in request.items() if name not in fields}
        return (("kerberos", time, kept | fields),)

    def end(self, time: int) -> Sequence[Said]:
        """Requests that nobody answered."""
        said = [("kerberos", time, fields) for fields in self._requests]
        self._requests = []
        return said


def read(data: bytes) -> dict[str, Any]:
    """The fields of one message.

    Raises:
        NotThisProtocol: not a message of Kerberos that we read.
    """
    tag, start, end = asn1.element(data)
    kind = TAGS.get(tag)
    if kind is None or end > len(data):
        raise NotThisProtocol("no Kerberos message")
    fields: dict[str, Any] = {"sensor.kerberos.message": MESSAGES[kind]}
    parts = {tag & 0x1F: content for tag, content in asn1.elements(asn1.inner(data[start:end]))}
    if kind in (AS_REQ, TGS_REQ):
        if 4 not in parts:
            raise NotThisProtocol("a request without a body")
        _request_body(fields, asn1.inner(parts[4]))
    elif kind == ERROR:
        _error(fields, parts)
    else:
        _reply(fields, parts)
    return fields


def _request_body(fields: dict[str, Any], body: bytes) -> None:
    parts = {tag & 0x1F: content for tag, content in asn1.elements(body)}
    if 1 in parts:
        fields["sensor.kerberos.client"] = _name(parts[1])
    if 2 in parts:
        fields["sensor.kerberos.realm"] = _string(parts[2])
    if 3 in parts:
        fields["sensor.kerberos.service"] = _name(parts[3])
    if 8 in parts:
        kinds = [asn1.number(content) for _, content in asn1.elements(asn1.inner(parts[8]))]
        fields["sensor.kerberos.offered_encryption"] = [
            ENCRYPTIONS.get(one) or str(one) for one in kinds[:MOST_NAMES]
        ]


def _reply(fields: dict[str, Any], parts: dict[int, bytes]) -> None:
    if 3 in parts:
        fields["sensor.kerberos.realm"] = _string(parts[3])
    if 4 in parts:
        fields["sensor.kerberos.client"] = _name(parts[4])
    if 5 in parts:  # the ticket: application 1, a sequence
        ticket = dict(asn1.elements(asn1.inner(asn1.inner(parts[5]))))
        if 0xA2 in ticket:
            fields["sensor.kerberos.service"] = _name(ticket[0xA2])
        if 0xA3 in ticket:
            _encryption(fields, "ticket", ticket[0xA3])
    if 6 in parts:
        _encryption(fields, "reply", parts[6])


def _encryption(fields: dict[str, Any], of: str, data: bytes) -> None:
    kind = asn1.number(asn1.inner(dict(asn1.elements(asn1.inner(data))).get(0xA0, b"\2\0")))
    fields[f"sensor.kerberos.{of}_encryption"] = ENCRYPTIONS.get(kind) or str(kind)
    fields[f"sensor.kerberos.{of}_encryption_is_weak"] = kind in WEAK


def _error(fields: dict[str, Any], parts: dict[int, bytes]) -> None:
    if 6 in parts:
        code = asn1.number(asn1.inner(parts[6]))
        fields["sensor.kerberos.error_code"] = code
        fields["sensor.kerberos.error"] = ERRORS.get(code) or str(code)
    for at, name in ((7, "realm"), (9, "realm")):
        if at in parts:
            fields[f"sensor.kerberos.{name}"] = _string(parts[at])
    for at, name in ((8, "client"), (10, "service")):
        if at in parts:
            fields[f"sensor.kerberos.{name}"] = _name(parts[at])


def _name(content: bytes) -> str:
    """A PrincipalName's parts with slashes between."""
    parts = dict(asn1.elements(asn1.inner(content)))
    listed = list(asn1.elements(asn1.inner(parts.get(0xA1, b"\x30\x00"))))
    return "/".join(text(one) for _, one in listed[:MOST_NAMES])[:1000]


def _string(content: bytes) -> str:
    return text(asn1.inner(content))[:255]
