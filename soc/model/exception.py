"""An exception: matches of one rule that are known to be harmless, for whom, why and how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class How(StrEnum):
    """How a value is compared; always without regard to case. In ``equals`` ``*`` and ``?`` stand for themselves."""

    EQUALS = "equals"
    CONTAINS = "contains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"
    CIDR = "cidr"


@dataclass(frozen=True, slots=True)
class Where:
    """A field that has one of some values."""

    field: str
    how: How
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleException:
    """Holds for an event of the agency and system (None: any) that satisfies every ``where``."""

    id: str
    rule_id: str
    where: tuple[Where, ...]
    starts_at: datetime
    expires_at: datetime
    agency_id: str | None = None
    system_id: str | None = None
