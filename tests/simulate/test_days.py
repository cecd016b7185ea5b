"""Made-up days: readable, the same again, quiet without attacks."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

import pytest

from soc.collect.discovery import read, readers
from soc.detect.packs import Pack
from soc.model.event import RawRecord
from soc.simulate import Plan, Record, days, scenario_names, site_of
from soc.simulate.record import VIETNAM
from soc.simulate.working_hours import presence
from tests.simulate.judging import alarms

SMALL = Plan(workstations=20, servers=12, attacks=scenario_names())
DIGEST = """
import hashlib, sys
from soc.simulate import Plan, days, scenario_names
total = hashlib.sha256()
for record in days(Plan(workstations=3, servers=6, attacks=scenario_names())):
    total.update(record.raw)
print(total.hexdigest())
"""


@pytest.fixture(scope="module")
def small() -> list[Record]:
    return list(days(SMALL))


def events(records: list[Record]) -> Iterator[tuple[Record, dict[str, object]]]:
    for record in records:
        raw = RawRecord(record.raw, record.source, received_at=record.at, host=record.host)
        for event in read(raw):
            assert event.observed_at - record.at < timedelta(seconds=1)
            assert record.at - event.observed_at < timedelta(seconds=1)
            yield record, dict(event.fields)


def test_every_record_is_read_and_tells_its_host_and_time(small: list[Record]) -> None:
    """Each record gives one event: nothing is set aside, and the host is below the documented example domain."""
    read_events = list(events(small))
    assert len(read_events) == len(small)
    assert {record.source for record in small} == {
        *("windows_xml", "linux_audit", "syslog", "web_access", "fortigate")
    }
    for record, fields in read_events:
        assert record.host.endswith(".tinh.example")
        assert fields["host.name"] in (record.host, "FG-SYNTHETIC")


def test_each_record_finds_its_reader_by_itself(small: list[Record]) -> None:
    """A file of unknown origin (``--source auto``) is read as what it is."""
    wanted = {record.source: record for record in small}
    for name, record in wanted.items():
        event = next(iter(read(RawRecord(record.raw, "auto", received_at=record.at, host="x"))))
        assert event.source == name
    assert set(wanted) <= set(readers())


def test_the_kinds_of_an_office_day_are_there(small: list[Record]) -> None:
    """Log-ins, their mistakes, processes, Kerberos, prints, updates, Linux, portal, firewall, DNS."""
    codes = Counter(str(fields.get("event.code", "")) for _, fields in events(small))
    for code in (
        "4624",
        "4634",
        "4625",
        "4688",
        "1",
        "22",
        "4768",
        "4769",
        "5140",
        "307",
        "19",
        "1001",
    ):
        assert codes[code], code
    sets = Counter(str(fields["event.dataset"]) for _, fields in events(small))
    for name in ("linux.auth", "linux.process", "web.access", "fortigate.traffic", "fortigate.utm"):
        assert sets[name], name


def test_records_come_in_order_and_numbers_of_a_log_count_up(small: list[Record]) -> None:
    assert all(one.at <= other.at for one, other in pairwise(small))
    last: dict[tuple[str, str], int] = {}
    for _, fields in events([one for one in small if one.source == "windows_xml"]):
        log = (str(fields["host.name"]), str(fields["winlog.channel"]))
        number = int(str(fields["winlog.record_id"]))
        assert number == last.get(log, 1_000) + 1
        last[log] = number


def test_desks_are_empty_at_night_and_at_weekends() -> None:
    """Processes of workstations lie between 7 and 22 o'clock; on Saturday hardly anybody is there."""
    plan = Plan(workstations=100, servers=6, rate=0.3)
    desk = [one.at.astimezone(VIETNAM).hour for one in days(plan) if one.host.startswith("WS-")]
    assert desk
    assert min(desk) >= 6
    assert max(desk) <= 22
    assert desk.count(12) < desk.count(10) / 2
    machines = site_of(plan).workstations
    there = {
        day: sum(presence(plan, day, machine) is not None for machine in machines)
        for day in (date(2026, 11, 27), date(2026, 11, 28))
    }
    assert there[date(2026, 11, 27)] > 80
    assert there[date(2026, 11, 28)] < 15


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_the_same_plan_gives_the_same_bytes_in_any_process(hash_seed: str) -> None:
    """The digest is that of this process, whatever PYTHONHASHSEED."""
    total = hashlib.sha256()
    for record in days(Plan(workstations=3, servers=6, attacks=scenario_names())):
        total.update(record.raw)
    found = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == total.hexdigest()


def test_another_seed_gives_other_bytes_and_another_host_changes_no_other() -> None:
    """Drawing is by host: the records of the first workstation stay when one is added."""

    def first(plan: Plan) -> list[str]:
        return [
            one.raw.decode().partition("<Channel>")[2]
            for one in days(plan)
            if one.host.startswith("WS-STTTT-0001")
        ]

    few, more = (Plan(workstations=number, servers=6) for number in (2, 3))
    assert first(few) == first(more)
    assert first(few) != first(Plan(seed=2, workstations=2, servers=6))


def test_the_rate_multiplies_the_work() -> None:
    once, thrice = (
        sum(1 for _ in days(Plan(workstations=20, servers=6, rate=rate))) for rate in (1.0, 3.0)
    )
    assert 2 < thrice / once < 3.2


def test_more_days_take_no_more_memory() -> None:
    """Four days peak where one does; days differ by less than a third, and keeping their records would triple it."""

    def peak(number: int) -> int:
        tracemalloc.start()
        for _ in days(
            Plan(days=number, workstations=10, servers=6, rate=0.5, attacks=scenario_names())
        ):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    list(itertools.islice(days(SMALL), 1))  # imports and caches
    assert peak(4) < 1.33 * peak(1)


def test_two_working_days_alarm_only_for_the_configuration_management(pack: Pack) -> None:
    """One alert a day, of level medium: the account of configuration management visits six servers at 6:00."""
    found = alarms(days(Plan(days=2, workstations=30, servers=12)), pack)
    assert Counter((one.level, one.title) for one in found) == {
        ("medium", "One account opens SSH on many servers"): 2
    }


@pytest.mark.parametrize(
    "plan",
    [Plan(workstations=0), Plan(servers=5), Plan(servers=900), Plan(attacks=("no-such",))],
)
def test_a_plan_out_of_its_limits_is_refused_with_the_remedy(plan: Plan) -> None:
    with pytest.raises(ValueError, match=r"workstations: 1 to|servers: 6|known: brute-force"):
        next(days(plan))
