"""What only a cluster can do to a store: refuse, fill up, be away, be another; and odd documents."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soc.errors import SettingsError, StoreError
from soc.store.elastic.cluster import Account
from soc.store.elastic.document import MOST_NAMES
from soc.store.elastic.store import ElasticStore, Layout
from tests.elastic_node.gate import Answer, Pass, error_body, gate
from tests.elastic_node.stores import make_elastic_store
from tests.store.events import MONTHS, PROVINCE, event, numbers

pytestmark = pytest.mark.elastic


@pytest.fixture
def store(elastic_url: str) -> Iterator[ElasticStore]:
    yield from make_elastic_store(elastic_url)


def through(url: str, store: ElasticStore) -> ElasticStore:
    """The same indices, reached by another way."""
    layout = Layout(store._layout.prefix, refresh=True)
    return ElasticStore(Account(url), months=MONTHS, writable=True, layout=layout)


def refuse_every_second(body: bytes, ask: Pass) -> Answer:
    """Carry out the even documents of a bulk and call the odd ones too many."""
    lines = body.splitlines(keepends=True)
    pairs = [b"".join(lines[place : place + 2]) for place in range(0, len(lines), 2)]
    status, told = ask(b"".join(pairs[::2]))
    done = iter(json.loads(told)["items"])
    busy = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
    items = [
        {"create": {"status": 429, "error": busy}} if place % 2 else next(done)
        for place in range(len(pairs))
    ]
    return status, json.dumps({"errors": True, "took": 1, "items": items}).encode()


def test_documents_refused_as_too_many_are_sent_again_alone(elastic_url: str, store: ElasticStore):
    """First the whole request is refused, then every second document; each is stored once."""
    bulks: list[int] = []

    def judge(path: str, body: bytes, ask: Pass) -> Answer:
        if not path.startswith("/_bulk"):
            return ask(body)
        bulks.append(len(body.splitlines()) // 2)
        if len(bulks) == 1:
            return 429, error_body("es_rejected_execution_exception", "queue is full")
        return refuse_every_second(body, ask) if len(bulks) == 2 else ask(body)

    with gate(elastic_url, judge) as url:
        busy = through(url, store)
        said = busy.append(PROVINCE, [event(n) for n in range(1, 11)])
        busy.close()
    assert said.stored == tuple(event(n).id for n in range(1, 11))
    assert bulks == [10, 10, 5]
    assert store.count(PROVINCE, "") == 10


def test_a_cluster_that_stays_busy_is_an_error_and_the_repeat_stores_the_rest(
    elastic_url: str, store: ElasticStore, monkeypatch: pytest.MonkeyPatch
):
    """Half is stored and not acknowledged; the repeat finds it as its own."""
    monkeypatch.setattr("soc.store.elastic.cluster.PAUSES", (0.01,))
    rounds: list[bytes] = []

    def judge(path: str, body: bytes, ask: Pass) -> Answer:
        if not path.startswith("/_bulk"):
            return ask(body)
        rounds.append(body)
        busy = 429, error_body("es_rejected_execution_exception", "queue is full")
        return busy if len(rounds) > 1 else refuse_every_second(body, ask)

    given = [event(1), event(2)]
    with gate(elastic_url, judge) as url:
        busy_store = through(url, store)
        with pytest.raises(StoreError, match="too busy: 1 of 2 events were refused 2 times"):
            busy_store.append(PROVINCE, given)
        busy_store.close()
    said = store.append(PROVINCE, given, maybe_stored=True)
    assert (said.stored, said.already) == ((event(2).id,), (event(1).id,))


def test_a_repeat_that_nobody_announced_is_told_as_one(store: ElasticStore):
    """``create`` meets the id: the same bytes are a repeat, others a conflict."""
    store.append(PROVINCE, [event(1), event(2, raw=b"first")])
    said = store.append(PROVINCE, [event(1), event(2, raw=b"second"), event(3)])
    assert (said.stored, said.already, said.conflicting) == (
        (event(3).id,),
        (event(1).id,),
        (event(2).id,),
    )


def test_a_document_that_elasticsearch_refuses_is_kept_whole_and_the_others_with_it(
    store: ElasticStore,
):
    """Here a field's name is longer than a term can be (32,766 bytes)."""
    poisonous = event(2, {"user.name": "an", "labels." + "n" * 40_000: "x"})
    said = store.append(PROVINCE, [event(1), poisonous, event(3)])
    assert len(said.stored) == 3
    found = store.get(PROVINCE, poisonous.id)
    assert found.raw == poisonous.raw
    assert found.fields["user.name"] == "an"
    assert store.count(PROVINCE, "soc.not_indexed:user.name") == 1
    assert store.count(PROVINCE, "") == 3


