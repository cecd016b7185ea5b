"""A whole register in memory: its entries, sorted, and where each of them stood."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from soc.register.entries import (
    SECTIONS,
    AgencyEntry,
    AssetEntry,
    ContactEntry,
    Entry,
    RangeEntry,
    SystemEntry,
)

Place = tuple[str, str]  # section and key of an entry


@dataclass(frozen=True, slots=True)
class Register:
    """All entries, sorted by key. ``places`` tells where an entry stood ("file:line"); it is empty for a register that
    was read from the database."""

    agencies: tuple[AgencyEntry, ...] = ()
    contacts: tuple[ContactEntry, ...] = ()
    systems: tuple[SystemEntry, ...] = ()
    assets: tuple[AssetEntry, ...] = ()
    ranges: tuple[RangeEntry, ...] = ()
    places: Mapping[Place, str] = field(default_factory=dict, compare=False)

    def entries(self) -> Iterator[tuple[str, str, Entry]]:
        """Section, key and entry of everything."""
        for section in SECTIONS:
            for entry in getattr(self, section):
                yield section, key_of(entry), entry

    def place(self, section: str, key: str) -> str:
        return self.places.get((section, key), f"{section} {key}")


def key_of(entry: Entry) -> str:
    """What names an entry within its section."""
    return entry.cidr if isinstance(entry, RangeEntry) else str(getattr(entry, "id"))  # noqa: B009 - the others have one


def sorted_register(
    found: Mapping[str, Sequence[Entry]], places: Mapping[Place, str] | None = None
) -> Register:
    """A register of the entries of each section, in their order."""
    ordered: dict[str, Any] = {
        section: tuple(sorted(found.get(section, ()), key=_order)) for section in SECTIONS
    }
    return Register(**ordered, places=places or {})


def _order(entry: Entry) -> tuple[int, int, int, str]:
    if isinstance(entry, RangeEntry):
        network = ipaddress.ip_network(entry.cidr)
        return (network.version, int(network.network_address), network.prefixlen, "")
    return (0, 0, 0, key_of(entry))
