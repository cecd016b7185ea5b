"""Suggested exceptions remove noise, and never what was confirmed: judged by the exceptions' own matcher."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from soc.detect.exceptions import Exceptions, read_where
from soc.detect.tune import Seen, Suggestion, suggestions
from soc.model.exception import RuleException

NOW = datetime(2026, 11, 26, tzinfo=UTC)
FIELDS = st.dictionaries(
    st.sampled_from(["user.name", "host.name", "process.command_line", "source.port"]),
    st.sampled_from(["a", "A", "b,c", "Đ", "đ", "a*", "x\\\\y", 5, ["a", "b"], ""]),
    max_size=4,
)
SEEN = st.lists(st.builds(Seen, FIELDS, st.booleans()), max_size=12)


def hidden_by(one: Suggestion, seen: list[Seen]) -> list[bool]:
    """Which matches the suggestion would hide, given as the command writes it."""
    where = tuple(
        read_where(f"{name}={value.replace(',', chr(92) + ',')}") for name, value in one.where
    )
    made = RuleException("NL-0001", "r", where, NOW, NOW + timedelta(days=1))
    held = Exceptions([made])
    return [bool(held.holding("r", each.fields, None, None, NOW)[0]) for each in seen]


@given(SEEN)
def test_no_suggestion_hides_a_confirmed_match_and_each_hides_what_it_says(
    seen: list[Seen],
) -> None:
    for one in suggestions(seen):
        hidden = hidden_by(one, seen)
        assert not any(hid and each.confirmed for hid, each in zip(hidden, seen, strict=True))
        assert sum(hidden) == one.hides


def match(confirmed: bool = False, **fields: Any) -> Seen:
    return Seen({name.replace("__", "."): value for name, value in fields.items()}, confirmed)


def test_two_conditions_where_one_would_hide_a_confirmed_match() -> None:
    backup = [match(user__name="svc", host__name="sao-luu") for _ in range(9)]
    attack = [
        match(True, user__name="svc", host__name="cong"),
        match(True, user__name="an", host__name="sao-luu"),
    ]
    (best, *_) = suggestions([*backup, *attack])
    assert set(best.where) == {("user.name", "svc"), ("host.name", "sao-luu")}
    assert (best.hides, best.of) == (9, 9)


def test_the_one_that_hides_the_most_comes_first() -> None:
    seen = [match(user__name="a", host__name=f"h{n % 2}") for n in range(6)]
    assert [one.where for one in suggestions(seen)] == [
        (("user.name", "a"),),
        (("host.name", "h0"),),
        (("host.name", "h1"),),
    ]


def test_without_noise_there_is_nothing_to_suggest() -> None:
    assert suggestions([]) == []
    assert suggestions([match(True, user__name="a"), match(user__name="b")]) == []


def test_a_confirmed_match_of_which_only_a_part_is_known_stands_in_the_way_of_what_is_not() -> None:
    """Its event has expired: it may have had the backup's user, though only its host was kept."""
    seen = [match(user__name="svc", host__name=f"h{number}") for number in range(4)]
    known = Seen({"host.name": "cong"}, confirmed=True, whole=False)
    assert suggestions([*seen, known]) == []
    whole = Seen({"host.name": "cong", "user.name": "an"}, confirmed=True)
    assert suggestions([*seen, whole])[0].where == (("user.name", "svc"),)
