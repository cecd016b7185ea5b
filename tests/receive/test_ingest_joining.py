"""While one group is being committed, what comes is prepared and joined to the next."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from soc.errors import StoreError
from soc.receive.ingest import Ingest
from tests.receive.builders import a_batch


class Slow:
    """A real flow whose first commit waits for ``go``, and fails if told so; ``digests`` gives later rule sets."""

    def __init__(self, flow, *, fails: bool = False, digests: tuple[str, ...] = ()) -> None:
        self.flow, self.fails, self.digests = flow, fails, list(digests)
        self.go, self.sizes, self.prepared = threading.Event(), [], 0

    def prepare(self, batches, now, ahead=None):
        made = self.flow.prepare(batches, now, ahead)
        self.prepared += len(batches)
        return replace(made, rules_digest=self.digests.pop(0)) if self.digests else made

    def commit(self, group):
        self.sizes.append(len(group.plans))
        if len(self.sizes) == 1:
            self.go.wait(10)
            if self.fails:
                raise StoreError("the disk is broken")
        return self.flow.commit(group)


def carry(slow: Slow, sender) -> list[object]:
    """Submit one batch, then three more while it is committed; the last repeats the third. Their receipts."""
    ingest = Ingest(slow)
    ingest.start()
    answers = [ingest.submit(a_batch(sender, ["1"], first=1))]
    for text, first in (("2", 2), ("3", 3), ("3", 3)):
        deadline = time.monotonic() + 10
        while slow.prepared < len(answers) and time.monotonic() < deadline:
            time.sleep(0.005)
        answers.append(ingest.submit(a_batch(sender, [text], first=first)))
    while slow.prepared < 4 and not slow.digests and time.monotonic() < deadline:
        time.sleep(0.005)
    slow.go.set()
    receipts = [answer.result(10) for answer in answers]
    ingest.stop()
    return receipts


def test_what_comes_during_a_commit_is_joined_into_one_group(flow, store, sender):
    """One commit for three batches, and the repeated record once."""
    slow = Slow(flow)
    receipts = carry(slow, sender)
    assert slow.sizes == [1, 3]
    assert [receipt.duplicates for receipt in receipts] == [0, 0, 0, 1]
    assert sorted(event.raw for event in store.events()) == [b"1", b"2", b"3"]


def test_what_was_joined_behind_a_group_that_failed_is_stored_once_all_the_same(
    flow, store, sender
):
    """The failed group is tried again, and what leaned on it is prepared anew."""
    carry(Slow(flow, fails=True), sender)
    assert sorted(event.raw for event in store.events()) == [b"1", b"2", b"3"]


@pytest.mark.slow
def test_groups_judged_by_different_rules_are_not_joined(flow, store, sender):
    """A batch's row names the rule set that judged it."""
    slow = Slow(flow, digests=("old", "old", "new"))
    carry(slow, sender)
    assert sum(slow.sizes) == 4
    assert slow.sizes[:2] == [1, 1]
    assert sorted(event.raw for event in store.events()) == [b"1", b"2", b"3"]
