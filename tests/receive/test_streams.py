"""Ranges of sequence numbers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.receive.streams import Loss, Ranges, StreamState, runs

pieces = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=20
)


@given(pieces)
def test_ranges_are_the_set_of_their_numbers(added):
    """Whatever is added in whatever order."""
    numbers = {n for first, last in added for n in range(first, last + 1)}
    ranges = Ranges(added)
    assert {n for first, last in ranges.pairs() for n in range(first, last + 1)} == numbers
    assert len(ranges) == len(numbers)
    assert {n for n in range(80) if n in ranges} == numbers


@given(pieces)
def test_pairs_are_sorted_and_never_touch(added):
    """So that one range means no gap."""
    pairs = Ranges(added).pairs()
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(pairs))


@given(pieces)
def test_gaps_are_what_is_missing_below_the_last(added):
    """From 1 on."""
    ranges = Ranges(added)
    missing = {n for first, last in ranges.gaps() for n in range(first, last + 1)}
    assert missing == {n for n in range(1, ranges.last + 1) if n not in ranges}


@given(pieces, st.integers(1, 70), st.integers(0, 9))
def test_covers_asks_for_every_number(added, first, more):
    """One missing number is enough for no."""
    ranges = Ranges(added)
    every = all(n in ranges for n in range(first, first + more + 1))
    assert ranges.covers(first, first + more) == every


@given(st.lists(st.integers(1, 50), unique=True))
def test_runs_say_every_number_once_in_order(numbers):
    """Runs are only another way to write the list."""
    assert [n for first, last in runs(numbers) for n in range(first, last + 1)] == numbers


def test_a_range_that_ends_before_it_begins_is_refused():
    """A wrong sum somewhere must not pass as an empty range."""
    with pytest.raises(ValueError, match="from 5 to 4"):
        Ranges().add(5, 4)


def test_a_loss_at_the_end_leaves_no_gap_before_it():
    """The stream may end with a drop."""
    state = StreamState(received=Ranges([(1, 4)]), losses=[Loss(5, 9, "spool full")])
    assert state.unnamed_gaps() == []
