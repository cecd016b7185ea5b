"""Which networks hold an address: one dictionary for each length of prefix."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")
BITS = {4: 32, 6: 128}


@lru_cache(maxsize=65_536)
def _number(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


class Networks(Generic[T]):
    """What was put under a network is found for each address in it, longest prefix first."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int], dict[int, list[T]]] = {}
        self._lengths: dict[int, list[int]] = {4: [], 6: []}

    def put(self, network: str, held: T) -> None:
        """``network`` is an address or in CIDR form, canonical or not. ValueError when it is neither."""
        parsed = ipaddress.ip_network(network, strict=False)
        version, length = parsed.version, parsed.prefixlen
        table = self._tables.setdefault((version, length), defaultdict(list))
        table[int(parsed.network_address) >> (BITS[version] - length)].append(held)
        if length not in self._lengths[version]:
            self._lengths[version] = sorted([*self._lengths[version], length], reverse=True)

    def of(self, address: str) -> Iterator[T]:
        """``address`` is canonical (``soc.normalise.addresses``)."""
        if not self._tables:
            return
        version, number = _number(address)
        for length in self._lengths[version]:
            yield from self._tables[version, length].get(number >> (BITS[version] - length), ())
