"""Community ID 1.0: one name of a flow for every tool that saw it.

Format: the Community ID specification (Corelight), baseline of version 1.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from hashlib import sha1

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
PORTS = frozenset({TCP, UDP, SCTP})
ANSWER = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
"""ICMP types that ask and answer each other."""
ANSWER6 = {128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130}
ANSWER6 |= {139: 140, 140: 139, 144: 145, 145: 144}


def community_id(
    protocol: int,
    source: bytes,
    destination: bytes,
    source_port: int,
    destination_port: int,
    *,
    seed: int = 0,
) -> str:
    """The Community ID; for ICMP the ports are type and code. Tools that are to agree share a seed.

    >>> community_id(6, bytes([1, 2, 3, 4]), bytes([5, 6, 7, 8]), 1122, 3344)
    '1:wCb3OG7yAFWelaUydu0D+125CLM='
    """
    one, two, one_way = source_port, destination_port, False
    if protocol in (ICMP, ICMP6):
        answer = (ANSWER if protocol == ICMP else ANSWER6).get(source_port)
        one_way = answer is None
        two = destination_port if answer is None else answer
    ordered = one_way or (source, one) < (destination, two)
    if not ordered:
        source, destination, one, two = destination, source, two, one
    hashed = struct.pack("!H", seed) + source + destination + bytes((protocol & 0xFF, 0))
    if protocol in PORTS or protocol in (ICMP, ICMP6):
        hashed += struct.pack("!HH", one & 0xFFFF, two & 0xFFFF)
    return "1:" + b64encode(sha1(hashed, usedforsecurity=False).digest()).decode("ascii")
