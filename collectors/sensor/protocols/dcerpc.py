"""DCE/RPC: which interface a client binds to and which operation it calls.

Formats: C706 (The Open Group), [MS-RPCE]. Over TCP here; over SMB pipes from ``smb``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from collectors.sensor.conversation import NOTHING, Conversation, Said
from collectors.sensor.protocols import ntlmssp

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK, ALTER, ALTER_ACK, AUTH3 = (
    0, 2, 3, 11, 12, 13, 14, 15, 16,
)  # fmt: skip
FROM_CLIENT = frozenset({REQUEST, BIND, ALTER, AUTH3})
KINDS = frozenset(range(20))
INTERFACES = {
    "12345778-1234-abcd-ef00-0123456789ab": "lsarpc",
    "12345778-1234-abcd-ef00-0123456789ac": "samr",
    "12345678-1234-abcd-ef00-01234567cffb": "netlogon",
    "12345678-1234-abcd-ef00-0123456789ab": "spoolss",
    "367abb81-9844-35f1-ad32-98f038001003": "svcctl",
    "338cd001-2244-31f1-aaaa-900038001003": "winreg",
    "4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc",
    "6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc",
    "86d35949-83c9-4044-b424-db363231fd0c": "itaskschedulerservice",
    "1ff70682-0a51-30e8-076d-740be8cee98b": "atsvc",
    "e3514235-4b06-11d1-ab04-00c04fc2dcd2": "drsuapi",
    "c681d488-d850-11d0-8c52-00c04fd90f7e": "efsrpc",
    "df1941c5-fe89-4e79-bf10-463657acf44d": "efsrpc",
    "e1af8308-5d1f-11c9-91a4-08002b14a0fa": "epmapper",
    "000001a0-0000-0000-c000-000000000046": "iremotescmactivator",
    "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57": "iactivation",
    "99fcfec4-5260-101b-bbcb-00aa0021347a": "iobjectexporter",
    "76f03f96-cdfd-44fc-a22c-64950a001209": "iremotewinspool",
    "9556dc99-828c-11cf-a37e-00aa003240c7": "iwbemservices",
    "f309ad18-d86a-11d0-a075-00c04fb68820": "iwbemlevel1login",
    "3919286a-b10c-11d0-9ba8-00c04fd92ef5": "dssetup",
    "82273fdc-e32a-18c3-3f78-827929dc23ea": "eventlog",
    "50abc2a4-574d-40b3-9d66-ee4fd5fba076": "dnsserver",
}
LARGEST = 1 << 16
MOST_CONTEXTS, MOST_CALLS = 64, 256


class Pipe:
    """The calls over one association: interfaces by context, each operation said once."""

    __slots__ = ("_interfaces", "_said")

    def __init__(self) -> None:
        self._interfaces: dict[int, str] = {}
        self._said: set[tuple[str, int]] = set()

    def message(self, data: bytes) -> dict[str, Any] | None:
        """The fields of a bind, or of the first call of an operation; None for others."""
        if len(data) < 24 or data[0] != 5:
            return None
        kind, order = data[2], "<" if data[4] & 0x10 else ">"
        if kind in (BIND, ALTER):
            return self._bind(data, order)
        if kind == REQUEST:
            context, operation = struct.unpack_from(order + "HH", data, 20)
            interface = self._interfaces.get(context, "")
            if (interface, operation) in self._said or len(self._said) >= MOST_CALLS:
                return None
            self._said.add((interface, operation))
            return {"event.action": "request", "sensor.dcerpc.operation": operation} | _named(
                interface
            )
        return None

    def _bind(self, data: bytes, order: str) -> dict[str, Any] | None:
        count, at = data[24] if len(data) > 28 else 0, 28
        asked: list[str] = []
        for _ in range(count):
            if at + 24 > len(data) or len(self._interfaces) >= MOST_CONTEXTS:
                break
            (context,) = struct.unpack_from(order + "H", data, at)
            syntaxes, raw = data[at + 2], data[at + 4 : at + 20]
            name = str(UUID(bytes_le=raw) if order == "<" else UUID(bytes=raw))
            self._interfaces[context] = name
            asked.append(name)
            at += 24 + 20 * syntaxes
        if not asked:
            return None
        return {"event.action": "bind"} | _named(asked[0]) | ntlmssp.read(data[at:])


def _named(interface: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if interface:
        fields["sensor.dcerpc.interface"] = interface
        if name := INTERFACES.get(interface):
            fields["sensor.dcerpc.interface_name"] = name
    return fields


class Dcerpc(Conversation):
    """One TCP connection."""

    __slots__ = ("_held", "_pipe")
    name = "dcerpc"

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._pipe = Pipe()

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        if not from_client:
            return NOTHING
        held = self._held
        said: list[Said] = []
        held += data
        while len(held) >= 16:
            order = "<" if held[4] & 0x10 else ">"
            (size,) = struct.unpack_from(order + "H", held, 8)
            if held[0] != 5 or size < 16:
                self.done = True
                break
            if len(held) < size:
                break
            fields = self._pipe.message(bytes(held[:size]))
            del held[:size]
            if fields is not None:
                said.append(("dcerpc", time, fields))
        return said
