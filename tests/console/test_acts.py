"""What people do on the pages: each act by its form, as a browser without scripts sends it."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from soc.console.app import create_app
from soc.respond.playbook_engine import PlaybookEngine
from soc.respond.playbook_files import plain
from tests.console.conftest import signed_in
from tests.console.seed import PASSWORD, PROVINCE, Site
from tests.respond.playbook_builders import asks, playbook, step


@pytest.fixture
def site(own_site: Site) -> Site:
    return own_site


@pytest.fixture
def app(site: Site) -> FastAPI:
    return create_app(site.parts)


def csrf_of(client: TestClient, address: str = "/alerts") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(address).text)
    assert found is not None
    return found[1]


def send(client: TestClient, address: str, **fields: object):
    """Post a form with the token of the session."""
    return client.post(address, data={"csrf": csrf_of(client), **fields})


def alert(site: Site, alert_id: str):
    return site.parts.triage.get(PROVINCE, alert_id).alert.row


def test_taking_alerts_gives_them_to_the_person_and_says_so_once(app, site) -> None:
    """The next page shows the result, the one after does not."""
    client = signed_in(app)
    answer = send(client, "/alerts/acknowledge", id=["CB-000001", "CB-000002"], next="/alerts")
    assert answer.status_code == 303
    assert alert(site, "CB-000001").assignee == "thuha"
    assert "Đã nhận 2 cảnh báo." in client.get("/alerts").text
    assert "Đã nhận 2 cảnh báo." not in client.get("/alerts").text


def test_a_closed_alert_can_be_taken_back_from_the_toast(app, site) -> None:
    """Undo posts to the address that the toast names."""
    client = signed_in(app)
    send(
        client, "/alerts/close", id="CB-000003", disposition="false_positive", reason="kiểm tra rồi"
    )
    assert alert(site, "CB-000003").status == "closed"
    assert 'action="/alerts/reopen"' in client.get("/alerts").text
    send(client, "/alerts/reopen", id="CB-000003")
    assert alert(site, "CB-000003").status == "new"


def test_taking_from_the_detail_keeps_the_queues_filters(app) -> None:
    """The form's way back holds them, with the alert open."""
    page = signed_in(app).get("/alerts?severity=high&open=CB-000004").text
    ways = re.findall(r'name="next" value="([^"]+)"', page)
    assert any("severity=high" in way and "open=CB-000004" in way for way in ways)


def test_closing_needs_a_reason(app, site) -> None:
    """The page says that a value is missing; the alert stays open."""
    answer = send(signed_in(app), "/alerts/close", id="CB-000003", disposition="benign", reason="")
    assert answer.status_code == 400
    assert alert(site, "CB-000003").status == "new"


def test_an_act_without_the_forms_token_is_refused(app, site) -> None:
    """CSRF: a form of another site does not know it."""
    client = signed_in(app)
    answer = client.post("/alerts/acknowledge", data={"id": "CB-000001"})
    assert answer.status_code == 403
    assert alert(site, "CB-000001").status == "new"


def test_an_act_never_sends_the_browser_to_another_host(app) -> None:
    """The way back is a path of the console."""
    answer = send(signed_in(app), "/alerts/acknowledge", id="CB-000001", next="//evil.example/")
    assert answer.headers["location"] == "/"


def test_an_alert_becomes_an_incident_whose_clocks_run(app, site) -> None:
    """By one button, with the alert's own title."""
    client = signed_in(app)
    answer = send(client, "/cases", id="CB-000012")
    page = client.get(answer.headers["location"])
    assert "Đã mở sự cố. Thời hạn tính từ T0." in page.text
    assert alert(site, "CB-000012").case_id is not None


