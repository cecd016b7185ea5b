"""Where the IP packet begins: link layers, tags, labels and tunnels. Pure: bytes in, offsets out; nothing is copied.

Formats: IEEE 802.3, 802.1Q/ad/BR, RFC 1042 (SNAP), RFC 3032 (MPLS), RFC 2516 (PPPoE), RFC 2784/2890 (GRE),
RFC 7348 (VXLAN), RFC 8926 (Geneve), RFC 4380 (Teredo), draft-foschiano-erspan, libpcap's list of link types.
"""

from __future__ import annotations

from typing import NamedTuple

ETHERNET, NULL, RAW, LOOP, SLL, SLL2 = 1, 0, 101, 108, 113, 276
RAWS = frozenset({RAW, 12, 14, 228, 229})
PPP, PPP_SERIAL, CISCO_HDLC = 9, 50, 104

IPV4, IPV6 = 0x0800, 0x86DD
TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
MPLS = frozenset({0x8847, 0x8848})
PPPOE, E_TAG, VN_TAG, BRIDGED, ERSPAN2, ERSPAN3 = 0x8864, 0x893F, 0x8926, 0x6558, 0x88BE, 0x22EB
PPP_IPV4, PPP_IPV6 = 0x0021, 0x0057
MOST_TAGS = 16


class Frame(NamedTuple):
    """Where a frame's payload begins. ``at`` is -1 where there is no IP packet that we can find."""

    at: int
    vlans: tuple[int, ...] = ()
    kind: int = 0  # EtherType, where known: what else than IP it was


NO_IP = Frame(-1)


def frame(link: int, data: bytes) -> Frame:
    """Find the IP packet of a captured frame.

    >>> frame(1, bytes(12) + b"\\x81\\x00\\x00\\x07\\x08\\x00" + b"E")
    Frame(at=18, vlans=(7,), kind=2048)
    """
    if link == ETHERNET:
        return ethernet(data, 0)
    if link in RAWS:
        return _raw(data, 0)
    if link == SLL:
        return _typed(data, 14)
    if link == SLL2:
        return _typed(data, 0, 20)
    if link in (NULL, LOOP):
        return _raw(data, 4)
    if link in (PPP, PPP_SERIAL):
        return _ppp(data, 2 if data[:2] == b"\xff\x03" else 0)
    if link == CISCO_HDLC:
        return _typed(data, 2)
    return NO_IP


def ethernet(data: bytes, at: int) -> Frame:
    """The IP packet in an Ethernet frame that begins at ``at``."""
    return _typed(data, at + 12)


def _typed(data: bytes, at: int, body: int = 0) -> Frame:
    """Follow EtherTypes from ``at``; the first one's payload begins at ``body`` if that is not right behind."""
    vlans: tuple[int, ...] = ()
    for _ in range(MOST_TAGS):
        kind = _u16(data, at)
        at, body = body or at + 2, 0
        if kind in (IPV4, IPV6):
            return Frame(at if at < len(data) else -1, vlans, kind)
        if kind in TAGS:
            vlans += (_u16(data, at) & 0x0FFF,)
            at += 2
        elif kind == E_TAG:
            at += 6
        elif kind == VN_TAG:
            at += 4
        elif kind in MPLS:
            return _mpls(data, at, vlans)
        elif kind == PPPOE:
            found = _ppp(data, at + 6)
            return found._replace(vlans=vlans + found.vlans)
        elif 0 < kind <= 1500 and data[at : at + 3] == b"\xaa\xaa\x03":
            at += 6  # SNAP: an organisation, then an EtherType
        else:
            return Frame(-1, vlans, kind)
    return NO_IP


def _raw(data: bytes, at: int) -> Frame:
    version = data[at] >> 4 if at < len(data) else 0
    return Frame(at, (), IPV4 if version == 4 else IPV6) if version in (4, 6) else NO_IP


