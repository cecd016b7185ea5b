"""How far each rule has been evaluated: the ledger of (rule, window), as people read it.

Single-event rules are judged before a batch is acknowledged, so they are as far as the newest batch; history that they
did not see is looked at again in windows of a day. A correlation is as far as the matches were last looked at, or,
where a window of it failed, up to the beginning of that window. Indicators look back in windows of a day, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from soc.detect.correlation.telling import time_of
from soc.detect.judge import UNJUDGED
from soc.model.event import Event
from soc.model.scope import Scope
from soc.records.batches import BatchRow
from soc.records.correlations import CorrelationCursorRow, CorrelationOwedRow
from soc.records.database import Database
from soc.records.indicators import RetroWindowRow
from soc.records.rules import BackfillWindowRow

READER = Scope.province("ledger")
UNJUDGED_EVENTS = (
    f"{UNJUDGED}:* OR soc.flags:unjudged"  # the query for events that some rule did not judge
)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """``up_to`` is None where nothing came yet. ``owed``: windows that have not closed or are to be looked at."""

    up_to: datetime | None
    owed: int = 0
    failed: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """``history``: by rule, its windows of history; ``indicators``: those that new indicators are looked for in."""

    single: Evaluated
    history: dict[str, Evaluated]
    correlations: dict[str, Evaluated]
    indicators: Evaluated


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Stored events that a rule could not judge when they came, and that no backfill has seen since."""

    events: int
    first: datetime  # of ``observed_at``
    last: datetime


def unjudged(database: Database, flagged: Iterable[Event]) -> dict[str, Unjudged]:
    """By rule ("" is all rules) what it owes of ``flagged``, the events that carry ``UNJUDGED_EVENTS``."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in flagged:
        rules = event.fields.get(UNJUDGED)
        for rule_id in rules if isinstance(rules, list) else [rules] if rules else [""]:
            found[str(rule_id)].append(event)
    if not found:
        return {}
    done = select(BackfillWindowRow).where(BackfillWindowRow.state == "done")
    seen: dict[str, list[BackfillWindowRow]] = defaultdict(list)
    with database.session(READER) as session:
        for window in session.scalars(done):
            seen[window.rule_id].append(window)
    owed = {
        rule_id: [one for one in events if not any(_saw(window, one) for window in seen[rule_id])]
        for rule_id, events in sorted(found.items())
    }
    return {
        rule_id: Unjudged(
            len(events),
            min(one.observed_at for one in events),
            max(one.observed_at for one in events),
        )
        for rule_id, events in owed.items()
        if events
    }


def _saw(window: BackfillWindowRow, event: Event) -> bool:
    after = window.finished_at is not None and window.finished_at > event.received_at
    return after and window.start <= event.observed_at < window.end


def progress(database: Database, correlation_ids: Iterable[str]) -> Progress:
    """The state of the ledger now."""
    with database.session(READER) as session:
        newest = session.scalar(select(func.max(BatchRow.received_at)).where(BatchRow.done))
        cursor = session.get(CorrelationCursorRow, 1)
        windows = defaultdict(list)
        for row in session.scalars(select(CorrelationOwedRow)):
            windows[row.correlation_id].append(row)
        looked = cursor.evaluated_at if cursor else None
        correlations = {
            key: _correlation(looked, windows.get(key, ())) for key in sorted(correlation_ids)
        }
        history: dict[str, list[BackfillWindowRow]] = defaultdict(list)
        for window in session.scalars(select(BackfillWindowRow)):
            history[window.rule_id].append(window)
        back = list(session.scalars(select(RetroWindowRow).where(RetroWindowRow.state != "done")))
        done = session.scalar(select(func.max(RetroWindowRow.finished_at)))
    failed = [row for row in back if row.state == "failed"]
    error = failed[0].error if failed else ""
    indicators = Evaluated(done, len(back) - len(failed), len(failed), error)
    judged_again = {key: _history(rows) for key, rows in sorted(history.items())}
    return Progress(Evaluated(newest), judged_again, correlations, indicators)


def _history(rows: Iterable[BackfillWindowRow]) -> Evaluated:
    """As far as all days before are done; None while the first is not."""
    rows = sorted(rows, key=lambda row: (row.start, row.id))
    state_by_day = {row.start: row for row in rows}  # the newest window of a day
    up_to = None
    for row in state_by_day.values():
        if row.state != "done":
            break
        up_to = min(row.end, row.finished_at or row.end)
    not_done = [row for row in state_by_day.values() if row.state != "done"]
    failed = [row for row in not_done if row.state == "failed"]
    error = failed[0].error if failed else ""
    return Evaluated(up_to, len(not_done) - len(failed), len(failed), error)


def _correlation(looked: datetime | None, rows: Iterable[CorrelationOwedRow]) -> Evaluated:
    rows = list(rows)
    failed = [row for row in rows if row.state == "failed"]
    if not failed:
        return Evaluated(looked, len(rows))
    first = min(failed, key=lambda row: row.start)
    up_to = time_of(first.start)
    return Evaluated(
        min(up_to, looked) if looked else up_to, len(rows) - len(failed), len(failed), first.error
    )
