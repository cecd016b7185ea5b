"""Playbooks as CACAO 2.0: there and back without loss, valid by the OASIS schemas; other tools' as work for people."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from soc.errors import PlaybookError
from soc.respond.cacao_export import pattern_of, to_cacao
from soc.respond.cacao_import import from_cacao
from soc.respond.playbook_files import load_playbooks
from soc.respond.playbook_shapes import Playbook
from tests.respond.builders import PLAYBOOKS
from tests.respond.playbook_builders import asks, playbook, step

AT = datetime(2026, 11, 27, tzinfo=UTC)
SHIPPED = dict(load_playbooks(PLAYBOOKS)[0])
ISOLATE = {"do": "isolate_host", "on": "hosts", "parameters": {"seconds": 600}}
EVERY_KIND = playbook(
    step("count", inputs=[asks("files", "number"), asks("who")]),
    step("scan", "decision", answers=[
        {"answer": "bad", "when": {"step": "count", "input": "files", "more_than": 9}},
    ]),
    step("cut", "action", action="respond", respond=ISOLATE, inputs=[asks("hosts")], on_failure="call",
         when={"step": "scan", "answer": "bad"}),
    step("rest", "wait", minutes=60, when={"step": "scan", "answer": "bad"}),
    step("look", "decision", approvals=1),
    step("clean", when={"all": [{"step": "look", "answer": "bad"},
                                {"none": [{"step": "count", "input": "who", "is": "it's me"}]}]}),
    step("round", "loop", back_to="look", until={"step": "look", "answer": "good"}, at_most=3),
    step("inner", "playbook", playbook="other-one"),
    step("call"),
    step("free", "action", action="undo", undoes="cut"),
    step("move_on", "action", action="move", to="recover", auto=True, after=["count"]),
)  # fmt: skip


def given_as(book: Playbook) -> dict[str, Any]:
    return to_cacao(book, at=AT)


def taken(content: dict[str, Any]) -> Playbook:
    return from_cacao(json.dumps(content, ensure_ascii=False).encode())


@pytest.fixture(scope="module")
def schemas(corpus: Path) -> dict[str, Any]:
    """The OASIS schemas by file name; references go by ``$id``."""
    folder = corpus / "standards/cacao/schemas"
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.rglob("*.json")}


def faults(content: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """By the schemas as they are written (draft 7), and names that they do not know, which draft 7 lets pass."""
    named = [(one["$id"], Resource.from_contents(one)) for one in schemas.values()]
    registry: Registry[Any] = Registry().with_resources(named)
    validator = Draft7Validator(schemas["playbook"], registry=registry)
    found = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(content)]
    found += unknown(content, schemas["playbook"])
    for one in content["workflow"].values():
        found += unknown(one, schemas["workflow-step"], schemas[one["type"]])
        for command in one.get("commands", ()):
            found += unknown(command, schemas["command-data"], schemas[command["type"]])
    return found


def unknown(thing: dict[str, Any], *schemas: dict[str, Any]) -> list[str]:
    known: set[str] = set()
    for schema in schemas:
        for part in [schema, *schema.get("allOf", ())]:
            known |= set(part.get("properties", ()))
    return [f"unknown: {name}" for name in thing if name not in known]


@pytest.mark.parametrize("book", [*SHIPPED.values(), EVERY_KIND], ids=lambda book: book.id)
def test_a_playbook_is_valid_cacao_and_comes_back_whole(book: Playbook, schemas):
    content = given_as(book)
    assert faults(content, schemas) == []
    assert taken(content) == book


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("comands", []),
        ("commands", []),
        ("on_completion", "somewhere"),
        ("agent", None),
        ("delay", 0),
    ],
)
def test_what_is_wrong_is_seen(schemas, key, value):
    """So that the test above can fail."""
    content = given_as(EVERY_KIND)
    first = next(name for name in content["workflow"] if name.startswith("action--"))
    content["workflow"][first][key] = value
    assert faults(content, schemas)


def walk(content: dict[str, Any], name: str) -> list[str]:
    """The ids of a chain of steps up to its end."""
    found = []
    while content["workflow"][name]["type"] != "end":
        found.append(name)
        one = content["workflow"][name]
        name = one.get("on_completion") or one["on_success"]
    return found


def test_steps_stand_in_their_order_with_conditions_and_loops_around_them():
    """Another tool that knows CACAO alone does the same steps."""
    content = given_as(EVERY_KIND)
    main = walk(content, content["workflow_start"])
    workflow = content["workflow"]
    said = [workflow[name].get("name", workflow[name]["type"]) for name in main]
    assert said == ["start", "count", "scan", "if-condition", "round", "inner", "free", "move_on"]
    branch = workflow[main[3]]
    assert branch["condition"] == "__scan__:value = 'bad'"
    assert [workflow[one]["name"] for one in walk(content, branch["on_true"])] == ["cut", "rest"]
    cut = workflow[branch["on_true"]]
    assert workflow[cut["on_failure"]]["name"] == "call"
    assert workflow[main[4]]["condition"] == "NOT (__look__:value = 'good')"
    ends = [name for name, one in workflow.items() if one["type"] == "end"]
    assert len(ends) == 4  # the main one, two conditions, the loop


def test_conditions_are_quoted():
    when = EVERY_KIND.steps[5].when
    assert when is not None
    assert pattern_of(when) == (
        "(__look__:value = 'bad' AND NOT (__count__who__:value = 'it\\'s me'))"
    )


def test_the_same_playbook_gives_the_same_bytes():
    assert json.dumps(given_as(EVERY_KIND)) == json.dumps(given_as(EVERY_KIND))


def test_names_edited_elsewhere_come_back_edited():
    content = given_as(EVERY_KIND)
    name = content["playbook_extensions"][next(iter(content["playbook_extensions"]))]["steps"][0]
    content["workflow"][name]["name"] = "Count the files"
    assert taken(content).steps[0].title == "Count the files"


def test_steps_added_elsewhere_are_named_and_not_lost():
    content = given_as(EVERY_KIND)
    new = "action--00000000-0000-4000-8000-000000000001"
    content["workflow"][new] = {"type": "action", "name": "x", "commands": [], "agent": "x"}
    with pytest.raises(PlaybookError, match=new):
        taken(content)


def foreign() -> dict[str, Any]:
    """What another tool might give: a script, a question with two branches, two things at a time, a failure."""
    ids = {
        name: f"{kind}--00000000-0000-4000-8000-{number:012}"
        for number, (name, kind) in enumerate(
            {
                "start": "start", "block": "action", "ask": "if-condition", "tell": "action",
                "both": "parallel", "mail": "action", "log": "action", "over": "action",
                "end": "end", "end1": "end", "end2": "end", "end3": "end", "repair": "action",
            }.items()
        )
    }  # fmt: skip
    bash = {"type": "bash", "command": "rm -rf /"}
    manual = {"type": "manual", "command": "Call them."}
    steps = {
        "start": {"type": "start", "on_completion": ids["block"]},
        "block": {
            "type": "action", "name": "Block it", "commands": [bash], "agent": "x",
            "on_success": ids["ask"], "on_failure": ids["repair"], "timeout": 600_000,
        },
        "repair": {"type": "action", "name": "Repair", "commands": [manual], "on_completion": ids["ask"]},
        "ask": {
            "type": "if-condition", "condition": "__bad__:value = true", "on_true": ids["tell"],
            "on_completion": ids["both"],
        },
        "tell": {"type": "action", "name": "Tell", "commands": [manual], "on_completion": ids["end1"]},
        "both": {"type": "parallel", "next_steps": [ids["mail"], ids["log"]], "on_completion": ids["over"]},
        "mail": {"type": "action", "name": "Mail", "commands": [manual], "on_completion": ids["end2"]},
        "log": {"type": "action", "name": "Log", "commands": [manual], "on_completion": ids["end3"]},
        "over": {"type": "action", "name": "Over", "commands": [manual], "on_completion": ids["end"]},
        **{key: {"type": "end"} for key in ("end", "end1", "end2", "end3")},
    }  # fmt: skip
    return {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": "playbook--00000000-0000-4000-8000-00000000ffff",
        "name": "Block a bad address",
        "workflow_start": ids["start"],
        "workflow": {ids[name]: one for name, one in steps.items()},
    }


def test_another_tools_playbook_becomes_work_for_people():
    """No command of it runs: the script is text in a manual step."""
    book = taken(foreign())
    steps = {one.id: one for one in book.steps}
    assert {one.kind for one in book.steps} == {"manual", "decision"}
    assert (steps["block_it"].text, steps["block_it"].minutes) == ("[bash] rm -rf /", 10)
    assert steps["block_it"].on_failure == "repair"
    assert steps["tell"].when is not None
    assert steps["tell"].when.answer == "yes"
    assert steps["mail"].after == steps["log"].after
    assert steps["mail"].after is not None
    assert "mail" not in (steps["log"].after or ())
    assert steps["over"].after is None


def test_loops_waits_and_sub_playbooks_of_another_tool_keep_their_place():
    """Our own file without our part of it is another tool's: asked before each round, waited for, done by hand."""
    content = given_as(EVERY_KIND)
    del content["playbook_extensions"]
    book = taken(content)
    steps = {one.id: one for one in book.steps}
    order = list(steps)
    loop = next(one for one in book.steps if one.kind == "loop")
    assert loop.back_to is not None
    assert (
        order.index(loop.back_to)
        < order.index("look")
        < order.index("clean")
        < order.index(loop.id)
    )
    assert loop.until is not None
    assert (loop.until.step, loop.until.answer) == (loop.back_to, "no")
    wait = next(one for one in book.steps if one.kind == "wait")
    assert (wait.minutes, order.index(wait.id) + 1) == (60, order.index("rest"))
    assert steps["cut"].on_failure == "call"
    assert steps["inner"].text.startswith("Do it.\n\nRun the playbook playbook--")


