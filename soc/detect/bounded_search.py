"""Searching with Python's ``re`` within a budget that holds: what may take long is searched by another process.

Whether a search is quick is told beforehand, by how many ways the expression has to go through a text: quick ones stay
here. The others go to a process that is stopped when its time is over. An expression that was stopped several times of
late is not tried on long texts for a while, so that no flood of such texts stops the flow.
"""

from __future__ import annotations

import atexit
import math
import re
import select
import subprocess
import sys
import threading
import time
from collections import deque
from functools import lru_cache
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import structlog

from soc.detect.search_child import HEAD

SECONDS = 0.25  # of one search
STEPS_HERE = 200_000  # characters times ways, at most: a few ms
MOST_CHARACTERS = 262_144  # longer values are not searched
STRIKES, REST_SECONDS = 3, 60.0  # so many stops within that time, and long texts wait
SHORT = 256  # characters: searched even then
CHILD = Path(__file__).with_name("search_child.py")
log = structlog.get_logger(__name__)


class BoundedSearch:
    """One helper process, started when it is needed. Threads may share it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stops: dict[str, deque[float]] = {}

    def search(self, pattern: re.Pattern[str], text: str) -> bool | None:
        """Whether the pattern is in the text; None if that was not found out within the budget."""
        if len(text) * ways(pattern.pattern, pattern.flags) <= STEPS_HERE:
            return pattern.search(text) is not None
        if len(text) > MOST_CHARACTERS:
            return None
        with self._lock:
            if len(text) > SHORT and self._rests(pattern.pattern):
                return None
            answer = self._ask(pattern, text)
            if answer is None:
                self._stops.setdefault(pattern.pattern, deque(maxlen=STRIKES)).append(_now())
            return answer

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _rests(self, pattern: str) -> bool:
        stops = self._stops.get(pattern)
        return stops is not None and len(stops) == STRIKES and _now() - stops[0] < REST_SECONDS

    def _ask(self, pattern: re.Pattern[str], text: str) -> bool | None:
        written = pattern.pattern.encode("utf-8", "surrogatepass")
        value = text.encode("utf-8", "surrogatepass")
        request = HEAD.pack(len(written), pattern.flags, len(value)) + written + value
        for _ in range(2):  # once more if the process has died meanwhile
            child = self._running()
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                child.stdin.write(request)
                child.stdin.flush()
            except OSError:
                self._stop()
                continue
            ready, _, _ = select.select([child.stdout], [], [], self._seconds)
            answer = child.stdout.read(1) if ready else b""
            if answer:
                return answer == b"\1"
            self._stop()
            if not ready:
                return None
        log.error("the process that searches has died twice", pattern=pattern.pattern[:200])
        return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._stop()
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._warm(self._child)
        return self._child

    def _warm(self, child: subprocess.Popen[bytes]) -> None:
        """Wait until it answers: its start is not the search's time."""
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(HEAD.pack(0, 0, 0))
        child.stdin.flush()
        child.stdout.read(1)

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    _close(pipe)
            self._child = None


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:  # what was to be flushed has no reader any more
        return


def _now() -> float:
    return time.monotonic()


@lru_cache(maxsize=4_096)
def ways(pattern: str, flags: int) -> float:
    """At most how many ways there are through a text from one place of it; infinite with a repetition without end.

    >>> ways(r"-k[0-9]{1,9}", 0), ways("(ab|cd)e?", 0), ways("a+", 0)
    (10.0, 4.0, inf)
    """
    return _ways(parser.parse(pattern, flags))


def _ways(tree: Any) -> float:
    total = 1.0
    for code, argument in tree:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            total *= _repeated(argument[1], _ways(argument[2]))
        elif code is op.BRANCH:
            total *= sum(map(_ways, argument[1]))
        elif code is op.SUBPATTERN:
            total *= _ways(argument[3])
        elif code in (op.ASSERT, op.ASSERT_NOT):
            total *= _ways(argument[1])
        elif code is op.ATOMIC_GROUP:
            total *= _ways(argument)
        elif code is op.GROUPREF_EXISTS:
            total *= sum(_ways(one) for one in argument[1:] if one)
    return total


def _repeated(most: Any, once: float) -> float:
    if most is op.MAXREPEAT or most > 1_000 or not math.isfinite(once):
        return math.inf
    return float((most + 1) * once ** min(most, 200) if once < 10 or most < 100 else math.inf)


SHARED = BoundedSearch()
atexit.register(SHARED.close)
