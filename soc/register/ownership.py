"""Whose is it? Agents, addresses and hosts to their agency, system and level; loaded once, then only looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import radix
from sqlalchemy import select

from soc.model.register import UNOWNED, Owner
from soc.model.scope import Scope
from soc.normalise.addresses import ip_address
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.register import AgencyRow, AssetRow, RangeRow, RegisterVersionRow, SystemRow


class Ownership:
    """A picture of the register at one version; a newer version is a new Ownership.

    ``version`` is that of the register (0: never imported). The longest prefix wins; an asset's own address is the
    longest of all unless a range of one address is declared.
    """

    def __init__(
        self,
        *,
        version: int = 0,
        agencies: Mapping[str, str] | None = None,
        systems: Mapping[str, tuple[str, int]] | None = None,
        ranges: Mapping[str, tuple[str | None, str | None]] | None = None,
        hosts: Mapping[str, tuple[str | None, str | None]] | None = None,
    ) -> None:
        """Args:
        agencies: key to name.
        systems: key to (name, level 0-5).
        ranges: CIDR to (agency key, system key).
        hosts: host name to (agency key, system key).
        """
        self.version = version
        self._agencies, self._systems = dict(agencies or {}), dict(systems or {})
        self._tree = radix.Radix()
        for cidr, held in (ranges or {}).items():
            self._tree.add(cidr).data["owner"] = self._owner(*held)
        self._hosts = {name: self._owner(*held) for name, held in (hosts or {}).items()}

    @classmethod
    def load(cls, database: Database) -> Ownership:
        with database.session(Scope.province("ownership")) as session:
            version = session.get(RegisterVersionRow, 1)
            agencies = {row.id: row.name for row in session.scalars(select(AgencyRow))}
            systems = {
                row.id: (row.name, row.level or 0) for row in session.scalars(select(SystemRow))
            }
            assets = list(session.scalars(select(AssetRow)))
            declared = {
                row.cidr: (row.agency_id, row.system_id)
                for row in session.scalars(select(RangeRow))
            }
        return cls(
            version=version.version if version is not None else 0,
            agencies=agencies,
            systems=systems,
            ranges=_addresses_of(assets) | declared,
            hosts=_hosts_of(assets),
        )

    def of_agent(self, agent: AgentRow) -> Owner:
        """Enrolment always wins: the agent's own agency and system, with the system's level of today."""
        return self._owner(agent.agency_id, agent.system_id)

    def of_address(self, ip: str, within: Sequence[str] | None) -> Owner:
        """The owner of an IPv4 or IPv6 address.

        Args:
            ip: text; something that is no address is unowned.
            within: prefixes that the asking relay may stamp (an empty list permits none); None: no restriction.
        """
        address = ip_address(ip)
        if address is None or (within is not None and not _permitted(address, tuple(within))):
            return UNOWNED
        node: Any = self._tree.search_best(address)
        owner: Owner = node.data["owner"] if node is not None else UNOWNED
        return owner

    def of_host(self, name: str) -> Owner:
        """The owner of the asset with that host name; of ``pc1.so.example`` also ``pc1``. Two owners are none."""
        full = name.casefold().rstrip(".")
        return self._hosts.get(full) or self._hosts.get(full.partition(".")[0], UNOWNED)

    def names(self, owner: Owner) -> tuple[str, str]:
        """Names of agency and system; an unknown key is given as it is, none as an empty text."""
        agency, system = owner.agency_id or "", owner.system_id or ""
        return self._agencies.get(agency, agency), self._systems.get(system, (system, 0))[0]

    def _owner(self, agency_id: str | None, system_id: str | None) -> Owner:
        if agency_id is None:
            return UNOWNED
        level = self._systems[system_id][1] if system_id in self._systems else 0
        return Owner(agency_id, system_id, level)


def _addresses_of(assets: Sequence[AssetRow]) -> dict[str, tuple[str | None, str | None]]:
    return {
        f"{address}/{128 if ':' in address else 32}": (asset.agency_id, asset.system_id)
        for asset in assets
        for address in asset.addresses
    }


def _hosts_of(assets: Sequence[AssetRow]) -> dict[str, tuple[str | None, str | None]]:
    found: dict[str, set[tuple[str | None, str | None]]] = {}
    for asset in assets:
        found.setdefault(asset.name.casefold(), set()).add((asset.agency_id, asset.system_id))
    return {name: next(iter(held)) for name, held in found.items() if len(held) == 1}


def _permitted(address: str, prefixes: tuple[str, ...]) -> bool:
    return _tree_of(prefixes).search_best(address) is not None


@lru_cache(maxsize=1024)
def _tree_of(prefixes: tuple[str, ...]) -> Any:
    tree = radix.Radix()
    for prefix in prefixes:
        tree.add(prefix)
    return tree
