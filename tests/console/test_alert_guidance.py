"""What an alert's flyout and page say to those who must decide: meaning, questions with answers, playbook, state."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from soc.console.app import create_app
from soc.respond.check_desk import CheckDesk
from soc.respond.triage import AlertFilter
from tests.console.conftest import signed_in
from tests.console.seed import GUIDANCE, PROVINCE, Site
from tests.console.test_acts import send

SHADOW = "CB-000013"  # vssadmin deleted shadow copies, three times
BOTH = (f"/alerts/{SHADOW}", f"/alerts/{SHADOW}/flyout")
ASKED = re.compile(
    r'<div class="ask"><span>([^<]+)</span>\s*<a[^>]* href="([^"]+)">(.*?)</a>', re.S
)


def asked(page: str) -> dict[str, tuple[str, str]]:
    """The questions that have an answer: the link and the answer's words."""
    found = ASKED.findall(page)
    return {
        unescape(ask): (unescape(link), re.sub("<[^>]+>", "", said)) for ask, link, said in found
    }


@pytest.mark.parametrize("address", BOTH)
@pytest.mark.parametrize("language", ["vi", "en"])
def test_both_say_meaning_false_alarm_and_questions_in_the_readers_language(
    app: FastAPI, address: str, language: str
) -> None:
    page = unescape(signed_in(app, language=language).get(address).text)
    row = GUIDANCE.rows["t1490"]
    assert (row.vi if language == "vi" else row.en) in page
    assert (row.false_alarm.vi if language == "vi" else row.false_alarm.en) in page
    assert (row.false_alarm.en if language == "vi" else row.false_alarm.vi) not in page
    assert page.count('class="ask"') == 3


@pytest.mark.parametrize("address", BOTH)
def test_an_answer_is_a_number_with_the_search_behind_it(app: FastAPI, address: str) -> None:
    """Three of the four events are the alert's own; the page behind the link finds the other one."""
    client = signed_in(app, language="en")
    answers = asked(client.get(address).text)
    link, said = answers["Did the machine delete shadow copies or backups, or switch recovery off?"]
    assert said == "1 event"
    found = client.get(link)
    assert found.status_code == 200
    assert "1 event" in found.text


def test_a_question_that_finds_nothing_says_none(app: FastAPI) -> None:
    answers = asked(signed_in(app).get(BOTH[1]).text)
    assert "Không có" in {said for _, said in answers.values()}


def test_a_question_that_the_event_cannot_fill_is_said_so(app: FastAPI) -> None:
    """The seeded event has no process id."""
    page = unescape(signed_in(app).get(BOTH[1]).text)
    assert "Sự kiện không có process.entity_id nên không hỏi được." in page


def test_a_role_that_may_not_search_sees_the_questions_without_answers(app: FastAPI) -> None:
    """An auditor."""
    page = signed_in(app, "kiemtra").get(BOTH[0]).text
    assert page.count('class="ask"') == 3
    assert asked(page) == {}
    assert "Bạn không có quyền tìm sự kiện" in page


class Hanging:
    """A store whose counts do not come back in time."""

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def count(self, *_: object, **__: object) -> int:
        import threading

        threading.Event().wait(1.0)
        return 0


def test_a_slow_store_leaves_the_rest_of_the_page(site: Site) -> None:
    """The link stays, so that the reader can wait for it if need be."""
    desk = CheckDesk(Hanging(site.parts.store), patience=timedelta(milliseconds=10))  # type: ignore[arg-type]
    app = create_app(replace(site.parts, checks=desk))
    page = signed_in(app).get(BOTH[1]).text
    assert "Chưa có câu trả lời kịp thời." in page
    assert {said for _, said in asked(page).values()} == {"Mở tìm kiếm"}


def test_without_the_table_the_page_shows_what_the_rule_says(site: Site) -> None:
    app = create_app(replace(site.parts, guide=lambda _: None))
    page = signed_in(app).get(BOTH[0]).text
    assert "Hành vi này thường đi ngay trước mã hóa dữ liệu tống tiền." in page
    assert 'class="ask"' not in page


def alert_of(site: Site, rule: str) -> str:
    return site.parts.triage.page(PROVINCE, AlertFilter(rule_id=rule)).alerts[0].row.id


@pytest.mark.parametrize("place", ["", "/flyout"])
def test_a_rule_in_testing_is_called_so(app: FastAPI, site: Site, place: str) -> None:
    """What was decided, not what the compiler made of it."""
    client = signed_in(app)
    assert "Luật đang thử nghiệm" in client.get(f"/alerts/{alert_of(site, 'r-enc')}{place}").text
    assert "Luật đang hoạt động" in client.get(f"/alerts/{SHADOW}{place}").text


def test_an_incident_opens_with_the_playbook_that_fits(own_site: Site) -> None:
    """One button: the incident is there, and the playbook has begun."""
    client = signed_in(create_app(own_site.parts))
    alert_id = alert_of(own_site, "r-admin")
    assert 'name="playbook_id" value="account-compromise"' in client.get(f"/alerts/{alert_id}").text
    answer = send(client, "/cases", id=alert_id, playbook_id="account-compromise")
    case_id = re.search(r"SC-\d+-\d+", answer.headers["location"])
    assert case_id is not None
    found = own_site.parts.cases.find(PROVINCE, case_id[0])
    assert found is not None
    assert [run.row.playbook_id for run in found.runs] == ["account-compromise"]
    assert [view.row.id for view in found.alerts] == [alert_id]


def test_an_unknown_playbook_opens_no_incident(own_site: Site) -> None:
    client: TestClient = signed_in(create_app(own_site.parts))
    before = own_site.parts.cases.cases(PROVINCE)[1]
    answer = send(client, "/cases", id=alert_of(own_site, "r-admin"), playbook_id="none-such")
    assert answer.status_code == 404
    assert own_site.parts.cases.cases(PROVINCE)[1] == before


def test_programs_are_told_the_same(app: FastAPI) -> None:
    told = signed_in(app).get(f"/api/v1/alerts/{SHADOW}").json()["guidance"]
    assert told["means_vi"] == GUIDANCE.rows["t1490"].vi
    assert told["playbook"] == "ransomware-on-server"
    assert len(told["checks"]) == 3
    assert "{host.name}" in told["checks"][0]["queries"][0]
