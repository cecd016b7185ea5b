"""How far each rule has been evaluated: the ledger of (rule, window), as people read it.

Single-event rules are judged before a batch is acknowledged, so they are as far as the newest batch. A correlation is
as far as the matches were last looked at, or, where a window of it failed, up to the beginning of that window.
Indicators look back over history in windows of a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from soc.detect.correlation.telling import time_of
from soc.model.scope import Scope
from soc.records.batches import BatchRow
from soc.records.correlations import CorrelationCursorRow, CorrelationOwedRow
from soc.records.database import Database
from soc.records.indicators import RetroWindowRow

READER = Scope.province("ledger")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """``up_to`` is None where nothing came yet. ``owed``: windows that have not closed or are to be looked at."""

    up_to: datetime | None
    owed: int = 0
    failed: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """``indicators``: the windows of history that new indicators are looked for in."""

    single: Evaluated
    correlations: dict[str, Evaluated]
    indicators: Evaluated


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
        back = list(session.scalars(select(RetroWindowRow).where(RetroWindowRow.state != "done")))
        done = session.scalar(select(func.max(RetroWindowRow.finished_at)))
    failed = [row for row in back if row.state == "failed"]
    error = failed[0].error if failed else ""
    indicators = Evaluated(done, len(back) - len(failed), len(failed), error)
    return Progress(Evaluated(newest), correlations, indicators)


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
