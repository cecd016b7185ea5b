"""Two groups under way at once: the second leans on the first only when the first is stored."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

from soc.errors import StoreError
from soc.receive.ingest import Ingest
from soc.receive.streams import missing
from tests.receive.builders import PROVINCE, LogStore, a_batch, a_flow


class GatedStore(LogStore):
    """A store whose first append waits at a gate, and then fails as often as it is told."""

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(path)
        self.began, self.gate, self.failures = threading.Event(), threading.Event(), failures

    def append(self, scope, events, *, maybe_stored=False):
        self.began.set()
        assert self.gate.wait(20)
        if self.failures:
            self.failures -= 1
            raise StoreError("for a moment")
        return super().append(scope, events, maybe_stored=maybe_stored)


@pytest.mark.parametrize(("failures", "first_is_stored"), [(0, True), (1, True), (2, False)])
def test_what_leans_on_a_group_that_fails_is_prepared_again(
    database, sender, plain_reader, tmp_path, failures, first_is_stored
):
    """The second batch repeats the first; both are answered truthfully, and all is stored once."""
    store = GatedStore(tmp_path / "events.jsonl", failures)
    steps: Counter[str] = Counter()
    second_is_read = threading.Event()

    def reached(step: str) -> None:
        steps[step] += 1
        if step == "read" and steps["read"] == 2:
            second_is_read.set()

    ingest = Ingest(a_flow(database, store, reached=reached))
    ingest.start()
    first = ingest.submit(a_batch(sender, ["one", "evil"]))
    assert store.began.wait(20)
    second = ingest.submit(a_batch(sender, ["one", "evil", "three"]))
    assert second_is_read.wait(20)  # prepared while the first is being committed
    assert store.events() == []
    store.gate.set()
    assert (first.exception(20) is None) == first_is_stored
    assert second.result(20).events == (3 if not first_is_stored else 1)
    ingest.stop()
    assert sorted(event.raw for event in store.events()) == [b"evil", b"one", b"three"]
    assert missing(database, PROVINCE) == []


def test_other_bytes_of_a_record_on_its_way_are_set_aside(database, sender, plain_reader, tmp_path):
    """Also before the first is stored."""
    store = GatedStore(tmp_path / "events.jsonl", 0)
    ingest = Ingest(a_flow(database, store))
    ingest.start()
    first = ingest.submit(a_batch(sender, ["one"]))
    assert store.began.wait(20)
    second = ingest.submit(a_batch(sender, ["two"]))
    store.gate.set()
    assert first.result(20).events == 1
    assert (second.result(20).set_aside, second.result().duplicates) == (1, 1)
    ingest.stop()


def test_a_call_runs_when_nothing_is_under_way(database, sender, plain_reader, tmp_path):
    """Expiry and replay never meet a commit."""
    store = GatedStore(tmp_path / "events.jsonl", 0)
    ingest = Ingest(a_flow(database, store))
    ingest.start()
    batch = ingest.submit(a_batch(sender, ["one"]))
    assert store.began.wait(20)
    call = ingest.call(lambda: len(store.events()))
    store.gate.set()
    assert call.result(20) == 1
    assert batch.result(20).events == 1
    ingest.stop()


def test_a_sender_that_went_away_does_not_stop_the_others(flow, store, sender):
    """Its batch is stored; nobody hears the answer."""
    ingest = Ingest(flow)
    gone = ingest.submit(a_batch(sender, ["one"]))
    assert gone.cancel()
    stays = ingest.submit(a_batch(sender, ["two"], first=2))
    ingest.start()
    assert stays.result(20).events == 1
    ingest.stop()
    assert ingest.waiting_bytes == 0
    assert [event.raw for event in store.events()] == [b"one", b"two"]
