"""What a playbook file may not say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from soc.respond.playbook_conditions import holds
from soc.respond.playbook_files import load_playbooks
from tests.respond.playbook_builders import playbook, step

GOOD = {"step": "aa", "answer": "good"}
ISOLATE = {"do": "isolate_host", "on": "hosts", "parameters": {"seconds": 3600}}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step("aa", "decision"), step("bb", "loop", back_to="cc", until=GOOD, at_most=2)], "no earlier step"),
        ([step("aa"), step("bb", "loop", back_to="aa")], "until belongs to the kind loop"),
        ([step("aa", "decision"), step("bb", "loop", back_to="aa", until=GOOD, at_most=21)], "at_most"),
        ([step("aa", playbook="xx")], "playbook belongs to the kind playbook"),
        ([step("aa", "action", action="send_report", form="mau-03", auto=True)], "auto is for"),
        ([step("aa", "action", action="respond", respond=ISOLATE)], "no required input hosts"),
        ([step("aa", "action", action="undo", undoes="bb"), step("bb")], "no earlier respond step"),
        ([step("aa", on_failure="aa")], "no later step"),
        ([step("aa", "wait", approvals=1)], "approvals belong to"),
        ([step("aa", minutes=5000)], "minutes: at most"),
        ([step("aa"), step("bb", when={"step": "aa", "answer": "yes"})], "no earlier decision offers"),
        ([step("aa"), step("bb", when={"step": "aa", "input": "xx", "is": 1})], "no earlier step asks for"),
        ([step("aa"), step("bb", when={"step": "aa"})], "has answer, or input"),
        ([step("aa"), step("bb", when={"all": []})], "names a step"),
        ([step("aa", when={"step": "__class__", "answer": "xx"})], "string_pattern|pattern"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_run_is_refused_with_the_reason(steps, said):
    with pytest.raises(ValidationError, match=said):
        playbook(*steps)


def test_loops_do_not_stand_in_one_another():
    with pytest.raises(ValidationError, match="another loop"):
        playbook(
            step("aa", "decision"),
            step("bb", "loop", back_to="aa", until=GOOD, at_most=2),
            step("cc", "loop", back_to="aa", until=GOOD, at_most=2),
        )


def test_playbooks_that_call_each_other_are_refused_and_the_others_load(tmp_path):
    """The circle is named; so is a playbook that is not there."""
    ring = {"one": "two", "two": "one", "lost": "nowhere"}
    for name, inner in ring.items():
        book = playbook(step("go", "playbook", playbook=inner), name=name)
        (tmp_path / f"{name}.yml").write_text(book.model_dump_json(by_alias=True), "utf-8")
    (tmp_path / "fine.yml").write_text(playbook(step("go"), name="fine").model_dump_json(), "utf-8")
    loaded, refused = load_playbooks(tmp_path)
    assert set(loaded) == {"fine"}
    said = " ".join(map(str, refused))
    assert "one → two → one" in said
    assert "'nowhere', which is not there" in said


def test_conditions_are_known_or_not_yet():
    """A group is known as soon as one part settles it."""
    good, files = {"step": "aa", "answer": "good"}, {"step": "bb", "input": "nn", "more_than": 3}
    results = {"aa": {"answer": "good"}}
    assert holds({"all": [good, files]}, results) is None
    assert holds({"any": [good, files]}, results) is True
    assert holds({"none": [good, files]}, results) is False
    assert holds({"all": [good, files]}, {**results, "bb": {"nn": 4}}) is True
    assert holds(files, {"bb": {"nn": True}}) is False
    assert holds({"step": "bb", "input": "nn", "is": "xx"}, {"bb": {"nn": ["xx", "y"]}}) is True
    assert holds(good, {"aa": None}) is False
