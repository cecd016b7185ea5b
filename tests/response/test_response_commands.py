"""What an agent believes: only what the command key signed, for it, in time, once."""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from collectors.agent import command_key
from collectors.agent.actions.contract import DONE, Outcome
from collectors.agent.command_document import CommandRefused, believe, read_envelope
from collectors.agent.errors import ConfigError
from soc.errors import NotAllowed, NotFound, SettingsError
from soc.model.response import ResponseAction
from soc.model.scope import Scope
from soc.receive.certificates import door_certificate
from soc.receive.command_key import CONTEXT, command_certificate, command_signer
from soc.receive.commands import CommandPost
from soc.records.accounts import AuditRow
from soc.records.agents import AgentRow
from soc.records.responses import ResponseCommandRow
from soc.respond.response_states import document_of
from tests.response.agent_alone import commands_in
from tests.response.lab import AN, BINH, Lab, wait_until

ISOLATE = {"seconds": 600}


class Counted:
    """An action that only counts how often it acts."""

    name, timeout_seconds, is_measure = "isolate_host", 5.0, True

    def __init__(self) -> None:
        self.acts: list[str] = []

    def dry_run(self, work):
        return Outcome(DONE)

    def run(self, work):
        self.acts.append(work.command_id)
        return Outcome(DONE, found={"seconds": work.parameters["seconds"]})

    def undo(self, work):
        self.acts.append("undo")
        return Outcome(DONE)

    def after_kill(self, work, verb):
        return Outcome("unchanged")

    def is_in_force(self, work):
        return bool(self.acts)


@pytest.fixture
def counted(lab: Lab, tmp_path):
    """An agent whose isolation only counts."""
    action = Counted()
    made = lab.agent(tmp_path / "ws-01", actions={"isolate_host": action})
    yield made, action
    made.link.close()


def tamper(lab: Lab, command_id: str, **values) -> None:
    """What somebody with the database alone can do."""
    with lab.database.write(AN) as session:
        session.execute(
            update(ResponseCommandRow).where(ResponseCommandRow.id == command_id).values(**values)
        )


def signed_anew(lab: Lab, command_id: str, **changes) -> None:
    """Change a command and sign it rightly: what is left is the agent's own judgement."""
    row = lab.desk.find(AN, command_id)
    facts = json.loads(document_of(row)) | changes
    document = json.dumps(facts).encode()
    tamper(lab, command_id, document=document, signature=command_signer(lab.keys)(document))


def test_a_stolen_database_commands_nobody(lab: Lab, counted):
    """Rows written without the key, with a key of the thief's own, and with a signature of another document."""
    agent, action = counted
    own = Ed25519PrivateKey.generate()
    for forge in ("another key", "another document", "rubbish"):
        command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
        row = lab.desk.find(AN, command_id)
        document = row.document.replace(b"600", b"601")
        signature = {
            "another key": own.sign(CONTEXT + document),
            "another document": row.signature,
            "rubbish": b"x",
        }[forge]
        tamper(lab, command_id, document=document, signature=signature)
        answer = lab.outcome(agent, command_id)
        assert (answer["state"], answer["found"]["code"]) == ("refused", "signature")
        assert lab.state(command_id) == "refused"
    assert action.acts == []


def test_an_unsigned_row_never_leaves_the_door(lab: Lab, counted):
    """Set to queued by hand, without bytes, it is not even handed out."""
    agent, action = counted
    asked = lab.desk.ask(
        AN, [agent.identity.agent_id], ResponseAction.ISOLATE_HOST, ISOLATE, reason="x", now=now()
    )
    tamper(lab, asked.command_ids[0], state="queued")
    agent.turn()
    assert (action.acts, lab.desk.results(AN, asked.command_ids[0])) == ([], [])


