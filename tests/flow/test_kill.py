"""The promise of the door, with real processes: acknowledged means stored, exactly once, whatever dies when.

``SOC_KILLS`` says how many SIGKILLs (200 in ``make long-kills``, with 50,000 records; 40 and 10,000 otherwise).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.receive.streams import missing
from soc.records.batches import BatchRow, SetAsideRow, SignalRow
from tests.flow.real_processes import PROVINCE, Site, wait_for

KILLS = int(os.environ.get("SOC_KILLS", "40"))
RECORDS = 50_000 if KILLS >= 200 else 10_000
MARKED_EVERY = 100
BAD_EVERY = 250  # invalid UTF-8
UNREADABLE_EVERY = 333  # UTF-8, but no event
FILES = 3


def record(number: int) -> bytes:
    """One line of a log, unlike every other."""
    if number % BAD_EVERY == 1:
        return b"\xff\xfe\x80 record %d \xc3(" % number
    if number % UNREADABLE_EVERY == 2:
        return b"this is no JSON: record %d" % number
    mark = "marked-by-the-test" if number % MARKED_EVERY == 0 else "plain"
    event = {
        "@timestamp": "2026-11-22T03:00:00Z",
        "event": {"category": ["process"], "type": ["start"], "dataset": "linux.process"},
        "host": {"os": {"type": "linux"}},
        "process": {
            "command_line": f"/bin/echo {mark} {number} {hashlib.md5(b'%d' % number).hexdigest()}"
        },
        "labels": {"number": str(number)},
    }
    return json.dumps(event).encode()


class Log:
    """Files that grow, as applications write them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.paths = [folder / f"app-{number}.log" for number in range(FILES)]
        self.written = 0

    def write(self, records: int) -> None:
        for path in self.paths:
            with path.open("ab") as file:
                first = self.written + 1 + self.paths.index(path)
                file.writelines(
                    record(n) + b"\n" for n in range(first, self.written + records + 1, FILES)
                )
        self.written += records


class Acknowledged:
    """How much the door has closed, and whether it has a batch in hand, read from its own records."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def records(self) -> int:
        rows = self._connection.execute("SELECT sum(records) FROM streams WHERE name LIKE 'file:%'")
        return int(rows.fetchone()[0] or 0)

    def in_hand(self) -> bool:
        rows = self._connection.execute("SELECT count(*) FROM batches WHERE NOT done")
        return bool(rows.fetchone()[0])


@pytest.mark.slow
@pytest.mark.timeout(3600 if KILLS >= 200 else 600)
def test_every_record_is_stored_once_whatever_is_killed(tmp_path):
    """Half of the kills hit the door with a batch in hand, half the agent, each after a new acknowledgement."""
    site = Site.prepare(tmp_path / "site")
    log = Log(tmp_path / "logs")
    site.start_door()
    try:
        site.wait_for_door()
        inputs = [
            {"kind": "file", "paths": [str(tmp_path / "logs" / "*.log")], "source": "json_lines"}
        ]
        agent = site.enrol("one", inputs)
        site.start_agent(agent)
        kills = _kill_all(site, agent, log)
        assert kills == {"door": KILLS // 2, "agent": KILLS - KILLS // 2}
        log.write(RECORDS - log.written)
        acknowledged = Acknowledged(site.reading())
        wait_for("all records", lambda: acknowledged.records() >= RECORDS, 120)
    finally:
        site.stop()
    assert_stored_exactly_once(site, [record(n) for n in range(1, RECORDS + 1)])


def _kill_all(site: Site, agent: Path, log: Log) -> Counter[str]:
    dice = random.Random(20261122)
    acknowledged = Acknowledged(site.reading())
    kills: Counter[str] = Counter()
    at_once = RECORDS // (KILLS + 1)
    while kills.total() < KILLS:
        before = acknowledged.records()
        log.write(min(at_once // 2, RECORDS - log.written))
        wait_for("a new acknowledgement", lambda: acknowledged.records() > before, 60)  # noqa: B023
        if log.written < RECORDS - at_once:
            log.write(at_once - at_once // 2)
        if kills["door"] < KILLS // 2 and kills["door"] <= kills["agent"]:
            wait_for("a batch in hand", acknowledged.in_hand, 60)
            site.kill_door()
            kills["door"] += acknowledged.in_hand()
            site.start_door()
        else:
            time.sleep(dice.uniform(0, 0.4))
            site.kill_agent(agent)
            kills["agent"] += 1
            site.start_agent(agent)
    return kills


def assert_stored_exactly_once(site: Site, sent: list[bytes]) -> None:
    """Events and set-aside records together are what was sent, byte for byte; a signal for each marked one."""
    from soc.store.embedded import EmbeddedStore

    store = EmbeddedStore(site.home / "events", months={}, writable=False)
    events = [
        one for one in store.scan(PROVINCE, "*") if one.fields["soc.stream"].startswith("file:")
    ]
    store.close()
    database = site.database()
    with database.session(PROVINCE) as session:
        aside = list(session.scalars(select(SetAsideRow)))
        signals = list(session.scalars(select(SignalRow)))
        still_open = list(session.scalars(select(BatchRow).where(BatchRow.done.is_(False))))
    holes = [str(hole) for hole in missing(database, PROVINCE)]
    database.close()
    kept = Counter(hashlib.sha256(one.raw).hexdigest() for one in [*events, *aside])
    assert kept == Counter(hashlib.sha256(one).hexdigest() for one in sent)
    assert len({event.id for event in events}) == len(events)
    marked = [event.id for event in events if b"marked-by-the-test" in event.raw]
    assert len(marked) == sum(b"marked-by-the-test" in one for one in sent)
    assert Counter(signal.event_id for signal in signals) == Counter(marked)
    assert {row.raw for row in aside} == {one for one in sent if not one.startswith(b"{")}
    assert (holes, [row.id for row in still_open]) == ([], [])
