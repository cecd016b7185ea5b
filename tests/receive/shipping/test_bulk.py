"""The ``_bulk`` request: what is taken, what is broken, and that no bytes go missing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.receive.batches import WireRecord
from soc.receive.posted import NO_ID
from soc.receive.shipping.bulk import answer, read


def lines(*parts: object) -> bytes:
    return b"".join(
        part + b"\n" if isinstance(part, bytes) else json.dumps(part).encode() + b"\n"
        for part in parts
    )


def test_documents_are_kept_as_they_stand() -> None:
    """Blanks, order and escapes included; a carriage return before the newline belongs to the line's end."""
    body = lines({"create": {}}, b'{ "b":1,  "a":"\\u0111"}\r', {"index": {}}, b"not even JSON")
    read_ = read(body)
    assert [post.raw for post in read_.posted.posts] == [
        b'{ "b":1,  "a":"\\u0111"}',
        b"not even JSON",
    ]
    assert read_.posted.broken == []


def test_an_id_is_known_within_its_index() -> None:
    """The same id in another index is another document; the address names the index where the action does not."""
    body = lines(
        {"create": {"_index": "a", "_id": "1"}},
        {},
        {"create": {"_id": "1"}},
        {},
        {"create": {"_index": "b", "_id": 1}},
        {},
        {"create": {}},
        {},
    )
    keys = [post.key for post in read(body, "a").posted.posts]
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == NO_ID


def test_the_last_line_needs_no_newline_and_blank_lines_do_not_count() -> None:
    body = b'\n{"index":{}}\n{"a":1}\n\n{"index":{}}\n{"a":2}'
    assert [post.raw for post in read(body).posted.posts] == [b'{"a":1}', b'{"a":2}']


def test_what_would_change_or_delete_is_refused_by_item() -> None:
    """The others of the request are taken."""
    body = lines(
        {"update": {"_id": "1"}},
        {"doc": {}},
        {"delete": {"_id": "2"}},
        {"create": {"_id": "3"}},
        {"a": 1},
    )
    bulk = read(body)
    told = answer(bulk.items, [WireRecord(0, 7, 0, b"")], 3)
    assert [post.raw for post in bulk.posted.posts] == [b'{"a": 1}']
    assert told["errors"] is True
    assert [next(iter(item.values()))["status"] for item in told["items"]] == [400, 400, 201]
    assert told["items"][2]["create"]["_id"] == "3"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        (b"oops\n", "unexpected"),
        (b"[]\n", "one name"),
        (b'{"create":{},"index":{}}\n{}\n', "one name"),
        (b'{"remove":{}}\n', "no action 'remove'"),
        (b'{"create":7}\n{}\n', "create needs an object"),
        (b'{"create":{}}\n', "no document follows"),
        (b'{"create":{}}', "no document follows"),
    ],
)
def test_from_an_unreadable_action_on_it_is_one_broken_piece(rest: bytes, why: str) -> None:
    """With its place; what stood before is taken."""
    good = lines({"create": {}}, {"a": 1})
    posted = read(good + rest).posted
    assert [post.raw for post in posted.posts] == [b'{"a": 1}']
    (broken,) = posted.broken
    assert (broken.raw, broken.reason.startswith(f"_bulk, byte {len(good)}: ")) == (rest, True)
    assert why in broken.reason


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b'{"create":{}}', b"{}"]))))
def test_any_bytes_are_records_or_broken(pieces: list[bytes]) -> None:
    """Every document is a line of the request, and what is broken is its end."""
    body = b"\n".join(pieces)
    bulk = read(body)
    lines_of_body = {line.removesuffix(b"\r") for line in body.split(b"\n")}
    assert {post.raw for post in bulk.posted.posts} <= lines_of_body
    assert all(body.endswith(one.raw) for one in bulk.posted.broken)
    taken = [item.place for item in bulk.items if item.place is not None]
    assert taken == list(range(len(bulk.posted.posts)))