def test_a_command_for_another_agent_is_refused_and_the_other_still_gets_it(lab: Lab, tmp_path):
    """The refusal is kept, and moves nothing of the command."""
    first, second = Counted(), Counted()
    meant = lab.agent(tmp_path / "ws-01", actions={"isolate_host": first})
    wrong = lab.agent(tmp_path / "ws-02", actions={"isolate_host": second})
    command_id = lab.ask(meant, ResponseAction.ISOLATE_HOST, ISOLATE)
    tamper(lab, command_id, agent_id=wrong.identity.agent_id)
    answer = lab.outcome(wrong, command_id)
    assert (answer["state"], answer["found"]["code"], second.acts) == ("refused", "agent", [])
    tamper(lab, command_id, agent_id=meant.identity.agent_id, state="queued")
    wait_until(lambda: meant.turn() or lab.state(command_id) == "done")
    assert first.acts == [command_id]
    meant.link.close()
    wrong.link.close()


def test_an_expired_command_is_refused_by_the_agent_too(lab: Lab, counted):
    """The door hands none out; one that comes in another way is refused by the agent's own clock."""
    agent, action = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    signed_anew(lab, command_id, expires_at=1)
    answer = lab.outcome(agent, command_id)
    assert (answer["found"]["code"], action.acts) == ("expired", [])


def test_an_unknown_action_is_refused(lab: Lab, counted):
    agent, action = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    signed_anew(lab, command_id, action="format_disk")
    assert lab.outcome(agent, command_id)["found"]["code"] == "action"
    assert action.acts == []


def test_a_replayed_command_acts_once_and_the_replay_is_told(lab: Lab, counted):
    """The very same bytes, put back by whoever has the database; also after the agent starts anew."""
    agent, action = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    assert lab.outcome(agent, command_id)["state"] == "done"
    for again in (agent, commands_in(agent.home, actions={"isolate_host": action})):
        tamper(lab, command_id, state="queued")
        again.turn()
        again.turn()
        again.link.close()
    answers = [json.loads(one.raw) for one in lab.desk.results(AN, command_id)]
    assert [one["state"] for one in answers[:2]] == ["done", "refused"]
    assert answers[1]["found"]["code"] == "replayed"
    assert action.acts == [command_id]


def test_a_command_is_not_begun_before_its_time(lab: Lab, counted):
    agent, action = counted
    begins = now() + timedelta(hours=1)
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE, not_before=begins)
    agent.turn()
    assert (action.acts, lab.state(command_id)) == ([], "queued")
    agent.offset = lambda: 3_700.0  # the agent's clock an hour later
    envelope = envelope_of(lab, command_id)
    agent._take(envelope, command_key.pinned(agent.home, agent.ca))
    wait_until(lambda: action.acts == [command_id])


def test_an_isolation_does_not_wait_for_bundles(lab: Lab, tmp_path):
    """Three long actions that hang, and fifty more in the queue: what is urgent is begun all the same."""
    hang = threading.Event()

    class Hanging(Counted):
        name, timeout_seconds, is_measure = "collect_triage", 300.0, False

        def run(self, work):
            self.acts.append(work.command_id)
            hang.wait(30)
            return Outcome(DONE)

    slow, quick = Hanging(), Counted()
    actions = {"collect_triage": slow, "isolate_host": quick}
    agent = lab.agent(tmp_path / "ws-01", actions=actions)
    for _ in range(55):
        lab.ask(agent, ResponseAction.COLLECT_TRIAGE, {})
    agent.turn()
    wait_until(lambda: len(slow.acts) == 3)
    urgent = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    assert lab.outcome(agent, urgent)["state"] == "done"
    assert len(slow.acts) == 3
    hang.set()
    wait_until(lambda: not agent._running)
    agent.link.close()


def test_two_people_or_nothing(lab: Lab, counted):
    """Who asked cannot approve; before the second person the door has nothing to hand out; both stand in the log."""
    agent, action = counted
    asked = lab.desk.ask(
        AN, [agent.identity.agent_id], ResponseAction.ISOLATE_HOST, ISOLATE, reason="x", now=now()
    )
    [command_id] = asked.command_ids
    with pytest.raises(NotAllowed):
        lab.desk.approve(AN, command_id, now())
    agent.turn()
    assert (lab.state(command_id), action.acts) == ("waiting", [])
    lab.desk.approve(BINH, command_id, now())
    assert lab.outcome(agent, command_id)["state"] == "done"
    facts = json.loads(lab.desk.find(AN, command_id).document)
    assert (facts["asked_by"], facts["approved_by"]) == ("an", ["binh"])
    with lab.database.session(AN) as session:
        told = [
            (row.actor, row.action)
            for row in session.scalars(select(AuditRow).where(AuditRow.key == command_id))
        ]
    assert told == [
        ("an", "response.ask"),
        ("binh", "response.approve"),
        (f"agent:{agent.identity.agent_id}", "response.answer"),
    ]


