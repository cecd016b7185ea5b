"""A bulletin is written by one person and approved by another; agencies answer for themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.bulletin import Answer, Audience, MailKind, MailState
from soc.model.scope import Scope
from soc.records.bulletins import BulletinMailRow
from soc.records.database import Database
from soc.records.register import AgencyRow, ContactRow, SystemRow
from soc.report.bulletins.desk import BulletinDesk
from tests.report.bulletins.test_mail import bulletin

NOW = datetime(2026, 11, 27, 1, tzinfo=UTC)
AN, BINH = Scope.province("an"), Scope.province("binh")
SXD = Scope.of("sxd", actor="thuha")


@pytest.fixture
def desk(database: Database) -> BulletinDesk:
    with database.write(AN) as session:
        session.add_all(
            [
                AgencyRow(id="sxd", code="H99.08", name="Sở Xây dựng", email="soxd@x.example"),
                AgencyRow(id="syt", code="H99.09", name="Sở Y tế", email="soyt@x.example"),
                AgencyRow(id="xa", code="H99.10", name="Xã Vĩnh Thạnh"),
                AgencyRow(
                    id="cu", code="H99.11", name="Sở đã sáp nhập", valid_to=date(2026, 6, 30)
                ),
                ContactRow(
                    id="c1", agency_id="sxd", role="monitoring", name="Hà", email="ha@x.example"
                ),
                ContactRow(
                    id="c2", agency_id="sxd", role="response", name="Bình", email="binh@x.example"
                ),
                ContactRow(
                    id="c3", agency_id="sxd", role="deputy", name="Lan", email="lan@x.example"
                ),
                SystemRow(id="s3", agency_id="syt", owner_id="syt", name="Hồ sơ", level=3),
            ]
        )
    return BulletinDesk(database, domain="tinh.example")


def sent(desk: BulletinDesk, **changed: object) -> str:
    key = desk.write(AN, replace(bulletin(), **changed), NOW)
    desk.submit(AN, key, NOW)
    desk.approve(BINH, key, NOW)
    return key


def mails(
    database: Database, kind: MailKind = MailKind.FIRST
) -> dict[str | None, tuple[str, list[str]]]:
    with database.session(AN) as session:
        rows = session.scalars(select(BulletinMailRow).where(BulletinMailRow.kind == kind))
        return {row.agency_id: (row.state, row.addresses) for row in rows}


def test_numbers_run_through_the_year_of_vietnam(desk: BulletinDesk):
    last = datetime(2026, 12, 31, 16, 59, tzinfo=UTC)
    keys = [desk.write(AN, bulletin(), at) for at in (NOW, NOW, last, last + timedelta(minutes=1))]
    assert keys == ["BT-2026-0001", "BT-2026-0002", "BT-2026-0003", "BT-2027-0001"]


def test_each_agency_of_today_is_owed_one_mail_at_its_contacts(
    desk: BulletinDesk, database: Database
):
    """Its contact points, else its own address; one without any is named, and the merged one is gone."""
    key = sent(desk)
    assert mails(database) == {
        "sxd": (MailState.WAITING, ["ha@x.example", "binh@x.example"]),
        "syt": (MailState.WAITING, ["soyt@x.example"]),
        "xa": (MailState.NO_ADDRESS, []),
    }
    standing = desk.standing(AN, key)
    assert standing.counts["agencies"] == 3
    assert [one.agency for one in standing.recipients if one.mail is MailState.NO_ADDRESS] == [
        "Xã Vĩnh Thạnh"
    ]


@pytest.mark.parametrize(
    ("audience", "agencies"),
    [
        (Audience(agencies=("xa", "sxd")), {"xa", "sxd"}),
        (Audience(levels=(3, 4)), {"syt"}),
    ],
)
def test_the_audience_is_who_it_says(
    desk: BulletinDesk, database: Database, audience: Audience, agencies: set[str]
):
    sent(desk, audience=audience)
    assert set(mails(database)) == agencies


def test_an_agency_that_is_not_there_is_named_before_anything_is_kept(desk: BulletinDesk):
    for key in ("nowhere", "cu"):
        with pytest.raises(NotFound, match=key):
            desk.write(AN, replace(bulletin(), audience=Audience(agencies=("sxd", key))), NOW)
    assert list(desk.all(AN)) == []


def test_nobody_approves_what_they_wrote_or_submitted(desk: BulletinDesk, database: Database):
    key = desk.write(AN, bulletin(), NOW)
    with pytest.raises(Conflict):
        desk.approve(BINH, key, NOW)  # nobody has asked for it
    desk.submit(BINH, key, NOW)
    for scope in (AN, BINH):
        with pytest.raises(NotAllowed):
            desk.approve(scope, key, NOW)
    assert mails(database) == {}
    assert desk.approve(Scope.province("cuong"), key, NOW) == 3
    with pytest.raises(Conflict):
        desk.approve(Scope.province("cuong"), key, NOW)  # nor twice


def test_a_change_needs_approval_anew_and_what_was_sent_stays(desk: BulletinDesk):
    key = desk.write(AN, bulletin(), NOW)
    desk.submit(AN, key, NOW)
    desk.rewrite(BINH, key, replace(bulletin(), title="Một tiêu đề khác"), NOW)
    with pytest.raises(Conflict):
        desk.approve(BINH, key, NOW)
    desk.submit(AN, key, NOW)
    desk.approve(BINH, key, NOW)
    with pytest.raises(Conflict, match="a correction is a new bulletin"):
        desk.rewrite(AN, key, bulletin(), NOW)
    assert desk.standing(AN, key).bulletin.title == "Một tiêu đề khác"


def test_an_agency_sees_and_answers_its_own_only(desk: BulletinDesk):
    key = sent(desk)
    draft = desk.write(AN, bulletin(), NOW)
    other = sent(desk, audience=Audience(agencies=("syt",)))
    assert [one.row.id for one in desk.all(SXD)] == [key]
    assert [one.agency_id for one in desk.standing(SXD, key).recipients] == ["sxd"]
    for hidden in (draft, other):
        with pytest.raises(NotFound):
            desk.standing(SXD, hidden)
    with pytest.raises(NotFound):
        desk.answer(SXD, key, "syt", Answer.FIXED, NOW)
    for act in (
        lambda: desk.write(SXD, bulletin(), NOW),
        lambda: desk.submit(SXD, draft, NOW),
        lambda: desk.approve(SXD, draft, NOW),
        lambda: desk.close(SXD, key, "x", NOW),
    ):
        with pytest.raises(NotAllowed):
            act()
    desk.answer(SXD, key, "sxd", None, NOW)
    desk.answer(
        SXD, key, "sxd", Answer.NEEDS_HELP, NOW + timedelta(hours=1), note=" một máy còn bản cũ "
    )
    (mine,) = desk.standing(SXD, key).recipients
    assert (mine.acknowledged_at, mine.answer, mine.note) == (
        NOW,
        "needs_help",
        "một máy còn bản cũ",
    )
    desk.answer(SXD, key, "sxd", Answer.FIXED, NOW + timedelta(hours=2))
    counts = desk.standing(AN, key).counts
    assert (counts["acknowledged"], counts["fixed"], counts["needs_help"]) == (1, 1, 0)


def test_reminders_go_to_the_silent_once_each_and_stop_with_the_answer(
    desk: BulletinDesk, database: Database
):
    """After two hours to the contacts, after a day to the agency's own address too."""
    key = sent(desk)
    assert desk.remind(NOW + timedelta(minutes=119)) == 0
    desk.answer(Scope.of("syt", actor="x"), key, "syt", None, NOW)
    assert desk.remind(NOW + timedelta(hours=2)) == 2  # sxd, and xa, which is named again
    assert desk.remind(NOW + timedelta(hours=3)) == 0
    assert mails(database, MailKind.REMINDER)["sxd"] == (
        MailState.WAITING,
        ["ha@x.example", "binh@x.example"],
    )
    desk.answer(SXD, key, "sxd", Answer.FIXED, NOW + timedelta(hours=3))
    assert mails(database, MailKind.REMINDER)["sxd"][0] == MailState.NOT_NEEDED
    assert desk.remind(NOW + timedelta(hours=24)) == 1
    other = sent(desk)
    assert (
        desk.remind(NOW + timedelta(hours=24)) == 6
    )  # both kinds at once for who was silent a day
    addresses = mails(database, MailKind.ESCALATION)
    assert addresses["syt"] == (MailState.WAITING, ["soyt@x.example"])
    desk.close(AN, other, "đã xong", NOW + timedelta(hours=25))
    assert desk.remind(NOW + timedelta(days=9)) == 0
