"""Which days are owed to new indicators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy.orm import Session

from soc.records.indicators import RetroWindowRow

LOOKED_BACK = timedelta(days=90)
TAKEN_UP = timedelta(minutes=1)  # until then every door watches for a new indicator


def owe_windows(session: Session, indicator_ids: Sequence[str], now: datetime) -> None:
    """One row for each day of the last 90, the newest first; today's is due when every door watches."""
    if not indicator_ids:
        return
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    for back in range(LOOKED_BACK.days + 1):
        start = today - timedelta(days=back)
        session.add(
            RetroWindowRow(
                indicators=list(indicator_ids),
                start=start,
                end=start + timedelta(days=2 if back == 0 else 1),
                due_at=now + (TAKEN_UP if back == 0 else timedelta(0)),
                created_at=now,
            )
        )
