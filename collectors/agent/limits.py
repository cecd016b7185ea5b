"""The ceilings on CPU and memory that the agent keeps for itself."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable

import psutil

from collectors.agent.config import Limits
from collectors.agent.notices import Notices

LOOK_SECONDS = 2.0
WINDOW_LOOKS = 5
LONGEST_PAUSE_SECONDS = 2.0
TELL_EVERY_SECONDS = 300.0


class Ceiling:
    """Looks at the process every two seconds. Above the CPU ceiling, durable inputs are slowed (:meth:`pace`);
    above the memory ceiling they are slowed and memory is given back; far above it, the agent stops."""

    def __init__(self, limits: Limits, notices: Notices, give_up: Callable[[], None]) -> None:
        self.limits, self.notices, self.give_up = limits, notices, give_up
        self.pause_seconds = 0.0
        self.memory_bytes = 0
        self.cpu_percent = 0.0
        self._process = psutil.Process()
        self._told: dict[str, float] = {}
        self._marks: list[tuple[float, float]] = []  # (wall, CPU) seconds
        self._over_looks = 0

    def pace(self) -> None:
        """Called by durable inputs after each piece of work."""
        if self.pause_seconds:
            time.sleep(self.pause_seconds)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_SECONDS):
            times = os.times()
            self.look(time.monotonic(), times.user + times.system, self._process.memory_info().rss)

    def look(self, wall: float, cpu: float, memory: int) -> None:
        """Judge one measurement: seconds by a forward clock, CPU seconds used, resident bytes."""
        self._marks = [*self._marks[-WINDOW_LOOKS:], (wall, cpu)]
        self.memory_bytes = memory
        first_wall, first_cpu = self._marks[0]
        if wall > first_wall:
            self.cpu_percent = 100 * (cpu - first_cpu) / (wall - first_wall)
        is_busy = self.cpu_percent > self.limits.cpu_percent
        is_large = memory > self.limits.memory_bytes
        if is_busy or is_large:
            self.pause_seconds = min(LONGEST_PAUSE_SECONDS, max(0.01, self.pause_seconds * 2))
        else:
            self.pause_seconds = self.pause_seconds / 2 if self.pause_seconds > 0.01 else 0.0
        if is_busy:
            self._tell("cpu_percent", round(self.cpu_percent), self.limits.cpu_percent, wall)
        self._judge_memory(is_large, memory, wall)

    def _judge_memory(self, is_large: bool, memory: int, wall: float) -> None:
        if not is_large:
            self._over_looks = 0
            return
        self._tell("memory_bytes", memory, self.limits.memory_bytes, wall)
        gc.collect()
        self._over_looks += memory > 2 * self.limits.memory_bytes
        if self._over_looks >= 15:
            self.give_up()

    def _tell(self, limit: str, value: float, ceiling: float, wall: float) -> None:
        if wall - self._told.get(limit, -TELL_EVERY_SECONDS) >= TELL_EVERY_SECONDS:
            self._told[limit] = wall
            message = f"{limit} is {value}, above its ceiling of {ceiling:g}; inputs are slowed"
            self.notices.tell("over_limit", message, limit=limit, value=value, ceiling=ceiling)
