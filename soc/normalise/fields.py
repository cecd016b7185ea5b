"""The published field list: every name that an event may carry.

A name is known when it is a field of ECS 9, a label (``labels.*``), or lies in a vendor namespace.
Fields are flat: ``{"process.parent.name": "bash"}``; a value is a scalar or a list of scalars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from soc.model.event import Scalar
from soc.normalise.addresses import ip_address

NAMESPACES = frozenset(
    {
        "apache",
        "auditd",
        "bind",
        "blue_coat",
        "cef",
        "check_point",
        "cisco",
        "dhcp",
        "dnsmasq",
        "edr",
        "exchange",
        "f5",
        "flow_export",
        "fortinet",
        "huawei",
        "iis",
        "iptables",
        "journald",
        "juniper",
        "key_value",
        "labels",
        "leef",
        "mikrotik",
        "modsecurity",
        "mysql",
        "nginx",
        "openvpn",
        "oracle",
        "palo_alto",
        "pfsense",
        "postfix",
        "postgresql",
        "powershell",
        "sensor",
        "soc",
        "sonicwall",
        "sophos",
        "squid",
        "strongswan",
        "suricata",
        "syslog",
        "sysmon",
        "unbound",
        "vmware",
        "windows_dns",
        "winlog",
    }
)
"""First words of names beside ECS. A source that needs another one adds it here."""

WHOLE = frozenset({"long", "integer"})
FRACTION = frozenset({"float", "double", "scaled_float"})
GREATEST_LONG = 2**63 - 1


def _load() -> dict[str, str]:
    lines = Path(__file__).with_name("ecs_fields.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ") for line in lines if not line.startswith("#"))
    return dict(pairs)


ECS: Mapping[str, str] = MappingProxyType(_load())
"""ECS field name to its type (keyword, long, ip, date, ...)."""

BESIDE_ECS = frozenset({"file.code_signature.signed"})
"""Names that pySigma's ecs_windows pipeline maps to and that ECS does not have."""


@lru_cache(maxsize=65_536)
def is_known(name: str) -> bool:
    """Whether the published list has this name.

    >>> is_known("process.executable"), is_known("winlog.event_data.Image"), is_known("foo.bar")
    (True, True, False)
    """
    if name in ECS or name in BESIDE_ECS:
        return True
    namespace, dot, rest = name.partition(".")
    return namespace in NAMESPACES and bool(dot and rest)


def check(fields: Iterable[str]) -> None:
    """Raise ValueError naming every field that the published list lacks."""
    unknown = sorted(name for name in fields if not is_known(name))
    if unknown:
        raise ValueError(f"not in the published field list: {', '.join(unknown)}")


def conform(name: str, value: Scalar) -> Scalar | None:
    """The value as the type of its ECS field wants it, or None where it cannot be read so.

    Fields outside ECS take any scalar.

    >>> conform("source.port", "443"), conform("source.ip", "nobody"), conform("event.code", 7)
    (443, None, '7')
    """
    kind = ECS.get(name)
    if kind is None:
        return value
    if kind in WHOLE:
        return _whole(value)
    if kind in FRACTION:
        return _fraction(value)
    if kind == "ip":
        return ip_address(str(value))
    if kind == "boolean":
        return _truth(value)
    return value if isinstance(value, str) else str(value).lower()


def _whole(value: Scalar) -> int | None:
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if -GREATEST_LONG <= number <= GREATEST_LONG else None


def _fraction(value: Scalar) -> float | None:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _truth(value: Scalar) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).lower())
