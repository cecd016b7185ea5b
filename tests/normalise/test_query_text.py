"""Values in queries: nothing in a value is an operator."""

from __future__ import annotations

import pytest

from soc.normalise.query_text import filled, unknown, value_text
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, PROVINCE, event

HOSTILE = (
    *("a", "b", 'a"b', "a\\", "\\", '"', "*", "a*", "?", '" OR *:* OR "', "a AND b"),
    *("{host.name}", "[a TO b]", "-a", "đĩa C:\\Tệp"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """One event for each hostile name."""
    made = EmbeddedStore(tmp_path_factory.mktemp("events"), months=MONTHS, writable=True)
    fields = [{"user.name": value} for value in HOSTILE]
    made.append(PROVINCE, [event(number, one) for number, one in enumerate(fields)])
    return made


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_finds_the_events_that_have_it_and_no_others(store: EmbeddedStore, value: str):
    assert store.count(PROVINCE, filled("user.name:{user.name}", {"user.name": value})) == 1


def test_of_several_values_any_counts(store: EmbeddedStore):
    query = filled("user.name:{user.name}", {"user.name": ["a", '"', "\\"]})
    assert store.count(PROVINCE, query) == 3


@pytest.mark.parametrize("nothing", [None, "", "-", " ", [], ["-"]])
def test_what_sources_write_for_nothing_is_nothing(nothing: object):
    """A query for the user "-" would count what nobody did."""
    fields = {"user.name": nothing}
    assert unknown("user.name:{user.name}", fields) == ("user.name",)
    with pytest.raises(KeyError):
        filled("user.name:{user.name}", fields)


def test_a_value_is_not_filled_again():
    fields = {"host.name": "{user.name}", "user.name": "x"}
    assert filled("host.name:{host.name}", fields) == f"host.name:{value_text('{user.name}')}"


def test_only_some_of_very_many_values_are_asked():
    assert filled("user.name:{user.name}", {"user.name": list("abcdefghijklmn")}).count("OR") == 9
