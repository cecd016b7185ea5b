"""What the register does not know: empty stays empty, and is counted (Mẫu 08 NĐ 331/2026, TT 31/2017 art. 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from soc.register.entries import SystemEntry
from soc.register.register import Register

Missing = Callable[[SystemEntry], bool]

# A dash in a form is a claim too: an expected date is asked for only where the thing itself is not there yet.
MISSING_OF_A_SYSTEM: Mapping[str, Missing] = MappingProxyType(
    {
        "level": lambda s: s.level is None,
        "approval_state": lambda s: not s.approval_state,
        "decision": lambda s: s.approval_state == "approved" and not s.decision,
        "regulation": lambda s: not s.regulation,
        "approval_expected": lambda s: s.approval_state != "approved" and not s.approval_expected,
        "plan_state": lambda s: not s.plan_state,
        "plan_expected": lambda s: s.plan_state != "full" and not s.plan_expected,
        "checks": lambda s: not s.checks,
        "purpose": lambda s: not s.purpose,
    }
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """Counts and, for each, the keys behind the number."""

    systems: int
    of_systems: Mapping[str, tuple[str, ...]]  # field to keys of systems that lack it
    complete_systems: int
    agencies: int
    without_monitoring_contact: tuple[str, ...]
    without_response_contact: tuple[str, ...]
    without_range: tuple[str, ...]


def gaps(register: Register) -> Gaps:
    """What is unknown of the agencies and systems that have not ended."""
    systems = [entry for entry in register.systems if entry.valid_to is None]
    agencies = [entry.id for entry in register.agencies if entry.valid_to is None]
    lacking = {
        name: tuple(entry.id for entry in systems if missing(entry))
        for name, missing in MISSING_OF_A_SYSTEM.items()
    }
    incomplete = {key for keys in lacking.values() for key in keys}
    holders = {
        role: {entry.agency for entry in register.contacts if entry.role == role}
        for role in ("monitoring", "response")
    }
    with_range = {entry.agency for entry in register.ranges}
    return Gaps(
        systems=len(systems),
        of_systems=lacking,
        complete_systems=len(systems) - len(incomplete),
        agencies=len(agencies),
        without_monitoring_contact=tuple(k for k in agencies if k not in holders["monitoring"]),
        without_response_contact=tuple(k for k in agencies if k not in holders["response"]),
        without_range=tuple(key for key in agencies if key not in with_range),
    )
