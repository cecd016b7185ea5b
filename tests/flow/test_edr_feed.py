"""A day of EDR exports, by three ways and in seven products' writing, ends as the table it was made from."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from collectors.agent import wire
from collectors.agent.inputs.drop_folder import DropFolder
from collectors.agent.inputs.http_poll import HttpPoll, Poll, PollError
from collectors.agent.inputs.seen_rows import SeenRows
from collectors.agent.intake import Intake
from collectors.agent.notices import Notices
from collectors.agent.spool import Spool
from soc.collect.protection import SETTLED, ProtectionWatch, begin_anew
from soc.model.scope import Scope
from soc.normalise.protection.machines import machine_key
from soc.records.batches import SetAsideRow
from soc.records.database import Database
from soc.records.edr import EdrDetectionRow, EdrMachineRow
from soc.records.register import AgencyRow, AssetRow, RangeRow
from soc.register.ownership import Ownership
from soc.respond.edr_desk import AWAY_AFTER, STALE_AFTER, EdrDesk
from soc.respond.spread_desk import SpreadDesk
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore
from tests.agent.test_http_poll import TOKEN, Server, cuts, does_nothing, fails
from tests.flow.edr_exports import (
    AGENCIES,
    SPEAKING,
    SPREADING,
    Machine,
    cef_lines,
    files,
    polled,
    table,
)
from tests.receive.builders import NOW, a_batch, a_flow, a_sender

PROVINCE = Scope.province("tests")
FORGOTTEN = ("A000-PC-900", "A005-PC-901", "A187-PC-902")  # in the register, never in the feed
PRODUCT = {
    "kaspersky": "Kaspersky Security Center",
    "eset": "ESET PROTECT",
    "trend_micro": "Trend Micro Apex Central",
    "defender": "Microsoft Defender",
    "clamav": "ClamAV",
    "viettel": "Viettel EDR",
    "generic": "EDR",
}


class Province:
    """A register of 188 agencies, a door, a relay's spool, and the worker's duty."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database = folder, database
        self.store = EmbeddedStore(
            folder / "events", months=Settings(home=folder).retention_months, writable=True
        )
        with database.write(PROVINCE) as session:
            for number in range(AGENCIES):
                key = f"a-{number:03}"
                session.add(AgencyRow(id=key, code=key, name=f"Cơ quan {number:03}"))
                session.add(RangeRow(cidr=f"10.{number}.0.0/16", agency_id=key))
            for name in FORGOTTEN:
                session.add(
                    AssetRow(id=name, name=name, kind="workstation", agency_id=f"a-{name[1:4]}")
                )
        self.relay = a_sender(
            database, "relay-1", kind="relay", prefixes=["10.0.0.0/8"], agency_id=None
        )
        self.flow = a_flow(database, self.store, ownership=Ownership.load(database))
        self.watch = ProtectionWatch(database, self.store)
        self.spool = Spool(folder / "spool", limit_bytes=1 << 30)
        notices = Notices("relay-1", is_quiet=True)
        self.intake = Intake(self.spool, notices, wake=threading.Event(), stop=threading.Event())
        self.arrived = NOW
        self.sent: dict[str, int] = {}
        self.lines = 0

    def close(self) -> None:
        self.spool.close()
        self.store.close()

    def take(self, stream: str, source: str, rows: list[bytes], *, first: int) -> None:
        self.arrived += timedelta(seconds=1)
        for start in range(0, len(rows), 1_000):
            some = rows[start : start + 1_000]
            batch = a_batch(self.relay, some, stream=stream, source=source, first=first + start)
            self.flow.take([batch], self.arrived)

    def ship(self) -> None:
        """What the spool has, through the door."""
        frames, _ = self.spool._collect(self.spool.acked, None, 1 << 30)
        by_stream: dict[tuple[str, str], list[bytes]] = {}
        for frame in frames:
            records = [record.payload for _, _, record in wire.walk_records(frame.block)]
            by_stream.setdefault(tuple(frame.streams[0][:2]), []).extend(records)
        for (stream, source), rows in by_stream.items():
            if source != "edr":
                continue
            fresh = rows[self.sent.get(stream, 0) :]
            if fresh:
                self.take(stream, source, fresh, first=self.sent.get(stream, 0) + 1)
            self.sent[stream] = len(rows)

    def hear(self, lines: list[str]) -> None:
        """CEF lines by syslog."""
        rows = [f"<134>Nov 21 09:00:01 srv {line}".encode() for line in lines]
        self.take("syslog:udp:514/10.250.0.1", "cef", rows, first=self.lines + 1)
        self.lines += len(rows)

    def work(self) -> None:
        while self.watch.work(self.arrived + SETTLED):
            pass


@pytest.fixture
def province(tmp_path, database) -> Iterator[Province]:
    made = Province(tmp_path, database)
    yield made
    made.close()


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    (tmp_path / "keys").mkdir()
    made = Server(tmp_path / "keys")
    yield made
    made.http.shutdown()
    made.http.server_close()


def drop_all(province: Province, exports: dict[str, bytes], dice: random.Random) -> None:
    """Out of order; each third file is cut first, each fourth comes again under another name."""
    folder = province.folder / "drop"
    folder.mkdir()
    feed = DropFolder([f"{folder}/*"])
    names = sorted(exports)
    dice.shuffle(names)
    for number, name in enumerate(names):
        path, content = folder / name, exports[name]
        if number % 3 == 0:
            path.write_bytes(content[: dice.randrange(len(content))])
            feed.take_all(province.intake)
            province.ship()
        path.write_bytes(content)
        feed.take_all(province.intake)
        if number % 4 == 0:
            shutil.copy(path, folder / f"again-{name}")
            feed.take_all(province.intake)
        province.ship()
        province.work()


