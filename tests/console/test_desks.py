"""The desks of health and of the situation room, over the seeded site."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from soc.console.conditions import conditions
from soc.detect.explain import Explanation
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.respond.health_desk import Gap, agent_state, gaps_between
from soc.respond.triage import AlertFilter
from tests.console.seed import PROVINCE, Site, tell
from tests.console.stories import STORIES

NOW = datetime(2026, 11, 24, 2, 42, tzinfo=UTC)


def agent(**columns: object) -> AgentRow:
    return AgentRow(**({"clock_offset_seconds": 0.0} | columns))


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({"last_seen_at": None}, "never"),
        ({"last_seen_at": NOW - timedelta(minutes=4)}, "ok"),
        ({"last_seen_at": NOW - timedelta(minutes=6)}, "silent"),
        ({"last_seen_at": NOW, "clock_offset_seconds": -400.0}, "skewed"),
        ({"last_seen_at": NOW, "revoked_at": NOW}, "revoked"),
    ],
)
def test_an_agent_is_what_it_was_last_heard_to_be(columns: dict[str, object], state: str) -> None:
    """Five minutes of silence are silence."""
    assert agent_state(agent(**columns), NOW) == state


def test_a_stream_that_starts_late_misses_its_beginning() -> None:
    """Numbers start at one."""
    assert gaps_between([[5, 9]], []) == (Gap(1, 4),)


def test_a_named_loss_is_no_gap_also_where_it_overlaps_what_arrived() -> None:
    """The agent may name what came after all."""
    assert gaps_between([[1, 10], [15, 20]], [[8, 14, "spool full"]]) == ()


def test_the_clocks_stand_in_the_order_in_which_they_run_out(site: Site) -> None:
    """The overdue one first."""
    due = [
        clock.obligation.due_at
        for clock in site.parts.situation.situation(PROVINCE, now=NOW).clocks
    ]
    assert due == sorted(due)
    assert len(due) == 3


def test_an_agency_shows_the_worst_of_what_it_has(site: Site) -> None:
    """An open incident before open alerts, before silence, before nothing deployed."""
    situation = site.parts.situation.situation(PROVINCE, now=site.parts.clock())
    states = {tile.agency.id: tile.state for tiles in situation.tiles.values() for tile in tiles}
    assert (states["sxd"], states["syt"], states["bchqs"]) == ("incident", "attention", "none")


def test_an_officers_situation_has_only_the_own_agency(site: Site) -> None:
    """Tiles, agents, alerts and clocks alike."""
    situation = site.parts.situation.situation(Scope.of("syt"), now=site.parts.clock())
    assert {tile.agency.id for tiles in situation.tiles.values() for tile in tiles} == {"syt"}
    assert situation.open_alerts == 1
    assert (situation.clocks, situation.agents, situation.cases) == ((), (), ())


def test_new_alerts_are_counted_within_the_scope(own_site: Site) -> None:
    """Another agency's new alert is not announced."""
    parts = own_site.parts
    newest = parts.triage.page(PROVINCE, AlertFilter(), size=1).newest
    story = replace(STORIES[3], rule="r-new", minutes=0.0)  # of Sở Y tế
    tell(parts.database, parts.store, [story], now=parts.clock())
    assert parts.situation.alerts_after(PROVINCE, newest) == 1
    assert parts.situation.alerts_after(Scope.of("sxd"), newest) == 0


def test_of_alternatives_only_those_that_hold_are_told() -> None:
    """(curl or wget) and not to_file."""
    explained = Explanation(
        "and",
        "all of",
        True,
        parts=(
            Explanation(
                "or",
                "one of",
                True,
                parts=(
                    asked("process.name is 'curl'", True),
                    asked("process.name is 'wget'", False),
                ),
            ),
            Explanation(
                "not",
                "not",
                True,
                parts=(
                    Explanation(
                        "name", "to_file", False, parts=(asked("process.args is '-o'", False),)
                    ),
                ),
            ),
        ),
    )
    told = [(each.label, each.name, each.denied) for each in conditions(explained)]
    assert told == [
        ("process.name is 'curl'", "", False),
        ("process.args is '-o'", "to_file", True),
    ]


def test_nothing_is_told_of_a_rule_that_no_longer_matches() -> None:
    """The rule may have changed since."""
    assert conditions(asked("process.name is 'curl'", False)) == ()


def asked(label: str, holds: bool) -> Explanation:
    return Explanation("test", label, holds, "process.name", "curl")
