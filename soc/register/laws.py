"""What must hold between the entries of a register: references, merged agencies, one owner for each address."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

from soc.register.entries import AgencyEntry, AssetEntry, RangeEntry
from soc.register.register import Register

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def broken_laws(register: Register) -> list[str]:
    """Every problem, with the place of the entry; none when the register holds together."""
    return [
        *_unknown_references(register),
        *_circles(register, "parent"),
        *_circles(register, "successor"),
        *_codes_used_twice(register),
        *_addresses_used_twice(register),
        *_disputed_ranges(register),
    ]


def enclosing_range(
    network: Network, by_network: Mapping[Network, RangeEntry]
) -> RangeEntry | None:
    """The narrowest other range that holds the network."""
    for length in range(network.prefixlen - 1, -1, -1):
        found = by_network.get(network.supernet(new_prefix=length))
        if found is not None:
            return found
    return None


def with_inside(register: Register) -> Register:
    """``inside`` exactly where it is needed: on ranges whose nearest enclosing range is another agency's."""
    by_network = networks(register)
    ranges = []
    for network, entry in by_network.items():
        outer = enclosing_range(network, by_network)
        needed = outer.cidr if outer is not None and outer.agency != entry.agency else None
        ranges.append(entry.model_copy(update={"inside": needed}))
    return replace(register, ranges=tuple(ranges))


def networks(register: Register) -> dict[Network, RangeEntry]:
    return {ipaddress.ip_network(entry.cidr): entry for entry in register.ranges}


def _unknown_references(register: Register) -> Iterator[str]:
    known = {
        "agency": {entry.id for entry in register.agencies},
        "system": {entry.id for entry in register.systems},
    }
    noun_of = {
        "parent": "agency",
        "successor": "agency",
        "agency": "agency",
        "owner": "agency",
        "operator": "agency",
        "system": "system",
    }
    for section, key, entry in register.entries():
        for field_name, noun in noun_of.items():
            wanted = getattr(entry, field_name, None)
            if wanted is not None and wanted not in known[noun]:
                yield f"{register.place(section, key)}: {key}: {field_name}: there is no {noun} {wanted!r}"


def _circles(register: Register, link: str) -> Iterator[str]:
    following = {entry.id: getattr(entry, link) for entry in register.agencies}
    for start in following:
        seen, here = {start}, following[start]
        while here is not None and here not in seen:
            seen.add(here)
            here = following.get(here)
        if here == start:
            yield f"{register.place('agencies', start)}: {start}: its {link} leads back to itself"


def _codes_used_twice(register: Register) -> Iterator[str]:
    by_code: dict[str, list[AgencyEntry]] = defaultdict(list)
    for entry in register.agencies:
        for other in by_code[entry.code]:
            if _lasting_together(entry, other):
                yield (
                    f"{register.place('agencies', entry.id)}: the code {entry.code} of {entry.id} is used by"
                    f" {other.id} at the same time ({register.place('agencies', other.id)})"
                )
        by_code[entry.code].append(entry)


def _lasting_together(one: AgencyEntry, other: AgencyEntry) -> bool:
    """``valid_to`` is the last day."""
    starts = max(one.valid_from or date.min, other.valid_from or date.min)
    ends = min(one.valid_to or date.max, other.valid_to or date.max)
    return starts <= ends


def _addresses_used_twice(register: Register) -> Iterator[str]:
    holder: dict[str, AssetEntry] = {}
    for entry in register.assets:
        for address in entry.addresses:
            other = holder.setdefault(address, entry)
            if other is not entry:
                yield (
                    f"{register.place('assets', entry.id)}: the address {address} of {entry.id} is"
                    f" also that of {other.id} ({register.place('assets', other.id)})"
                )


def _disputed_ranges(register: Register) -> Iterator[str]:
    """Ranges of different agencies that overlap, unless the inner one says inside which it lies."""
    by_network = networks(register)
    for network, entry in by_network.items():
        outer = enclosing_range(network, by_network)
        place = register.place("ranges", entry.cidr)
        if entry.inside is not None and (outer is None or outer.cidr != entry.inside):
            nearest = f"the nearest is {outer.cidr}" if outer is not None else "there is none"
            yield f"{place}: {entry.cidr} does not lie inside the range {entry.inside}: {nearest}"
        elif outer is not None and outer.agency != entry.agency and entry.inside is None:
            yield (
                f"{place}: the range {entry.cidr} of {entry.agency} overlaps the range {outer.cidr} of"
                f" {outer.agency} ({register.place('ranges', outer.cidr)}): if that is meant, write"
                f" inside: {outer.cidr}"
            )
