"""The calendar of periodic reports: days written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from soc.errors import Conflict, FormError, NotAllowed, NotFound
from soc.model.scope import Scope
from soc.records.database import Database
from soc.report.calendar.desk import CalendarDesk
from soc.report.calendar.obligations import VIETNAM, load_obligations

WRITER, HEAD = Scope.province("thuha"), Scope.province("quanly")
BY_ID = {one.id: one for one in load_obligations()}
MINUTE = timedelta(minutes=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    made.create_all()
    yield made
    made.close()


@pytest.fixture
def desk(database):
    kinds = ("daily", "weekly", "monthly", "half_year", "yearly")
    return CalendarDesk(
        database, {kind: lambda _, row, now: f"{row.id} {now}".encode() for kind in kinds}
    )


@pytest.mark.parametrize(
    ("obligation", "when", "key", "starts", "ends", "due"),
    [
        ("monitoring-daily", "2026-11-27T23:59", "2026-11-27", "2026-11-27", "2026-11-28", "2026-11-28T09:00"),
        ("monitoring-daily", "2026-11-28T00:00", "2026-11-28", "2026-11-28", "2026-11-29", "2026-11-29T09:00"),
        ("monitoring-weekly", "2027-01-03T23:59", "2026-W53", "2026-12-28", "2027-01-04", "2027-01-04T17:00"),
        ("figures-monthly", "2028-02-29T12:00", "2028-02", "2028-02-01", "2028-03-01", "2028-03-05T17:00"),
        ("monitoring-half-year", "2026-12-31T23:59", "2026-07-01", "2026-07-01", "2027-01-01", "2027-01-15T17:00"),
        ("incidents-half-year", "2026-11-30T23:59", "2026-06-01", "2026-06-01", "2026-12-01", "2026-12-15"),
        ("incidents-half-year", "2026-12-01T00:00", "2026-12-01", "2026-12-01", "2027-06-01", "2027-06-20"),
        ("yearly-owner", "2026-12-14T23:59", "2025-12-15", "2025-12-15", "2026-12-15", "2026-12-20"),
        ("yearly-ministry", "2026-12-14T23:59", "2025-12-15", "2025-12-15", "2026-12-15", "2026-12-25"),
        ("yearly-ministry", "2026-12-15T00:00", "2026-12-15", "2026-12-15", "2027-12-15", "2027-12-25"),
    ],
)  # fmt: skip
def test_the_period_of_a_minute_and_its_due_time(obligation, when, key, starts, ends, due):
    """The last minute of a Vietnamese day belongs to it; the cut-off is 14/12."""
    minute = at(when).astimezone(UTC)
    (found,) = BY_ID[obligation].periods(minute, minute + MINUTE)
    assert (found.key, found.starts_at, found.ends_at, found.due_at) == (
        key, at(starts), at(ends), at(due),
    )  # fmt: skip


def test_planning_twice_adds_nothing_and_after_a_pause_fills_what_was_missed(desk):
    now = at("2026-11-27T10:00")
    assert desk.plan(now) > 0
    assert desk.plan(now) == 0
    desk.plan(at("2026-12-20T10:00"))
    days = {one.row.id for one in desk.all(HEAD, now) if one.row.obligation == "monitoring-daily"}
    assert {f"monitoring-daily.2026-12-{day:02}" for day in range(1, 21)} <= days
    assert "monitoring-daily.2026-11-26" not in days  # could no longer be in time


def test_a_report_is_overdue_from_its_minute_on_and_sending_ends_it(desk):
    """ "Trước ngày 20/12": the 19th at 23:59 is in time."""
    desk.plan(at("2026-12-15T10:00"))
    key = "yearly-owner.2025-12-15"
    assert not desk.standing(HEAD, key, at("2026-12-19T23:59")).overdue
    assert desk.standing(HEAD, key, at("2026-12-20T00:00")).overdue
    before = desk.overdue(HEAD, at("2026-12-20T00:00"))
    desk.draft(WRITER, key, at("2026-12-20T01:00"))
    desk.approve(HEAD, key, at("2026-12-20T01:10"))
    desk.send(WRITER, key, "12/BC-TTGS", at("2026-12-20T01:20"))
    after = desk.standing(HEAD, key, at("2026-12-20T02:00"))
    assert not after.overdue
    assert after.late
    assert desk.overdue(HEAD, at("2026-12-20T00:00")) == before - 1


def test_a_correction_is_a_new_revision_and_the_old_one_stays(desk):
    desk.plan(at("2026-11-27T10:00"))
    key, now = "monitoring-daily.2026-11-27", at("2026-11-28T01:00")
    desk.draft(WRITER, key, now)
    desk.approve(HEAD, key, now)
    desk.send(WRITER, key, "12/BC", now)
    old = desk.standing(HEAD, key, now).newest.content
    with pytest.raises(Conflict):
        desk.draft(WRITER, key, now)
    assert desk.revise(WRITER, key, "thiếu một cơ quan", now + MINUTE) == 2
    shown = desk.standing(HEAD, key, at("2026-11-30T01:00"))
    assert [one.revision for one in shown.revisions] == [2, 1]
    assert (shown.revisions[1].content, shown.revisions[1].reference) == (old, "12/BC")
    assert (shown.row.state, shown.overdue) == ("drafted", False)


def test_who_drafted_does_not_approve_and_a_preview_is_not_approved(desk):
    desk.plan(at("2026-11-27T10:00"))
    key = "monitoring-daily.2026-11-27"
    desk.draft(WRITER, key, at("2026-11-27T23:59"))
    with pytest.raises(Conflict):
        desk.approve(HEAD, key, at("2026-11-28T00:01"))
    desk.draft(WRITER, key, at("2026-11-28T00:00"))
    with pytest.raises(NotAllowed):
        desk.approve(WRITER, key, at("2026-11-28T00:01"))
    assert desk.approve(HEAD, key, at("2026-11-28T00:01")) == 2


def test_agencies_do_not_see_the_calendar_and_an_unknown_key_is_named(desk):
    with pytest.raises(NotAllowed):
        desk.all(Scope.of("a1"), at("2026-11-27T10:00"))
    with pytest.raises(NotFound):
        desk.draft(WRITER, "no.such", at("2026-11-27T10:00"))


def test_the_worker_drafts_the_day_that_is_over(desk):
    desk.plan(at("2026-11-27T10:00"))
    desk.work(at("2026-11-28T00:00"))
    shown = desk.standing(HEAD, "monitoring-daily.2026-11-27", at("2026-11-28T00:00"))
    assert (shown.row.state, shown.newest.made_by) == ("drafted", "calendar")


@pytest.mark.parametrize(
    "text",
    [b"- {id: x}", b"\xff\x00", b"[", b"- {due: {before: [02-30]}}", b"a: !!python/name:os.x 1"],
)
def test_a_calendar_that_cannot_be_used_is_refused_by_name(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text)
    with pytest.raises(FormError, match=r"mine\.yaml"):
        load_obligations(path)
