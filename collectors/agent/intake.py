"""Where inputs bring records: numbered and on disk before the call returns, and the shipper is woken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from collectors.agent.errors import SpoolError
from collectors.agent.notices import SOURCE, STREAM, Notices, microseconds
from collectors.agent.spool import Spool

RETRY_SECONDS = 1.0


class Intake:
    """Shared by all inputs' threads."""

    def __init__(
        self, spool: Spool, notices: Notices, *, wake: threading.Event, stop: threading.Event
    ) -> None:
        self.spool, self.notices, self.wake, self.stop = spool, notices, wake, stop
        self.pace: Callable[[], None] = lambda: None  # limits and back-pressure slow durable inputs
        self.records = 0
        notices.connect(self._keep_notice)

    def position(self, key: str) -> Any:
        return self.spool.position(key)

    def put(
        self,
        stream: str,
        source: str,
        payloads: Sequence[bytes],
        *,
        positions: Mapping[str, Any] | None = None,
    ) -> bool:
        """Keep records. With ``positions`` the input is durable: a full disk makes it wait.

        Without, the records are gone if the disk does not take them: their numbers are named as lost.

        Returns:
            False if the agent stopped while waiting: nothing was kept.
        """
        now = microseconds(datetime.now(UTC))
        while True:
            try:
                self.spool.append(stream, source, payloads, collected_at=now, positions=positions)
                break
            except SpoolError as error:
                self.notices.blind_spots["spool"] = str(error)
                if positions is None:
                    self.spool.skip(stream, source, len(payloads), str(error))
                    return True
                if self.stop.wait(RETRY_SECONDS):
                    return False
        self.notices.blind_spots.pop("spool", None)
        self.records += len(payloads)
        if payloads:
            self.wake.set()
        self._tell_losses()
        if positions is not None:
            self.pace()
        return True

    def commit(self, positions: Mapping[str, Any]) -> None:
        """Keep positions alone; a full disk only means that they are kept later."""
        self.put("", "", (), positions=positions)

    def _keep_notice(self, content: bytes, now: datetime) -> None:
        try:
            self.spool.append(STREAM, SOURCE, [content], collected_at=microseconds(now))
        except SpoolError as error:
            self.spool.skip(STREAM, SOURCE, 1, str(error))
        self.wake.set()

    def _tell_losses(self) -> None:
        for loss in self.spool.take_losses():
            self.notices.tell(
                "drop",
                f"records {loss.first} to {loss.last} of {loss.stream} are lost: {loss.reason}",
                stream=loss.stream,
                first=loss.first,
                last=loss.last,
                reason=loss.reason,
            )
