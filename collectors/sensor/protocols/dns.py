"""DNS messages over UDP and TCP: every answer, with what is in it.

Formats: RFC 1035, 3596 (AAAA), 2782 (SRV), 6891 (EDNS), 8659 (CAA), 9460 (SVCB, HTTPS), IANA's DNS parameters.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from socket import AF_INET6, inet_ntop
from typing import Any

from collectors.sensor.conversation import NOTHING, Conversation, Said, text
from collectors.sensor.errors import NotThisProtocol

HEADER = struct.Struct("!HHHHHH").unpack_from
RECORD = struct.Struct("!HHIH").unpack_from
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT",
    17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 32: "NIMLOC", 33: "SRV",
    35: "NAPTR", 37: "CERT", 39: "DNAME", 41: "OPT", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC",
    48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP",
    59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48",
    109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI",
    257: "CAA",
}  # fmt: skip
CLASSES = {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
CODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI", "RCODE12", "RCODE13", "RCODE14", "RCODE15",
)  # fmt: skip
OPERATIONS = {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}
FLAGS = ((0x0400, "AA"), (0x0200, "TC"), (0x0100, "RD"), (0x0080, "RA"), (0x0020, "AD"), (16, "CD"))
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, OPT = 1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 41
NAMED = frozenset({NS, CNAME, PTR, DNAME})
MOST_RECORDS, MOST_LABELS, MOST_JUMPS, LONGEST_NAME = 512, 128, 32, 1024


class DnsDatagrams(Conversation):
    """DNS over UDP: each datagram is one message."""

    __slots__ = ("name",)

    def __init__(self, name: str = "dns") -> None:
        super().__init__()
        self.name = name  # dns, mdns, llmnr

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        try:
            fields = read(data)
        except NotThisProtocol:
            return NOTHING
        if from_client and fields["dns.type"] == "answer" and self.name == "dns":
            self.is_swapped = True
        return (("dns", time, fields),)


class DnsStream(Conversation):
    """DNS over TCP: messages with two bytes of length before each."""

    __slots__ = ("_held", "_is_astray", "_lost")
    name = "dns"

    def __init__(self) -> None:
        super().__init__()
        self._held = (bytearray(), bytearray())
        self._lost = [0, 0]  # bytes of a message that the gap took the rest of
        self._is_astray = [False, False]  # the hole took a message's length with it

    def take(self, from_client: bool, data: bytes, time: int) -> Sequence[Said]:
        held = self._held[from_client]
        said: list[Said] = []
        if skip := min(self._lost[from_client], len(data)):
            self._lost[from_client] -= skip
            data = data[skip:]
        held += data
        if self._is_astray[from_client]:
            if not _is_whole(held):  # where the next message begins is seen when a segment is one
                held.clear()
                return NOTHING
            self._is_astray[from_client] = False
        while len(held) >= 2:
            end = 2 + (held[0] << 8 | held[1])
            if len(held) < end:
                break
            try:
                fields = read(bytes(held[2:end]))
            except NotThisProtocol:
                self.done = True
                return said
            if from_client and fields["dns.type"] == "answer":
                self.is_swapped = True
            said.append(("dns", time, fields))
            del held[:end]
        return said

    def gap(self, from_client: bool, size: int, time: int) -> Sequence[Said]:
        """Messages after the one with the hole are still read, as its length is known."""
        held, lost = self._held[from_client], self._lost[from_client]
        if lost >= size:
            self._lost[from_client] -= size
            return NOTHING
        missing = 2 + (held[0] << 8 | held[1]) - len(held) if len(held) >= 2 else 0
        held.clear()
        if missing < size:
            self._is_astray[from_client], self._lost[from_client] = True, 0
            return NOTHING
        self._lost[from_client] = missing - size
        return NOTHING


def _is_whole(held: bytearray) -> bool:
    """Whether the bytes are one message, with its length before it, and nothing else."""
    return len(held) == 2 + int.from_bytes(held[:2], "big") and is_message(bytes(held[2:]))


def is_message(data: bytes) -> bool:
    """Whether the bytes begin like a DNS message."""
    if len(data) < 12:
        return False
    _, flags, questions, answers, authorities, _ = HEADER(data)
    is_plausible = questions <= 16 and (flags & 0x8000 or (answers <= 16 and authorities <= 64))
    return bool(is_plausible) and not flags & 0x40 and (flags >> 11 & 15) in OPERATIONS


def read(data: bytes) -> dict[str, Any]:
    """The ECS fields of one message.

    Raises:
        NotThisProtocol: no header, or a name or record that points nowhere in the question.
    """
    if not is_message(data):
        raise NotThisProtocol("no DNS header")
    number, flags, questions, answers, authorities, additional = HEADER(data)
    names: dict[int, str] = {}
    fields: dict[str, Any] = {
        "dns.id": str(number),
        "dns.type": "answer" if flags & 0x8000 else "query",
        "dns.op_code": OPERATIONS[flags >> 11 & 15],
        "dns.header_flags": [name for bit, name in FLAGS if flags & bit],
    }
    try:
        at = _questions(data, questions, fields, names)
    except (IndexError, struct.error) as error:
        raise NotThisProtocol("the question is cut off") from error
    if flags & 0x8000:
        fields["dns.response_code"] = CODES[flags & 15]
    if answers or authorities or additional:
        try:
            _records(data, at, (answers, authorities, additional), fields, names)
        except (IndexError, struct.error, NotThisProtocol):
            fields["sensor.dns.is_damaged"] = True
    return fields


def _questions(data: bytes, count: int, fields: dict[str, Any], names: dict[int, str]) -> int:
    at = 12
    for number in range(count):
        name, at = name_at(data, at, names)
        kind, group = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        at += 4
        if number == 0:
            fields["dns.question.name"] = name
            fields["dns.question.type"] = TYPES.get(kind) or f"TYPE{kind}"
            fields["dns.question.class"] = CLASSES.get(group & 0x7FFF) or f"CLASS{group}"
        else:
            fields.setdefault("sensor.dns.further_questions", []).append(name)
    return at


def _records(
    data: bytes,
    at: int,
    counts: tuple[int, int, int],
    fields: dict[str, Any],
    names: dict[int, str],
) -> None:
    """Answers as parallel lists; authorities as text; of the additional records, addresses and EDNS."""
    addresses: list[str] = []
    sections: tuple[list[Any], ...] = ([], [], [], [])
    kinds, owners, lives, values = sections
    left = MOST_RECORDS
    try:
        for section, count in enumerate(counts):
            for _ in range(min(count, left)):
                left -= 1
                name, at = name_at(data, at, names)
                kind, group, life, size = RECORD(data, at)
                at += 10
                if at + size > len(data):
                    raise NotThisProtocol("a record is longer than the message")
                if section == 0:
                    value = _value(data, at, size, kind, names)
                    kinds.append(TYPES.get(kind) or f"TYPE{kind}")
                    owners.append(name)
                    lives.append(life)
                    values.append(value)
                    if kind in (A, AAAA):
                        addresses.append(value)
                elif section == 1:
                    said = f"{name} {TYPES.get(kind, kind)} {_value(data, at, size, kind, names)}"
                    fields.setdefault("sensor.dns.authorities", []).append(said)
                    fields.setdefault("sensor.dns.authority_ttls", []).append(life)
                elif kind == OPT:
                    fields["sensor.dns.edns_udp_size"] = group
                    high = life >> 24
                    if high and "dns.response_code" in fields:
                        fields["dns.response_code"] = f"RCODE{high << 4 | data[3] & 15}"
                at += size
    finally:
        if kinds:
            fields["dns.answers.data"] = values
            fields["dns.answers.name"] = owners
            fields["dns.answers.type"] = kinds
            fields["dns.answers.ttl"] = lives
        if addresses:
            fields["dns.resolved_ip"] = addresses


def name_at(data: bytes, at: int, names: dict[int, str]) -> tuple[str, int]:
    """(name, where it ends). ``names`` remembers names by where they stand, as compression points there.

    Raises:
        NotThisProtocol: it points in a circle, or is too long.
        IndexError: it is cut off.

    >>> name_at(b"\\x03www\\x02vn\\x00", 0, {})
    ('www.vn', 8)
    """
    if data[at] >= 0xC0:  # most names of answers are one pointer
        there = (data[at] & 0x3F) << 8 | data[at + 1]
        known = names.get(there)
        if known is not None:
            return known, at + 2
    start, end, jumps, labels, size = at, 0, 0, [], 0
    while length := data[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            jumps += 1
            if jumps > MOST_JUMPS:
                raise NotThisProtocol("a name points in a circle")
            known = names.get(at)
            if known is not None:
                labels.append(known)
                break
            continue
        if length > 63:
            raise NotThisProtocol("a label of an unknown kind")
        label = data[at + 1 : at + 1 + length]
        if len(label) < length:
            raise IndexError
        labels.append(
            label.decode("ascii") if label.isascii() and label.isalnum() else _label(label)
        )
        size += length + 1
        if len(labels) > MOST_LABELS or size > LONGEST_NAME:
            raise NotThisProtocol("a name is too long")
        at += length + 1
    name = ".".join(labels)
    if len(names) < MOST_RECORDS and len(name) <= LONGEST_NAME:
        names[start] = name
    return name, end or at + 1


def _label(label: bytes) -> str:
    shown = text(label)
    return shown.replace(".", "\\.") if "." in shown else shown


def _value(data: bytes, at: int, size: int, kind: int, names: dict[int, str]) -> str:
    """The data of a record as text."""
    if kind == A and size == 4:
        return f"{data[at]}.{data[at + 1]}.{data[at + 2]}.{data[at + 3]}"
    if kind == AAAA and size == 16:
        return inet_ntop(AF_INET6, data[at : at + 16])
    if kind in NAMED:
        return name_at(data, at, names)[0]
    if kind == MX:
        return f"{data[at] << 8 | data[at + 1]} {name_at(data, at + 2, names)[0]}"
    if kind == TXT or kind == 99:
        return _strings(data[at : at + size])
    if kind == SOA:
        host, at = name_at(data, at, names)
        person, at = name_at(data, at, names)
        return " ".join((host, person, *map(str, struct.unpack_from("!5I", data, at))))
    if kind == SRV:
        return (
            "{} {} {} ".format(*struct.unpack_from("!3H", data, at))
            + name_at(data, at + 6, names)[0]
        )
    if kind == 257 and size > 2:
        tag = data[at + 1]
        parts = data[at + 2 : at + 2 + tag], data[at + 2 + tag : at + size]
        return f'{data[at]} {text(parts[0])} "{text(parts[1])}"'
    if kind == 64 or kind == 65:
        return f"{data[at] << 8 | data[at + 1]} {name_at(data, at + 2, {})[0] or '.'}"
    return data[at : at + min(size, 256)].hex()


def _strings(raw: bytes) -> str:
    parts, at = [], 0
    while at < len(raw):
        parts.append(text(raw[at + 1 : at + 1 + raw[at]]))
        at += 1 + raw[at]
    return "".join(parts)
