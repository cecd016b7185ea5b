"""A bounded memory of answers. Forgetting costs time, never changes an answer."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

LONG_TEXT = 1024  # characters; longer keys are not kept
CHARACTERS_EACH = 64  # on average, so that the limit in entries is also one in bytes


class Memo(Generic[Answer]):
    """Two generations of a dict: when ``recent`` is full it becomes ``older`` and what was older is forgotten.

    An entry that is asked for again comes back to ``recent``. So the most used entries stay, and a look-up costs
    one dict access (an exact LRU would cost three). Callers read ``recent`` directly and call ``older`` on a miss.
    """

    __slots__ = ("_characters", "_older", "_pinned", "limit", "recent")

    def __init__(self, limit: int, recent: dict[Hashable, Answer] | None = None) -> None:
        """``limit``: entries of one generation, at least 1; ``recent``: a dict to use, whose entries stay for ever."""
        self.recent: dict[Hashable, Answer] = {} if recent is None else recent
        self._pinned = dict(self.recent)
        self.limit = max(1, limit) + len(self._pinned)
        self._older: dict[Hashable, Answer] = {}
        self._characters = 0

    def older(self, key: Hashable) -> Answer | None:
        """The answer from the older generation, if it is still there; it becomes recent."""
        answer = self._older.get(key)
        if answer is not None:
            self.keep(key, answer)
        return answer

    def keep(self, key: Hashable, answer: Answer) -> None:
        """Remember an answer (never None)."""
        if len(self.recent) >= self.limit or self._characters >= self.limit * CHARACTERS_EACH:
            self._older = self.recent.copy()
            self.recent.clear()  # the same dict: others hold it
            self.recent.update(self._pinned)
            self._characters = 0
        if isinstance(key, str):
            self._characters += len(key)
        self.recent[key] = answer

    def generations(self) -> tuple[dict[Hashable, Answer], dict[Hashable, Answer]]:
        return self.recent, self._older

    def __len__(self) -> int:
        return len(self.recent) + len(self._older.keys() - self._pinned.keys()) - len(self._pinned)
