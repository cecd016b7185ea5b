"""Measures in force, seen and undone from the page; two people where it matters."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from soc.console.app import create_app
from soc.errors import BatchError
from soc.model.scope import Scope
from soc.receive.commands import CommandPost
from soc.records.agents import AgentRow
from tests.console.conftest import signed_in
from tests.console.seed import Site
from tests.console.test_pages import dangers

PROVINCE = Scope.province("tests")


@pytest.fixture
def app(own_site: Site) -> FastAPI:
    return create_app(own_site.parts)


def post(client: TestClient, address: str, **form: str):
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/responses").text)
    assert token is not None
    return client.post(address, data={"csrf": token[1], **form})


def measures(site: Site) -> dict[str, str]:
    """Id of the measure in force by host."""
    found = site.parts.responses.measures(PROVINCE, site.parts.clock())
    return {row.host: row.id for row in found}


def test_a_measure_is_undone_from_the_page(app: FastAPI, own_site: Site) -> None:
    """By whom, for which incident, until when; the undo is signed and waits for its agent."""
    manager, command_id = signed_in(app, "quanly"), measures(own_site)["SXD-FS01"]
    page = manager.get("/responses").text
    for word in (command_id, "thuha", "quanly phê duyệt", own_site.case_id):
        assert word in page
    answer = post(manager, "/responses/undo", command_id=command_id, reason="sạch")
    assert answer.status_code == 303
    newest = own_site.parts.responses.all(PROVINCE)[0]
    assert (newest.verb, newest.measure_id, newest.state) == ("undo", command_id, "queued")
    assert post(manager, "/responses/undo", command_id=command_id, reason="sạch").status_code == 409


def test_only_another_person_approves(app: FastAPI, own_site: Site) -> None:
    """The manager asks; the button is not there for the asker, and the request is refused."""
    manager, admin = signed_in(app, "quanly"), signed_in(app, "admin")
    form = {"agent": "thu-cv-01", "action": "isolate_host", "hours": "2", "reason": "Mã độc"}
    asked = post(manager, "/responses", **form)
    assert asked.status_code == 303
    page = asked.headers["location"]
    command_id = page.rpartition("/")[2]
    assert 'action="/responses/approve"' not in manager.get(page).text
    assert 'action="/responses/approve"' in admin.get(page).text
    assert post(manager, "/responses/approve", command_id=command_id).status_code == 403
    assert post(admin, "/responses/approve", command_id=command_id).status_code == 303
    row = own_site.parts.responses.find(PROVINCE, command_id)
    assert row is not None
    assert (row.asked_by, row.approved_by, row.parameters) == ("quanly", "admin", {"seconds": 7200})


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"action": "stop_process", "target": "1 2"}, "boot_id"),
        ({"action": "quarantine_file", "target": "relative"}, "path"),
        ({"action": "disable_account", "target": "a;b"}, "account"),
        ({"action": "query_state", "target": "secrets"}, "what"),
    ],
)
def test_a_wrong_form_is_named_and_nothing_is_asked(
    app: FastAPI, own_site: Site, form: dict[str, str], said: str
) -> None:
    manager, before = signed_in(app, "quanly"), len(own_site.parts.responses.all(PROVINCE))
    answer = post(manager, "/responses", agent="thu-cv-01", reason="x", **form)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert len(own_site.parts.responses.all(PROVINCE)) == before


@pytest.mark.parametrize("language", ["vi", "en"])
def test_each_command_has_its_page(app: FastAPI, own_site: Site, language: str) -> None:
    """With what an agent answered shown as text, whatever it is."""
    client = signed_in(app, "quanly", language)
    for row in own_site.parts.responses.all(PROVINCE):
        page = client.get(f"/responses/{row.id}")
        assert page.status_code == 200
        assert dangers(page.text) == []
        assert "<script>alert" not in page.text


def test_an_analyst_looks_and_does_not_act(app: FastAPI, own_site: Site) -> None:
    client, command_id = signed_in(app, "thuha"), measures(own_site)["SXD-FS01"]
    assert 'action="/responses/undo"' not in client.get("/responses").text
    assert client.get(f"/responses/{command_id}").status_code == 200


def test_hostile_answers_of_an_agent_stay_text(app: FastAPI, own_site: Site, tmp_path) -> None:
    """Script, overrides, NUL, deep nesting are shown and break nothing; half a surrogate is no JSON."""
    parts, command_id = own_site.parts, measures(own_site)["SXD-FS01"]
    post_of, agent = (
        CommandPost(parts.database, tmp_path, str),
        AgentRow(id="ag-1", agency_id="sxd"),
    )

    def take(more: str) -> None:
        body = (
            f'{{"command_id": "{command_id}", "agent_id": "ag-1", "document_sha256": "", "state": "failed",'
            f' "reason": "\\u0000 <img src=x>", "found": {{}}, "more": {more}}}'
        )
        post_of.take_answer(agent, body.encode(), {}, parts.clock())

    take('{"x": "\\u0000 <script>alert(1)</script> \\u202e"}')
    take("[" * 500 + "]" * 500)
    with pytest.raises(BatchError):
        take('"\\ud800"')
    client = signed_in(app, "quanly")
    page = client.get(f"/responses/{command_id}")
    assert (page.status_code, dangers(page.text)) == (200, [])
    assert "<script>alert" not in page.text
    assert "\u202e" not in page.text
    assert client.get(f"/api/v1/responses/{command_id}").status_code == 200
