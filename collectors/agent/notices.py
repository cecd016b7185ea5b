"""What the agent says about itself, in its own stream: start, stop, what it cannot see, what was lost."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

VERSION = "0.1.0"
STREAM, SOURCE = "agent", "soc_agent"
UNPRINTED = {"input_end"}  # told to the platform, of no interest on a terminal
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """µs since 1970-01-01T00:00Z.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (moment - EPOCH) // timedelta(microseconds=1)


class Notices:
    """Notices become records of the stream ``agent`` and lines on stderr; open blind spots are kept."""

    def __init__(self, host: str, *, is_quiet: bool = False) -> None:
        self.host, self.is_quiet = host, is_quiet
        self.blind_spots: dict[str, str] = {}  # input to reason
        self.recent: deque[str] = deque(maxlen=20)
        self._keep: Callable[[bytes, datetime], None] | None = None
        self._early: list[tuple[bytes, datetime]] = []
        self._lock = threading.RLock()

    def connect(self, keep: Callable[[bytes, datetime], None]) -> None:
        """Where notices go from now on; those made before follow at once."""
        with self._lock:
            self._keep, early = keep, self._early
            self._early = []
        for content, now in early:
            keep(content, now)

    def tell(self, kind: str, message: str, **facts: Any) -> None:
        """Say something once. ``facts`` are what ``docs/wire.md`` lists for the kind."""
        now = datetime.now(UTC)
        time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        record = {
            "time": time,
            "kind": kind,
            "message": message,
            "version": VERSION,
            "host": self.host,
        }
        content = json.dumps(record | facts, ensure_ascii=False).encode("utf-8", "backslashreplace")
        self.recent.append(f"{time} {kind}: {message}")
        if not self.is_quiet and kind not in UNPRINTED:
            print(f"soc-agent: {kind}: {message}", file=sys.stderr, flush=True)
        with self._lock:
            if self._keep is None:
                self._early.append((content, now))
                return
        self._keep(content, now)

    def blind(self, name: str, reason: str) -> None:
        """An input cannot see something; said once for each reason."""
        with self._lock:
            if self.blind_spots.get(name) == reason:
                return
            self.blind_spots[name] = reason
        self.tell("blind_spot", f"{name}: {reason}", input=name, reason=reason)

    def sees_again(self, name: str) -> None:
        with self._lock:
            self.blind_spots.pop(name, None)
