"""The door over HTTP: what it answers to whom."""

from __future__ import annotations

import base64
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from soc.errors import StoreError
from soc.receive.enrolment import create_token, note_heard, revoke
from soc.receive.ingest import Ingest
from soc.records.agents import AgentRow
from soc.records.batches import SetAsideRow
from soc.records.database import Database
from tests.receive.builders import PROVINCE, Sender, packed, plain_bytes
from tests.receive.doors import SECRET


def body_of(*texts: str | bytes, **how) -> bytes:
    return packed(plain_bytes(texts, **how))


def test_an_answered_batch_is_stored(door, sender):
    """200 says so, with its counts."""
    answer = door.send(sender, body_of("one", b"\xff"))
    assert answer.status_code == 200
    counts = {name: value for name, value in answer.json().items() if name != "batch"}
    assert counts == {"records": 2, "events": 1, "set_aside": 1, "duplicates": 0}
    assert [event.raw for event in door.store.events()] == [b"one"]


def test_a_half_bad_batch_keeps_its_good_records(door, sender):
    """400 with the reason, and how many were stored all the same."""
    answer = door.send(sender, packed(plain_bytes(["one", "two", "three"])[:-2]))
    assert answer.status_code == 400
    assert answer.json() == {"reason": "record 3 says 5 bytes, 3 are there", "stored": 2}
    assert [event.raw for event in door.store.events()] == [b"one", b"two"]


def test_the_bytes_that_were_no_record_are_kept(door, sender, database):
    """Set aside with the reason."""
    door.send(sender, packed(plain_bytes(["one", "two", "three"])[:-2]))
    with database.session(PROVINCE) as session:
        assert [row.raw for row in session.scalars(select(SetAsideRow))] == [b"thr"]


@pytest.mark.parametrize("body", [b"", b"not zstd", packed(b"EVIL" * 10), packed(b"")])
def test_a_body_that_is_no_batch_is_refused(door, sender, body):
    """400: nothing of it could be read."""
    answer = door.send(sender, body)
    assert (answer.status_code, answer.json()["stored"]) == (400, 0)
    assert answer.json()["reason"]


def test_a_body_over_the_limit_is_refused(door, sender):
    """413; the agent halves the batch."""
    assert door.send(sender, bytes(200_001)).status_code == 413


def test_a_zip_bomb_is_refused(door, sender):
    """413 as well: it is too large when decompressed."""
    assert door.send(sender, packed(bytes(50_000_000))).status_code == 413


def test_an_unsigned_batch_is_refused_before_its_body_is_read(door):
    """401 with the platform's time, and a reason."""
    answer = door.client.post("/v1/batches", content=body_of("one"))
    assert answer.status_code == 401
    apart = abs(answer.json()["platform_time"] / 1e6 - datetime.now(UTC).timestamp())
    assert apart < 60
    assert "Signature" in answer.json()["reason"]


def test_a_body_that_was_changed_on_the_way_is_refused(door, sender):
    """The digest is signed, the bytes are not it."""
    headers = sender.headers("POST", "/v1/batches", body_of("one"))
    answer = door.client.post("/v1/batches", content=body_of("two"), headers=headers)
    assert answer.status_code == 401
    assert door.store.events() == []


def test_a_request_sent_again_is_refused(door, sender):
    """Its nonce was used."""
    body = body_of("one")
    headers = sender.headers("POST", "/v1/batches", body)
    assert door.client.post("/v1/batches", content=body, headers=headers).status_code == 200
    assert door.client.post("/v1/batches", content=body, headers=headers).status_code == 401


def test_a_wrong_clock_is_answered_and_remembered(door, sender, database):
    """401 with our time; the health page shows the offset."""
    answer = door.send(sender, body_of("one"), created=datetime.now(UTC) + timedelta(hours=2))
    assert answer.status_code == 401
    with database.session(PROVINCE) as session:
        agent = session.get(AgentRow, sender.row.id)
    assert 7100 < agent.clock_offset_seconds < 7300


def test_a_revoked_agent_is_refused_at_once(door, sender, database):
    """401 from the next request on."""
    assert door.send(sender, body_of("one")).status_code == 200
    revoke(database, PROVINCE, sender.row.id, datetime.now(UTC))
    answer = door.send(sender, body_of("two", first=2))
    assert (answer.status_code, len(door.store.events())) == (401, 1)
    assert "revoked" in answer.json()["reason"]


def test_a_repeat_is_answered_as_stored(door, sender):
    """The answer to the first was lost on the way."""
    door.send(sender, body_of("one"))
    answer = door.send(sender, body_of("one"))
    assert (answer.status_code, answer.json()["duplicates"]) == (200, 1)
    assert len(door.store.events()) == 1