def test_an_offline_machine_gets_its_command_when_it_comes_and_not_after_the_deadline(
    lab: Lab, tmp_path
):
    """Who answered, who is silent: by name."""
    first = lab.agent(tmp_path / "ws-01", actions={"isolate_host": Counted()})
    late = lab.agent(tmp_path / "ws-02", actions={"isolate_host": (action := Counted())})
    ids = [first.identity.agent_id, late.identity.agent_id]
    asked = lab.desk.ask(
        AN,
        ids,
        ResponseAction.ISOLATE_HOST,
        ISOLATE,
        reason="x",
        now=now(),
        within=timedelta(hours=1),
    )
    for one in asked.command_ids:
        lab.desk.approve(BINH, one, now())
    lab.outcome(first, asked.command_ids[0])
    tally = lab.desk.tally(AN, asked.request_id, now())
    assert (tally.hosts_by_state["done"], tally.silent) == (("ws-01",), ("ws-02",))
    after = now() + timedelta(hours=2)
    assert lab.desk.state_of(AN, asked.command_ids[1], after) == "expired"
    assert lab.desk.tally(AN, asked.request_id, after).silent == ("ws-02",)
    tamper(lab, asked.command_ids[1], expires_at=now() - timedelta(seconds=1))
    late.turn()
    assert action.acts == []
    first.link.close()
    late.link.close()


def test_one_asking_of_many_machines_is_one_line_for_each_agency(lab: Lab):
    """2,500 machines in one transaction that holds the door up for moments; each has a command of its own."""
    with lab.database.write(AN) as session:
        session.add_all(
            AgentRow(
                id=f"ag-{number}", name=f"ws-{number}", agency_id=f"a-{number % 3}",
                public_key=bytes(32), enrolled_at=now(),
            )
            for number in range(2_500)
        )  # fmt: skip
    ids = [f"ag-{number}" for number in range(2_500)]
    began = time.monotonic()
    how = {"reason": "x", "now": now(), "idempotency_key": "k"}
    wanted = (AN, ids, ResponseAction.QUERY_STATE, {"what": "sockets"})
    asked = lab.desk.ask(*wanted, **how)
    took = time.monotonic() - began
    assert len(set(asked.command_ids)) == 2_500
    assert lab.desk.ask(*wanted, **how) == asked
    with lab.database.session(AN) as session:
        told = list(session.scalars(select(AuditRow).where(AuditRow.key == asked.request_id)))
    assert sorted(len(row.detail["agents"]) for row in told) == [833, 833, 834]
    assert len(lab.desk.tally(AN, asked.request_id, now()).silent) == 2_500
    assert took < 5


def test_the_end_of_a_measure_is_told_by_the_agent(lab: Lab, counted):
    """Run out, or taken away on the machine: it is in force no longer, and the page knows."""
    agent, action = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    lab.outcome(agent, command_id)
    assert [row.id for row in lab.desk.measures(AN, now())] == [command_id]
    action.acts.clear()
    agent.turn()
    assert lab.desk.measures(AN, now()) == []
    assert lab.desk.find(AN, command_id).ended_how
    agent.turn()
    assert len(lab.desk.results(AN, command_id)) == 2


def test_a_measure_that_holds_is_never_forgotten(lab: Lab, counted):
    """A quarantine of two years is still undone; a question of then is gone."""
    agent, _ = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    lab.outcome(agent, command_id)
    years = 2 * 366 * 86_400 * 1_000_000
    agent.journal.tidy(agent.now() + years)
    undo = lab.desk.undo(AN, command_id, "sạch", now())
    assert lab.outcome(agent, undo)["state"] == "done"
    agent.turn()
    agent.journal.tidy(agent.now() + years)
    assert list(agent.journal.all()) == []


