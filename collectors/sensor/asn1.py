"""BER and DER, as little of it as LDAP and Kerberos need: tags and lengths over bytes (X.690)."""

from __future__ import annotations

from collections.abc import Iterator

from collectors.sensor.errors import NotThisProtocol

INTEGER, OCTETS, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0A, 0x30
MOST = 1000  # elements of one value


def element(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """(tag, where the content begins, where it ends) of the element at ``at``.

    Raises:
        NotThisProtocol: cut off, or a length of a form that these protocols do not use.

    >>> element(b"\\x02\\x01\\x05")
    (2, 2, 3)
    """
    if at + 2 > len(data):
        raise NotThisProtocol("an element is cut off")
    tag, size, at = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise NotThisProtocol("a tag of several bytes")
    if size & 0x80:
        width = size & 0x7F
        if not 1 <= width <= 4 or at + width > len(data):
            raise NotThisProtocol("a length of an unknown form")
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    return tag, at, at + size


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a constructed value: (tag, content). The last one may be cut off.

    Raises:
        NotThisProtocol: the header of one of them is damaged.
    """
    at = 0
    for _ in range(MOST):
        if at >= len(data):
            return
        tag, start, end = element(data, at)
        yield tag, data[start:end]
        at = end


def number(content: bytes) -> int:
    """An INTEGER or ENUMERATED; of one that needs more than 64 bits, which these protocols have not, the first 64.

    >>> number(b"\\xff")
    -1
    """
    return int.from_bytes(content[:8], "big", signed=True)


def inner(content: bytes) -> bytes:
    """The content of the one element inside, as explicit tags have it."""
    _, start, end = element(content)
    return content[start:end]
