"""How often a sign-in may fail. Counted in memory: the console is one process on a small site."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from soc.errors import Overloaded

WINDOW_MINUTES = 15


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Failures that are permitted in a window of 15 minutes.

    One address may not try one account often, nor many accounts; an account tried from many addresses is closed to all
    of them for the window, which costs its owner at most that.
    """

    per_account_and_address: int = 5
    per_address: int = 30
    per_account: int = 20


class Attempts:
    """Failed sign-ins of the last minutes. ``limits`` keeps the time itself."""

    def __init__(self, limits: AttemptLimits | None = None) -> None:
        chosen = limits or AttemptLimits()
        self._both = RateLimitItemPerMinute(chosen.per_account_and_address, WINDOW_MINUTES)
        self._address = RateLimitItemPerMinute(chosen.per_address, WINDOW_MINUTES)
        self._account = RateLimitItemPerMinute(chosen.per_account, WINDOW_MINUTES)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def check(self, account: str, address: str) -> None:
        """Whether one more try is permitted.

        Raises:
            Overloaded: too many failures; says when to come back.
        """
        waits = [
            self._windows.get_window_stats(item, *key).reset_time - time.time()  # noqa: TID251 - limits counts by it
            for item, key in self._keys(account, address)
            if not self._windows.test(item, *key)
        ]
        if waits:
            raise Overloaded(
                "too many failed sign-ins", retry_after_seconds=max(1, math.ceil(max(waits)))
            )

    def failed(self, account: str, address: str) -> None:
        for item, key in self._keys(account, address):
            self._windows.hit(item, *key)

    def succeeded(self, account: str, address: str) -> None:
        """Forget this address's failures with this account."""
        item, key = self._keys(account, address)[0]
        self._windows.clear(item, *key)

    def left(self, account: str, address: str) -> int:
        """Tries that remain before a pause, the least of all windows."""
        return min(
            self._windows.get_window_stats(item, *key).remaining
            for item, key in self._keys(account, address)
        )

    def _keys(self, account: str, address: str) -> list[tuple[RateLimitItem, tuple[str, ...]]]:
        name = account.casefold()
        return [
            (self._both, ("both", name, address)),
            (self._address, ("address", address)),
            (self._account, ("account", name)),
        ]
