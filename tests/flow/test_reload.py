"""New rules while batches arrive: nothing is lost, each batch is judged by one rule set, and the old ones go."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import select

from soc.collect import discovery
from soc.detect.current import publish
from soc.detect.letting_go import Leaving, no_collections
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack
from soc.errors import RuleError
from soc.model.event import Event, RawRecord
from soc.receive.batches import Batch
from soc.receive.plans import Receipt
from soc.records.batches import BatchRow, SignalRow
from soc.records.database import Database
from soc.settings import Settings
from soc.site.door import DoorProcess
from tests.detect.builders import ID, rule, write_rules
from tests.receive.builders import NOW, PLAIN, PROVINCE, a_batch, a_sender

BATCHES, RECORDS, RELOADS = 90, 4, 12


def pack(folder: Path, number: int) -> Pack:
    """One rule that matches every event of this test."""
    detection = {"s": {"message|startswith": "batch"}, "condition": "s"}
    source = {"product": "test", "service": "unit"}
    return compile_pack(
        [write_rules(folder / f"{number}", [rule(number, detection, logsource=source)])]
    )


@pytest.fixture
def packs(tmp_path: Path) -> tuple[Pack, Pack]:
    return pack(tmp_path, 1), pack(tmp_path, 2)


def read(record: RawRecord) -> Iterator[Event]:
    fields = {"message": record.raw.decode(), "event.dataset": "test.unit"}
    yield Event("plain", record.received_at, fields, record.raw)


@pytest.fixture
def door(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DoorProcess]:
    monkeypatch.setattr(discovery, "readers", lambda: MappingProxyType({"plain": PLAIN}))
    monkeypatch.setattr(discovery, "read", read)
    settings = Settings(home=tmp_path, database=database.url)
    settings.keys_home.mkdir()
    process = DoorProcess(settings, database, lambda step: None)
    yield process
    process.ingest.stop()
    process.store.close()


def use(door: DoorProcess, pack: Pack) -> Matcher:
    """What the worker does, and then the door's chore."""
    publish(pack, door.settings.packs_home)
    door._refresh_rules()
    assert door._matcher is not None
    return door._matcher


def test_no_event_is_lost_and_each_batch_is_judged_by_one_rule_set(
    door: DoorProcess, packs: tuple[Pack, Pack], database: Database
):
    sender = a_sender(database)
    batches = [
        a_batch(sender, [f"batch {number} {one}" for one in range(RECORDS)], first=1 + number * RECORDS)
        for number in range(BATCHES)
    ]  # fmt: skip
    use(door, packs[0])
    door.ingest.start()
    answers: list[Future[Receipt]] = []

    def send(some: list[Batch]) -> None:
        for batch in some:
            answers.append(door.ingest.submit(batch))
            answers[-1].result(30)

    senders = [threading.Thread(target=send, args=(batches[part::3],)) for part in range(3)]
    for thread in senders:
        thread.start()
    for number in range(1, RELOADS):
        while len(answers) < number * BATCHES // RELOADS:
            time.sleep(0.001)
        use(door, packs[number % 2])
        door._let_go()
    for thread in senders:
        thread.join()
    assert sum(answer.result(30).events for answer in answers) == BATCHES * RECORDS
    door.ingest.stop()
    with database.session(PROVINCE) as session:
        digests = dict(session.execute(select(BatchRow.id, BatchRow.rules_digest)).all())
        rows = list(session.scalars(select(SignalRow)))
    rule_of = {one.digest: next(iter(one.rules)) for one in packs}
    told = Counter(
        (row.fields["message"].split()[1], row.rule_id)
        for row in rows
        if row.rule_id in rule_of.values()  # the platform's own remarks about clocks are no rule's
    )
    assert set(digests.values()) == set(rule_of)
    assert told == {
        (f"{number}", rule_of[digests[batch.id]]): RECORDS for number, batch in enumerate(batches)
    }
    assert door.store.count(PROVINCE, "message:batch") == BATCHES * RECORDS


def test_rules_that_change_in_the_middle_of_a_batch_judge_the_next(
    door: DoorProcess, packs: tuple[Pack, Pack], database: Database
):
    """The batch is judged, and told to have been judged, by the rules that it began with."""
    batch = a_batch(a_sender(database), ["batch 0"])
    use(door, packs[0])
    door.flow.reached = lambda step: step == "planned" and use(door, packs[1])
    middle = door.flow.prepare([batch], NOW)
    after = door.flow.prepare([batch], NOW)
    for prepared, number in ((middle, 0), (after, 1)):
        assert prepared.rules_digest == packs[number].digest
        assert [one.rule_id for one in prepared.signals] == [ID.format(number + 1)]


def test_the_old_rules_leave_the_memory_without_a_collection(
    door: DoorProcess, packs: tuple[Pack, Pack]
):
    """What is frozen is never collected: a cycle in a matcher would stay for ever."""
    gc.disable()
    try:
        old = weakref.ref(use(door, packs[0]))
        door.flow.rules.judge([Event("t", NOW, {"message": "batch"}, b"")])
        use(door, packs[1])
        assert old() is None
        (leaving,) = door._leaving
        assert leaving._pieces  # freed piece by piece, not all at once
        door._let_go()
        assert (leaving._pieces, door._leaving) == ([], [])
    finally:
        gc.enable()


def test_rules_that_are_in_use_are_not_taken_apart(packs: tuple[Pack, Pack]):
    matcher = Matcher(packs[0])
    event = {"message": "batch", "event.dataset": "test.unit"}
    leaving = Leaving(matcher)
    assert not leaving.let_go()
    assert matcher.match(event) == (ID.format(1),)
    del matcher
    assert leaving.let_go()


def test_a_damaged_pack_leaves_the_rules_in_use(door: DoorProcess, packs: tuple[Pack, Pack]):
    use(door, packs[0])
    publish(packs[1], door.settings.packs_home)
    (door.settings.packs_home / f"{packs[1].digest}.pack").write_bytes(b"\x80")
    with pytest.raises(RuleError, match="compile the rules again"):
        door._refresh_rules()
    assert door.flow.rules.digest == packs[0].digest
    assert gc.isenabled()


def test_the_collector_is_on_again_whatever_happens():
    def fail() -> None:
        with no_collections():
            assert not gc.isenabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gc.isenabled()
