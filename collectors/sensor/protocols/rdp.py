"""RDP: the first packets of a connection, before it is encrypted: the cookie and what security was agreed on.

Formats: RFC 1006 (TPKT), X.224, [MS-RDPBCGR] 2.2.1.1-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text

REQUEST, CONFIRM = 0xE0, 0xD0
NEGOTIATION, RESPONSE, FAILURE = 1, 2, 3
SECURITY = {0: "rdp", 1: "tls", 2: "credssp", 4: "rdstls", 8: "credssp_early", 16: "aad"}
FAILURES = {1: "ssl_required", 2: "ssl_not_allowed", 3: "no_certificate", 4: "flags_inconsistent"}
FAILURES |= {5: "hybrid_required", 6: "ssl_with_user_auth_required"}
COOKIE = b"Cookie: "


class Rdp(Conversation):
    """One connection, until the server has answered the first packet."""

    __slots__ = ("_fields", "_held", "_start")
    name = "rdp"

    def __init__(self) -> None:
        super().__init__()
        self._held = (bytearray(), bytearray())
        self._fields: dict[str, Any] = {}
        self._start = 0

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        self._start = self._start or time
        held = self._held[from_client]
        held += data
        if len(held) < 4:
            return NOTHING
        size = held[2] << 8 | held[3]
        if held[0] != 3 or size < 7 or size > 4096:
            self.done = True
            return self.end(time)
        if len(held) < size:
            return NOTHING
        packet = bytes(held[:size])
        del held[:size]
        if packet[5] & 0xF0 == REQUEST:
            self._request(packet[11:])
            return NOTHING
        said = self._confirm(packet[11:], time) if packet[5] & 0xF0 == CONFIRM else self.end(time)
        self.done = self.successor is None
        return said

    def _request(self, body: bytes) -> None:
        if body.startswith(COOKIE):
            cookie, _, body = body.partition(b"\r\n")
            self._fields["sensor.rdp.cookie"] = text(cookie[len(COOKIE) :])[:255]
        if len(body) >= 8 and body[0] == NEGOTIATION:
            bits = int.from_bytes(body[4:8], "little")
            asked = [name for bit, name in SECURITY.items() if bit and bits & bit]
            self._fields["sensor.rdp.requested_security"] = asked or ["rdp"]

    def _confirm(self, body: bytes, time: int) -> Sequence[Said]:
        if len(body) >= 8 and body[0] in (RESPONSE, FAILURE):
            value = int.from_bytes(body[4:8], "little")
            if body[0] == RESPONSE:
                self._fields["sensor.rdp.security"] = SECURITY.get(value) or str(value)
                if value:
                    from collectors.sensor.protocols.tls import Tls

                    self.successor = Tls()
            else:
                self._fields["sensor.rdp.failure"] = FAILURES.get(value) or str(value)
        else:
            self._fields["sensor.rdp.security"] = "rdp"
        return self.end(time)

    def end(self, time: int) -> Sequence[Said]:
        """The connection's one record."""
        fields, self._fields = self._fields, {}
        return (("rdp", self._start, fields),) if fields else NOTHING
