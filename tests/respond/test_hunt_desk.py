from __future__ import annotations

from datetime import timedelta

import pytest

from soc.respond.hunt_desk import BUCKETS, MOST_BUCKETS, HuntDesk, bucket_of
from tests.respond.builders import CONSTRUCTION, T, after


class Recorder:
    """Keeps what it was asked and answers like a store with two events in one bucket."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def search(self, scope, query, **wanted):
        self.asked.append(("search", scope, query, wanted))
        return self

    def aggregate(self, scope, query, aggs, **wanted):
        self.asked.append(("aggregate", scope, query, aggs))
        bucket = {"key": int(T.timestamp() * 1000), "doc_count": 2}
        return {name: {"buckets": [bucket]} for name in aggs}

    events = ()


def test_a_hunt_asks_the_store_within_the_callers_scope():
    """Both for the page and for the bars."""
    store = Recorder()
    found = HuntDesk(store).hunt(CONSTRUCTION, "a:b", start=T, end=after(hours=1))
    assert [asked[1] for asked in store.asked] == [CONSTRUCTION, CONSTRUCTION]
    assert found.histogram == ((T, 2),)


@pytest.mark.parametrize("hours", [0.01, 1, 24, 24 * 7, 24 * 365])
def test_a_histogram_never_has_more_bars_than_fit(hours):
    """From a minute to a year."""
    span = timedelta(hours=hours)
    width = bucket_of(span)
    assert span / width <= MOST_BUCKETS
    assert width in BUCKETS or width % BUCKETS[-1] == timedelta(0)


def test_a_host_name_cannot_break_out_of_the_query():
    """Quotes and backslashes are text."""
    store = Recorder()
    HuntDesk(store).around(CONSTRUCTION, 'a" OR "b\\', T, within=timedelta(minutes=5))
    assert store.asked[0][2] == 'host.name:"a\\" OR \\"b\\\\"'
