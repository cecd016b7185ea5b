"""The doors of other shippers over HTTP: who is let in, what is stored, and what they hear."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import select

from soc.errors import StoreError
from soc.model.register import Owner
from soc.receive.enrolment import revoke
from soc.receive.shipping.tokens import create_shipper
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import SetAsideRow
from soc.records.database import Database
from tests.receive.builders import PROVINCE, LogStore, Owners, a_flow
from tests.receive.doors import Door, open_door

LINE = "<34>1 2026-11-22T03:00:00Z srv-01 sshd 7 - - Failed password for root from 192.0.2.7 port 1"


@pytest.fixture
def real(database: Database, store: LogStore, tmp_path: Path) -> Iterator[Door]:
    """A door with the real readers."""
    flow = a_flow(database, store, ownership=Owners({"192.0.2.10": Owner("agency-2")}))
    with open_door(database, store, flow, tmp_path) as made:
        yield made


def a_token(database: Database, **how: object) -> str:
    values = {"source": "auto", "owner": Owner("agency-1"), "name": "shipper-01"} | how
    return create_shipper(database, PROVINCE, datetime.now(UTC), **values)[1]


def bulk(*documents: object, ids: bool = True) -> bytes:
    lines = []
    for number, document in enumerate(documents):
        lines += [json.dumps({"create": {"_id": f"d{number}"} if ids else {}})]
        lines += [document if isinstance(document, str) else json.dumps(document)]
    return "".join(f"{line}\n" for line in lines).encode()


def post(door: Door, token: str, path: str, body: bytes, **headers: str):
    return door.client.post(
        path, content=body, headers={"authorization": f"Bearer {token}"} | headers
    )


def test_a_bulk_of_lines_is_read_by_their_own_reader(real, database, store) -> None:
    """201 for each; the event has the bytes of the whole document and the owner of the token."""
    document = {"@timestamp": "2026-11-22T03:00:01Z", "host": "srv-01", "message": LINE}
    answer = post(real, a_token(database), "/logs/_bulk", bulk(document))
    assert answer.status_code == 200
    assert answer.json()["errors"] is False
    assert answer.json()["items"][0]["create"] | {"_seq_no": 0} == {
        "_index": "logs",
        "_id": "d0",
        "_version": 1,
        "_seq_no": 0,
        "_primary_term": 1,
        "result": "created",
        "status": 201,
    }
    (event,) = store.events()
    assert event.raw == json.dumps(document).encode()
    assert event.fields["event.dataset"] == "linux.auth"
    assert event.fields["source.ip"] == "192.0.2.7"
    assert (event.agency_id, event.host) == ("agency-1", "srv-01")


def test_what_comes_twice_with_ids_is_stored_once(real, database, store) -> None:
    """The second answer says the same as the first."""
    token, body = a_token(database), bulk({"message": "one"}, {"message": "two"})
    first, second = (post(real, token, "/_bulk", body).json()["items"] for _ in range(2))
    assert first == second
    assert len(store.events()) == 2


def test_what_comes_twice_in_one_request_is_stored_once(real, database, store) -> None:
    body = bulk({"message": "one"}) * 2
    assert post(real, a_token(database), "/_bulk", body).json()["errors"] is False
    assert len(store.events()) == 1


def test_without_ids_each_is_a_record_of_its_own(real, database, store) -> None:
    token = a_token(database)
    for _ in range(2):
        post(real, token, "/_bulk", bulk({"message": "one"}, ids=False))
    assert [event.fields["soc.sequence"] for event in store.events()] == [1, 2]


def test_an_id_that_comes_with_other_bytes_is_set_aside(real, database, store) -> None:
    """Neither replaces what is stored nor gets lost."""
    token = a_token(database)
    for text in ("one", "other"):
        assert post(real, token, "/_bulk", bulk({"message": text})).status_code == 200
    with database.session(PROVINCE) as session:
        aside = session.scalars(select(SetAsideRow)).all()
    assert [event.fields["message"] for event in store.events()] == ["one"]
    assert [(row.raw, "other bytes" in row.reason) for row in aside] == [
        (b'{"message": "other"}', True)
    ]


def test_the_same_id_of_two_shippers_is_two_records(real, database, store) -> None:
    for name in ("a", "b"):
        post(real, a_token(database, name=name), "/_bulk", bulk({"message": name}))
    assert len(store.events()) == 2


def test_half_a_bulk_is_kept_and_the_rest_set_aside(real, database, store) -> None:
    """400 with the byte at which it breaks."""
    answer = post(real, a_token(database), "/_bulk", bulk({"message": "one"}) + b"oops\n")
    assert answer.status_code == 400
    assert "_bulk, byte" in answer.json()["error"]["reason"]
    assert len(store.events()) == 1
    with database.session(PROVINCE) as session:
        assert [row.raw for row in session.scalars(select(SetAsideRow))] == [b"oops\n"]


def test_a_document_that_no_reader_reads_is_set_aside(real, database, store) -> None:
    answer = post(real, a_token(database), "/_bulk", bulk("no JSON", {"message": "one"}))
    assert answer.status_code == 200
    assert len(store.events()) == 1
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(SetAsideRow)).all()
    assert (row.raw, row.reason.startswith("not JSON")) == (b"no JSON", True)


def test_a_shipper_for_others_stamps_by_the_device_s_address(real, database, store) -> None:
    """Within its prefixes; what the wrapping says of the address counts."""
    token = a_token(database, prefixes=["192.0.2."], owner=Owner(None))
    for address in ("192.0.2.10", "198.51.100.1"):
        document = {"message": LINE, "fromhost-ip": address}
        post(real, token, "/_bulk", bulk(document, ids=False))
    assert [event.agency_id for event in store.events()] == ["agency-2", None]


def test_elastic_s_own_shippers_are_greeted(real, database) -> None:
    headers = {
        "authorization": f"ApiKey {base64.b64encode(b'id:' + a_token(database).encode()).decode()}"
    }
    hello = real.client.get("/", headers=headers)
    assert hello.headers["x-elastic-product"] == "Elasticsearch"
    assert hello.json()["version"]["number"].startswith("8.")
    assert real.client.get("/_license", headers=headers).json()["license"]["status"] == "active"
    assert real.client.get("/_cluster/health", headers=headers).json()["status"] == "green"
    assert real.client.head("/", headers=headers).status_code == 200


def test_hec_events_are_read(real, database, store) -> None:
    """The line in it, and an object in it, with host and time of the wrapping."""
    body = (
        json.dumps({"time": 1763780400.5, "host": "srv-02", "event": "plain words"})
        + json.dumps({"time": 1763780401, "host": "srv-03", "event": {"message": "in an object"}})
    ).encode()
    token = a_token(database)
    answer = real.client.post(
        "/services/collector/event", content=body, headers={"authorization": f"Splunk {token}"}
    )
    assert (answer.status_code, answer.json()) == (200, {"text": "Success", "code": 0})
    first, second = store.events()
    assert (first.fields["message"], first.host) == ("plain words", "srv-02")
    assert first.observed_at == datetime(2025, 11, 22, 3, 0, 0, 500_000, UTC)
    assert (second.fields["message"], second.host) == ("in an object", "srv-03")


def test_hec_raw_lines_are_of_the_named_host(real, database, store) -> None:
    token = a_token(database, source="syslog")
    answer = post(real, token, "/services/collector/raw?host=fw-01", b"one\ntwo\n")
    assert answer.status_code == 200
    assert [(event.fields["message"], event.host) for event in store.events()] == [
        ("one", "fw-01"),
        ("two", "fw-01"),
    ]


def test_hec_says_which_event_is_wrong(real, database, store) -> None:
    answer = post(real, a_token(database), "/services/collector", b'{"event":"one"}{"event')
    assert (answer.status_code, answer.json()["invalid-event-number"]) == (400, 1)
    assert len(store.events()) == 1


def test_hec_health_needs_no_token(real) -> None:
    assert real.client.get("/services/collector/health").json()["code"] == 17
    real.parts.ingest.closed_because = "the disk is 96% full"
    assert real.client.get("/services/collector/health").status_code == 503


def test_otlp_logs_are_read(real, database, store) -> None:
    record = {"timeUnixNano": "1763780400000000000", "body": {"stringValue": "disk full"}}
    request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    answer = post(
        real,
        a_token(database),
        "/v1/logs",
        json.dumps(request).encode(),
        **{"content-type": "application/json"},
    )
    assert (answer.status_code, answer.json()) == (200, {})
    (event,) = store.events()
    assert event.fields["message"] == "disk full"


def test_windows_events_are_read_and_counted(real, database, store) -> None:
    """Sent again, they count as duplicates."""
    xml = (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>4624</EventID>"
        "<TimeCreated SystemTime='2026-11-22T03:00:00.1234567Z'/><EventRecordID>7</EventRecordID>"
        "<Channel>Security</Channel><Computer>dc-01</Computer></System><EventData/></Event>"
    )
    token = a_token(database)
    first, second = (post(real, token, "/v1/windows-events", xml.encode()).json() for _ in range(2))
    assert (first["events"], second["duplicates"]) == (1, 1)
    (event,) = store.events()
    assert (event.fields["event.code"], event.raw) == ("4624", xml.encode())


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("gzip", lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:])),
    ],
    ids=["gzip", "deflate", "zstd", "two members"],
)
def test_a_packed_body_is_unpacked(real, database, store, encoding, packed) -> None:
    body = packed(bulk({"message": "one"}))
    assert (
        post(real, a_token(database), "/_bulk", body, **{"content-encoding": encoding}).status_code
        == 200
    )
    assert len(store.events()) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"no gzip", 400),
        ("gzip", gzip.compress(bulk({"message": "one"}))[:-9], 400),
        ("br", b"x", 400),
        ("zstd", b"x", 400),
        ("gzip", gzip.compress(bytes(3_000_000)), 413),
        ("identity", bytes(250_000), 413),
        ("identity", b"", 400),
    ],
    ids=["no gzip", "cut off", "brotli", "no zstd", "bomb", "too long", "empty"],
)
def test_a_body_that_cannot_be_unpacked_is_refused_whole(
    real, database, store, encoding, body, status
) -> None:
    """The shipper keeps it; a bomb is stopped at the limit."""
    answer = post(real, a_token(database), "/_bulk", body, **{"content-encoding": encoding})
    assert answer.status_code == status
    assert answer.json()["reason"]
    assert store.events() == []


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Basic !!!", "Basic eDp5", "Digest x", "\x00"]
)
def test_without_a_known_token_nobody_is_let_in(real, authorization) -> None:
    """401 with a reason, on every address."""
    for path in ("/_bulk", "/x/_bulk", "/services/collector", "/v1/logs", "/v1/windows-events"):
        answer = real.client.post(path, content=b"x", headers={"authorization": authorization})
        assert (answer.status_code, bool(answer.json()["reason"])) == (401, True)


def test_a_revoked_shipper_is_shut_out(real, database) -> None:
    agent_id, token = create_shipper(database, PROVINCE, datetime.now(UTC), "x", source="auto")
    assert post(real, token, "/_bulk", bulk({"message": "one"})).status_code == 200
    revoke(database, PROVINCE, agent_id, datetime.now(UTC))
    assert post(real, token, "/_bulk", bulk({"message": "two"})).status_code == 401


def test_a_shipper_s_id_signs_nothing(real, database, sender) -> None:
    """Its row has no key: a signature under its name is refused like any unknown one."""
    agent_id, _ = create_shipper(database, PROVINCE, datetime.now(UTC), "x", source="auto")
    sender.row.id = agent_id
    assert real.send(sender, b"x").status_code == 401


def test_a_door_that_takes_nothing_says_when_to_come_again(real, database, store) -> None:
    """429 before the body is read; 503 when the store fails, and then the same request is stored once."""
    token, body = a_token(database), bulk({"message": "one"})
    real.parts.ingest.closed_because = "the disk is 96% full"
    assert post(real, token, "/_bulk", body).status_code == 429
    real.parts.ingest.closed_because = ""
    store.fail = StoreError("no space")
    failed = post(real, token, "/_bulk", body)
    assert (failed.status_code, "retry-after" in failed.headers) == (503, True)
    store.fail = None
    assert post(real, token, "/_bulk", body).status_code == 200
    assert len(store.events()) == 1


def test_a_shipper_is_among_the_agents_with_its_streams(real, database) -> None:
    post(real, a_token(database), "/_bulk", bulk({"message": "one"}, {"message": "two"}))
    with database.session(PROVINCE) as session:
        (agent,) = session.scalars(select(AgentRow)).all()
        (stream,) = session.scalars(select(StreamRow)).all()
    assert (agent.name, agent.last_seen_at is not None) == ("shipper-01", True)
    assert (stream.name, stream.ranges, stream.records) == ("bulk", [[1, 2]], 2)