def test_a_disk_that_is_nearly_full_is_told_and_drains_when_there_is_room(store: ElasticStore):
    """Elasticsearch blocks writes at its flood stage; what was stored stays readable."""
    store.append(PROVINCE, [event(1)])
    index = f"{store._layout.prefix}-events-*"
    block = "index.blocks.read_only_allow_delete"
    store._cluster.client.indices.put_settings(index=index, settings={block: True})
    with pytest.raises(StoreError, match=r"read-only.*make room"):
        store.append(PROVINCE, [event(2)])
    assert numbers(store.search(PROVINCE, "").events) == [1]
    store._cluster.client.indices.put_settings(index=index, settings={block: None})
    assert store.append(PROVINCE, [event(2)], maybe_stored=True).stored == (event(2).id,)


@pytest.mark.parametrize(
    ("status", "kind", "reason", "sentence"),
    [
        (401, "security_exception", "unable to authenticate", "the user or the password"),
        (403, "security_exception", "action is unauthorized", "the user or the password"),
        (400, "media_type_header_exception", "Invalid media-type", "another major version"),
        (503, "cluster_block_exception", "no master", "too busy"),
        (500, "illegal_state_exception", "broken", "answers 500: illegal_state_exception: broken"),
    ],
)
def test_a_cluster_that_refuses_is_told_in_a_sentence(
    status: int, kind: str, reason: str, sentence: str
):
    """For reading and writing alike. These answers are a cluster's own words."""
    with gate("", lambda *_: (status, error_body(kind, reason))) as url:
        refused = ElasticStore(Account(url, "soc"), months=MONTHS, writable=True)
        with pytest.raises(StoreError, match=sentence):
            refused.count(PROVINCE, "")
        with pytest.raises(StoreError, match=sentence):
            refused.append(PROVINCE, [event(1)])
        refused.close()


def test_without_a_node_every_call_says_so():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        away = ElasticStore(Account(url), months=MONTHS, writable=True)
        for ask in (
            lambda: away.append(PROVINCE, [event(1)]),
            lambda: away.search(PROVINCE, ""),
            lambda: list(away.scan(PROVINCE, "")),
            lambda: away.health(PROVINCE),
        ):
            with pytest.raises(StoreError, match="no node of Elasticsearch answers at http"):
                ask()
        away.close()


def test_a_password_file_that_is_not_there_refuses_the_start(tmp_path: Path):
    account = Account("http://127.0.0.1:1", "soc", password_file=tmp_path / "none")
    with pytest.raises(SettingsError, match="cannot be used"):
        ElasticStore(account, months=MONTHS, writable=True)


def test_five_thousand_unknown_names_lose_no_event_and_no_search(store: ElasticStore):
    """More names than get fields of their own; each is found by text, wildcard, range and number."""
    given = [
        event(n, {f"labels.name{n * 50 + m}": f"Value {n}" if m % 2 else n for m in range(50)})
        for n in range(100)
    ]
    assert len(store.append(PROVINCE, given).stored) == 100
    assert MOST_NAMES < 5_000
    for n in (0, 39, 40, 99):
        text, number = f"labels.name{n * 50 + 1}", f"labels.name{n * 50}"
        for query in (
            f'{text}:"value {n}"',
            f"{text}:val*{n}",
            f"{text}:/value.+/",
            f"{text}:[value TO valuf]",
            f"{number}:{n}",
            f'{number}:["{n - 1}" TO "{n}"]',
            f"{number}:>={n}",
            f"{number}:*",
        ):
            assert numbers(store.search(PROVINCE, query).events) == [n], query


def test_a_field_that_changes_its_type_loses_no_event_and_no_search(store: ElasticStore):
    values = [1, "một", 2.5, True, "2026-11-22", ["a", 7], -(2**62), "x" * 9_000]
    given = [event(n, {"labels.v": value, "event.code": value}) for n, value in enumerate(values)]
    assert len(store.append(PROVINCE, given).stored) == len(values)
    for name in ("labels.v", "event.code"):
        found = {
            query: numbers(store.search(PROVINCE, f"{name}:{query}", sort="observed_at").events)
            for query in ("1", "một", "[2 TO 3]", "true", "2026*", "7", rf"\{-(2**62)}", "*")
        }
        assert found == {
            "1": [0],
            "một": [1],
            "[2 TO 3]": [2, 4],
            "true": [3],
            "2026*": [4],
            "7": [5],
            rf"\{-(2**62)}": [6],
            "*": [0, 1, 2, 3, 4, 5, 6, 7],
        }


def test_an_event_is_searchable_within_a_second(elastic_url: str):
    """Without asking for a refresh, as the door works."""
    for store in make_elastic_store(elastic_url, refresh=False):
        store.append(PROVINCE, [event(1)])
        time.sleep(1)
        assert store.count(PROVINCE, "") == 1
