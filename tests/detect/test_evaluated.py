"""What the ledger says of each rule: how far, what is owed, what failed and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from soc.detect.evaluated import Evaluated, progress
from soc.model.event import EPOCH
from soc.model.scope import Scope
from soc.records.correlations import CorrelationCursorRow, CorrelationOwedRow
from soc.records.database import Database
from soc.records.indicators import RetroWindowRow

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
PROVINCE = Scope.province("test")
HOUR = timedelta(hours=1)


def window(rule: str, start: datetime, **more: object) -> CorrelationOwedRow:
    at = (start - EPOCH) // timedelta(microseconds=1)
    row = CorrelationOwedRow(correlation_id=rule, group_key="g", start=at, end=at, due_at=NOON)
    row.state, row.attempts, row.error = "owed", 0, ""
    for name, value in more.items():
        setattr(row, name, value)
    return row


def test_before_anything_came_nothing_is_evaluated(database: Database) -> None:
    found = progress(database, ["a"])
    assert found.single == found.correlations["a"] == found.indicators == Evaluated(None)


def test_a_failed_window_holds_its_own_rule_back_and_no_other(database: Database) -> None:
    with database.write(PROVINCE) as session:
        session.add(CorrelationCursorRow(id=1, number=5, evaluated_at=NOON))
        session.add(window("open", NOON))
        session.add(window("broken", NOON - HOUR, state="failed", error="later"))
        session.add(window("broken", NOON - 2 * HOUR, state="failed", error="ValueError: x"))
    found = progress(database, ["open", "broken", "quiet"]).correlations
    assert found["quiet"] == Evaluated(NOON)
    assert found["open"] == Evaluated(NOON, owed=1)
    assert found["broken"] == Evaluated(NOON - 2 * HOUR, failed=2, error="ValueError: x")


def test_indicators_owe_windows_of_history(database: Database) -> None:
    days = [NOON - timedelta(days=back) for back in range(3)]
    with database.write(PROVINCE) as session:
        for day, state in zip(days, ("done", "owed", "failed"), strict=True):
            session.add(
                RetroWindowRow(
                    start=day, end=day, state=state, due_at=NOON, created_at=day,
                    finished_at=NOON if state == "done" else None,
                    error="the partition is busy" if state == "failed" else "",
                )
            )  # fmt: skip
    found = progress(database, []).indicators
    assert found == Evaluated(NOON, owed=1, failed=1, error="the partition is busy")
