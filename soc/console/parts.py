"""What the console is made of: the desks it asks, handed over by the wiring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request

from soc.access.desk import AccessDesk
from soc.detect.explain import Explanation
from soc.model.guidance import Guidance
from soc.ports import EventStore
from soc.records.database import Database
from soc.report.bulletins.desk import BulletinDesk
from soc.report.case_reports import CaseReports
from soc.respond.case_desk import CaseDesk
from soc.respond.check_desk import CheckDesk
from soc.respond.device_desk import DeviceDesk
from soc.respond.flow_desk import FlowDesk
from soc.respond.health_desk import HealthDesk
from soc.respond.hunt_desk import HuntDesk
from soc.respond.network_desk import NetworkDesk
from soc.respond.response_desk import ResponseDesk
from soc.respond.situation_desk import SituationDesk
from soc.respond.triage import TriageDesk
from soc.settings import Settings

Explain = Callable[[str, Mapping[str, Any]], Explanation | None]  # rule id and an event's fields
Guide = Callable[[str], Guidance | None]  # a rule id to what people need to know of its alerts
RuleFactsById = Callable[
    [], Mapping[str, Any]
]  # rule id to soc.detect.packs.RuleFacts, as loaded now


def utc_now() -> datetime:
    """The clock of the edge."""
    return datetime.now(UTC)


def no_explanation(_: str, __: Mapping[str, Any]) -> Explanation | None:
    """For a desk without a compiled pack: the matched fields must do."""
    return None


def no_guidance(_: str) -> None:
    """For a desk without the table."""
    return


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """Everything a page or an API route may ask. It hangs at ``app.state.parts``."""

    settings: Settings
    database: Database
    store: EventStore
    triage: TriageDesk
    cases: CaseDesk
    reports: CaseReports
    hunt: HuntDesk
    checks: CheckDesk
    health: HealthDesk
    situation: SituationDesk
    rules: RuleFactsById
    access: AccessDesk
    bulletins: BulletinDesk
    responses: ResponseDesk
    explain: Explain = no_explanation
    guide: Guide = no_guidance
    clock: Callable[[], datetime] = utc_now

    @property
    def network(self) -> NetworkDesk:
        return NetworkDesk(self.database, self.store)

    @property
    def devices(self) -> DeviceDesk:
        return DeviceDesk(self.database, self.store)

    @property
    def flows(self) -> FlowDesk:
        return FlowDesk(self.database, self.store)


def parts_of(request: Request) -> ConsoleParts:
    """The parts of the application that serves ``request``; a FastAPI dependency."""
    parts: ConsoleParts = request.app.state.parts
    return parts


Parts = Annotated[ConsoleParts, Depends(parts_of)]
