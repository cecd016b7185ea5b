"""A new agency begins in testing: its first source shows first what its alerts would be, and somebody decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.access.audit_log import latest
from soc.detect.agency_states import AgencyDecisions, AgencyState
from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.receive.enrolment import create_token, enrol
from soc.records.database import Database
from soc.records.register import AgencyRow
from soc.records.rules import AgencyDecisionRow
from soc.site.prepare import decide_active, load_demo
from tests.detect.test_rule_states import AN, BURST, CRITICAL, LOW, NOW, Site, events
from tests.receive.test_enrolment import a_request


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Iterator[Site]:
    with database.write(AN) as session:
        session.add(AgencyRow(id="a1", code="H99.08", name="Sở Xây dựng"))
        session.add(AgencyRow(id="a2", code="H99.09", name="Sở Tài chính"))
    return Site(tmp_path, database, imported=False)


def first_agent(database: Database, agency: str, key: int = 1) -> None:
    token = create_token(database, AN, NOW, owner=Owner(agency, None, 0))
    enrol(database, a_request(token.secret), bytes([key]) * 32, NOW)


def decide(database: Database, agency: str, state: AgencyState, **more: object) -> None:
    settings = {"scope": AN, "reason": "hai tuần thử"} | more
    AgencyDecisions(database).decide(
        settings["scope"], agency, state, reason=settings["reason"], now=NOW + timedelta(days=14)
    )


def test_the_first_source_puts_its_agency_in_testing_and_only_critical_rules_alert(site: Site):
    """Its correlations wait as well; other agencies are not concerned."""
    first_agent(site.database, "a1")
    site.arrive(events())
    assert site.alerts() == {CRITICAL: 3}
    assert site.kept(LOW) == site.kept(BURST) * 3 == ["testing"] * 3
    site.arrive([replace(one, id=f"2{one.id[1:]}", agency_id="a2") for one in events()])
    assert site.alerts() == {
        CRITICAL: 3,
        LOW: 3,
        BURST: 1,
    }  # a2's; each agency has alerts of its own


def test_going_active_is_a_recorded_decision_and_counts_from_then_on(site: Site):
    first_agent(site.database, "a1")
    site.arrive(events())
    (waiting,) = AgencyDecisions(site.database).in_testing(AN)
    assert (waiting.agency_id, waiting.name, waiting.since) == ("a1", "Sở Xây dựng", NOW)
    assert waiting.kept == {"Rule 1": 3, "Burst": 1}
    decide(site.database, "a1", AgencyState.ACTIVE)
    site.arrive(events(start=10))
    assert site.alerts()[LOW] == 3
    assert len(site.kept(LOW)) == 6  # what was kept in testing stays kept
    assert list(AgencyDecisions(site.database).in_testing(AN)) == []
    entry = next(iter(latest(site.database, AN)))
    assert (entry.action, entry.text) == ("agency.active", "hai tuần thử")
    decide(site.database, "a1", AgencyState.TESTING)
    site.arrive(events(start=20))
    assert site.alerts()[LOW] == 3


def test_an_agency_begins_once(site: Site):
    """Neither its second source nor a decision that was made before begins anew."""
    first_agent(site.database, "a1")
    first_agent(site.database, "a1", key=2)
    decide(site.database, "a2", AgencyState.ACTIVE)
    first_agent(site.database, "a2", key=3)
    with site.database.session(AN) as session:
        rows = [(row.agency_id, row.state) for row in session.scalars(select(AgencyDecisionRow))]
    assert rows == [("a1", "testing"), ("a2", "active")]


def test_who_may_decide_and_what_is_missing(site: Site):
    with pytest.raises(NotAllowed):
        decide(site.database, "a1", AgencyState.ACTIVE, scope=Scope.of("a1"))
    with pytest.raises(Conflict):
        decide(site.database, "a1", AgencyState.ACTIVE, reason=" ")
    with pytest.raises(NotFound):
        decide(site.database, "nowhere", AgencyState.ACTIVE)


def test_the_demo_province_and_the_platform_s_own_agency_are_active(database: Database):
    assert load_demo(database, NOW)
    with database.session(AN) as session:
        agencies = set(session.scalars(select(AgencyRow.id)))
        states = {row.agency_id: row.state for row in session.scalars(select(AgencyDecisionRow))}
    assert states == dict.fromkeys(agencies, "active")
    first_agent(database, min(agencies))
    decide_active(database, sorted(agencies), "again", NOW)
    with database.session(AN) as session:
        assert len(list(session.scalars(select(AgencyDecisionRow)))) == len(agencies)