def test_an_incident_reported_by_telephone_keeps_its_local_time_of_detection(app, site) -> None:
    """14:31 in Vietnam is 07:31 UTC."""
    answer = send(
        signed_in(app), "/cases", title="Báo qua điện thoại", detected="20/11/2026 14:31", agency_id="sxd"
    )  # fmt: skip
    view = site.parts.cases.find(PROVINCE, answer.headers["location"].rpartition("/")[2])
    assert view is not None
    assert f"{view.summary.row.detected_at:%Y-%m-%d %H:%M}" == "2026-11-20 07:31"


def test_the_playbook_runs_step_by_step_from_the_page(app, site) -> None:
    """A decision is answered, the next step is begun."""
    client = signed_in(app)
    run = site.parts.cases.find(PROVINCE, site.case_id).runs[0].row.id
    base = f"/cases/{site.case_id}/runs/{run}"
    answer = send(client, f"{base}/is_it/finish", **{"step.answer": "ransomware"})
    assert answer.status_code == 303, answer.text
    assert send(client, f"{base}/isolate/begin").status_code == 303
    states = {
        row.step_id: row.state
        for row in site.parts.cases.find(PROVINCE, site.case_id).runs[0].steps
    }
    assert states["is_it"] == "done"
    assert states["isolate"] == "running"


def test_a_step_that_sends_a_report_needs_the_right_to_send(app, site) -> None:
    """An analyst runs the playbook, but what leaves the province needs the manager, by page and by API."""
    run = site.parts.cases.find(PROVINCE, site.case_id).runs[0].row.id
    page = f"/cases/{site.case_id}/runs/{run}/send_first_report/finish"
    assert send(signed_in(app), page).status_code == 403
    assert send(signed_in(app, "quanly"), page).status_code != 403
    token = {"name": "thuha", "password": PASSWORD}
    client = TestClient(app, base_url="http://127.0.0.1")
    bearer = client.post("/api/v1/session", json=token).json()["token"]
    answer = client.post(
        f"/api/v1/cases/{site.case_id}/runs/{run}/steps/send_first_report/finish",
        json={},
        headers={"Authorization": f"Bearer {bearer}"},
    )
    assert answer.status_code == 403, answer.text


def test_only_changed_form_fields_become_facts(app, site) -> None:
    """What comes from the register stays live."""
    client = signed_in(app)
    page = client.get(f"/cases/{site.case_id}").text
    shown = re.search(r'name="reporter_name" value="([^"]*)"', page)
    assert shown is not None
    send(
        client,
        f"/cases/{site.case_id}/facts",
        reporter_name=shown[1],
        reporter_address="12 Trần Hưng Đạo",
        notified_to=["coordinator"],
    )
    facts = site.parts.cases.find(PROVINCE, site.case_id).summary.row.facts
    assert facts["reporter_address"] == "12 Trần Hưng Đạo"
    assert "reporter_name" not in facts


def test_a_report_that_lacks_fields_names_them_and_keeps_the_page(app, site) -> None:
    """400 with the list, on the incident's own page."""
    answer = send(signed_in(app), f"/cases/{site.case_id}/reports", form="mau-03")
    assert answer.status_code == 400
    assert "Đã gửi thông báo sự cố cho" in answer.text


def test_a_report_is_made_sent_and_can_be_fetched(app, site) -> None:
    """By a manager, once its form is complete."""
    client = signed_in(app, "quanly")
    send(
        client,
        f"/cases/{site.case_id}/facts",
        reporter_address="12 Trần Hưng Đạo",
        notified_to=["coordinator"],
    )
    made = send(client, f"/cases/{site.case_id}/reports", form="mau-03")
    assert made.status_code == 303, made.text
    document = site.parts.cases.find(PROVINCE, site.case_id).documents[0]
    assert send(client, f"/documents/{document.id}/send").status_code == 303
    assert client.get(f"/documents/{document.id}").content[:2] == b"PK"
    assert "Chờ gửi" in client.get(f"/cases/{site.case_id}").text


