"""Scope: whose records and events the caller may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of agencies, or the whole province. Unowned events need the whole province.

    ``agency_ids`` is None for the whole province. Predecessors of merged agencies are already inside.
    ``actor`` is who asks, for the audit log.

    >>> Scope.of("a1").allows("a1"), Scope.of("a1").allows("a2"), Scope.of("a1").allows(None)
    (True, False, False)
    >>> Scope.province().allows(None)
    True
    """

    agency_ids: frozenset[str] | None
    actor: str = "system"

    @classmethod
    def province(cls, actor: str = "system") -> Scope:
        """Everything, unowned events included."""
        return cls(None, actor)

    @classmethod
    def of(cls, *agency_ids: str, actor: str = "system") -> Scope:
        """The named agencies and nothing else."""
        return cls(frozenset(agency_ids), actor)

    @property
    def whole_province(self) -> bool:
        return self.agency_ids is None

    def allows(self, agency_id: str | None) -> bool:
        """Whether a record of ``agency_id`` (None: unowned) is inside."""
        return self.agency_ids is None or (agency_id is not None and agency_id in self.agency_ids)
