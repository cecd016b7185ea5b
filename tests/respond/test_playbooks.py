from __future__ import annotations

import pytest

from soc.errors import Conflict, FormError, NotFound, PlaybookError
from soc.respond.playbook_desk import release_expired_steps
from soc.respond.playbook_files import load_playbook, load_playbooks
from tests.respond.builders import (
    FINANCE,
    PLAYBOOKS,
    PROVINCE,
    T,
    after,
    case_desk,
    open_case,
    with_alerts,
)

RANSOMWARE = "ransomware-on-server"
RESULTS = {  # what people type into the steps that ask for something
    "confirm": {"confirmed_with": "Chị Phương", "outline": "Tệp bị mã hóa từ 14:12."},
    "is_it": {"answer": "ransomware"},
    "isolate": {"hosts": "SXD-FS01, 14:50", "still_encrypting": "no"},
    "protect_backups": {"backup_state": "whole"},
    "classify": {
        "serious": "yes", "national_security": "no", "serious_disruption": "unknown",
        "reason": "Dữ liệu quan trọng bị mã hóa",
    },
    "evidence": {"kept": "Ảnh bộ nhớ", "attachments": ["logs"]},
    "report_facts": {"notified_to": ["coordinator"], "services": "database"},
    "accounts": {"locked": "svc_bk"},
    "spread": {"found": "không có"},
    "full_report_facts": {
        "report_stage": "complete", "cause": "RDP mở ra Internet", "scope": "1 máy chủ",
        "remedy": "Cài lại máy chủ",
    },
    "eradicate": {"removed": "Cài lại máy chủ"},
    "restore": {"backup_used": "22/11/2026 23:00", "backup_scanned": "yes"},
    "lessons": {"changes": "Tắt RDP"},
}  # fmt: skip


@pytest.fixture
def desk(database):
    return case_desk(with_alerts(database))


@pytest.fixture
def case_id(desk):
    return open_case(desk)


@pytest.fixture
def run_id(desk, case_id):
    return desk.start_playbook(PROVINCE, case_id, RANSOMWARE, now=T)


def run_of(desk, case_id):
    return desk.find(PROVINCE, case_id).runs[0]


def states(desk, case_id):
    return {step.step_id: step.state for step in run_of(desk, case_id).steps}


def do(desk, run_id, *step_ids, now=T):
    for step_id in step_ids:
        desk.begin_step(PROVINCE, run_id, step_id, now=now)
        result = RESULTS.get(step_id, {})
        desk.finish_step(PROVINCE, run_id, step_id, result=result, now=now)


def test_the_ransomware_playbook_runs_whole_and_sends_its_report(desk, case_id, run_id):
    """Step by step in the order of the file; the report comes from what was typed on the way."""
    for step in run_of(desk, case_id).steps:
        if states(desk, case_id)[step.step_id] == "waiting":
            do(desk, run_id, step.step_id)
    view = desk.find(PROVINCE, case_id)
    assert run_of(desk, case_id).row.finished_at == T
    assert set(states(desk, case_id).values()) == {"done", "skipped"}
    documents = {row.form: row for row in view.documents}
    assert documents["mau-03"].fields["outline"] == "Tệp bị mã hóa từ 14:12."
    assert documents["bao-cao-72-gio"].fields["first_report"] == "SC-2026-0001/BC-01"
    assert {row.document_id for row in view.outbox} == {row.id for row in view.documents}
    assert (view.summary.row.status, view.summary.row.serious) == ("contain", True)


def test_a_decision_rules_out_the_steps_of_the_other_branch(desk, case_id, run_id):
    """They are skipped by themselves, with the reason."""
    do(desk, run_id, "confirm")
    desk.begin_step(PROVINCE, run_id, "is_it", now=T)
    desk.finish_step(PROVINCE, run_id, "is_it", result={"answer": "not_ransomware"}, now=T)
    found = states(desk, case_id)
    assert found["not_ransomware_note"] == "waiting"
    assert {
        found[name] for name in found if name not in ("confirm", "is_it", "not_ransomware_note")
    } == {"skipped"}


