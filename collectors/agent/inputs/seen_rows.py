"""Which rows of exports were taken already: their digests, on disk, for as long as they may come again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.agent.intake import Intake

FILE = "rows-seen.sqlite"
KEPT = timedelta(days=45)
AT_ONCE = 500


def digest(row: bytes) -> str:
    """What a row is known by: 32 hex digits."""
    return hashlib.blake2b(row, digest_size=16).hexdigest()


class SeenRows:
    """Of one feed. The spool's position names the rows of the last put, so that a kill between it and this file
    costs nothing: :meth:`remember` is told of them again."""

    def __init__(self, intake: Intake, feed: str) -> None:
        path = Path(intake.spool.folder).parent / FILE
        self.feed = feed
        self._database = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=30
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS rows (feed TEXT, digest TEXT, day INTEGER, "
            "PRIMARY KEY (feed, digest)) WITHOUT ROWID"
        )

    def fresh(self, digests: Sequence[str]) -> set[str]:
        """Those that were never taken."""
        known: set[str] = set()
        for start in range(0, len(digests), AT_ONCE):
            some = digests[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            asked = f"SELECT digest FROM rows WHERE feed = ? AND digest IN ({marks})"  # noqa: S608 - marks only
            known.update(found[0] for found in self._database.execute(asked, (self.feed, *some)))
        return set(digests) - known

    def remember(self, digests: Iterable[str]) -> None:
        """Keep them, or keep them longer."""
        today = datetime.now(UTC).toordinal()
        rows = [(self.feed, one, today) for one in digests]
        if not rows:
            return
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def forget_old(self) -> None:
        """Let go of what is too old to come again."""
        before = datetime.now(UTC).toordinal() - KEPT.days
        self._database.execute("DELETE FROM rows WHERE feed = ? AND day < ?", (self.feed, before))

    def close(self) -> None:
        self._database.close()
