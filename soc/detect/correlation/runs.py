"""Runs: the stretches of time over which a correlation goes on holding in one group.

Two moments at which the condition holds belong to one run when less than a timespan lies between them; of closing
rules, when their windows follow one another. So a run is a function of the set of entries alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.windows import Entry, moments


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """µs since 1970, all inclusive: the earliest entry that counts, the first and the last moment."""

    since: int
    first: int
    last: int


def runs_of(rule: Correlation, entries: Sequence[Entry]) -> list[Run]:
    """The runs of one group, in order."""
    held = sorted(one.at for one in entries)
    return join(rule, (run_at(rule, moment, held) for moment in moments(rule, entries)))


def run_at(rule: Correlation, moment: int, held: Sequence[int]) -> Run:
    """The run of a single moment; ``held`` are the sorted times of the group's entries around it."""
    from bisect import bisect_left, bisect_right

    if rule.closing:
        return Run(held[bisect_left(held, moment)], moment, moment)
    return Run(held[bisect_right(held, moment - rule.span_us)], moment, moment)


def end_of(rule: Correlation, run: Run) -> int:
    """The last µs that can belong to the run: of closing rules, its last window's."""
    return run.last + rule.span_us - 1 if rule.closing else run.last


def touch(rule: Correlation, earlier: int, later: int) -> bool:
    """Whether two moments belong to one run."""
    gap = later - earlier
    return gap <= rule.span_us if rule.closing else gap < rule.span_us


def join(rule: Correlation, runs: Iterable[Run]) -> list[Run]:
    """Runs that touch become one."""
    joined: list[Run] = []
    for run in sorted(runs, key=lambda one: (one.first, one.last)):
        if joined and touch(rule, joined[-1].last, run.first):
            before = joined[-1]
            joined[-1] = Run(min(before.since, run.since), before.first, max(before.last, run.last))
        else:
            joined.append(run)
    return joined
