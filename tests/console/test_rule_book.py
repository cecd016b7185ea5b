"""What the console reads of the rules in use: state as decided, guidance for whatever makes alerts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soc.console.rule_book import RecordedStates, RuleBook, guidance_or_none
from soc.detect.current import publish
from soc.detect.facts import RuleFacts
from soc.detect.packs import compile_pack
from soc.detect.rule_states import CurrentRuleStates, RuleDecisions, RuleState
from soc.model.own_rules import CLOCK_WRONG, SOURCE_SILENT
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.jobs import RuleStateRow
from soc.respond.health_desk import HealthDesk
from soc.shipped import folder
from soc.store.embedded import EmbeddedStore
from tests.detect.builders import ID, rule, write, write_rules
from tests.store.events import MONTHS

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
AN = Scope.province("an")
OURS, IMPORTED, OFF, BURST = (ID.format(number) for number in (0, 1, 2, 3))
WEB = {"category": "webserver"}
TAGS = ["attack.credential-access", "attack.t1110"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A site with a rule of its own, two imported ones, and a correlation of web events."""
    seen = {"s": {"url.path": "/x"}, "condition": "s"}
    burst = {
        "title": "Burst", "id": BURST, "level": "high", "tags": TAGS,
        "correlation": {
            "type": "event_count", "rules": [OURS], "group-by": ["source.ip"], "timespan": "10m",
            "condition": {"gte": 3},
        },
    }  # fmt: skip
    ours, theirs = tmp_path / "rules", tmp_path / "rule-sets" / "sigmahq" / "local"
    write_rules(ours, [rule(0, seen, logsource=WEB), burst])
    write_rules(theirs, [rule(1, seen, logsource=WEB), rule(2, seen, logsource=WEB)])
    publish(compile_pack([ours, theirs]), tmp_path / "packs")
    return tmp_path


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{home / 'soc.sqlite'}")
    made.create_all()
    yield made
    made.close()


@pytest.fixture
def states(home: Path, database: Database) -> RecordedStates:
    return RecordedStates(CurrentRuleStates(database), home / "rule-sets")


@pytest.fixture
def book(home: Path, states: RecordedStates) -> RuleBook:
    return RuleBook(home / "packs", states, guidance_or_none([folder("rules")]))


def decide(database: Database, facts: RuleFacts, state: RuleState) -> None:
    RuleDecisions(database).decide(AN, facts, state, reason="thử", now=NOW, outcomes=())


def state(book: RuleBook, rule_id: str) -> str:
    facts = book.facts(rule_id)
    assert facts is not None
    return str(facts["state"])


def test_a_rule_has_the_state_that_was_decided(book: RuleBook, database: Database) -> None:
    """An imported one begins in testing; a decision counts at once."""
    assert (state(book, OURS), state(book, IMPORTED)) == ("active", "testing")
    decide(database, book.all()[IMPORTED], RuleState.ACTIVE)
    decide(database, book.all()[OURS], RuleState.OFF)
    assert (state(book, OURS), state(book, IMPORTED)) == ("off", "active")


def test_the_health_page_counts_rules_by_what_was_decided(
    home: Path, book: RuleBook, database: Database, states: RecordedStates
) -> None:
    """Not by what the compiler made of them; refused ones are counted as before."""
    with database.write(AN) as session:
        for one in book.all().values():
            session.add(
                RuleStateRow(rule_id=one.id, title="", level="", path=one.path, state="active")
            )
        session.add(RuleStateRow(rule_id="x", title="", level="", path="x.yml", state="refused"))
    decide(database, book.all()[OFF], RuleState.OFF)
    store = EmbeddedStore(home / "events", months=MONTHS, writable=True)
    desk = HealthDesk(database, store, rule_states=states)
    found = desk.health(AN, now=NOW)
    store.close()
    assert found.rules == {"active": 2, "testing": 1, "off": 1, "refused": 1}
    assert [row.rule_id for row in found.rules_wrong] == ["x"]


def test_a_correlation_is_guided_by_its_events_log_source(book: RuleBook) -> None:
    guidance = book.guide(BURST)
    assert guidance is not None
    assert (guidance.row, guidance.checks[0].name) == ("t1110", "posts_of_source")


@pytest.mark.parametrize(
    ("rule_id", "row"),
    [
        ("ioc-1", "indicator"),
        (CLOCK_WRONG.id, "clock"),
        (SOURCE_SILENT.id, "silence"),
        ("soc-beacon", "t1071"),
        ("soc-dns-tunnel", "t1071.004"),
        ("gone", "any"),
        (OURS, "any"),
    ],
)
def test_whatever_makes_alerts_has_guidance(book: RuleBook, rule_id: str, row: str) -> None:
    """Indicators, the platform's own rules, and rules that are no longer there too."""
    guidance = book.guide(rule_id)
    assert guidance is not None
    assert guidance.row == row
    assert len(guidance.checks) == 3


def test_a_bad_table_costs_the_guidance_and_nothing_else(
    home: Path, states: RecordedStates
) -> None:
    """The pages go without, and the log says why."""
    write(home / "bad", "guidance.yaml", "checks: [")
    book = RuleBook(home / "packs", states, guidance_or_none([home / "bad"]))
    assert book.guide(OURS) is None
    assert state(book, OURS) == "active"


def test_counters_of_flows_ask_of_the_network(book: RuleBook) -> None:
    """Not of processes, which no sensor sees."""
    for rule_id, check in (
        ("soc-beacon", "destination_by_others"),
        ("soc-dns-tunnel", "name_by_others"),
    ):
        guidance = book.guide(rule_id)
        assert guidance is not None
        assert check in [one.name for one in guidance.checks]
