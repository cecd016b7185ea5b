"""Google's own QUIC (versions Q024 to Q046): its client hello is in the clear. One record for each.

Formats: Chromium's "QUIC Wire Layout Specification" and "QUIC Crypto" (tags of a CHLO). CYU is
Salesforce's fingerprint.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import md5
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text

HELLO = b"CHLO"
FURTHEST = 96  # bytes of headers before a hello
MOST_TAGS = 128
MOST_DATAGRAMS = 24
ENTRY = struct.Struct("<4sI").unpack_from
NAME, AGENT = b"SNI\0", b"UAID"


def looks_like(data: bytes) -> bool:
    """Whether a datagram is a client's of a version that we can read."""
    return len(data) >= 20 and _version(data) > 0


def _version(data: bytes) -> int:
    """The number of the version: behind a long header's first byte, or behind flags and connection id; else 0."""
    at = 1 if data[0] & 0x80 else 9 if data[0] & 0x09 == 0x09 else 0
    said = data[at : at + 4]
    return int(said[1:]) if at and said[:1] == b"Q" and said[1:].isdigit() else 0


class Gquic(Conversation):
    """One connection. A hello fits into one datagram."""

    __slots__ = ("_datagrams",)
    name = "quic"

    def __init__(self) -> None:
        super().__init__()
        self._datagrams = 0

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        self._datagrams += 1
        self.done = self._datagrams >= MOST_DATAGRAMS
        fields = read(data) if from_client and len(data) >= 20 else None
        return NOTHING if fields is None else (("quic", time, fields),)


def read(data: bytes) -> dict[str, Any] | None:
    """The fields of the datagram's hello; None where there is none, or it is cut off."""
    version, at = _version(data), data.find(HELLO, 0, FURTHEST)
    if not version or at < 0 or at + 8 > len(data):
        return None
    count = int.from_bytes(data[at + 4 : at + 6], "little")
    begin = at + 8 + 8 * count
    if not 0 < count <= MOST_TAGS or begin > len(data):
        return None
    values: dict[bytes, bytes] = {}
    start = 0
    for number in range(count):
        tag, end = ENTRY(data, at + 8 + 8 * number)
        values[tag] = data[begin + start : begin + max(start, end)]
        start = max(start, end)
    return _fields(version, values)


def _fields(version: int, values: dict[bytes, bytes]) -> dict[str, Any]:
    cyu = f"{version}," + "-".join(text(tag.rstrip(b"\0")) for tag in values)
    fields: dict[str, Any] = {
        "sensor.quic.version": f"Q{version:03}",
        "sensor.quic.message": "client_hello",
        "sensor.quic.cyu": cyu,
        "sensor.quic.cyu_hash": md5(cyu.encode(), usedforsecurity=False).hexdigest(),
    }
    if name := text(values.get(NAME, b"")):
        fields["tls.client.server_name"] = name
    if agent := text(values.get(AGENT, b"")):
        fields["user_agent.original"] = agent
    return fields
