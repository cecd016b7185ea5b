"""Every shipped playbook: whole in both languages, and run to its end along each branch."""

from __future__ import annotations

import re
from typing import Any

import pytest

from soc.respond.playbook_files import load_playbooks
from soc.respond.playbook_shapes import Input, Playbook, Step
from tests.respond.builders import PLAYBOOKS, PROVINCE, T, case_desk, open_case, with_alerts

ALL, REFUSED = load_playbooks(PLAYBOOKS)
BY_ID: dict[str, Playbook] = dict(ALL)
SITUATIONS = {
    "ransomware-on-server", "malware-on-workstation", "malware-spreading-across-agencies",
    "phishing-and-mailbox-takeover", "account-compromise", "defaced-portal", "web-shell",
    "denial-of-service-on-portal", "data-leak-with-personal-data",
    "botnet-connection-warned-by-national-centre", "brute-force-from-the-internet",
    "lost-or-infected-removable-media", "vulnerable-product-in-many-agencies", "insider-misuse",
}  # fmt: skip
VIETNAMESE = re.compile(
    r"[ăâđêôơưàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ]", re.I
)
RECEIVED = {  # facts of the forms, as people choose them
    "notified_to": ["coordinator"],
    "report_stage": "complete",
}


def test_the_situations_that_a_province_meets_are_there():
    assert REFUSED == []
    assert set(BY_ID) >= SITUATIONS


@pytest.mark.parametrize("name", sorted(BY_ID))
def test_both_languages_say_something_of_their_own(name: str):
    playbook = BY_ID[name]
    pairs = [(playbook.title, playbook.title_vi), (playbook.description, playbook.description_vi)]
    for step in playbook.steps:
        pairs += [(step.title, step.title_vi), (step.text, step.text_vi)]
        pairs += [(one.label, one.label_vi) for one in (*step.inputs, *step.options)]
    for english, vietnamese in pairs:
        assert not VIETNAMESE.search(english.replace("Mẫu 03", "")), english
        assert len(vietnamese) < 40 or VIETNAMESE.search(vietnamese), vietnamese


@pytest.mark.parametrize("name", sorted(BY_ID))
def test_it_answers_the_law(name: str):
    """The three questions, the first report and the 72-hour report are in every one, and all six activities."""
    playbook = BY_ID[name]
    acts = [(step.action, step.form) for step in playbook.steps if step.kind == "action"]
    for needed in (
        ("decide_serious", None),
        ("make_report", "mau-03"),
        ("send_report", "mau-03"),
        ("make_report", "bao-cao-72-gio"),
        ("send_report", "bao-cao-72-gio"),
    ):
        assert needed in acts
    assert {step.phase for step in playbook.steps} == {
        "detect", "preserve", "contain", "analyse", "recover", "trace",
    }  # fmt: skip


def answer_of(one: Input) -> Any:
    if one.fact in RECEIVED:
        return RECEIVED[one.fact]
    if one.kind in ("choice", "choices"):
        return one.choices[0].id if one.kind == "choice" else [one.choices[0].id]
    return {"number": 1, "yes_no": "yes", "yes_no_unknown": "unknown"}.get(one.kind, "đã làm")


def result_of(step: Step, branch: int) -> dict[str, Any]:
    if step.kind == "decision":
        return {"answer": step.options[branch].id}
    if step.action == "decide_serious":
        answers = dict.fromkeys(("serious", "national_security", "serious_disruption"), "unknown")
        return {**answers, "reason": "chưa rõ"}
    if step.action == "note":
        return {"text": "Kiểm tra theo lịch, không phải sự cố."}
    return {one.id: answer_of(one) for one in step.inputs if one.required}


@pytest.mark.parametrize("branch", [0, 1])
@pytest.mark.parametrize("name", sorted(BY_ID))
def test_it_runs_to_its_end_along_each_branch(name: str, branch: int, database):
    """Step by step in the order of the file, with what people type; nothing is left waiting."""
    desk = case_desk(with_alerts(database))
    case_id = open_case(desk)
    run_id = desk.start_playbook(PROVINCE, case_id, name, now=T)
    for step in BY_ID[name].steps:
        state = {row.step_id: row.state for row in desk.find(PROVINCE, case_id).runs[0].steps}
        if state[step.id] != "waiting":
            assert state[step.id] == "skipped", step.id
            continue
        desk.begin_step(PROVINCE, run_id, step.id, now=T)
        desk.finish_step(PROVINCE, run_id, step.id, result=result_of(step, branch), now=T)
    view = desk.find(PROVINCE, case_id)
    assert view.runs[0].row.finished_at == T
    forms = sorted(row.form for row in view.documents)
    assert forms == ([] if branch else ["bao-cao-72-gio", "mau-03"])
    assert {row.document_id for row in view.outbox} == {row.id for row in view.documents}
