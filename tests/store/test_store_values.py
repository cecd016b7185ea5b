"""Odd values: whatever a reader makes of a record, it is stored and the others with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soc.model.event import Value
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, PROVINCE, event


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path, months=MONTHS, writable=True)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("value", "query"),
    [
        (2**63 - 1, "labels.v:9223372036854775807"),
        (-(2**63), r"labels.v:\-9223372036854775808"),
        (2**70, "labels.v:1180591620717411303424"),
        (0, "labels.v:0"),
        (-5, r"labels.v:[\-6 TO \-4]"),
        (1.5, "labels.v:1.5"),
        (3.0, "labels.v:3"),
        (float("nan"), "labels.v:nan"),
        (float("inf"), "labels.v:inf"),
        (True, "labels.v:true"),
        (False, "labels.v:false"),
        ("a\x00b", "labels.v:a?b"),
        ("a\nb\tc", 'labels.v:"a\nb\tc"'),
        ("lone \ud800 surrogate", "surrogate"),
        ("😀 mặt cười", "labels.v:😀*"),
        ("Mã độc", "labels.v:mã*"),  # letters with combining marks
        ("C:\\a\\", r'labels.v:"c:\\a\\"'),
        ('"', r'labels.v:"\""'),
        ([1, "hai", 3.5, True], "labels.v:hai AND labels.v:1 AND labels.v:3.5 AND labels.v:true"),
        (["a", "x" * 9000], "labels.v:a AND soc.not_indexed:labels.v"),
    ],
)
def test_an_odd_value_is_stored_and_found(store: EmbeddedStore, value: Value, query: str):
    store.append(PROVINCE, [event(1, {"labels.v": value}), event(2)])
    assert store.count(PROVINCE, query) == 1
    assert store.count(PROVINCE, "") == 2


@pytest.mark.parametrize(
    "query",
    [
        r"labels.v:2019\-08\-26T21\:03\:12Z",
        'labels.v:"2019-08-26T21:03:12z"',
        "labels.v:2019*",
        "labels.v:*03\\:12Z",
        r"labels.v:?019\-08\-26T21*",
        r"labels.v:/2019-[0-9]{2}-26t.*/",
        "labels.v:[2019 TO 2020]",
        "labels.v:*",
        "26T21 AND 03",
    ],
)
def test_a_text_that_is_a_time_is_a_text(store: EmbeddedStore, query: str) -> None:
    """Vendors' fields hold times; the engine would make dates of them, which no such query finds."""
    texts = ["2019-08-26T21:03:12Z", "2019-08-26t21:03:12.5+07:00", "2019-08-26 21:03:12"]
    store.append(PROVINCE, [event(n, {"labels.v": text}) for n, text in enumerate(texts)])
    store.append(PROVINCE, [event(9, {"labels.v": [7, texts[0]]})])
    expected = {
        "labels.v:*": 4,
        "labels.v:2019*": 4,
        "labels.v:[2019 TO 2020]": 4,
        "26T21 AND 03": 3,
    }
    like = {r"labels.v:?019\-08\-26T21*": 3, r"labels.v:/2019-[0-9]{2}-26t.*/": 3}
    assert store.count(PROVINCE, query) == (expected | like).get(query, 2)
    assert store.count(PROVINCE, r"labels.v:?2019\-08*") == 0
    found = store.aggregate(PROVINCE, "", {"v": {"terms": {"field": "labels.v"}}})
    keys = {bucket["key"]: bucket["doc_count"] for bucket in found["v"]["buckets"]}
    assert keys == {texts[0].lower(): 2, texts[1].lower(): 1, texts[2]: 1, 7: 1}
    nested = {"aggs": {"m": {"max": {"field": "labels.n"}}}}
    found = store.aggregate(PROVINCE, "", {"v": {"terms": {"field": "labels.v"}, **nested}})
    assert {bucket["key"] for bucket in found["v"]["buckets"]} == keys.keys()


@pytest.mark.parametrize(
    "name",
    [
        "winlog.event_data.Foo Bar",
        "labels.a/b",
        "labels.é:(x)",
        "labels.a\\b",
        "labels.100%",
        'labels."q"',
    ],
)
def test_an_odd_name_is_found(store: EmbeddedStore, name: str):
    written = "".join(f"\\{one}" if not (one.isalnum() or one in "._") else one for one in name)
    store.append(PROVINCE, [event(1, {name: "Value", "labels.n": 1}), event(2, {name: 7})])
    for value in ("value", "val*", "/va.+/", "[a TO z]"):
        assert store.count(PROVINCE, f"{written}:{value}") == 1
    assert store.count(PROVINCE, f"{written}:[5 TO 9]") == 1
    assert store.count(PROVINCE, f"{written}:*") == 2
    answer = store.aggregate(PROVINCE, "", {"a": {"terms": {"field": name}}})
    assert len(answer["a"]["buckets"]) == 2


def test_an_address_in_two_spellings_is_one(store: EmbeddedStore):
    store.append(
        PROVINCE,
        [event(1, {"source.ip": "2001:DB8:0:0::1"}), event(2, {"source.ip": ["10.0.0.1", "::1"]})],
    )
    assert store.count(PROVINCE, 'source.ip:"2001:db8::1"') == 1
    assert store.count(PROVINCE, 'source.ip:10.0.0.0/24 AND source.ip:"::/64"') == 1


def test_a_megabyte_of_raw_bytes_is_kept(store: EmbeddedStore):
    raw = bytes(range(256)) * 4096
    store.append(PROVINCE, [event(1, raw=raw)])
    assert store.get(PROVINCE, event(1).id).raw == raw


def test_a_phrase_does_not_reach_from_one_value_into_the_next(store: EmbeddedStore):
    store.append(PROVINCE, [event(1, {"tags": ["alpha beta", "gamma"]})])
    assert store.count(PROVINCE, '"alpha beta"') == 1
    assert store.count(PROVINCE, '"beta gamma" OR "gamma alpha"') == 0


@pytest.mark.parametrize("query", ["x", "X", "?", "/./", '"beta x gamma"', '"gamma x alpha"'])
def test_what_stands_between_two_values_is_no_word(store: EmbeddedStore, query: str):
    store.append(PROVINCE, [event(1, {"tags": ["alpha beta", "gamma"]})])
    assert store.count(PROVINCE, query) == 0


def test_a_value_that_looks_like_the_break_is_found_as_a_word(store: EmbeddedStore):
    store.append(PROVINCE, [event(1, {"tags": ["alpha X beta", "gamma"]})])
    assert store.count(PROVINCE, '"alpha x beta" AND X AND x') == 1
