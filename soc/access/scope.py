"""Whose records and events an account may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.model.scope import Scope
from soc.records.accounts import AccountRow
from soc.records.register import AgencyRow


def with_predecessors(agency_ids: Iterable[str], successor_of: Mapping[str, str]) -> frozenset[str]:
    """The agencies and all that were merged into them, over any number of mergers.

    Args:
        successor_of: key of a merged agency to the key of the one that took over.

    >>> sorted(with_predecessors(["c"], {"a": "b", "b": "c", "x": "y"}))
    ['a', 'b', 'c']
    """
    found = set(agency_ids)
    while True:
        more = {old for old, new in successor_of.items() if new in found and old not in found}
        if not more:
            return frozenset(found)
        found |= more


def scope_of(session: Session, account: AccountRow) -> Scope:
    """The scope of an account: the whole province, or its agencies with their predecessors.

    An account that names no agency (an empty list) sees nothing.
    """
    if account.agency_ids is None:
        return Scope.province(account.name)
    rows = session.execute(
        select(AgencyRow.id, AgencyRow.successor_id).where(AgencyRow.successor_id.is_not(None))
    )
    successor_of = {old: new for old, new in rows if new is not None}
    return Scope(with_predecessors(account.agency_ids, successor_of), account.name)
