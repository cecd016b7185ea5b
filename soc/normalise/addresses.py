"""IP addresses and ports as sources write them."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d{1,5})")
GREATEST_PORT = 65_535


@lru_cache(maxsize=65_536)
def ip_address(text: str) -> str | None:
    """The address in its canonical form, or None where the text is none ("-", "LOCAL", a host name).

    Brackets and a zone id are cut, and an IPv4 address written inside IPv6 is given as IPv4.

    >>> ip_address("::ffff:10.1.2.3"), ip_address("[FE80::1%eth0]"), ip_address("-")
    ('10.1.2.3', 'fe80::1', None)
    """
    bare = text.strip().removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def port_number(text: str) -> int | None:
    """A port 1-65535, or None ("0" and "-" are how Windows writes that there was none).

    >>> port_number("443"), port_number("0"), port_number("https")
    (443, None, None)
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > 5:
        return None
    number = int(text)
    return number if 0 < number <= GREATEST_PORT else None


def split_host_port(text: str) -> tuple[str, int | None]:
    """Host and port of ``host:port``; the port is None where there is none.

    >>> split_host_port("[2001:db8::1]:22"), split_host_port("10.0.0.1:22"), split_host_port("db")
    (('2001:db8::1', 22), ('10.0.0.1', 22), ('db', None))
    """
    found = WITH_PORT.fullmatch(text)
    if found is None:
        return text, None
    return found[1] or found[2], port_number(found[3])
