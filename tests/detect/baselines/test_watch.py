"""The worker's watch: stored events in the order of arrival, each counted once and each finding told once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from soc.alert.join import Joiner
from soc.detect.baselines.detectors import FORMAT
from soc.detect.baselines.watch import PAGE, SAVE_EVERY, BaselineWatch
from soc.model.event import Event, Signal
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.baselines import BaselineRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.site.work import keeping
from soc.store.embedded import EmbeddedStore
from tests.detect.baselines.flows import START, detectors, flow
from tests.store.events import MONTHS

PROVINCE = Scope.province("tests")
STRANGERS = int(os.environ.get("SOC_STRANGERS", "330000"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path / "events", months=MONTHS, writable=True)
    yield made
    made.close()


def watch_of(database: Database, store: EmbeddedStore) -> BaselineWatch:
    return BaselineWatch(database, store, detectors, keeping(database))


def beacon(calls: int) -> list[Event]:
    return [flow(n * 300 + n % 3, "10.14.1.7", "203.0.113.9", 443) for n in range(1, calls + 1)]


def put(store: EmbeddedStore, events: Sequence[Event], after: timedelta = timedelta(0)) -> datetime:
    """Stored as they happen, one batch each; the time of the last arrival."""
    arrived = [replace(one, received_at=one.observed_at + after) for one in events]
    store.append(PROVINCE, arrived)
    return arrived[-1].received_at


def signals(database: Database) -> list[SignalRow]:
    with database.session(PROVINCE) as session:
        return list(session.scalars(select(SignalRow).order_by(SignalRow.number)))


def test_a_beacon_becomes_one_alert_with_its_numbers(database: Database, store: EmbeddedStore):
    watch = watch_of(database, store)
    now = put(store, beacon(30)) + timedelta(minutes=1)
    assert watch.work(now) == 30
    assert watch.work(now + timedelta(minutes=1)) == 0
    Joiner(database).join(now)
    with database.session(PROVINCE) as session:
        (alert,) = session.scalars(select(AlertRow))
    assert (alert.rule_id, alert.signals, alert.agency_id) == ("soc-beacon", 1, "sxd")
    assert alert.title_vi == "Một máy gọi đều đặn ra một địa chỉ bên ngoài"
    assert "cách nhau" in alert.summary


def test_events_are_looked_at_once_however_they_arrive(database: Database, store: EmbeddedStore):
    """Page by page, with new ones between two looks, and with those that share one moment of arrival."""
    watch, looked = watch_of(database, store), 0
    many = [flow(n / 100, f"10.14.{n % 200}.7", "203.0.113.9", 80) for n in range(2 * PAGE + 500)]
    for part in range(0, len(many), 900):
        arrived = many[part].observed_at + timedelta(seconds=30)
        store.append(
            PROVINCE, [replace(one, received_at=arrived) for one in many[part : part + 900]]
        )
        looked += watch.work(arrived + timedelta(seconds=10))
    assert looked == len(many)


def test_what_has_just_arrived_waits_until_it_is_settled(database: Database, store: EmbeddedStore):
    """Two batches of one moment may be committed one after the other."""
    watch = watch_of(database, store)
    arrived = put(store, beacon(5))
    assert watch.work(arrived + timedelta(seconds=2)) == 4
    assert watch.work(arrived + timedelta(seconds=5)) == 1


@pytest.mark.parametrize("stop_after", range(0, 30, 3))
@pytest.mark.parametrize("is_saved", [True, False])
def test_a_death_at_any_moment_counts_nothing_twice_and_tells_nothing_twice(
    database: Database, store: EmbeddedStore, stop_after: int, is_saved: bool
):
    """Whether the counters were saved just before, or never: the same signal as without a death."""
    events = beacon(30)
    first = watch_of(database, store)
    if stop_after:
        now = put(store, events[:stop_after]) + timedelta(seconds=10)
        first.work(now)
        if is_saved:
            first.save(now)
    now = put(store, events[stop_after:]) + timedelta(seconds=10)
    watch_of(database, store).work(now)
    (found,) = signals(database)
    assert found.id == expected().id
    assert found.fields["soc.baseline.calls"] == 12


STEPS = ("keep", "kept", "save", "saved")
DIES = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from soc.records.database import Database
from soc.store.embedded import EmbeddedStore
from tests.detect.baselines import test_watch
url, folder, step, *rounds = sys.argv[1:]
def die(at):
    if at == step:
        os.kill(os.getpid(), signal.SIGKILL)
database = Database(url)
store = EmbeddedStore(Path(folder), months=test_watch.MONTHS, writable=False)
watch = test_watch.watch_of(database, store)
keep = watch.keep
def keeps(signals):
    die("keep"), keep(signals), die("kept")
watch.keep = keeps
for now in map(datetime.fromisoformat, rounds):
    watch.work(now)
    die("save"), watch.save(now), die("saved")
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_any_two_steps_neither_loses_nor_tells_twice(
    database: Database, store: EmbeddedStore, tmp_path: Path, step: str
):
    """The process ends by SIGKILL at the step, and another one reads on: one signal, the same as without a death."""
    now = put(store, beacon(30)) + timedelta(seconds=10)
    done = subprocess.run(
        [sys.executable, "-c", DIES, database.url, str(tmp_path / "events"), step, now.isoformat()],
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(signals(database)) == (0 if step == "keep" else 1)
    again = watch_of(database, store)
    assert again.work(now) == (0 if step == "saved" else 30)
    again.save(now)
    (found,) = signals(database)
    assert found.id == expected().id
    with database.session(PROVINCE) as session:
        row = session.get(BaselineRow, "network")
        assert row is not None
        assert (row.events, row.findings) == (30, 1)


def expected() -> Signal:
    one = detectors()
    (finding,) = [found for event in beacon(30) for found in one.observe(event)]
    return finding.signal()


def test_counters_are_saved_every_five_minutes_and_not_more_often(
    database: Database, store: EmbeddedStore
):
    watch, saved = watch_of(database, store), set()
    for event in beacon(10):
        now = put(store, [event]) + timedelta(seconds=10)
        watch.work(now)
        with database.session(PROVINCE) as session:
            row = session.get(BaselineRow, "network")
            saved.add(row.saved_at if row else None)
    assert len(saved) > 5
    quick = now
    for n in range(1, 10):
        quick = now + n * SAVE_EVERY / 20
        watch.work(quick)
    with database.session(PROVINCE) as session:
        row = session.get(BaselineRow, "network")
        assert row is not None
        assert row.saved_at == now


@pytest.mark.parametrize(
    "damaged",
    [b"\xff\x00 no state", msgspec.msgpack.encode([FORMAT, {"scan": []}]), b"\x92\x63\x80"],
)
def test_a_damaged_state_begins_anew_and_reads_on(
    database: Database, store: EmbeddedStore, damaged: bytes
):
    now = put(store, beacon(6)) + timedelta(seconds=10)
    first = watch_of(database, store)
    first.work(now)
    first.save(now)
    with database.write(PROVINCE) as session:
        row = session.get(BaselineRow, "network")
        assert row is not None
        row.state = damaged
    later = [flow(7_200 + n * 300, "10.14.1.7", "203.0.113.9", 443) for n in range(15)]
    watch = watch_of(database, store)
    assert watch.work(put(store, later) + timedelta(seconds=10)) == 15
    assert len(signals(database)) == 1


@pytest.mark.slow
def test_memory_is_bounded_and_what_is_evicted_is_counted():
    """Fifty thousand strangers, each with a port of its own."""
    one = detectors()
    for n in range(50_000):
        address = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        for _ in one.observe(flow(n / 1_000, address, f"203.0.113.{n % 250 + 1}", n % 60_000 + 1)):
            pass
    held = {detector.name: detector.held() for detector in one.all}
    assert held["scan"][0] == 40_000
    assert held["scan"][1] == 60_000
    assert held["beacon"][0] <= 70_000
    assert START.tzinfo is not None


@pytest.mark.slow
def test_memory_is_flat_under_many_strangers():
    """Full tables do not grow; ``SOC_STRANGERS`` says how many come (a third of a million unless said)."""
    one, resident = detectors(), []
    for n in range(STRANGERS):
        address = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        to = f"203.{n // 62_500}.{n // 250 % 250}.{n % 250 + 1}"
        for _ in one.observe(flow(n / 1_000, address, to, n % 50_000 + 10_000)):
            pass
        if n in (STRANGERS // 3, STRANGERS - 1):
            resident.append(resident_bytes())
    held = {detector.name: detector.held() for detector in one.all}
    assert held["scan"] == (40_000, 2 * STRANGERS - 40_000)
    assert held["beacon"] == (70_000, 2 * STRANGERS - 70_000)
    assert held["volume"] == (20_000, STRANGERS - 20_000)
    assert resident[1] < resident[0] * 1.1


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