def test_an_answer_to_a_batch_says_that_commands_wait(lab: Lab, counted):
    """So that a busy agent need not wait for its next question."""
    agent, _ = counted
    post = CommandPost(lab.database, lab.home / "evidence", str)
    lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    post.refresh(now())
    assert post.waiting == {agent.identity.agent_id}
    post.refresh(now() + timedelta(days=2))
    assert post.waiting == set()


def test_an_undo_ends_the_measure(lab: Lab, counted):
    agent, action = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    lab.outcome(agent, command_id)
    undo = lab.desk.undo(AN, command_id, "sạch", now())
    assert lab.outcome(agent, undo)["state"] == "done"
    assert (action.acts, lab.desk.measures(AN, now())) == ([command_id, "undo"], [])
    assert lab.desk.find(AN, command_id).ended_how == f"undone by {undo}"


def test_an_action_that_breaks_is_answered(lab: Lab, tmp_path):
    """No command stays without an answer."""

    class Broken(Counted):
        def run(self, work):
            raise OSError(28, "No space left on device")

    agent = lab.agent(tmp_path / "ws-01", actions={"isolate_host": Broken()})
    answer = lab.outcome(agent, lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE))
    assert (answer["state"], "No space" in answer["reason"]) == ("failed", True)
    agent.link.close()


# ── the key ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_agent_of_before_learns_the_key_on_the_word_of_the_pinned_ca(lab: Lab, counted):
    agent, _ = counted
    (agent.home / "command.pem").unlink()
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    assert lab.outcome(agent, command_id)["state"] == "done"
    assert (agent.home / "command.pem").exists()


def test_certificates_that_are_not_of_the_command_key_are_refused(lab: Lab, counted, tmp_path):
    """Of another CA; the door's own; another key than the pinned one."""
    agent, _ = counted
    other = tmp_path / "other"
    door_certificate(other, ["x"], now())
    strange = command_certificate(other, now())
    with pytest.raises(ConfigError, match="not of the platform's CA"):
        command_key.pin(agent.home, strange, agent.ca)
    with pytest.raises(ConfigError, match="not made for commands"):
        command_key.pin(agent.home, (lab.keys / "door.pem").read_text(), agent.ca)
    with pytest.raises(ConfigError, match="cannot be used"):
        command_key.pin(agent.home, "rubbish", agent.ca)
    (lab.keys / "command.key").unlink()
    with pytest.raises(ConfigError, match="another command key"):
        command_key.pin(agent.home, command_certificate(lab.keys, now()), agent.ca)


