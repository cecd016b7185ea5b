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