def test_what_the_store_refuses_is_not_acknowledged(door, sender):
    """503 with Retry-After; the repeat is taken."""
    door.store.fail = StoreError("the disk is broken")
    answer = door.send(sender, body_of("one"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    door.store.fail = None
    assert door.send(sender, body_of("one")).status_code == 200
    assert len(door.store.events()) == 1


def test_one_batch_that_cannot_be_stored_does_not_hold_up_the_others(flow, store, sender):
    """The group is tried again one by one."""
    from tests.receive.builders import a_batch

    class Choosy:
        def prepare(self, batches, now, ahead=None):
            if any(r.raw == b"unreadable" for batch in batches for r in batch.records):
                raise StoreError("cannot")
            return flow.prepare(batches, now, ahead)

        def commit(self, group):
            if any(event.raw == b"poison" for event in group.fresh):
                raise StoreError("cannot")
            return flow.commit(group)

    ingest = Ingest(Choosy())
    texts = ["one", "poison", "three", "unreadable", "five"]
    answers = [
        ingest.submit(a_batch(sender, [text], first=number)) for number, text in enumerate(texts, 1)
    ]
    ingest.start()
    assert [answer.exception(5) is None for answer in answers] == [
        True,
        False,
        True,
        False,
        True,
    ]
    ingest.stop()
    assert [event.raw for event in store.events()] == [b"one", b"three", b"five"]


def test_a_full_disk_is_answered_with_come_back_later(door, sender):
    """429, before the body is read."""
    door.parts.ingest.closed_because = "the disk is 96% full"
    answer = door.send(sender, body_of("one"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "15")
    assert answer.json() == {"reason": "the disk is 96% full"}


def test_too_many_waiting_batches_are_answered_with_come_back_later(door, sender, database):
    """429 for what does not fit; what was taken is stored."""
    hold = threading.Event()
    held = door.parts.ingest.call(lambda: hold.wait(20))
    statuses: list[int] = []
    senders = [sender, *(_enrolled(database, n) for n in (2, 3))]

    def one(of: Sender) -> None:
        statuses.append(door.send(of, body_of("x" * 140_000)).status_code)

    threads = [threading.Thread(target=one, args=(of,)) for of in senders]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while not statuses and time.monotonic() < deadline:
        time.sleep(0.01)
    assert statuses == [429]
    hold.set()
    held.result(10)
    for thread in threads:
        thread.join(10)
    assert sorted(statuses) == [200, 200, 429]
    assert len(door.store.events()) == 2


def _enrolled(database: Database, number: int) -> Sender:
    from tests.receive.builders import a_sender

    return a_sender(database, f"ag-{number}")


def test_a_batch_is_answered_with_a_hint_when_commands_wait(door, sender):
    """And with none when there are none."""
    first = door.send(sender, body_of("one"))
    assert "commands" not in first.json()
    door.parts.commands.waiting = frozenset({sender.row.id})
    second = door.send(sender, body_of("two", first=2))
    assert (second.status_code, second.json()["commands"]) == (200, True)


def test_enrolment_answers_with_an_id_and_the_time(door, database):
    """201; the token is used up by it."""
    token = create_token(database, PROVINCE, datetime.now(UTC))
    request = {
        "token": token.secret,
        "name": "srv",
        "public_key": base64.b64encode(bytes(32)).decode(),
    }
    answer = door.client.post("/v1/enrol", json=request)
    told = {"agent_id", "platform_time", "command_certificate"}
    assert (answer.status_code, set(answer.json())) == (201, told)
    other = request | {"public_key": base64.b64encode(bytes([1]) * 32).decode()}
    assert door.client.post("/v1/enrol", json=other).status_code == 401


def test_an_enrolment_that_is_none_is_refused(door):
    """400 with the reason."""
    assert door.client.post("/v1/enrol", content=b"{").status_code == 400


def test_the_configuration_is_that_of_the_group_and_answers_304_when_known(door, sender, tmp_path):
    """The version is the ETag."""
    text = "groups: {default: {inputs: [{input: journal}]}}"
    (tmp_path / "agents.yaml").write_text(text)
    first = door.configuration(sender)
    assert first.json()["inputs"] == [{"input": "journal"}]
    etag = first.headers["etag"]
    assert door.configuration(sender, **{"if-none-match": etag}).status_code == 304
    (tmp_path / "agents.yaml").write_text("groups: {default: {inputs: []}}")
    assert door.configuration(sender, **{"if-none-match": etag}).json()["inputs"] == []


def test_an_agent_with_nothing_to_send_is_heard_all_the_same(door, sender, database):
    """It asks for its configuration; the door notes that now and then."""
    door.configuration(sender)
    note_heard(database, door.parts.heard)
    with database.session(PROVINCE) as session:
        agent = session.get(AgentRow, sender.row.id)
    assert abs(agent.last_seen_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_configuration_is_for_agents_only(door):
    """It says what is watched."""
    assert door.client.get("/v1/config").status_code == 401


def test_health_answers_everybody(door):
    """Open, and says why nothing is taken."""
    assert door.client.get("/health").json() == {"status": "ok"}
    door.parts.ingest.closed_because = "the rules are not compiled yet"
    assert door.client.get("/health").json() == {"status": "the rules are not compiled yet"}


def test_replay_needs_the_secret_of_this_machine(door):
    """403 without it."""
    asked = {"ids": ["a"]}
    assert door.client.post("/v1/admin/replay", json=asked).status_code == 403
    headers = {"authorization": f"Bearer {SECRET}"}
    answer = door.client.post("/v1/admin/replay", json=asked, headers=headers)
    assert answer.json() == {"stored": ["a"], "stay": {}}


def test_replay_is_refused_from_elsewhere(door):
    """403 even with the secret."""
    far = TestClient(door.client.app, client=("10.0.0.7", 5555))
    headers = {"authorization": f"Bearer {SECRET}"}
    answer = far.post("/v1/admin/replay", json={"ids": []}, headers=headers)
    assert answer.status_code == 403


def test_a_stopping_door_finishes_what_it_has(flow, store, sender):
    """What waits is stored and answered; what comes later is refused."""
    from soc.errors import Overloaded
    from tests.receive.builders import a_batch

    ingest = Ingest(flow)
    answers = [ingest.submit(a_batch(sender, [str(n)], first=n)) for n in range(1, 6)]
    ingest.start()
    ingest.stop()
    assert all(answer.done() and answer.result().events == 1 for answer in answers)
    with pytest.raises(Overloaded):
        ingest.submit(a_batch(sender, ["6"], first=6))
