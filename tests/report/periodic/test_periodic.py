"""What the periodic reports say: values counted by hand from seeded records."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.alerts import AlertRow
from soc.records.batches import BatchRow
from soc.records.database import Database
from soc.records.shippers import ShipperRow
from soc.report.calendar.desk import CalendarDesk
from soc.report.calendar.obligations import VIETNAM
from soc.report.periodic.content import differences, from_json, to_json, to_pdf, to_xlsx
from soc.report.periodic.figures import writers

HEAD = Scope.province("quanly")
START = datetime(2026, 11, 27, tzinfo=VIETNAM)
END = START + timedelta(days=1)
DAY = "monitoring-daily.2026-11-27"


def alert(number, at, severity="high"):
    return AlertRow(
        id=f"CB-{number:06}", number=number, rule_id="r1", title="t", severity=severity, priority=1,
        entity="host:m1", host="m1", fields={"source.ip": "203.0.113.9"}, first_seen_at=at,
        last_seen_at=at, created_at=at, agency_id="a1", system_level=3,
    )  # fmt: skip


@pytest.fixture
def site(tmp_path):
    """An agent that is heard every ten minutes, but not from 03:00 to 04:00."""
    database = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    database.create_all()
    with database.write(HEAD) as session:
        session.add(
            AgentRow(
                id="g1", name="m1", public_key=b"1" * 32, enrolled_at=START - timedelta(days=9)
            )
        )
        for number in range(144):
            if not 18 < number < 24:
                at = START + number * timedelta(minutes=10)
                session.add(BatchRow(id=f"b{number:03}", agent_id="g1", received_at=at, done=True))
    desk = CalendarDesk(database, writers())
    desk.plan(START)
    yield database, desk
    database.close()


def seed(database, *rows):
    with database.write(HEAD) as session:
        session.add_all(rows)


def drafted(desk, key, at):
    desk.draft(HEAD, key, at)
    return from_json(desk.standing(HEAD, key, at).newest.content)


def values(report):
    return {figure.title: figure.value for section in report.sections for figure in section.figures}


def test_the_daily_report_names_the_gap_and_counts_the_day(site):
    """23:59 belongs to the day, midnight to the next."""
    database, desk = site
    last = END - timedelta(minutes=1)
    seed(
        database,
        alert(1, START),
        alert(2, last, "low"),
        alert(3, END),
        alert(4, START - timedelta(seconds=1)),
    )
    report = drafted(desk, DAY, END + timedelta(hours=1))
    found = values(report)
    assert (found["Tổng số cảnh báo"], found["Cảnh báo mức Cao"], found["Cảnh báo mức Thấp"]) == (
        2,
        1,
        1,
    )
    assert found["Số quãng không nhận được dữ liệu trên 15 phút"] == 1
    assert found["Số lô dữ liệu đã nhận"] == 139
    assert report.sections[0].rows[0][2:4] == ("03:00 27/11/2026", "04:00 27/11/2026")


def test_made_again_it_is_the_same_until_retention_deletes_something(site):
    database, desk = site
    seed(database, alert(1, START))
    report = drafted(desk, DAY, END + timedelta(hours=1))
    kept, again = desk.again(HEAD, DAY, 1)
    assert kept == again == to_json(report)
    assert to_pdf(report) == to_pdf(from_json(again))
    assert to_xlsx(report) == to_xlsx(from_json(again))
    with database.write(HEAD) as session:
        session.delete(session.get(AlertRow, "CB-000001"))
    told = differences(*desk.again(HEAD, DAY, 1))
    assert any("CB-000001" in line and "1 → 0" in line for line in told)


@pytest.mark.parametrize("count", [0, 2000])
def test_the_weekly_report_has_the_five_contents_for_nothing_and_for_much(site, count):
    database, desk = site
    seed(database, *(alert(number, START) for number in range(1, count + 1)))
    report = drafted(desk, "monitoring-weekly.2026-W48", START + timedelta(days=4))
    assert [one.heading[:14] for one in report.sections] == [
        "Thời gian giám", "Danh mục đối t", "Kỹ thuật tấn c", "Đối tượng thực", "Thay đổi trong",
    ]  # fmt: skip
    assert len(report.sections[1].rows) == count
    assert to_pdf(report).startswith(b"%PDF")


def test_a_shipper_with_nothing_to_ship_is_no_pause(site):
    """It is missed only after a day, as where sources that fell silent are listed."""
    database, desk = site
    agent = AgentRow(id="s1", name="proxy", public_key=b"", enrolled_at=START - timedelta(days=9))
    shipper = ShipperRow(
        agent_id="s1", token_sha256="x", incarnation="y", source="auto", created_by="me"
    )
    noon = BatchRow(id="noon", agent_id="s1", received_at=START + timedelta(hours=12), done=True)
    seed(database, agent, shipper, noon)
    found = values(drafted(desk, DAY, END + timedelta(minutes=1)))
    assert found["Số nguồn phải giám sát"] == 2
    assert found["Số quãng không nhận được dữ liệu trên 15 phút"] == 1  # of the agent