def test_a_loop_with_a_condition_keeps_its_steps_inside():
    """The branch has the loop, and the loop its steps."""
    when, until = {"step": "scan", "answer": "bad"}, {"step": "look", "answer": "good"}
    content = given_as(
        playbook(
            step("scan", "decision"),
            step("tell", when=when),
            step("look", "decision", when=when),
            step("round", "loop", back_to="look", until=until, at_most=2, when=when),
            step("last"),
        )
    )
    workflow = content["workflow"]
    main = walk(content, content["workflow_start"])
    said = [workflow[one].get("name", workflow[one]["type"]) for one in main]
    assert said == ["start", "scan", "if-condition", "if-condition", "last"]
    [loop] = walk(content, workflow[main[3]]["on_true"])
    assert workflow[loop]["name"] == "round"
    inside = walk(content, workflow[loop]["on_true"])
    assert [workflow[one].get("name") for one in inside] == ["look"]


def test_a_workflow_that_comes_round_is_refused():
    content = foreign()
    over = next(name for name, one in content["workflow"].items() if one.get("name") == "Over")
    content["workflow"][over]["on_completion"] = over
    with pytest.raises(PlaybookError, match="reached twice"):
        taken(content)


def test_branches_nested_too_deep_are_refused():
    content = foreign()
    names = [f"if-condition--00000000-0000-4000-9000-{number:012}" for number in range(700)]
    for name, inner in zip(names, [*names[1:], "x"], strict=True):
        content["workflow"][name] = {"type": "if-condition", "condition": "x", "on_true": inner}
    content["workflow_start"] = names[0]
    with pytest.raises(PlaybookError, match=r"nested too deep|more than|not there"):
        taken(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no CACAO playbook"),
        (b'{"type": "playbook", "spec_version": "1.1"}', "cacao-2.0 is read"),
        (b'{"type": "playbook", "spec_version": "cacao-2.0"}', "workflow: an object"),
        (b"x" * (4 * 1024 * 1024 + 1), "at most"),
    ],
)
def test_what_is_no_playbook_is_refused_with_the_reason(content, said):
    with pytest.raises(PlaybookError, match=said):
        from_cacao(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_playbook_is_a_playbook_or_a_reason(data):
    """One value anywhere replaced by another: never another kind of error."""
    content = data.draw(st.sampled_from([foreign(), given_as(EVERY_KIND)]))
    where: Any = content
    while True:
        key = data.draw(
            st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where)))
        )
        inner = where[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        where = inner
    where[key] = data.draw(JSON)
    with suppress(PlaybookError):
        assert isinstance(taken(content), Playbook)
