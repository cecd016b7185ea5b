"""A network device's words as ECS fields: names by a table, protocols by number or name, allowed or denied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from soc.model.event import Fields, Value
from soc.normalise.accounts import split_account
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.fields import ECS, GREATEST_LONG

Cast = Callable[[str], Value | None]
Table = Mapping[str, tuple[str, Cast | None]]
LISTS = frozenset({"dns.resolved_ip", "email.to.address", "host.ip", "observer.ip"})
NONE_OF_IT = frozenset({"", "-", "N/A", "n/a", "None", "none", "NULL", "(null)", "UNKNOWN"})
UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an address that says there is none
PROTOCOLS = MappingProxyType(
    {
        1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah",
        58: "ipv6-icmp", 89: "ospf", 103: "pim", 112: "vrrp", 132: "sctp",
    }
)  # fmt: skip
NUMBERS = MappingProxyType(
    {name: number for number, name in PROTOCOLS.items()} | {"icmp6": 58, "icmpv6": 58}
)


def count(text: str) -> int | None:
    """A whole number, cut at what the index holds.

    >>> count("12"), count("-1"), count("99999999999999999999") == 2**63 - 1
    (12, None, True)
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > 24:
        return None
    return min(int(text), GREATEST_LONG)


def specified_address(text: str) -> str | None:
    """An address, unless it is the one that says there is none.

    >>> specified_address("0.0.0.0"), specified_address("10.0.0.1")
    (None, '10.0.0.1')
    """
    address = ip_address(text)
    return None if address in UNSPECIFIED else address


def hardware_address(text: str) -> str | None:
    """A hardware address as ECS writes it.

    >>> hardware_address("00:26:37:ee:47:20"), hardware_address("001e.0b80.13b5"), hardware_address("x")
    ('00-26-37-EE-47-20', '00-1E-0B-80-13-B5', None)
    """
    digits = text.translate(_NO_SIGNS).upper()
    if len(digits) != 12 or digits.strip("0123456789ABCDEF"):
        return None
    return "-".join(digits[place : place + 2] for place in range(0, 12, 2))


def table(names: Mapping[str, str]) -> Table:
    """The product's names with their ECS fields and how each value is read; "" is a name that is not wanted."""
    return {name: (field, _cast(field)) for name, field in names.items()}


def add(fields: Fields, names: Table, said: Mapping[str, str], namespace: str) -> None:
    """What was said under its ECS names, the rest and what does not fit under the vendor's; the first one stays."""
    find = names.get
    for name, value in said.items():
        if value in NONE_OF_IT:
            continue
        field, cast = find(name, _UNKNOWN)
        if field is None:
            fields[f"{namespace}.{name}"] = value
        elif field and field not in fields:
            typed = value if cast is None else cast(value)
            if typed is None:
                fields[f"{namespace}.{name}"] = value
            else:
                fields[field] = typed


_NO_SIGNS = {ord(sign): None for sign in ":.-"}
_UNKNOWN: tuple[None, None] = (None, None)
CASTS: Mapping[str, Cast] = MappingProxyType({"ip": ip_address, "long": count})


def add_transport(fields: Fields, written: str) -> None:
    """A protocol by its number or name; one that is neither is left out.

    >>> fields = {}; add_transport(fields, "17"); fields
    {'network.iana_number': '17', 'network.transport': 'udp'}
    """
    number = count(written) if written[:1].isdecimal() else NUMBERS.get(written.lower())
    if number is None or number > 255:
        return
    fields["network.iana_number"] = str(number)
    if number in PROTOCOLS:
        fields["network.transport"] = PROTOCOLS[number]


def add_user(fields: Fields, written: str, *, prefix: str = "user") -> None:
    r"""``DOMAIN\name`` or a name alone.

    >>> fields = {}; add_user(fields, r"TINH\lan"); fields
    {'user.name': 'lan', 'user.domain': 'TINH'}
    """
    if written in NONE_OF_IT:
        return
    domain, name = split_account(written)
    if name.strip():
        fields[f"{prefix}.name"] = name.strip()
    if domain.strip():
        fields[f"{prefix}.domain"] = domain.strip()


def add_connection(fields: Fields, *, blocked: bool, step: str = "") -> None:
    """A connection that was let through or not; ``step`` is start or end where the device says which."""
    fields["event.category"] = ["network"]
    fields["event.type"] = ["connection", "denied" if blocked else "allowed"] + [step] * bool(step)
    fields["event.outcome"] = "failure" if blocked else "success"


def add_sign_in(fields: Fields, action: str, *, success: bool | None, end: bool = False) -> None:
    """Somebody signs in to the device or through it, or leaves."""
    fields["event.category"] = ["authentication"]
    fields["event.type"] = ["end" if end else "start"]
    fields["event.action"] = action
    if success is not None:
        fields["event.outcome"] = "success" if success else "failure"


def add_change(fields: Fields, action: str, *, success: bool = True) -> None:
    """Somebody changes the device's settings."""
    fields["event.category"] = ["configuration"]
    fields["event.type"] = ["change"]
    fields["event.action"] = action
    fields["event.outcome"] = "success" if success else "failure"


def _cast(field: str) -> Cast | None:
    if field in LISTS:
        inner = _cast_one(field)
        return lambda text: None if (one := inner(text) if inner else text) is None else [one]
    return _cast_one(field)


def _cast_one(field: str) -> Cast | None:
    if field.endswith(".nat.ip"):
        return specified_address
    if field.endswith(".port"):
        return port_number
    if field in ("network.protocol", "network.application", "url.scheme"):
        return str.lower
    if field.endswith(".mac"):
        return hardware_address
    if field in ECS:
        return CASTS.get(ECS[field])
    return None
