"""Information elements: their names, and their bytes as JSON values. Times are µs since 1970-01-01T00:00Z."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from collectors.flow_export.messages import NETFLOW_9, Template

NTP_TO_UNIX_S = 2_208_988_800
REVERSE = 29305  # RFC 5103: the same element of the opposite direction
SCOPES = MappingProxyType(
    {1: "scopeSystem", 2: "scopeInterface", 3: "scopeLineCard", 4: "scopeCache"}
)
PADDING = "paddingOctets"
MOST_TEXT = 1_024  # bytes of a value that is kept

Reader = Callable[[bytes], Any]


def number(raw: bytes) -> Any:
    """A whole number of up to eight bytes, hex beyond."""
    return int.from_bytes(raw) if len(raw) <= 8 else as_hex(raw)


def address(raw: bytes) -> str:
    """An address, v4 or v6 by its length."""
    if len(raw) == 4:
        return socket.inet_ntoa(raw)
    return socket.inet_ntop(socket.AF_INET6, raw) if len(raw) == 16 else as_hex(raw)


def hardware_address(raw: bytes) -> str:
    """A hardware address as ECS writes it."""
    return raw.hex("-").upper()[: 3 * 8 - 1]


def text(raw: bytes) -> str:
    """Text without its filling of zeros."""
    return raw[:MOST_TEXT].decode("utf-8", "replace").rstrip("\0")


def as_hex(raw: bytes) -> str:
    return raw[:MOST_TEXT].hex()


def seconds(raw: bytes) -> int:
    return int.from_bytes(raw[:8]) * 1_000_000


def milliseconds(raw: bytes) -> int:
    return int.from_bytes(raw[:8]) * 1_000


def ntp(raw: bytes) -> Any:
    """Seconds since 1900 and a fraction of 32 bits (RFC 7011, 6.1.9 and 6.1.10)."""
    if len(raw) != 8:
        return as_hex(raw)
    whole, fraction = struct.unpack("!II", raw)
    return (whole - NTP_TO_UNIX_S) * 1_000_000 + (fraction * 1_000_000 >> 32)


def floating(raw: bytes) -> Any:
    if len(raw) not in (4, 8):
        return as_hex(raw)
    (value,) = struct.unpack("!f" if len(raw) == 4 else "!d", raw)
    return value if math.isfinite(value) else as_hex(raw)


def truth(raw: bytes) -> Any:
    return {b"\x01": True, b"\x02": False}.get(raw, as_hex(raw))


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "u": number, "4": address, "6": address, "mac": hardware_address, "text": text, "hex": as_hex,
        "s": seconds, "ms": milliseconds, "us": ntp, "ns": ntp, "float": floating, "bool": truth,
    }
)  # fmt: skip


def _load() -> dict[int, tuple[str, Reader]]:
    lines = Path(__file__).with_name("elements.txt").read_text("ascii").splitlines()
    rows = (line.split(" ") for line in lines if not line.startswith("#"))
    return {int(place): (name, READERS[kind]) for place, name, kind in rows}


ELEMENTS: Mapping[int, tuple[str, Reader]] = MappingProxyType(_load())


def named(place: int, enterprise: int = 0) -> tuple[str, Reader]:
    """An element's name and reader; one that is not known is named by its numbers and kept as hex.

    >>> named(1)[0], named(1, 29305)[0], named(14, 6871)[0], named(9999)[0]
    ('octetDeltaCount', 'reverseOctetDeltaCount', 'enterprise_6871_14', 'element_9999')
    """
    if enterprise not in (0, REVERSE):
        return f"enterprise_{enterprise}_{place}", as_hex
    name, reader = ELEMENTS.get(place, (f"element_{place}", as_hex))
    return (f"reverse{name[:1].upper()}{name[1:]}" if enterprise else name), reader


@lru_cache(maxsize=2_048)
def layout(template: Template, version: int) -> tuple[tuple[str, Reader], ...]:
    """Names and readers beside ``template.fields``; NetFlow v9 numbers its scopes apart."""
    return tuple(
        (SCOPES.get(one.number, f"scope_{one.number}"), number)
        if version == NETFLOW_9 and one.is_scope
        else named(one.number, one.enterprise)
        for one in template.fields
    )


def values(record: tuple[bytes, ...], columns: tuple[tuple[str, Reader], ...]) -> dict[str, Any]:
    """One record by names; of a name that stands twice the first stays, what is empty is left out."""
    found: dict[str, Any] = {}
    for raw, (name, reader) in zip(record, columns, strict=True):
        if raw and name not in found and name != PADDING:
            found[name] = reader(raw)
    return found