def test_a_step_waits_for_the_required_steps_before_it(desk, run_id):
    """The refusal names them in Vietnamese."""
    with pytest.raises(PlaybookError, match="Xác minh có đúng là mã hóa tống tiền"):
        desk.begin_step(PROVINCE, run_id, "is_it", now=T)


def test_a_step_that_nobody_began_cannot_be_finished(desk, run_id):
    """So that the log shows who held it."""
    with pytest.raises(Conflict, match="begin it first"):
        desk.finish_step(PROVINCE, run_id, "confirm", result=RESULTS["confirm"], now=T)


def test_a_required_step_cannot_be_skipped(desk, run_id):
    """Not even with a reason."""
    with pytest.raises(PlaybookError, match="required"):
        desk.skip_step(PROVINCE, run_id, "confirm", reason="bận", now=T)


def test_an_optional_step_is_skipped_with_a_reason(desk, case_id, run_id):
    """Without one it is not."""
    with pytest.raises(PlaybookError, match="reason"):
        desk.skip_step(PROVINCE, run_id, "lessons", reason=" ", now=T)
    desk.skip_step(PROVINCE, run_id, "lessons", reason="họp chung cuối tháng", now=T)
    assert states(desk, case_id)["lessons"] == "skipped"


def test_a_result_that_lacks_something_leaves_the_step_running(desk, case_id, run_id):
    """The person mends it and sends it again."""
    desk.begin_step(PROVINCE, run_id, "confirm", now=T)
    with pytest.raises(PlaybookError, match="Người xác nhận"):
        desk.finish_step(PROVINCE, run_id, "confirm", result={"outline": "x"}, now=T)
    assert states(desk, case_id)["confirm"] == "running"


def test_a_result_with_an_unknown_answer_is_refused(desk, run_id):
    """Only the options of the file."""
    do(desk, run_id, "confirm")
    desk.begin_step(PROVINCE, run_id, "is_it", now=T)
    with pytest.raises(PlaybookError, match="maybe"):
        desk.finish_step(PROVINCE, run_id, "is_it", result={"answer": "maybe"}, now=T)


def test_a_report_that_cannot_be_made_fails_its_step_and_can_be_tried_again(
    desk, case_id, run_id, database
):
    """The reason stands on the step; once mended it goes through."""
    do(desk, run_id, "confirm", "is_it", "classify", "report_facts")
    desk.fill(PROVINCE, case_id, {"outline": ""}, now=T)
    desk.begin_step(PROVINCE, run_id, "make_first_report", now=T)
    with pytest.raises(FormError):
        desk.finish_step(PROVINCE, run_id, "make_first_report", result={}, now=T)
    failed = next(s for s in run_of(desk, case_id).steps if s.step_id == "make_first_report")
    assert (failed.state, "Mô tả sơ bộ" in failed.note) == ("failed", True)
    desk.fill(PROVINCE, case_id, {"outline": "Bổ sung"}, now=T)
    do(desk, run_id, "make_first_report")
    assert states(desk, case_id)["make_first_report"] == "done"


def test_a_step_whose_lease_ran_out_returns_to_waiting(desk, case_id, run_id, database):
    """No step is running for ever: confirm takes 15 minutes, so it is held for 30."""
    desk.begin_step(PROVINCE, run_id, "confirm", now=T)
    assert release_expired_steps(database, after(minutes=29)) == 0
    assert release_expired_steps(database, after(minutes=30)) == 1
    assert states(desk, case_id)["confirm"] == "waiting"


def test_a_step_that_somebody_holds_cannot_be_begun_by_another(desk, run_id):
    """Until the lease runs out; then it can, even before the worker came by."""
    desk.begin_step(PROVINCE, run_id, "confirm", now=T)
    with pytest.raises(Conflict):
        desk.begin_step(PROVINCE, run_id, "confirm", now=after(minutes=1))
    desk.begin_step(PROVINCE, run_id, "confirm", now=after(minutes=31))


