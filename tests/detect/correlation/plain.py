"""The definition of runs, written to be read and not to be quick: every window is cut out of the list anew."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.windows import Entry

Runs = list[tuple[int, int, int]]  # since, first moment, last moment


def plain_runs(rule: Correlation, entries: Sequence[Entry]) -> Runs:
    """The runs of one group by the definition in docs/decisions/0005."""
    moments = _closing(rule, entries) if rule.closing else _sliding(rule, entries)
    runs: Runs = []
    for since, moment in moments:
        gap = moment - runs[-1][2] if runs else math.inf
        if gap < rule.span_us or (rule.closing and gap == rule.span_us):
            runs[-1] = (runs[-1][0], runs[-1][1], moment)
        else:
            runs.append((since, moment, moment))
    return runs


def _sliding(rule: Correlation, entries: Sequence[Entry]) -> list[tuple[int, int]]:
    found = []
    for moment in sorted({one.at for one in entries}):
        window = [one for one in entries if moment - rule.span_us < one.at <= moment]
        if _holds(rule, window):
            found.append((min(one.at for one in window), moment))
    return found


def _closing(rule: Correlation, entries: Sequence[Entry]) -> list[tuple[int, int]]:
    found = []
    for number in sorted({one.at // rule.span_us for one in entries}):
        window = [one for one in entries if one.at // rule.span_us == number]
        if _holds(rule, window):
            found.append((min(one.at for one in window), number * rule.span_us))
    return found


def _holds(rule: Correlation, window: list[Entry]) -> bool:
    if rule.expression is not None:
        return _true(rule.expression, {one.rule for one in window})
    value = _value(rule, window)
    if value is None:
        return False
    return bool(
        {
            "gt": value > rule.threshold,
            "gte": value >= rule.threshold,
            "lt": value < rule.threshold,
            "lte": value <= rule.threshold,
            "eq": value == rule.threshold,
            "neq": value != rule.threshold,
        }[rule.op]
    )


def _value(rule: Correlation, window: list[Entry]) -> Fraction | float | int | None:
    if rule.kind == "event_count":
        return sum(1 for one in window if one.starts)
    if rule.kind == "value_count":
        return len({one.value for one in window if one.value is not None})
    if rule.kind == "temporal":
        return len({one.rule for one in window})
    if rule.kind == "temporal_ordered":
        return _longest_chain(rule, window)
    numbers = sorted(
        float(one.value)
        for one in window
        if isinstance(one.value, int | float | str) and _is_number(one.value)
    )
    if not numbers:
        return None
    total = sum((Fraction(number) for number in numbers), Fraction(0))
    if rule.kind == "value_sum":
        return total
    if rule.kind == "value_avg":
        return total / len(numbers)
    return next(
        number
        for rank, number in enumerate(numbers, 1)
        if Fraction(rank, len(numbers)) >= Fraction(rule.percentile, 100)
    )


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except ValueError:
        return False


def _longest_chain(rule: Correlation, window: list[Entry]) -> int:
    """Different entries for a choice of the rules in their order, each no earlier than the one before."""
    for length in range(len(rule.rules), 0, -1):
        for wanted in itertools.combinations(rule.rules, length):
            if _chain(wanted, window, -1):
                return length
    return 0


def _chain(wanted: Sequence[str], window: list[Entry], after: int) -> bool:
    if not wanted:
        return True
    return any(
        _chain(wanted[1:], [o for o in window if o is not one], one.at)
        for one in window
        if one.rule == wanted[0] and one.at >= after
    )


def _true(expression: tuple, present: set[str]) -> bool:  # type: ignore[type-arg]
    kind, rest = expression
    if kind == "rule":
        return rest in present
    if kind == "not":
        return not _true(rest, present)
    return (all if kind == "and" else any)(_true(one, present) for one in rest)