def _ppp(data: bytes, at: int) -> Frame:
    kind, size = _u16(data, at), 2
    if kind > 0xFF and kind >> 8 & 1:  # a compressed protocol field is one odd byte
        kind, size = kind >> 8, 1
    return _raw(data, at + size) if kind in (PPP_IPV4, PPP_IPV6) else NO_IP


def _mpls(data: bytes, at: int, vlans: tuple[int, ...]) -> Frame:
    for _ in range(MOST_TAGS):
        if at + 4 > len(data):
            return NO_IP
        is_last = data[at + 2] & 1
        at += 4
        if is_last:
            break
    found = _raw(data, at)
    if found.at < 0 and data[at : at + 4] == bytes(4):  # a pseudowire's control word, then Ethernet
        found = ethernet(data, at + 4)
    return found._replace(vlans=vlans + found.vlans)


def gre(data: bytes, at: int, end: int) -> Frame:
    """The IP packet inside a GRE header at ``at``: IP, bridged Ethernet, ERSPAN I-III, PPTP."""
    if at + 4 > end:
        return NO_IP
    flags, kind = _u16(data, at), _u16(data, at + 2)
    version, at = flags & 7, at + 4
    if flags & 0x4000 and version == 0:  # routing is obsolete (RFC 2784)
        return NO_IP
    at += 4 if flags & 0x8000 else 0
    at += 4 if flags & 0x2000 else 0
    has_sequence = bool(flags & 0x1000)
    at += 4 if has_sequence else 0
    if version == 1:
        at += 4 if flags & 0x0080 else 0
        return _ppp(data, at + (2 if data[at : at + 2] == b"\xff\x03" else 0))
    if kind in (IPV4, IPV6):
        return _raw(data, at)
    if kind == BRIDGED or (kind == ERSPAN2 and not has_sequence):  # the latter is type I
        return ethernet(data, at)
    if kind == ERSPAN2:
        found, vlan = ethernet(data, at + 8), _u16(data, at) & 0x0FFF
        return found._replace(vlans=(vlan, *found.vlans)) if vlan and not found.vlans else found
    if kind == ERSPAN3:
        has_more = at + 12 <= end and data[at + 11] & 1
        return ethernet(data, at + (20 if has_more else 12))
    if kind in MPLS:
        return _mpls(data, at, ())
    return _typed(data, at - 2) if kind in TAGS else Frame(-1, (), kind)


def vxlan(data: bytes, at: int, end: int) -> Frame:
    """The IP packet inside a VXLAN datagram whose payload begins at ``at``."""
    if at + 22 > end or data[at] & 0x08 == 0 or data[at + 7]:
        return NO_IP
    return ethernet(data, at + 8)


def geneve(data: bytes, at: int, end: int) -> Frame:
    """The IP packet inside a Geneve datagram."""
    if at + 8 > end or data[at] >> 6 or data[at + 7]:
        return NO_IP
    kind, inner = _u16(data, at + 2), at + 8 + (data[at] & 0x3F) * 4
    if kind == BRIDGED:
        return ethernet(data, inner)
    return _raw(data, inner) if kind in (IPV4, IPV6) else NO_IP


def teredo(data: bytes, at: int, end: int) -> Frame:
    """The IPv6 packet inside a Teredo datagram, behind its authentication and origin headers."""
    if at + 4 <= end and data[at : at + 2] == b"\0\1":
        at += 13 + data[at + 2] + data[at + 3]
    if at + 8 <= end and data[at : at + 2] == b"\0\0":
        at += 8
    if at + 40 > end or data[at] >> 4 != 6 or at + 40 + _u16(data, at + 4) != end:
        return NO_IP
    return Frame(at, (), IPV6)


def _u16(data: bytes, at: int) -> int:
    """Two bytes at ``at``; 0 behind the end, which is no EtherType."""
    return data[at] << 8 | data[at + 1] if 0 <= at < len(data) - 1 else 0
