"""Atoms: single comparisons on one field, and the neutral condition tree that a rule becomes.

A compiled rule knows nothing of pySigma. Its condition is a nested tuple (a list in the pack file):

    ("atom", field, number)     the atom with that number among the field's atoms
    ("and", (node, ...))        ("or", (node, ...))        ("not", node)
    ("name", label, node)       a named selection: for people; the matcher looks through it

Values are compared as text without regard to case unless an atom says otherwise: 3389 equals "3389", true equals
"True". An absent field, JSON null and an empty list are the same thing: null. A list holds if one element holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

from soc.normalise.folding import fold

MANY, ONE = 0, 1  # `*` and `?` among the parts of a pattern
KEYWORDS = ""  # the pseudo field "any value of the event"

Parts = tuple[str | int, ...]
Node = tuple[Any, ...]


class Atom(NamedTuple):
    """One comparison.

    kind        spec
    equals      folded text
    like        parts (folded text, MANY, ONE)
    equals_cased / like_cased    the same, not folded
    regex       (pattern, flags among "ims")
    cidr        "10.0.0.0/8"
    compare     (one of lt lte gt gte, number)
    null        None: absent, JSON null, or an empty list
    exists      None: the field is there, whatever its value
    present     None: any value but null (a pattern of nothing but `*`)
    time        (minute hour day week month year, number)
    reference   (other field, starts, ends): equal to, starting with ... the other field's value
    """

    kind: str
    spec: Any


def as_text(value: object) -> str:
    """A scalar as rules see it.

    >>> as_text(3389), as_text(True), as_text(1.0), as_text(0.5)
    ('3389', 'true', '1', '0.5')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    try:
        return str(value)
    except ValueError:  # an int of more digits than Python writes
        return hex(value) if isinstance(value, int) else repr(value)


def folded(text: str) -> str:
    """The text without case. For ASCII this is ``lower``, the quick way."""
    return text.lower() if text.isascii() else fold(text)


NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
HEX_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+")


def as_number(value: object) -> int | float | None:
    """A value as a number for lt, lte, gt and gte; None if it is none.

    >>> as_number("0x1f4"), as_number(" 5 "), as_number("4.5"), as_number("five"), as_number(True)
    (500, None, 4.5, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if value == value else None
    if not isinstance(value, str) or len(value) > 400:
        return None
    if HEX_NUMBER.fullmatch(value):
        return int(value, 16)
    found = NUMBER.fullmatch(value)
    if found is None:
        return None
    return int(value) if found[1] is None and found[2] is None else float(value)


def as_address(value: object) -> IPv4Address | IPv6Address | None:
    """A value as an IP address; an IPv4 address written in IPv6 (::ffff:10.0.0.1) is the IPv4 address."""
    if not isinstance(value, str) or not 2 <= len(value) <= 60:
        return None
    try:
        address = ip_address(value)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def time_part(value: object, part: str) -> int | None:
    """The minute, hour, day, week (ISO), month or year of an ISO 8601 text, as written (no zone conversion)."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if part == "week":
        return moment.isocalendar().week
    found: int = getattr(moment, part)
    return found


def children(node: Node) -> tuple[Node, ...]:
    """The nodes below."""
    if node[0] in ("and", "or"):
        return tuple(node[1])
    if node[0] == "not":
        return (node[1],)
    return (node[2],) if node[0] == "name" else ()


def leaves(node: Node) -> Iterator[tuple[str, int]]:
    """Every (field, atom number) of a condition."""
    if node[0] == "atom":
        yield node[1], node[2]
    for child in children(node):
        yield from leaves(child)
