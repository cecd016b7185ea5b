"""Community ID version 1: one short name for both directions of a flow."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import struct
from types import MappingProxyType

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
WITH_PORTS = frozenset({ICMP, TCP, UDP, ICMP6, SCTP})
# Types that ask and types that answer: the pair stands where ports stand.
ICMP_ANSWER = MappingProxyType(
    {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
)
ICMP6_ANSWER = MappingProxyType(
    {128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135}
    | {130: 131, 131: 130, 139: 140, 140: 139, 144: 145, 145: 144}
)


def community_id(
    source: str,
    destination: str,
    protocol: int,
    source_port: int | None = None,
    destination_port: int | None = None,
    *,
    seed: int = 0,
) -> str:
    """The identifier of the flow; for ICMP the ports are the type and the code.

    Raises:
        ValueError: an address that is none, of two families, or a number out of its range.

    >>> community_id("128.232.110.120", "66.35.250.204", 6, 34855, 80)
    '1:LQU9qZlK+B5F3KDmev6m5PMibrg='
    """
    first, last = _packed(source), _packed(destination)
    if len(first) != len(last):
        raise ValueError(f"two address families: {source} and {destination}")
    ports, one_way = _ports(protocol, source_port, destination_port)
    if ports and not one_way and (first, ports[0]) > (last, ports[1]):
        first, last, ports = last, first, (ports[1], ports[0])
    elif not ports and first > last:
        first, last = last, first
    try:
        head, tail = struct.pack("!H", seed), struct.pack("!BB", protocol, 0)
        tail += struct.pack("!HH", *ports) if ports else b""
    except struct.error as error:
        raise ValueError(str(error)) from error
    digest = hashlib.sha1(head + first + last + tail, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode("ascii")


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _ports(
    protocol: int, source: int | None, destination: int | None
) -> tuple[tuple[int, ...], bool]:
    """The two numbers of the flow (none where it has none), and whether it has one direction only."""
    if protocol not in WITH_PORTS or source is None or destination is None:
        return (), False
    if protocol not in {ICMP, ICMP6}:
        return (source, destination), False
    answer = (ICMP_ANSWER if protocol == ICMP else ICMP6_ANSWER).get(source)
    return (source, destination if answer is None else answer), answer is None