def test_every_result_is_kept_on_the_case(desk, case_id, run_id):
    """The log is what the closing report is written from."""
    do(desk, run_id, "confirm")
    line = next(
        row for row in desk.find(PROVINCE, case_id).log if row.detail.get("state") == "done"
    )
    assert line.detail["result"]["confirmed_with"] == "Chị Phương"


def test_a_second_run_of_an_unfinished_playbook_is_refused(desk, case_id, run_id):
    """Two half runs are worse than one."""
    with pytest.raises(Conflict, match="unfinished"):
        desk.start_playbook(PROVINCE, case_id, RANSOMWARE, now=T)


def test_a_run_keeps_the_playbook_as_it_was(desk, case_id, run_id, database):
    """A file that changes later changes no run."""
    desk.playbooks[RANSOMWARE]["steps"].clear()
    do(desk, run_id, "confirm")
    assert states(desk, case_id)["confirm"] == "done"


def test_another_agencys_officer_cannot_touch_a_run(desk, run_id):
    """For them it is not there."""
    for act in (
        lambda: desk.begin_step(FINANCE, run_id, "confirm", now=T),
        lambda: desk.finish_step(FINANCE, run_id, "confirm", result={}, now=T),
        lambda: desk.skip_step(FINANCE, run_id, "lessons", reason="x", now=T),
    ):
        with pytest.raises(NotFound):
            act()


def test_every_shipped_playbook_loads_and_covers_the_six_activities():
    """NĐ 333 art. 9: detect, preserve, contain, analyse, recover, trace."""
    playbooks, refused = load_playbooks(PLAYBOOKS)
    assert refused == []
    for playbook in playbooks.values():
        phases = {step.phase for step in playbook.steps}
        assert phases == {"detect", "preserve", "contain", "analyse", "recover", "trace"}


SMALL = """\
id: small
version: "1"
title: Small
title_vi: Nhỏ
description: d
description_vi: d
basis: [none]
steps:
  - id: first
    phase: detect
    kind: manual
    title: t
    title_vi: t
    text: t
    text_vi: t
    who: analyst
    minutes: 5
"""


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (("kind: manual", "kind: magic"), 11, "kind"),
        (("minutes: 5", "minutes: soon"), 17, "minutes"),
        (("minutes: 5", "minutes: 5\n    after: [nobody]"), 1, "nobody"),
        (("who: analyst", "who: analyst\n    colour: red"), 17, "colour"),
        (("basis: [none]", "basis: [none"), 8, ""),
        (("title: Small\n", ""), 1, "title"),
    ],
)
def test_a_playbook_that_cannot_be_used_is_refused_with_its_place(tmp_path, change, line, reason):
    """File and line, and the word that is wrong."""
    path = tmp_path / "small.yml"
    path.write_text(SMALL.replace(*change), "utf-8")
    with pytest.raises(PlaybookError) as refused:
        load_playbook(path)
    assert str(refused.value).startswith(f"{path}:{line}:")
    assert reason in str(refused.value)


def test_one_bad_playbook_does_not_keep_the_others(tmp_path):
    """It is named, and the rest loads."""
    (tmp_path / "good.yml").write_text(SMALL, "utf-8")
    (tmp_path / "bad.yml").write_text("id: [", "utf-8")
    playbooks, refused = load_playbooks(tmp_path)
    assert (list(playbooks), len(refused)) == (["small"], 1)


def test_a_playbook_nested_very_deep_is_refused_and_spares_the_others(tmp_path):
    """Reading it must not take the process along."""
    (tmp_path / "deep.yml").write_text("steps: " + "[" * 200_000)
    found, refused = load_playbooks(tmp_path)
    assert found == {}
    assert "deep.yml:1:" in str(refused[0])
    assert "nested over 200 deep" in str(refused[0])
