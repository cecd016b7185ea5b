"""DHCP for IPv4: who asked, what was offered and by whom. One record for each message.

Formats: RFC 2131, RFC 2132, RFC 3396 (long options), RFC 3046 (relay agent).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text

COOKIE = b"\x63\x82\x53\x63"
KINDS = (
    "", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform",
    "force_renew", "lease_query", "lease_unassigned", "lease_unknown", "lease_active",
)  # fmt: skip
FILE, SERVER_NAME = slice(108, 236), slice(44, 108)
PAD, END, OVERLOAD = 0, 255, 52
ADDRESSES = {1: "subnet_mask", 3: "routers", 6: "dns_servers", 42: "ntp_servers", 28: "broadcast"}
SINGLE = frozenset({1, 28})
TEXTS = {12: "hostname", 15: "domain", 60: "vendor_class", 56: "message", 67: "boot_file"}
SECONDS = {51: "lease_time", 58: "renewal_time", 59: "rebinding_time"}
MOST_OPTIONS = 200


class Dhcp(Conversation):
    """Messages between a client and its servers or relays."""

    __slots__ = ()
    name = "dhcp"

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        fields = read(data)
        return NOTHING if fields is None else (("dhcp", time, fields),)


def read(data: bytes) -> dict[str, Any] | None:
    """The fields of a message; None if it is none."""
    if len(data) < 240 or data[236:240] != COOKIE or data[0] not in (1, 2):
        return None
    size = min(data[2], 16)
    fields: dict[str, Any] = {
        "sensor.dhcp.operation": "request" if data[0] == 1 else "reply",
        "sensor.dhcp.id": int.from_bytes(data[4:8], "big"),
        "sensor.dhcp.client_mac": data[28 : 28 + size].hex(":"),
    }
    for name, at in (("client_ip", 12), ("assigned_ip", 16), ("next_server_ip", 20)):
        fields[f"sensor.dhcp.{name}"] = _address(data[at : at + 4])
    if any(data[24:28]):
        fields["sensor.dhcp.relay_ip"] = _address(data[24:28])
    options = _gathered(data)
    _add(fields, options)
    return fields


def _gathered(data: bytes) -> dict[int, bytes]:
    """The options by number, long ones joined, with those that overflowed into the file and server name."""
    options: dict[int, bytes] = {}
    overload = 0
    for code, value in _options(data[240:]):
        if code == OVERLOAD and value:
            overload = value[0]
        options[code] = options.get(code, b"") + value
    for bit, where in ((1, FILE), (2, SERVER_NAME)):
        if overload & bit:
            for code, value in _options(data[where]):
                options[code] = options.get(code, b"") + value
    return options


def _options(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at, number = 0, 0
    while at < len(raw) and number < MOST_OPTIONS:
        code = raw[at]
        if code == END:
            return
        if code == PAD:
            at += 1
            continue
        if at + 1 >= len(raw):
            return
        size = raw[at + 1]
        yield code, raw[at + 2 : at + 2 + size]
        at += 2 + size
        number += 1


def _add(fields: dict[str, Any], options: dict[int, bytes]) -> None:
    for code, value in options.items():
        if code in ADDRESSES and len(value) >= 4:
            found = [_address(value[at : at + 4]) for at in range(0, len(value) - 3, 4)]
            name = f"sensor.dhcp.{ADDRESSES[code]}"
            fields[name] = found[0] if code in SINGLE else found[:50]
        elif code in TEXTS:
            fields[f"sensor.dhcp.{TEXTS[code]}"] = text(value.rstrip(b"\0"))
        elif code in SECONDS and len(value) == 4:
            fields[f"sensor.dhcp.{SECONDS[code]}"] = int.from_bytes(value, "big")
    if kind := options.get(53):
        fields["sensor.dhcp.type"] = KINDS[kind[0]] if kind[0] < len(KINDS) else str(kind[0])
    if wanted := options.get(50):
        fields["sensor.dhcp.requested_ip"] = _address(wanted[:4].ljust(4, b"\0"))
    if server := options.get(54):
        fields["sensor.dhcp.server_ip"] = _address(server[:4].ljust(4, b"\0"))
    if asked := options.get(55):
        fields["sensor.dhcp.asked_options"] = list(asked)
    if client := options.get(61):
        fields["sensor.dhcp.client_id"] = (
            client[1:].hex(":") if client[:1] == b"\1" else client.hex(":")
        )


def _address(raw: bytes) -> str:
    return ".".join(map(str, raw))