def test_the_api_takes_a_bearer_session_and_acts_like_the_page(app, site) -> None:
    """Acknowledge over JSON; the row follows."""
    client = TestClient(app, base_url="http://127.0.0.1")
    session = client.post("/api/v1/session", json={"name": "thuha", "password": PASSWORD})
    assert session.status_code in (200, 201), session.text
    headers = {"Authorization": f"Bearer {session.json()['token']}"}
    answer = client.post("/api/v1/alerts/acknowledge", json={"ids": ["CB-000001"]}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()[0]["assignee"] == "thuha"
    assert alert(site, "CB-000001").status == "acknowledged"


def test_the_api_names_what_is_wrong_as_json(app) -> None:
    """With a code to quote."""
    client = signed_in(app)
    answer = client.get("/api/v1/events", params={"q": "process.name:("})
    assert answer.status_code == 400
    assert answer.json()["code"]
    assert "process.name:(" in answer.json()["reason"]


def test_a_run_is_paused_and_done_again_from_its_page(app, site) -> None:
    """Each with a reason; a paused run begins nothing."""
    client = signed_in(app)
    run = site.parts.cases.find(PROVINCE, site.case_id).runs[0].row.id
    base = f"/cases/{site.case_id}/runs/{run}"
    assert send(client, f"{base}/pause", reason="chờ ý kiến").status_code == 303
    assert f'action="{base}/resume"' in client.get(f"/cases/{site.case_id}").text
    assert send(client, f"{base}/is_it/finish", **{"step.answer": "ransomware"}).status_code == 409
    assert send(client, f"{base}/resume").status_code == 303
    assert send(client, f"{base}/is_it/give-up", reason="không liên lạc được").status_code == 303
    states = {
        row.step_id: row.state
        for row in site.parts.cases.find(PROVINCE, site.case_id).runs[0].steps
    }
    assert states["is_it"] == "failed"
    assert send(client, f"{base}/confirm/again", reason="xem lại").status_code == 303
    states = {
        row.step_id: row.state
        for row in site.parts.cases.find(PROVINCE, site.case_id).runs[0].steps
    }
    assert (states["confirm"], states["is_it"]) == ("waiting", "waiting")


def test_a_step_that_waits_for_others_shows_who_may_agree(app, site) -> None:
    """Every state of a run has its words; another person's yes ends the step."""
    book = playbook(
        step("shut", approvals=1, inputs=[asks("reason")]),
        step("rest", "wait", minutes=600, after=[]),
        step("inner", "playbook", playbook="other-one", after=[]),
        step("call", after=[]),
    )
    other = playbook(step("inside"), name="other-one")
    cases, now = site.parts.cases, site.parts.clock()
    cases.playbooks.update(plain({one.id: one for one in (book, other)}))
    run = cases.start_playbook(PROVINCE, site.case_id, "small-one", now=now)
    cases.begin_step(PROVINCE, run, "shut", now=now)
    cases.finish_step(PROVINCE, run, "shut", result={"reason": "mã độc lan"}, now=now)
    PlaybookEngine(site.parts.database, reports=site.parts.reports).work(now)
    client, page = signed_in(app), f"/cases/{site.case_id}"
    text = client.get(page).text
    for words in ("Chờ 1 phê duyệt", "mã độc lan", "Quy trình con đang chạy", "hẹn giờ"):
        assert words in text
    assert f'action="{page}/runs/{run}/shut/approve"' in text
    assert send(client, f"{page}/runs/{run}/shut/approve").status_code == 303
    [shown] = [one for one in cases.find(PROVINCE, site.case_id).runs if one.row.id == run]
    assert (shown.steps[0].state, shown.steps[0].approved_by) == ("done", ["thuha"])


def test_who_may_only_read_sees_no_way_to_act_on_a_run(app, site) -> None:
    """Not to begin, to do again, to pause."""
    text = signed_in(app, "kiemtra").get(f"/cases/{site.case_id}").text
    assert "/runs/" not in text
