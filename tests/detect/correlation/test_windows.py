"""The quick windows against the plain definition."""

from __future__ import annotations

import os
import random

import pytest

from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.runs import runs_of
from soc.detect.correlation.windows import Entry, number_of
from tests.detect.correlation.plain import plain_runs
from tests.detect.correlation.scenarios import KINDS, correlation, entries

ROUNDS = int(os.environ.get("SOC_CORRELATION_ROUNDS", "300"))


@pytest.mark.parametrize("kind", KINDS)
def test_windows_and_runs_follow_the_definition(kind: str):
    chance = random.Random(f"windows {kind}")
    for _ in range(ROUNDS):
        rule = correlation(chance, kind)
        held = entries(chance, rule, chance.randint(0, 14))
        found = [(run.since, run.first, run.last) for run in runs_of(rule, held)]
        assert found == plain_runs(rule, held), (rule, held)


def test_a_window_is_open_at_its_beginning_and_closed_at_its_end():
    rule = Correlation("c", "event_count", ("a",), 10, threshold=2)
    at_the_edge = [Entry(0, "1", "a"), Entry(10, "2", "a")]
    inside = [Entry(1, "1", "a"), Entry(10, "2", "a")]
    assert runs_of(rule, at_the_edge) == []
    assert len(runs_of(rule, inside)) == 1


def test_an_order_holds_also_for_matches_of_one_moment():
    rule = Correlation("c", "temporal_ordered", ("a", "b"), 10, threshold=2)
    assert runs_of(rule, [Entry(5, "1", "b"), Entry(5, "2", "a")])
    assert not runs_of(rule, [Entry(5, "1", "b"), Entry(6, "2", "a")])
    twice = Correlation("c", "temporal_ordered", ("a", "a"), 10, threshold=2)
    assert not runs_of(twice, [Entry(5, "1", "a")])
    assert runs_of(twice, [Entry(5, "1", "a"), Entry(5, "2", "a")])


def test_sums_leave_no_trace_of_what_went():
    """0.1 added and taken away a million times in floats would."""
    rule = Correlation("c", "value_sum", ("a",), 10, op="gt", threshold=0, fields=("v",))
    held = [Entry(number, f"{number}", "a", 0.1) for number in range(2_000)]
    held.append(Entry(5_000, "last", "a", -0.0))
    assert [run.last for run in runs_of(rule, held)] == [1_999]


@pytest.mark.parametrize(
    ("value", "number"),
    [("1e3", 1000.0), (" 7 ", 7.0), (True, None), ("inf", None), ("x", None), (None, None), (10**400, None)],
)  # fmt: skip
def test_only_finite_numbers_are_added(value: object, number: float | None):
    assert number_of(value) == number