def test_a_key_that_others_can_read_signs_nothing(lab: Lab):
    assert (lab.keys / "command.key").stat().st_mode & 0o777 == 0o600
    (lab.keys / "command.key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        command_signer(lab.keys)(b"x")


def test_the_key_is_nowhere_in_the_database(lab: Lab, counted):
    agent, _ = counted
    lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    text = (lab.keys / "command.key").read_bytes()
    secret = base64.b64decode(b"".join(text.splitlines()[1:-1]))[-32:]
    found = b"".join(path.read_bytes() for path in lab.home.glob("soc.sqlite*"))
    assert secret not in found
    assert base64.b64encode(secret) not in found


# ── hostile bytes ────────────────────────────────────────────────────────────────────────────────────────────────

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(str.encode), st.just(b"[" * 60_000)
    )
)
def test_any_signed_bytes_are_a_command_or_refused(document):
    """Even rightly signed rubbish ends in a refusal and nothing else."""
    signature = KEY.sign(CONTEXT + document)
    item = {
        "document": base64.b64encode(document).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    with pytest.raises(CommandRefused):
        believe(read_envelope(item), KEY.public_key(), "ag-1", 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_any_json_in_the_place_of_an_envelope_is_refused(item):
    with pytest.raises(CommandRefused):
        believe(read_envelope(item), KEY.public_key(), "ag-1", 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../etc/passwd"),
        ("id", "A B"),
        ("verb", "destroy"),
        ("verb", "undo"),
        ("measure", "../x"),
        ("parameters", []),
        ("expires_at", True),
        ("not_before", "0"),
        ("approved_by", "an"),
        ("version", 2),
        ("reason", "x" * 5000),
        ("more", 1),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused(field, value):
    facts = {
        "version": 1, "id": "rc-1", "agent_id": "ag-1", "action": "isolate_host", "verb": "run",
        "measure": "", "parameters": {}, "reason": "x", "case_id": "", "asked_by": "an",
        "approved_by": [], "not_before": 0, "expires_at": 10,
    } | {field: value}  # fmt: skip
    document = json.dumps(facts).encode()
    item = {
        "document": base64.b64encode(document).decode(),
        "signature": base64.b64encode(KEY.sign(CONTEXT + document)).decode(),
    }
    with pytest.raises(CommandRefused, match="document"):
        believe(read_envelope(item), KEY.public_key(), "ag-1", 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"command_id":"rc-1","agent_id":"","document_sha256":"","state":"done","reason":"","found":{},"x":"\xff"}',
        b'{"command_id":"rc-1","agent_id":"ag-other","document_sha256":"","state":"done","reason":"","found":{}}',
        b'{"command_id":"rc-1","agent_id":"","document_sha256":"","state":"king","reason":"","found":{}}',
        b"x" * 1_100_000,
    ],
)
def test_hostile_answers_are_refused_and_change_nothing(lab: Lab, counted, body):
    agent, _ = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    answer = agent._request("POST", "/v1/commands/results", body)
    assert answer.status in (400, 413)
    assert (lab.state(command_id), lab.desk.results(AN, command_id)) == ("queued", [])


def test_an_agent_cannot_answer_for_another_or_bring_bundles_nobody_asked_for(lab: Lab, tmp_path):
    """Its answer is kept as its own and moves nothing; its bundle is refused before it is read."""
    meant = lab.agent(tmp_path / "ws-01")
    liar = lab.agent(tmp_path / "ws-02")
    command_id = lab.ask(meant, ResponseAction.COLLECT_TRIAGE, {})
    row = lab.desk.find(AN, command_id)
    lie = {
        "command_id": command_id,
        "agent_id": liar.identity.agent_id,
        "document_sha256": read_envelope(envelope_of(lab, command_id)).sha256,
        "state": "done",
        "reason": "",
        "found": {},
    }
    assert liar._request("POST", "/v1/commands/results", json.dumps(lie).encode()).status == 200
    assert lab.state(command_id) == "queued"
    assert liar._request("POST", f"/v1/commands/evidence/{command_id}", b"x").status == 404
    assert lab.desk.find(AN, command_id).evidence_sha256 == row.evidence_sha256 == ""
    statuses = [
        liar._request(
            "POST", "/v1/commands/results", json.dumps(lie | {"reason": str(n)}).encode()
        ).status
        for n in range(25)
    ]
    assert statuses.count(200) == 19
    meant.link.close()
    liar.link.close()


def test_answers_and_evidence_are_of_the_agents_agency(lab: Lab, counted):
    """Another agency sees neither command nor answer."""
    agent, _ = counted
    command_id = lab.ask(agent, ResponseAction.ISOLATE_HOST, ISOLATE)
    lab.outcome(agent, command_id)
    other = Scope.of("a-khac")
    assert (
        lab.desk.find(other, command_id),
        lab.desk.all(other),
        lab.desk.measures(other, now()),
    ) == (
        None,
        [],
        [],
    )
    for act in (
        lambda: lab.desk.results(other, command_id),
        lambda: lab.desk.undo(other, command_id, "x", now()),
        lambda: lab.desk.ask(
            other,
            [agent.identity.agent_id],
            ResponseAction.QUERY_STATE,
            {"what": "sockets"},
            reason="x",
            now=now(),
        ),
    ):
        with pytest.raises(NotFound):
            act()


def envelope_of(lab: Lab, command_id: str) -> dict[str, str]:
    row = lab.desk.find(AN, command_id)
    return {
        "document": base64.b64encode(row.document).decode(),
        "signature": base64.b64encode(row.signature).decode(),
    }


def now() -> datetime:
    return datetime.now(UTC)
