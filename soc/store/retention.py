"""How long each retention class is kept, and when its partitions are dropped.

The law's minimum by security level (TCVN 14423:2026) and 30 days in any case stand below every setting. A setting
may ask for longer; over 90 % of the disk such longer keeping ends, and nothing else does.
"""

from __future__ import annotations

import calendar
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from soc.store.partitions import VIETNAM, Partition

LEGAL_MONTHS = {"short": 1, "level3": 3, "level4": 6, "level5": 12, "own": 12}
LEAST_DAYS = 30
WARN, EXPIRE, FULL = 0.80, 0.90, 0.95


def disk_used(folder: Path) -> float:
    """Share of the disk in use, 0-1, as ``df`` counts it."""
    usage = shutil.disk_usage(folder)
    return usage.used / (usage.used + usage.free) if usage.used + usage.free else 1.0


def state_of(used: float) -> str:
    """``ok``, ``warn``, ``expire`` or ``full``."""
    for least, state in ((FULL, "full"), (EXPIRE, "expire"), (WARN, "warn")):
        if used >= least:
            return state
    return "ok"


def months_after(day: date, months: int) -> date:
    """The same day of the month ``months`` later, or that month's last day.

    >>> months_after(date(2026, 11, 30), 3)
    datetime.date(2027, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


@dataclass(frozen=True, slots=True)
class Retention:
    """Months by class, as set."""

    months: Mapping[str, int]

    def kept_until(self, partition: Partition) -> date:
        """The last day on which the setting keeps it."""
        months = max(self.months.get(partition.kept, 0), LEGAL_MONTHS[partition.kept])
        return _until(partition, months)

    def due(self, partition: Partition, now: datetime, used: float) -> str:
        """Why a partition may go now; "" when it may not."""
        if partition.held:
            return ""
        today = now.astimezone(VIETNAM).date()
        if today > self.kept_until(partition):
            return f"kept until {self.kept_until(partition)}"
        least = _until(partition, LEGAL_MONTHS[partition.kept])
        if used >= EXPIRE and today > least:
            return f"the disk is {used:.0%} full and the law asks to keep it until {least}"
        return ""


def _until(partition: Partition, months: int) -> date:
    last = partition.last_day
    return max(months_after(last, months), last + timedelta(days=LEAST_DAYS))
