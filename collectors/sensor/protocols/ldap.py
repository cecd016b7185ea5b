"""LDAP: who binds as whom, what is searched, and how the server answers (RFC 4511). Basics, no controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.sensor import asn1
from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.errors import NotThisProtocol

BIND, BIND_DONE, UNBIND, SEARCH, ENTRY, SEARCH_DONE, REFERENCE = 0, 1, 2, 3, 4, 5, 19
REQUESTS = {0: "bind", 3: "search", 6: "modify", 8: "add", 10: "delete", 12: "modify_dn"}
REQUESTS |= {14: "compare", 23: "extended"}
ANSWERS = frozenset({1, 5, 7, 9, 11, 13, 15, 24})
RESULTS = {0: "success", 1: "operationsError", 2: "protocolError", 8: "strongerAuthRequired"}
RESULTS |= {10: "referral", 14: "saslBindInProgress", 32: "noSuchObject", 48: "inappropriateAuth"}
RESULTS |= {49: "invalidCredentials", 50: "insufficientAccessRights", 53: "unwillingToPerform"}
SCOPES = ("base", "one", "sub", "children")
START_TLS = b"1.3.6.1.4.1.1466.20037"
LARGEST, MOST_WAITING = 1 << 20, 64


class Ldap(Conversation):
    """One connection."""

    __slots__ = ("_held", "_waiting")
    name = "ldap"

    def __init__(self) -> None:
        super().__init__()
        self._held = (bytearray(), bytearray())
        self._waiting: dict[int, tuple[int, dict[str, Any], int]] = {}

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        held = self._held[from_client]
        said: list[Said] = []
        held += data
        while len(held) >= 7 and not self.done:
            head = bytes(held[:7])
            try:
                tag, _, end = asn1.element(head)
            except NotThisProtocol:
                self.done = True
                break
            if (
                tag != asn1.SEQUENCE or end > LARGEST
            ):  # SASL has wrapped it, or it is something else
                self.done = True
            elif len(held) < end:
                break
            else:
                self._message(bytes(held[:end]), time, said)
                del held[:end]
        return said

    def _message(self, data: bytes, time: int, said: list[Said]) -> None:
        try:
            (_, number), (tag, body) = list(asn1.elements(asn1.inner(data)))[:2]
            operation, identifier = tag & 0x1F, asn1.number(number)
            if operation in REQUESTS:
                if len(self._waiting) < MOST_WAITING:
                    self._waiting[identifier] = (time, _request(operation, tag, body), 0)
            elif operation == ENTRY and identifier in self._waiting:
                since, fields, count = self._waiting[identifier]
                self._waiting[identifier] = (since, fields, count + 1)
            elif operation in ANSWERS and identifier in self._waiting:
                self._answer(identifier, body, said)
        except (NotThisProtocol, ValueError):
            self.done = True

    def _answer(self, identifier: int, body: bytes, said: list[Said]) -> None:
        since, fields, count = self._waiting.pop(identifier)
        parts = list(asn1.elements(body))
        if parts:
            code = asn1.number(parts[0][1])
            fields["sensor.ldap.result"] = RESULTS.get(code) or str(code)
            fields["event.outcome"] = "success" if code in (0, 14) else "failure"
        if len(parts) > 2 and parts[2][1]:
            fields["sensor.ldap.message"] = text(parts[2][1])[:500]
        if fields["sensor.ldap.operation"] == "search":
            fields["sensor.ldap.entries"] = count
        said.append(("ldap", since, fields))
        if fields.pop("sensor.ldap.starts_tls", False) and fields["event.outcome"] == "success":
            from collectors.sensor.protocols.tls import Tls

            self.successor = Tls()

    def end(self, time: int) -> Sequence[Said]:
        """Requests without an answer."""
        said = [("ldap", since, fields) for since, fields, _ in self._waiting.values()]
        self._waiting = {}
        return said or NOTHING


def _request(operation: int, tag: int, body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = {"sensor.ldap.operation": REQUESTS[operation]}
    if not tag & 0x20:  # a delete is a plain name
        fields["sensor.ldap.name"] = text(body)[:1000]
        return fields
    parts = list(asn1.elements(body))
    if operation == BIND and len(parts) >= 3:
        fields["sensor.ldap.version"] = asn1.number(parts[0][1])
        fields["sensor.ldap.name"] = text(parts[1][1])[:1000]
        fields["sensor.ldap.authentication"] = _authentication(*parts[2])
    elif operation == SEARCH and len(parts) >= 7:
        fields["sensor.ldap.name"] = text(parts[0][1])[:1000]
        scope = asn1.number(parts[1][1])
        fields["sensor.ldap.scope"] = SCOPES[scope] if 0 <= scope < len(SCOPES) else str(scope)
        fields["sensor.ldap.filter"] = _filter(*parts[6])[:2000]
        if len(parts) > 7:
            asked = [text(one)[:200] for _, one in asn1.elements(parts[7][1])]
            if asked:
                fields["sensor.ldap.attributes"] = asked[:100]
    elif operation == 23 and parts:
        fields["sensor.ldap.name"] = text(parts[0][1])[:200]
        fields["sensor.ldap.starts_tls"] = parts[0][1] == START_TLS
    elif parts:
        fields["sensor.ldap.name"] = text(parts[0][1])[:1000]
    return fields


def _authentication(tag: int, content: bytes) -> str:
    """How a bind proves itself; no password is kept."""
    if tag == 0x80:
        return "simple" if content else "anonymous"
    if tag == 0xA3:
        mechanisms = list(asn1.elements(content))
        return f"sasl {text(mechanisms[0][1])[:40]}" if mechanisms else "sasl"
    return {0x89: "ntlm", 0x8A: "ntlm", 0x8B: "ntlm"}.get(tag) or f"tag {tag:#x}"


def _filter(tag: int, content: bytes, depth: int = 0) -> str:
    """A search filter as RFC 4515 writes it; what is deep or unusual becomes three dots."""
    kind = tag & 0x1F
    if depth > 8:
        return "(...)"
    if kind in (0, 1):
        inside = "".join(_filter(*one, depth + 1) for one in list(asn1.elements(content))[:100])
        return f"({'&|'[kind]}{inside})"
    if kind == 2:
        return f"(!{_filter(*next(asn1.elements(content)), depth + 1)})" if content else "(!)"
    if kind in (3, 5, 6, 8):
        sides = [text(one) for _, one in list(asn1.elements(content))[:2]]
        sign = {3: "=", 5: ">=", 6: "<=", 8: "~="}[kind]
        return f"({sign.join(sides)})"
    if kind == 7:
        return f"({text(content)}=*)"
    if kind == 4:
        parts = list(asn1.elements(content))
        if len(parts) == 2:
            pieces = [(one & 0x1F, text(value)) for one, value in asn1.elements(parts[1][1])]
            joined = "*".join(value for _, value in pieces)
            start = "" if pieces and pieces[0][0] == 0 else "*"
            stop = "" if pieces and pieces[-1][0] == 2 else "*"
            return f"({text(parts[0][1])}={start}{joined}{stop})"
    return "(...)"
