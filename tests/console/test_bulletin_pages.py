"""Bulletins on the pages: written and approved by two people, answered by an officer with one tap."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from soc.console.app import create_app
from tests.console.conftest import signed_in
from tests.console.seed import PROVINCE, Site
from tests.console.test_acts import send
from tests.report.bulletins.test_written import VPN

SENT = "BT-2026-0001"


@pytest.fixture
def site(own_site: Site) -> Site:
    return own_site


@pytest.fixture
def app(site: Site) -> FastAPI:
    return create_app(site.parts)


def newest(site: Site):
    return next(iter(site.parts.bulletins.all(PROVINCE)))


def test_one_person_writes_and_another_approves(app: FastAPI, site: Site):
    writer, other = signed_in(app, "quanly"), signed_in(app, "admin")
    answer = send(writer, "/bulletins", text=VPN.replace("\n", "\r\n"))
    assert answer.status_code == 303
    key = newest(site).row.id
    assert answer.headers["location"] == f"/bulletins/{key}"
    send(writer, "/bulletins/submit", bulletin_id=key)
    page = writer.get(f"/bulletins/{key}").text
    assert "Chờ duyệt" in page
    assert "Duyệt và gửi" not in page  # not to who wrote it
    assert send(writer, "/bulletins/approve", bulletin_id=key).status_code == 403
    assert "Duyệt và gửi" in other.get(f"/bulletins/{key}").text
    send(other, "/bulletins/approve", bulletin_id=key)
    assert "Đang gửi tới 188 cơ quan." in other.get(f"/bulletins/{key}").text
    letter = other.get(f"/bulletins/{key}/letter")
    assert letter.headers["content-type"] == "application/pdf"
    assert letter.content.startswith(b"%PDF")


def test_what_is_wrong_with_a_text_is_said_and_the_text_stays(app: FastAPI, site: Site):
    before = newest(site).row.id
    answer = send(signed_in(app, "quanly"), "/bulletins", text=VPN.replace("AMBER", "<b>PURPLE", 1))
    assert answer.status_code == 400
    assert "tlp" in answer.text
    assert "TLP:&lt;b&gt;PURPLE" in answer.text
    assert newest(site).row.id == before


def test_an_officer_sees_what_came_to_their_agency_and_answers_with_one_tap(
    app: FastAPI, site: Site
):
    officer = signed_in(app, "daumoi")
    listed = officer.get("/bulletins").text
    assert SENT in listed
    assert "BT-2026-0002" not in listed  # a draft
    page = officer.get(f"/bulletins/{SENT}").text
    assert "Sở Xây dựng" in page
    assert "Sở Y tế" not in page
    assert (
        send(officer, f"/bulletins/{SENT}/answer", agency_id="sxd", says="fixed").status_code == 303
    )
    (mine,) = [
        one
        for one in site.parts.bulletins.standing(PROVINCE, SENT).recipients
        if one.agency_id == "sxd"
    ]
    assert mine.answer == "fixed"
    assert "Đã lưu phản hồi." in officer.get(f"/bulletins/{SENT}").text
    assert (
        send(officer, f"/bulletins/{SENT}/answer", agency_id="syt", says="fixed").status_code == 404
    )
    assert (
        send(officer, f"/bulletins/{SENT}/answer", agency_id="sxd", says="maybe").status_code == 400
    )


def test_the_follow_up_ends_with_a_reason(app: FastAPI, site: Site):
    manager = signed_in(app, "quanly")
    send(manager, "/bulletins/close", bulletin_id=SENT, reason="188/188 cơ quan đã xử lý")
    assert site.parts.bulletins.standing(PROVINCE, SENT).row.state == "closed"
    assert "188/188 cơ quan đã xử lý" in manager.get(f"/bulletins/{SENT}").text
