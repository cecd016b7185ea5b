"""SOCKS 4, 4a and 5 (RFC 1928, 1929): where the proxy is asked to go. What follows is another conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.flows import address_text

GREETING, PASSWORD, REQUEST, TUNNEL = range(4)
COMMANDS = {1: "connect", 2: "bind", 3: "udp_associate"}
LONGEST = 1024
NO_PASSWORD, WITH_PASSWORD = 0, 2


class Socks(Conversation):
    """One connection to a proxy, until its tunnel stands."""

    __slots__ = ("_client", "_fields", "_server", "_state", "_version")
    name = "socks"

    def __init__(self) -> None:
        super().__init__()
        self._client, self._server = bytearray(), bytearray()
        self._fields: dict[str, Any] = {}
        self._state, self._version = GREETING, 0

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        held = self._client if from_client else self._server
        held += data
        if len(held) > LONGEST:
            self.done = True
            return NOTHING
        if from_client:
            self._version = self._version or held[0]
            if self._version == 4:
                self._request_4()
            elif self._state in (GREETING, REQUEST):
                self._request_5()
            return NOTHING
        return self._answer(time)

    def _request_4(self) -> None:
        held = self._client
        user_end = held.find(b"\0", 8)
        if self._fields or user_end < 0:
            return
        self._say(held[1], held[2] << 8 | held[3])
        address = bytes(held[4:8])
        name_end = held.find(b"\0", user_end + 1)
        if address[:3] == b"\0\0\0" and address[3] and name_end > 0:
            self._fields["destination.domain"] = text(bytes(held[user_end + 1 : name_end]))
        else:
            self._fields["sensor.socks.ip"] = address_text(address)
        self._state = REQUEST
        held.clear()

    def _request_5(self) -> None:
        held = self._client
        if self._state == GREETING:
            if len(held) < 2 or len(held) < 2 + held[1]:
                return
            del held[: 2 + held[1]]
            self._state = REQUEST
        if not self._fields and len(held) >= 7 and held[0] == 5:
            self._address_5(bytes(held))

    def _address_5(self, held: bytes) -> None:
        kind = held[3]
        size = {1: 4, 4: 16}.get(kind, held[4] + 1)
        end = 4 + size
        if len(held) < end + 2:
            return
        self._say(held[1], held[end] << 8 | held[end + 1])
        if kind == 3:
            self._fields["destination.domain"] = text(held[5:end])
        else:
            self._fields["sensor.socks.ip"] = address_text(held[4:end])
        self._client.clear()

    def _say(self, command: int, port: int) -> None:
        self._fields["sensor.socks.version"] = self._version
        self._fields["sensor.socks.command"] = COMMANDS.get(command) or str(command)
        self._fields["sensor.socks.port"] = port

    def _answer(self, time: int) -> Sequence[Said]:
        held = self._server
        if self._version == 5 and held[0] == 5 and not self._fields and len(held) >= 2:
            if held[1] == WITH_PASSWORD:
                self._state = PASSWORD  # the next bytes of the client are its password
            del held[:2]
            return NOTHING
        if self._state == PASSWORD and len(held) >= 2 and held[0] == 1:
            self._client.clear()
            self._state = REQUEST
            del held[:2]
            return NOTHING
        if not self._fields or len(held) < (8 if self._version == 4 else 10):
            return NOTHING
        code = held[1]
        granted = code == (90 if self._version == 4 else 0)
        self._fields["event.outcome"] = "success" if granted else "failure"
        said = self.end(time)
        if granted:
            from collectors.sensor.identify import Undecided

            self.successor = Undecided(0, 0)
        else:
            self.done = True
        return said

    def end(self, time: int) -> Sequence[Said]:
        """What was asked for."""
        fields, self._fields = self._fields, {}
        return (("socks", time, fields),) if fields else NOTHING
