"""Names of agencies and systems for rows that hold only their keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.records.register import AgencyRow, SystemRow


@dataclass(frozen=True, slots=True)
class Names:
    """What a person calls things; an unknown key is shown as it is, none as an empty text."""

    agencies: Mapping[str, str] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls, session: Session, *, agencies: Iterable[str | None], systems: Iterable[str | None]
    ) -> Names:
        agency_ids = {key for key in agencies if key}
        system_ids = {key for key in systems if key}
        agency_rows = session.execute(
            select(AgencyRow.id, AgencyRow.name).where(AgencyRow.id.in_(agency_ids))
        )
        system_rows = session.execute(
            select(SystemRow.id, SystemRow.name).where(SystemRow.id.in_(system_ids))
        )
        return cls(
            {row.id: row.name for row in agency_rows}, {row.id: row.name for row in system_rows}
        )

    @classmethod
    def of_keys(cls, session: Session) -> Names:
        """Every name by its key in small letters, for keys that the event store has folded."""
        return cls(
            {
                key.lower(): name
                for key, name in session.execute(select(AgencyRow.id, AgencyRow.name))
            },
            {
                key.lower(): name
                for key, name in session.execute(select(SystemRow.id, SystemRow.name))
            },
        )

    def agency(self, key: str | None) -> str:
        return self.agencies.get(key, key) if key else ""

    def system(self, key: str | None) -> str:
        return self.systems.get(key, key) if key else ""