def poll_all(province: Province, server: Server, items: list[dict[str, object]]) -> None:
    """In two halves, with a 500 and a cut answer between, and the last items of the first half once more."""
    token = province.folder / "token"
    token.write_text(TOKEN)
    poll = Poll(
        server.url,
        token,
        server.ca,
        next="@odata.nextLink",
        since_parameter="since",
        since_field="updatedAt",
    )
    feed = HttpPoll(poll)
    seen = SeenRows(province.intake, feed.name)
    half = len(items) // 2
    for upto in (half, len(items)):
        server.alerts = items[:upto]
        server.troubles = [does_nothing, fails, does_nothing, cuts]
        for _ in range(9):
            try:
                feed.round(province.intake, seen, threading.Event())
                break
            except (PollError, OSError):
                continue
        province.ship()
    seen.close()


def told(province: Province, machines: list[Machine], server: Server, monkeypatch) -> None:
    """The whole day, by the three ways."""
    monkeypatch.setattr("tests.agent.test_http_poll.PAGE", 200)
    dice = random.Random(1)
    lines = cef_lines(machines)
    lines += dice.sample(lines, len(lines) // 10)
    dice.shuffle(lines)
    province.hear(lines[: len(lines) // 2])
    drop_all(province, files(machines), dice)
    poll_all(province, server, polled(machines))
    province.hear(lines[len(lines) // 2 :])
    province.work()


def equals_the_table(province: Province, machines: list[Machine]) -> None:
    with province.database.session(PROVINCE) as session:
        rows = session.scalars(select(EdrMachineRow)).all()
        found = {(row.agency_id, row.key): row for row in rows}
        detections = session.scalars(select(EdrDetectionRow)).all()
        set_aside = session.scalars(select(SetAsideRow)).all()
    assert [row.reason for row in set_aside] == []
    assert len(rows) == len(found) == len(machines)
    for one in machines:
        row, newest = found[f"a-{one.agency:03}", machine_key(one.name)], one.states[-1]
        said = (row.product, row.protection, row.signature_date, row.version, row.last_contact)
        truth = (
            PRODUCT[one.product],
            newest.protection,
            newest.signature,
            newest.version,
            one.contact,
        )
        assert said == truth, one.name
    assert sorted(
        (
            row.agency_id,
            row.machine_key,
            row.at,
            row.threat,
            row.path,
            row.hash,
            row.action,
            row.user,
        )
        for row in detections
    ) == sorted(
        (
            f"a-{one.agency:03}",
            machine_key(one.name),
            each.at,
            each.threat,
            each.path,
            each.hash,
            "unknown" if one.product == "clamav" and each.action == "cleaned" else each.action,
            each.user,
        )
        for one in machines
        for each in one.detections
    )


def lists_are_named(province: Province, machines: list[Machine]) -> None:
    views = EdrDesk(province.database).machines(PROVINCE, now=NOW)
    named = {
        problem: {
            view.machine.casefold().partition(".")[0] for view in views if problem in view.problems
        }
        for problem in ("missing", "off", "stale", "away")
    }
    assert named == {
        "missing": {name.casefold() for name in FORGOTTEN},
        "off": {one.name.casefold() for one in machines if one.states[-1].protection == "off"},
        "stale": {
            one.name.casefold() for one in machines if NOW - one.states[-1].signature > STALE_AFTER
        },
        "away": {one.name.casefold() for one in machines if NOW - one.contact > AWAY_AFTER},
    }


def every_agency_answers(province: Province, machines: list[Machine]) -> None:
    for value in {SPREADING[:40], SPREADING}:
        wanted = {
            f"a-{one.agency:03}"
            for one in machines
            for each in one.detections
            if each.hash == value
        }
        spread = SpreadDesk(province.database, province.store).spread(PROVINCE, value, now=NOW)
        assert {one.agency_id for one in spread.of("seen")} == wanted
        assert all(one.machines == 1 and one.hosts and one.first for one in spread.of("seen"))
        assert {one.agency_id for one in spread.of("silent")} == {
            f"a-{number:03}" for number in range(SPEAKING, AGENCIES)
        }
        assert len(spread.answers) == AGENCIES


def test_a_day_of_a_machine_at_each_agency_ends_as_its_table(province, server, monkeypatch):
    """The same as the large day, with one machine an agency."""
    machines = table(SPEAKING)
    told(province, machines, server, monkeypatch)
    equals_the_table(province, machines)
    lists_are_named(province, machines)
    every_agency_answers(province, machines)


@pytest.mark.slow
def test_a_day_of_2500_machines_ends_as_its_table(province, server, monkeypatch):
    """Three ways, seven products; repeats, late, cut and re-sent files, and a server that fails."""
    machines = table(2_500)
    told(province, machines, server, monkeypatch)
    equals_the_table(province, machines)
    lists_are_named(province, machines)
    every_agency_answers(province, machines)


def test_reading_everything_again_changes_nothing(province):
    """The tables are merged, not counted."""
    machines = [one for one in table(SPEAKING) if one.product in ("viettel", "kaspersky")]
    province.hear(cef_lines(machines))
    province.work()
    before = rows_of(province)
    begin_anew(province.database)
    province.work()
    assert rows_of(province) == before
    assert before


def rows_of(province: Province) -> list[tuple[object, ...]]:
    with province.database.session(PROVINCE) as session:
        machines = session.scalars(select(EdrMachineRow).order_by(EdrMachineRow.id)).all()
        detections = session.scalars(select(EdrDetectionRow).order_by(EdrDetectionRow.id)).all()
    return [
        tuple(getattr(row, column.key) for column in row.__table__.columns)
        for row in (*machines, *detections)
    ]
